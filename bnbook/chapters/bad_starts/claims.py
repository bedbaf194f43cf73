"""What the sources claim that this chapter tries."""

from bnbook.findings.claims import Claim

CLAIMS = (
    Claim(
        "B1",
        "From a start with standard normal weights, a net with batch norm learns and one without "
        "does not.",
        "784-256-256-10, ReLU, Adam 0.01, batches of 256, 1,000 iterations",
        {"with batch norm": 0.8853, "without": 0.1388},
    ),
    Claim(
        "B4",
        "Without batch norm, a bad start makes the gradients vanish.",
        "said of B1's net",
    ),
)
