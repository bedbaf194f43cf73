"""What the sources claim that this chapter tries."""

from bnbook.findings.claims import Claim

CLAIMS = (
    Claim(
        "C10",
        "One shared learning rate is unfair; every variant needs its own.",
        "said, not done",
    ),
)
