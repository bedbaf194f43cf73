"""What the sources claim that this chapter tries."""

from bnbook.findings.claims import Claim

CLAIMS = (
    Claim(
        "B3",
        "Batch norm makes training take about 30% longer.",
        "the whole script, timed once with and once without",
        {"with batch norm": 47.958, "without": 36.616},
        "seconds",
    ),
)
