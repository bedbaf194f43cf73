"""The sources' printed figures beside our own runs of their recipes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from bnbook.errors import BookError
from bnbook.findings.claims import Claim
from bnbook.findings.records import setting
from bnbook.findings.statistics import final, summary
from bnbook.findings.writing import Markdown, as_trained, join, percent, table


def published(
    claim: Claim, variants: Mapping[str, str], posted: pd.DataFrame, source_is: str = "one run"
) -> Markdown:
    """Set a source's accuracies beside those of its own recipe, run with several seeds.

    `variants` maps the name of a figure to the arm that repeats it; `posted` holds runs of
    experiment "as-posted" at the source's learning rate, or of another one that follows its
    recipe; `source_is` says what the source's figures are. Running statistics stand first: the
    sources evaluate with them. Raises BookError for a figure the source lacks.
    """
    unknown = set(variants) - set(claim.figures)
    if unknown or claim.unit != "accuracy":
        raise BookError(
            f"claim {claim.id} has no accuracy for {', '.join(sorted(unknown or variants))}; "
            f"it has: {', '.join(claim.figures) or 'no figures'} ({claim.unit})"
        )
    runs = posted[posted["arm"].isin(variants.values())]
    running, precise = _by_arm(runs, "test_accuracy_running"), _by_arm(runs, "test_accuracy")
    seeds = final(runs).groupby("arm", observed=True)["test_accuracy_running"]
    lowest, highest = dict(seeds.min()), dict(seeds.max())
    rows = [
        {
            "Variant": name,
            f"Source: {source_is}": percent(claim.figures[name], digits=2),
            "Ours, running statistics": _mean(running[arm]),
            "Lowest to highest seed": f"{percent(lowest[arm], digits=2)} to "
            f"{percent(highest[arm], digits=2)}",
            "Ours, re-estimated statistics": _mean(precise[arm]),
            "Seeds trained": as_trained(running[arm]),
        }
        for name, arm in variants.items()
    ]
    return join(
        table(pd.DataFrame(rows)),
        f"Test accuracies by the source's recipe ({claim.recipe}). Ours: {setting(runs)}; means "
        "with 95% intervals over seeds.",
    )


def _by_arm(runs: pd.DataFrame, outcome: str) -> dict[str, dict[str, Any]]:
    rows = summary(runs, outcome=outcome).to_dict("records")
    return {str(row["arm"]): {str(name): value for name, value in row.items()} for row in rows}


def _mean(row: Mapping[str, Any]) -> str:
    return percent(row["mean"], row["low"], row["high"], digits=2)
