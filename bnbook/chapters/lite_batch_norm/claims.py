"""What the sources claim that this chapter tries."""

from types import MappingProxyType

from bnbook.findings.claims import ONE_RUN, Claim

CLAIMS = (
    Claim(
        "C7",
        "C",
        "Holding gamma fixed costs more accuracy than holding beta fixed.",
        ONE_RUN,
        MappingProxyType(
            {
                "gamma and beta fixed": 0.9674,
                "gamma fixed": 0.9676,
                "beta fixed": 0.9796,
                "both learned": 0.98,
            }
        ),
    ),
    Claim(
        "C10",
        "C",
        "One shared learning rate is unfair; every variant needs its own best one.",
        "said, not done",
    ),
)
