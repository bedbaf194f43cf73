"""What the sources claim that this chapter tries."""

from bnbook.findings.claims import Claim

CLAIMS = (
    Claim(
        "B5",
        "The printed NumPy code is batch norm with its gradient, in a net of two hidden layers.",
        "code, not a figure",
    ),
    Claim(
        "D2",
        "For each channel, batch norm has two trained numbers, the momenta, and two that are not, "
        "the mean and the standard deviation.",
    ),
    Claim(
        "E3",
        "A hand-written batch norm: the unbiased standard deviation, no epsilon, and a running "
        "standard deviation. An epoch's loss: the sum of the batches' mean losses over the number "
        "of images.",
        "code, not a figure",
    ),
)
