"""What the sources claim that this chapter tries."""

from bnbook.findings.claims import Claim

CLAIMS = (
    Claim(
        "B2",
        "From a good start too, batch norm beats dropout, and dropout beats having neither.",
        "the same net from a start made for ReLUs, RMSprop",
        {"batch norm": 0.9740, "dropout": 0.9692, "neither": 0.9640},
    ),
    Claim(
        "C12",
        "Batch norm regularizes by the noise of its batches: small batches are too noisy, large "
        "ones not noisy enough.",
        "said, not done",
    ),
    Claim(
        "D4",
        "Batch norm belongs before the activation, and dropout after batch norm.",
    ),
    Claim(
        "D6",
        "Batch norm regularizes mildly, and keeps outputs, gradients and weights small.",
    ),
)
