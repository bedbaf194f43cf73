"""What the sources claim that this chapter tries."""

from types import MappingProxyType

from bnbook.findings.claims import ONE_RUN, Claim

CLAIMS = (
    Claim(
        "A3",
        "A",
        "The affine parameters of batch norm play an important role.",
        "ResNets on CIFAR-10 that train their batch norm only",
    ),
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
        "C8",
        "C",
        "With gamma and beta fixed, early epochs are worse and later ones catch up.",
        "5 seeds, 10 epochs, learning rate 0.1",
    ),
    Claim(
        "C9",
        "C",
        "Learned gammas and betas leave their starts at 1 and 0, the gammas by more.",
        "histograms per layer over 5 nets",
    ),
)
