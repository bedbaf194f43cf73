"""Chapter 10's summaries: nets at equal loss, and both comparisons in one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from bnbook.chapters.why.experiments import AT_EQUAL_LOSS, KINDS
from bnbook.findings import Markdown, estimates, significant
from bnbook.findings import table as markdown
from bnbook.findings.landscape import OPEN, geometric, surroundings
from bnbook.studies import equal_loss

#: Nets are looked at every ten steps and may fall through a level in between: two losses count as
#: equal if one is at most so many times the other.
TOGETHER: Final = 1.5
START: Final = equal_loss.LEVELS[0]

_NAMES: Final = {
    "drift": "Drift of what enters the activations",
    "drift_before": "Drift of what leaves the weights",
    "shift": "Shift of a layer's gradient by the layers before it",
    "unpredictability": "Change of the gradient within a step",
    "relative_roughness": "Relative roughness",
    "relative_sharpness": "Relative sharpness",
    "roughness": "Roughness, not relative",
    "sharpness": "Sharpness, not relative",
}


def looks(frame: pd.DataFrame) -> pd.DataFrame:
    """Sum up each look of study "equal-loss": one row per run and level.

    `arm`, `seed`, `level`, `loss`, and the quantities of `AT_EQUAL_LOSS` as `findings.looks` has
    them.
    """
    told = ["arm", "seed", "level", "loss", "sharpness", "relative_sharpness", "relative_roughness"]
    found = frame[told].join(surroundings(frame))
    return found.assign(together=_together(found))


def _together(found: pd.DataFrame) -> pd.Series[bool]:
    """Tell of each look whether the net's partner was caught at the same level and loss."""
    kind = found["arm"].astype(str).str.partition(",")[0]
    pairs = found["loss"].groupby([kind, found["seed"], found["level"]])
    ratio = pairs.transform("max") / pairs.transform("min")
    return (pairs.transform("size") == 2) & (ratio <= TOGETHER)


def at_equal_loss(found: pd.DataFrame) -> pd.DataFrame:
    """Sum up each run over the levels after the start that both nets of a seed pass together.

    `found` as from `looks`; geometric means, as `findings.ratios` takes them. A run without such a
    level has no row.
    """
    chosen = found[found["together"] & (found["level"] < START)]
    by_run = chosen.groupby(["arm", "seed"], observed=True)[list(AT_EQUAL_LOSS)]
    return by_run.agg(geometric).reset_index()


def at_start(found: pd.DataFrame) -> pd.DataFrame:
    """Select what surrounds each run before its first step, as `findings.ratios` takes it."""
    return found[found["level"] == START]


def at_levels(found: pd.DataFrame, quantities: Sequence[str]) -> pd.DataFrame:
    """Average `quantities` over seeds at the start and at each level passed together.

    As `figures.over_losses` takes it: geometric means with 95% intervals, a level being left out
    where fewer than two seeds have it.
    """
    chosen = found[found["together"] | (found["level"] == START)]
    parts = [
        estimates(chosen, ["arm", "level"], quantity, geometric=True).assign(quantity=quantity)
        for quantity in quantities
    ]
    together = pd.concat(parts, ignore_index=True)
    return together[together["n"] > 1]


@dataclass(frozen=True)
class Effect:
    """An estimate, its interval, and what `findings` calls it."""

    mean: float
    low: float
    high: float
    finding: str


#: Effects by kind of net and by quantity (or by what batch norm is set against).
Effects = dict[str, dict[str, Effect]]


def effects(table: pd.DataFrame, key: Callable[[Any], str]) -> Effects:
    """Sort the rows of `findings.ratios` or `findings.contrasts` by kind and `key(row)`."""
    found: Effects = {kind: {} for kind in KINDS}
    rows: Any = table.to_dict("records")
    for row in rows:
        effect = Effect(row["mean"], row["low"], row["high"], row["finding"])
        found[row["a"].partition(",")[0]][key(row)] = effect
    return found


def comparison(steps: Effects, equal: Effects) -> Markdown:
    """Show what batch norm multiplies, at equal steps and at equal loss.

    Nets of sigmoids have no column at equal steps: without batch norm they do not learn there.
    """
    relu, sigmoid = KINDS
    columns = {
        f"{relu}, at equal steps": steps[relu],
        f"{relu}, at equal loss": equal[relu],
        f"{sigmoid}, at equal loss": equal[sigmoid],
    }
    return markdown(
        pd.DataFrame(
            {"Quantity": name}
            | {title: _cell(column.get(quantity)) for title, column in columns.items()}
            for quantity, name in _NAMES.items()
        )
    )


def _cell(found: Effect | None) -> str:
    if found is None:
        return "–"
    text = significant(found.mean, found.low, found.high)
    return text if found.finding == OPEN else f"**{text}**"
