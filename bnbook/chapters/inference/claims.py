"""What the sources claim that this chapter tries."""

from bnbook.findings.claims import Claim

CLAIMS = (
    Claim(
        "A6",
        "Batch norm works better before the activation than after it.",
    ),
    Claim(
        "D1",
        "The order of the batches moves the running statistics, but shuffling averages that out.",
    ),
    Claim("D3", "At inference, batch norm is a linear layer."),
)
