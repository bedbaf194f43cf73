"""What the sources claim that this chapter tries."""

from bnbook.findings.claims import ONE_RUN, Claim

CLAIMS = (
    Claim(
        "A3",
        "The affine parameters of batch norm play an important role.",
        "ResNets on CIFAR-10 that train their batch norm only",
    ),
    Claim(
        "C7",
        "Holding gamma fixed costs more accuracy than holding beta fixed.",
        ONE_RUN,
        {
            "gamma and beta fixed": 0.9674,
            "gamma fixed": 0.9676,
            "beta fixed": 0.9796,
            "both learned": 0.98,
        },
    ),
    Claim(
        "C8",
        "With gamma and beta fixed, early epochs are worse and later ones catch up.",
        "5 seeds, 10 epochs, learning rate 0.1",
    ),
    Claim(
        "C9",
        "Learned gammas and betas leave their starts at 1 and 0, the gammas by more.",
        "histograms per layer over 5 nets",
    ),
)
