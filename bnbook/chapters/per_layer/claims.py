"""What the sources claim that this chapter tries."""

from bnbook.findings.claims import Claim

CLAIMS = (
    Claim(
        "C5",
        "Removing the first batch norm hurts most.",
        "5 nets per variant; 2, 4 and 8 epochs; learning rate 0.1",
    ),
    Claim(
        "C6",
        "Activations shrink in the layer that loses its batch norm, the other layers make up for "
        "it, and most so in early epochs.",
        "mean square right after the norm's place, on one batch",
    ),
)
