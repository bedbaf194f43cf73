"""Seed means, intervals and paired comparisons; the seed is the unit of every one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import ttost_paired

from bnbook.errors import BookError
from bnbook.experiment import MARGIN, TUNING_FROM
from bnbook.history import enough
from bnbook.run import Run

CHANCE: Final = 0.1
"""Accuracy of a net that outputs NaN: it names the same one of ten classes every time."""

LEVEL: Final = 0.05

DIFFERENT: Final = "different"
SMALL: Final = "different, but within the margin"
EQUIVALENT: Final = "equivalent within the margin"
UNDECIDED: Final = "no detectable difference"
ONE_TRAINS: Final = "only one of them trains"

ACCURACIES: Final = tuple(
    f"{split}_accuracy{kind}" for split in ("val", "test") for kind in ("", "_running")
)


class Interval(NamedTuple):
    """A mean with its confidence limits; NaN limits where there are too few values."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, row: Any) -> Interval:
        """Take the estimate out of a row with `mean`, `low` and `high`."""
        return cls(*(float(row[limit]) for limit in cls._fields))

    @classmethod
    def by(cls, table: pd.DataFrame, column: str) -> dict[str, Interval]:
        """Take the estimates out of the rows of a table, by what they have in `column`."""
        return {str(row[column]): cls.of(row) for row in table.to_dict("records")}

    def __neg__(self) -> Interval:
        """Turn a gain into a cost."""
        return Interval(-self.mean, -self.high, -self.low)

    def exp(self) -> Interval:
        """Turn an estimate of logarithms into one of their geometric mean."""
        return Interval(*(float(np.exp(limit)) for limit in self))


_RUN_COLUMNS: Final = ("key", "arm", "outcome", "run", "machine", "torch", "bnbook", "date")


def interval(values: Any, confidence: float = 0.95) -> Interval:
    """Mean of `values` with its Student t interval; NaN limits for fewer than two values."""
    array = np.asarray(values, dtype=float)
    if array.size == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    mean = float(array.mean())
    if array.size == 1:
        return Interval(mean, float("nan"), float("nan"))
    half = float(stats.t.ppf((1 + confidence) / 2, array.size - 1) * stats.sem(array))
    return Interval(mean, mean - half, mean + half)


def unpaired(a: Any, b: Any, confidence: float = 0.95) -> Interval:
    """Mean of `a` minus that of `b`, values of different seeds, with Welch's interval."""
    limits = stats.ttest_ind(a, b, equal_var=False).confidence_interval(confidence)
    return Interval(float(np.mean(a) - np.mean(b)), float(limits.low), float(limits.high))


def apart(values: Any, confidence: float = 0.95) -> float:
    """Return how far two more values like `values` may be from each other.

    t s sqrt(2), t with n - 1 degrees of freedom: the difference of two normal values has twice
    their variance. NaN for fewer than two values.
    """
    array = np.asarray(values, dtype=float)
    if array.size < 2:
        return float("nan")
    t = stats.t.ppf((1 + confidence) / 2, array.size - 1)
    return float(t * array.std(ddof=1) * np.sqrt(2))


def filled(frame: pd.DataFrame) -> pd.DataFrame:
    """Give every run all recorded epochs: a non-finite run stays at chance once it has failed.

    Such a run has no rows after the epoch it failed in. Without this, later means would be
    taken over the survivors only. Losses and probes stay missing: there is nothing to show. It
    also ends with a row of the epoch it failed in; where only some epochs are evaluated, and that
    is none of them, the row is left out, or a mean would be taken over the failed runs only.
    """
    last = frame["epoch"] == frame.groupby("key")["epoch"].transform("max")
    ended = last & (frame["outcome"] == "non-finite")
    if not ended.any():
        return frame
    regular = set(frame.loc[~ended, "epoch"])
    between = frame["epoch"] < max([*regular, -1])
    odd = ended & between & ~frame["epoch"].isin(regular) & (frame["epoch"] < frame["epochs"])
    ends, frame = frame[ended], frame[~odd]
    constant = [c for c in (*_RUN_COLUMNS, *(f.name for f in fields(Run))) if c in frame]
    epochs = set(frame["epoch"])
    extra = pd.DataFrame(
        [
            {**{column: end[column] for column in constant}, "epoch": epoch}
            for _, end in ends.iterrows()
            for epoch in sorted(epochs | {end["epochs"]})
            if end["epoch"] < epoch <= end["epochs"]
        ]
    )
    if not extra.empty:
        kinds = {column: frame[column].dtype for column in extra.columns}
        extra = extra.astype(kinds)
    whole = pd.concat([frame, extra], ignore_index=True)
    failed_in = whole["key"].map(ends.set_index("key")["epoch"])  # NaN for all other runs
    for column in ACCURACIES:
        # The test set is looked at once, at the end; validation at every epoch.
        at_end = whole["epoch"] == whole["epochs"]
        rows = (whole["epoch"] >= failed_in) & (column.startswith("val") | at_end)
        whole.loc[rows, column] = CHANCE
        if column.startswith("test"):
            whole.loc[~at_end, column] = float("nan")
    return whole


def final(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per run: its last epoch, with a column `trained`.

    Nothing is dropped: a non-finite run has the accuracy of a net that outputs NaN (chance),
    and `trained` is False for every run whose validation accuracy ended below `history.enough`.
    """
    whole = filled(frame)
    ends = whole["epoch"] == whole.groupby("key")["epoch"].transform("max")
    last = whole[ends].reset_index(drop=True)
    needed = last["dataset"].map(enough).astype(float)  # of no rows, it would be text
    return last.assign(trained=last["val_accuracy"] >= needed)


def estimates(
    values: pd.DataFrame,
    by: str | Sequence[str],
    outcome: str,
    *,
    geometric: bool = False,
) -> pd.DataFrame:
    """Mean over seeds with a 95% t interval per group: `mean`, `low`, `high`, `n`, `runs`.

    `n` counts the values averaged, `runs` the runs in the group: they differ where a failed
    run has no such value. `geometric` averages logarithms, for quantities that span decades.
    Raises BookError if there is nothing to average, or if a seed occurs twice in a group: then
    the group mixes configurations.
    """
    by = [by] if isinstance(by, str) else list(by)
    if values.empty:
        raise BookError(f"no runs to average by {', '.join(by)}: the selection is empty")
    rows = []
    for group, part in values.groupby(by, sort=False, observed=True):
        _one_per_seed(part, f"the group {dict(zip(by, group, strict=True))}")
        numbers = part[outcome].to_numpy(dtype=float)
        numbers = numbers[np.isfinite(numbers)]
        found = interval(np.log(numbers[numbers > 0])).exp() if geometric else interval(numbers)
        counts = {"n": numbers.size, "runs": len(part)}
        if "trained" in part:
            counts["trained"] = int(part["trained"].sum())
        rows.append({**dict(zip(by, group, strict=True)), **found._asdict(), **counts})
    return _keep_order(pd.DataFrame(rows), values, by)


def fresh(frame: pd.DataFrame) -> pd.DataFrame:
    """Select the runs that no learning rate was chosen by."""
    return frame[frame["seed"] < TUNING_FROM]


def tuning(frame: pd.DataFrame) -> pd.DataFrame:
    """Select the runs by which each arm's own learning rate was chosen."""
    return frame[frame["seed"] >= TUNING_FROM]


def _one_per_seed(part: pd.DataFrame, what: str) -> None:
    if 0 < (part["seed"] >= TUNING_FROM).sum() < len(part):
        raise BookError(
            f"{what} mixes tuning seeds with others: take fresh(frame), or tuning(frame)"
        )
    if not part["seed"].duplicated().any():
        return
    mixed = [
        column
        for column in ["arm", *(f.name for f in fields(Run) if f.name != "seed")]
        if column in part and part[column].map(str).nunique() > 1
    ]
    raise BookError(
        f"{what} mixes several values of {', '.join(mixed) or 'epoch'}: "
        "select one, or add the column to `by`"
    )


def _keep_order(table: pd.DataFrame, source: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Sort like `source`: its categories in their order, numbers upwards."""
    for column in by:
        if column in table and isinstance(source[column].dtype, pd.CategoricalDtype):
            table[column] = pd.Categorical(table[column], source[column].cat.categories)
    ordered = [
        c
        for c in by
        if c in table
        and (
            isinstance(table[c].dtype, pd.CategoricalDtype)
            or pd.api.types.is_numeric_dtype(table[c])
        )
    ]
    if not ordered:
        return table
    return table.sort_values(ordered, kind="stable").reset_index(drop=True)


def summary(
    frame: pd.DataFrame, by: str | Sequence[str] = "arm", outcome: str = "val_accuracy"
) -> pd.DataFrame:
    """`estimates` of one value per run: at every epoch if `by` names it, else at the end.

    Failed runs count at chance (see `final`); at the end, `trained` says how many trained.
    Limits of accuracies are cut at 0 and 1, which a t interval does not know about.
    """
    by = [by] if isinstance(by, str) else list(by)
    rows = filled(frame) if "epoch" in by else final(frame)
    table = estimates(rows, by, outcome)
    if outcome in ACCURACIES:
        table[["low", "high"]] = table[["low", "high"]].clip(0, 1)
    return table


def outcomes(frame: pd.DataFrame) -> pd.DataFrame:
    """Count how the runs ended: one row per arm, one column per outcome that occurs."""
    counts = final(frame).groupby(["arm", "outcome"], observed=True).size().unstack(fill_value=0)
    counts.columns.name = None
    return counts.reset_index()


def share_trained(frame: pd.DataFrame, by: Sequence[str] = ("arm", "lr")) -> pd.DataFrame:
    """Share of runs that trained per group, with its 95% Wilson interval.

    Columns: those of `by`, `share`, `low`, `high`, `trained`, `n`.
    """
    by = list(by)
    groups = final(frame).groupby(by, observed=True)["trained"]
    table = groups.agg(trained="sum", n="count").reset_index()
    low, high = proportion_confint(table["trained"], table["n"], method="wilson")
    return table.assign(share=table["trained"] / table["n"], low=low, high=high)


@dataclass(frozen=True)
class Paired:
    """The difference a − b over the seeds both have, with its tests."""

    a: str
    b: str
    outcome: str
    mean: float
    low: float
    high: float
    p_difference: float
    p_equivalence: float
    margin: float
    n: int
    failed_a: int
    failed_b: int

    @property
    def gap(self) -> Interval:
        """The difference alone."""
        return Interval(self.mean, self.low, self.high)

    @property
    def failed(self) -> int:
        """Runs of the pair that did not train; they are in the mean, at what they reached."""
        return self.failed_a + self.failed_b


def paired(
    frame: pd.DataFrame,
    a: str,
    b: str,
    outcome: str = "test_accuracy",
    margin: float = MARGIN,
) -> Paired:
    """Compare two arms seed by seed: mean of a − b, 95% t interval, t test and TOST.

    `frame` holds one run per arm and seed (choose the learning rate first). The p-values are
    two-sided for "no difference" (paired t) and for "at least `margin` apart" (two one-sided
    paired t tests). Where all seeds give one and the same difference, there is no spread to
    test against: the p-values are then their limits, 0 or 1. Fewer than two pairs: NaN.
    Raises BookError if an arm is missing, mixes configurations, or shares no seed.
    """
    last = final(frame)
    sides = []
    for arm in (a, b):
        side = last[last["arm"] == arm]
        if side.empty:
            raise BookError(f"no runs of {arm!r}; there are: {', '.join(map(str, arms(frame)))}")
        _one_per_seed(side, f"the arm {arm!r}")
        sides.append(side.set_index("seed"))
    first, second = sides
    seeds = first.index.intersection(second.index)
    if seeds.empty:
        raise BookError(f"{a!r} and {b!r} share no seed, so they cannot be paired")
    first, second = first.loc[seeds], second.loc[seeds]
    x, y = first[outcome].to_numpy(dtype=float), second[outcome].to_numpy(dtype=float)
    p_difference, p_equivalence = _tests(x, y, margin)
    return Paired(
        a,
        b,
        outcome,
        *interval(x - y),
        p_difference=p_difference,
        p_equivalence=p_equivalence,
        margin=margin,
        n=len(seeds),
        failed_a=int((~first["trained"]).sum()),
        failed_b=int((~second["trained"]).sum()),
    )


def _tests(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], margin: float
) -> tuple[float, float]:
    difference = x - y
    if difference.size < 2:
        return float("nan"), float("nan")
    # Accuracies are counts / 10,000: anything below this is rounding, not spread.
    if np.ptp(difference) < 1e-9:
        shift = abs(float(difference.mean()))
        return float(shift < 1e-9), float(shift >= margin)
    p_difference = float(stats.ttest_rel(x, y).pvalue)
    p_equivalence = float(ttost_paired(x, y, -margin, margin)[0])
    return p_difference, p_equivalence


def arms(frame: pd.DataFrame) -> list[str]:
    """Name the arms present in `frame`, in the experiment's order."""
    column = frame["arm"]
    if isinstance(column.dtype, pd.CategoricalDtype):
        present = set(column)
        return [str(arm) for arm in column.cat.categories if arm in present]
    return [str(arm) for arm in column.unique()]


def fit(frame: pd.DataFrame) -> pd.DataFrame:
    """Average each arm's final accuracy on training images, on test images, and their gap.

    Of runs with `record_fit`. `estimates` by `arm` and `of`: "training images", "test images" and
    "gap" (training minus test, seed by seed).
    """
    ends = final(frame)
    parts = {
        "training images": ends["train_accuracy"],
        "test images": ends["test_accuracy"],
        "gap": ends["train_accuracy"] - ends["test_accuracy"],
    }
    long = pd.concat([ends.assign(of=of, value=values) for of, values in parts.items()])
    of = pd.CategoricalDtype(list(parts))
    table = estimates(long.astype({"of": of}), ["arm", "of"], "value")
    # As in `summary`: a t interval does not know where accuracies end.
    table[["low", "high"]] = table[["low", "high"]].clip(upper=1)
    return table


def evaluation_noise(frame: pd.DataFrame) -> pd.DataFrame:
    """Compare validation accuracy with running statistics to that with re-estimated ones.

    Running minus re-estimated, same weights, over all epochs but the start and all runs that
    stayed finite. Per `arm`: `typical` (mean absolute difference), `largest`, `n` evaluations.
    """
    trained = frame[(frame["epoch"] > 0) & (frame["outcome"] != "non-finite")]
    size = (trained["val_accuracy_running"] - trained["val_accuracy"]).abs()
    groups = trained.assign(size=size).groupby("arm", observed=True)["size"]
    return groups.agg(typical="mean", largest="max", n="size").reset_index()
