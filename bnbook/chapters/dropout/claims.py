"""What the sources claim that this chapter tries."""

from types import MappingProxyType

from bnbook.findings.claims import Claim

CLAIMS = (
    Claim(
        "B2",
        "B",
        "From a good start too, batch norm beats dropout, and dropout beats having neither.",
        "the same net from a start made for ReLUs, RMSprop",
        MappingProxyType({"batch norm": 0.9740, "dropout": 0.9692, "neither": 0.9640}),
    ),
    Claim(
        "C12",
        "C",
        "Batch norm regularizes by the noise of its batches: small batches are too noisy, large "
        "ones not noisy enough.",
        "said, not done",
    ),
    Claim(
        "D4",
        "D",
        "Batch norm belongs before the activation, and dropout after batch norm.",
    ),
    Claim(
        "D6",
        "D",
        "Batch norm regularizes mildly, and keeps outputs, gradients and weights small.",
    ),
)
