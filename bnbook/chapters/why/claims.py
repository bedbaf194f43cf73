"""What the sources claim that this chapter tries."""

from bnbook.findings.claims import Claim

CLAIMS = (
    Claim(
        "C11",
        "Normalizing what enters a sigmoid keeps it in its nearly linear part; gamma and beta give "
        "the bend back.",
        "a plot of the sigmoid between -1 and 1",
    ),
    Claim(
        "D7",
        'With batch norm, gradient magnitudes "span across a larger range quite evenly".',
        "histograms per layer",
    ),
    Claim(
        "D8",
        "Batch norm works because it counters internal covariate shift and smooths the loss.",
    ),
)
