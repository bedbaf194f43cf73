"""What the sources claim that this chapter tries."""

from bnbook.findings.claims import Claim

CLAIMS = (
    Claim(
        "A1",
        "A ResNet that trains nothing but its batch norm, 0.48% of its parameters, reaches "
        "about 68%; fully trained, it reaches about 92%.",
        "ResNet-110, CIFAR-10; everything frozen but batch norm",
        {"everything trained": 0.92, "only batch norm trained": 0.68},
    ),
    Claim(
        "A2",
        "Batch norm learns to switch features off: many of its gammas end near zero.",
        "the same nets",
    ),
    Claim(
        "A4",
        "Batch norm makes for better representations.",
        "said of the same nets",
    ),
    Claim(
        "A5",
        "Random features go a long way: training batch norm beats training as many others.",
        "batch norm against as many randomly chosen other parameters",
    ),
    Claim(
        "A7",
        "Where only batch norm is trained, a deeper net gains more than a wider one.",
        "ResNets of several depths and widths",
    ),
    Claim(
        "A8",
        "Many features of such a net can be taken out at little cost.",
        "features with small gammas set to zero",
    ),
    Claim(
        "A9",
        "Shortcut connections hold back a net that trains its batch norm only.",
        "ResNets with and without shortcuts",
    ),
)
