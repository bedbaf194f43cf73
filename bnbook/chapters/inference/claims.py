"""What the sources claim that this chapter tries."""

from bnbook.findings.claims import Claim

CLAIMS = (
    Claim(
        "A6",
        "A",
        "Batch norm works better before the activation than after it.",
    ),
    Claim(
        "D1",
        "D",
        "The order of the batches moves the running statistics, but shuffling averages that out.",
    ),
    Claim("D3", "D", "At inference, batch norm is a linear layer."),
)
