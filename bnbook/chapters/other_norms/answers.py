"""Chapter 7: d2l's five research ideas, each against batch norm in accuracy and in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from bnbook import findings
from bnbook.chapters.other_norms import experiments
from bnbook.chapters.other_norms.experiments import BATCH_SIZE_ARMS, IDEAS, NORMS, REFERENCE
from bnbook.experiment import MARGIN
from bnbook.findings import Interval, Paired
from bnbook.findings.writing import list_of

#: The arm that has each kind of norm.
ARM_OF: Final = {kind: arm for arm, kind in NORMS.items()}
PLAIN: Final = "without a norm"
WHITENING: Final = "whitening"
PCA: Final = "whitening by PCA"
SPARSE: Final = "soft threshold"
#: Mean accuracy below which an arm counts as at chance.
CHANCE: Final = 0.2
#: Where an arm ends against batch norm.
ABOVE, EQUAL, OPEN, BELOW = "above", "equal", "open", "below"
#: The columns that evaluate with re-estimated statistics and with running ones.
EVALUATIONS: Final = {
    "re-estimated statistics": "test_accuracy",
    "running statistics": "test_accuracy_running",
}


@dataclass(frozen=True)
class Comparison:
    """The records of experiment "other-norms" beside the timings of its arms.

    `accuracy` and `running` have one row per arm at its own best rate, with re-estimated and with
    running statistics; `contrasts` one per arm against batch norm; `costs` the time of a training
    step of each arm relative to no norm. All four are indexed by arm. `best` holds the runs
    themselves, `series` those over batch sizes, `steps` and `widths` the timings.
    """

    accuracy: pd.DataFrame
    running: pd.DataFrame
    contrasts: pd.DataFrame
    costs: pd.DataFrame
    rates: dict[str, float]
    best: pd.DataFrame
    series: pd.DataFrame
    steps: pd.DataFrame
    widths: pd.DataFrame

    def finding(self, arm: str) -> str:
        """Name what the comparison of `arm` with batch norm shows."""
        return str(self.contrasts.loc[arm, "finding"])

    def standing(self, arm: str) -> str:
        """Say where `arm` ends against batch norm: above, equal, open or below."""
        if self.finding(arm) in (findings.DIFFERENT, findings.SMALL, findings.ONE_TRAINS):
            return ABOVE if self.against(arm).mean > 0 else BELOW
        return EQUAL if self.finding(arm) == findings.EQUIVALENT else OPEN

    def standing_at(self, place: str, of: Sequence[str] = ()) -> list[str]:
        """List the arms, all or those in `of`, that end at `place`."""
        return [arm for arm in of or self.contrasts.index if self.standing(arm) == place]

    def clear_winners(self) -> list[str]:
        """List the arms above batch norm by more than the margin, the best first."""
        found = self.contrasts.sort_values("mean", ascending=False)
        found = found[(found["finding"] == findings.DIFFERENT) & (found["mean"] > 0)]
        return list(found.index)

    def against(self, arm: str, other: str = REFERENCE) -> Paired:
        """Pair `arm` with `other` at their own best rates, by test accuracy."""
        return findings.paired(self.best, arm, other)

    def price(self, arm: str, other: str = REFERENCE) -> str:
        """Write the time of a step as a multiple of `other`'s: "1.8 [1.7, 1.9] times"."""
        ratios = findings.relative(self.steps, other, "arm")
        (row,) = findings.medians(ratios[ratios["arm"] == arm], "arm", "ratio").to_dict("records")
        return f"{findings.plain(row['mean'], row['low'], row['high'], digits=1)} times"

    def mostly_trains(self, arm: str) -> bool:
        """Whether most runs of `arm` trained at its best rate."""
        row: Any = self.accuracy.loc[arm]
        return bool(2 * row["trained"] > row["runs"])

    def unharmed(self, arms: Sequence[str]) -> str:
        """Say which of `arms` train and are not seen to end below batch norm; "" if none does."""
        kept = [arm for arm in arms if self.mostly_trains(arm) and self.standing(arm) != BELOW]
        if kept and all(self.standing(arm) == ABOVE for arm in kept):
            return f"{list_of(kept)} {'end' if len(kept) > 1 else 'ends'} above batch norm"
        return f"with {list_of(kept)} no loss of accuracy was detectable" if kept else ""

    def in_a_clause(self, arm: str) -> str:
        """Say of an arm whether it trains, how far from batch norm it ends, and at what price."""
        row: Any = self.accuracy.loc[arm]
        if row["mean"] < CHANCE:
            return f"{arm} stays at chance at its best rate"
        count = ""
        if row["trained"] < row["runs"]:
            count = f"; {findings.as_trained(row)} runs trained"
        return (
            f"{arm} ends {_gap(self.against(arm))} from batch norm "
            f"({self.finding(arm)}{count}) in {self.price(arm)} its time"
        )


def compare(frame: pd.DataFrame, steps: pd.DataFrame, widths: pd.DataFrame) -> Comparison:
    """Set the records beside the timings of steps and of layers by width.

    `frame` as from `chapters.RECORDS["other-norms"]`, the others as from `timings.read`. Raises
    BookError where tuning runs or timings are missing.
    """
    plan = experiments.OTHER_NORMS
    tuned_at = frame["batch_size"] == plan.arms[REFERENCE].batch_size
    main = frame[tuned_at]
    best, rates = findings.at_best(main), findings.best_rates(main)
    series = findings.fresh(frame[frame["arm"].isin(BATCH_SIZE_ARMS)])
    costs = findings.medians(findings.relative(steps, PLAIN, "arm"), "arm", "ratio")
    return Comparison(
        accuracy=_by_arm(findings.summary(best, outcome="test_accuracy")),
        running=_by_arm(findings.summary(best, outcome="test_accuracy_running")),
        contrasts=_by_arm(findings.contrasts(main, plan.contrasts), "a"),
        costs=_by_arm(costs),
        rates=rates,
        best=best,
        series=series[series["lr"] == series["arm"].map(rates).astype(float)],
        steps=steps,
        widths=widths,
    )


def by_size(found: Comparison) -> pd.DataFrame:
    """Mean test accuracy per arm, batch size and way of evaluation, as `figures.sizes` takes it."""
    parts = [
        findings.summary(found.series, ["arm", "batch_size"], outcome).assign(evaluated=how)
        for how, outcome in EVALUATIONS.items()
    ]
    return pd.concat(parts, ignore_index=True)


def in_short(found: Comparison) -> str:
    """Answer the chapter's question in a line."""
    winners = found.clear_winners()
    first = (
        f"{_capital(list_of(winners))} {'end' if len(winners) > 1 else 'ends'} clearly above "
        f"batch norm, at {list_of(map(found.price, winners))} the time of its step."
        if winners
        else "None ends clearly above batch norm."
    )
    counts = {place: len(found.standing_at(place)) for place in (ABOVE, EQUAL, OPEN, BELOW)}
    costs, usual = found.costs.to_dict("index"), found.accuracy.to_dict("index")[REFERENCE]
    quick = [
        arm
        for arm in found.standing_at(ABOVE) + found.standing_at(EQUAL)
        if costs[arm]["high"] < costs[REFERENCE]["low"]
    ]
    return (
        f"{first} Of {len(found.contrasts)} arms against batch norm at "
        f"{findings.percent(usual['mean'])}: above it by any amount that we can tell, "
        f"{counts[ABOVE]}; equivalent, {counts[EQUAL]}; no detectable difference, {counts[OPEN]}; "
        f"below it, {counts[BELOW]}. "
        + (
            f"As good and quicker: {list_of(quick)}."
            if quick
            else "None is shown to be both as good and quicker."
        )
    )


def answers(found: Comparison) -> dict[str, str]:
    """Answer d2l's five questions, in their order."""
    return {
        "1. The probability integral transform?": _integral(found),
        "2. A full covariance, and why probably not?": _covariance(found),
        "3. Compact matrices?": _compact(found),
        "4. Does sparsification regularize?": _sparsification(found),
        "5. Other projections?": _projections(found),
    }


def _integral(found: Comparison) -> str:
    arm = "integral transform"
    can = "Yes. " if found.mostly_trains(arm) else "Not like this. "
    return can + _sentence(found.in_a_clause(arm))


def _covariance(found: Comparison) -> str:
    can = "It can be done: " if found.mostly_trains(WHITENING) else "Not like this: "
    said = f"{found.in_a_clause(WHITENING)}; {found.in_a_clause('whitening by Newton')}. "
    reasons = _reasons_against(found)
    why = f"Why not: {'; '.join(reasons)}." if reasons else "We found no reason against it here."
    return can + said + why


def _reasons_against(found: Comparison) -> list[str]:
    """Why one should perhaps not whiten in full: those of four reasons that the records show."""
    reasons = []
    widest = found.widths[found.widths["width"] == found.widths["width"].max()]
    ratios = findings.relative(widest, "batch")
    layer: Any = findings.medians(ratios, "kind", "ratio").set_index("kind").loc["zca"]
    if layer["low"] > 1:
        reasons.append(
            f"for a layer of {widest['width'].iloc[0]} features it takes "
            f"{findings.plain(layer['mean'], layer['low'], layer['high'], digits=0)} times batch "
            "norm's time"
        )
    smallest = found.series["batch_size"].min()
    few = found.series[found.series["batch_size"] == smallest]
    there, here = findings.paired(few, WHITENING, REFERENCE), found.against(WHITENING)
    if there.high < 0 and there.mean < here.mean:
        reasons.append(
            f"in batches of {smallest} it ends {_gap(there)} from batch norm, worse than in those "
            f"of {found.best['batch_size'].iloc[0]}"
        )
    its, usual = (_unsteadiness(found, arm) for arm in (WHITENING, REFERENCE))
    if its.high < min(usual.low, -MARGIN):
        reasons.append(
            f"with its own running statistics it ends {findings.points(*its)} from the "
            f"re-estimated ones, batch norm {findings.points(*usual)}"
        )
    pca: Any = found.accuracy.loc[PCA]
    if pca["mean"] < CHANCE:
        reasons.append("its PCA form learns nothing")
    return reasons


def _unsteadiness(found: Comparison, arm: str) -> Interval:
    """Test accuracy with running statistics minus that with re-estimated ones, same weights."""
    ends = findings.final(found.best)
    ends = ends[ends["arm"] == arm]
    return findings.interval(ends["test_accuracy_running"] - ends["test_accuracy"])


def _compact(found: Comparison) -> str:
    arms = list(IDEAS["compact covariance"])
    good = found.unharmed(arms)
    said = f"Yes: {good}. " if good else "They end below batch norm here. "
    return said + _sentence(
        "; ".join(
            f"{arm} ends {_gap(found.against(arm, WHITENING))} from full whitening in "
            f"{found.price(arm, WHITENING)} its time, and {_gap(found.against(arm))} from batch "
            f"norm ({found.finding(arm)})"
            for arm in arms
        )
    )


def _sparsification(found: Comparison) -> str:
    """Regularization would narrow the gap between validation and training loss."""
    if not found.mostly_trains(SPARSE):
        return f"No: {found.in_a_clause(SPARSE)}."
    ends = findings.final(found.best).assign(gap=lambda t: t["val_loss"] - t["train_loss"])
    gap, place = findings.paired(ends, SPARSE, REFERENCE, "gap"), found.standing(SPARSE)
    if gap.high < 0:
        what = "It narrows the gap between training and validation loss, " + {
            ABOVE: "and gains accuracy",
            BELOW: "and costs accuracy",
        }.get(place, "at no cost in accuracy that we could detect")
    elif gap.low > 0:
        what = "No: the gap between training and validation loss is wider"
    else:
        what = (
            "No sign of it: the gap between training and validation loss is not detectably another"
        )
    size = findings.plain(gap.mean, gap.low, gap.high, digits=3)
    return f"{what} ({size} in loss). {_sentence(found.in_a_clause(SPARSE))}"


def _projections(found: Comparison) -> str:
    arms = list(IDEAS["other projections"])
    good = found.unharmed(arms)
    said = f"There are: {good}. " if good else "None as good. "
    return said + _sentence("; ".join(map(found.in_a_clause, arms)))


def one_image_at_a_time(found: Comparison) -> str:
    """Say the same of the norms that see no batch, clause by clause."""
    return "; ".join(map(found.in_a_clause, IDEAS["one image at a time"])) + "."


def prediction(found: Comparison, choices: Sequence[str]) -> tuple[str, str]:
    """Pick the right one of `choices` and say why.

    They are: whitening in full, a compact form of it, one of the others, and none.
    """
    winners = found.clear_winners()
    if not winners:
        margin = f"{100 * MARGIN:g} points"
        return choices[3], f"No difference upwards is both certain and larger than {margin}."
    full, compact = (IDEAS[idea] for idea in ("full covariance", "compact covariance"))
    best = winners[0]
    right = choices[0] if best in full else choices[1] if best in compact else choices[2]
    return right, f"{_capital(best)} ends {_gap(found.against(best))} from batch norm."


def _by_arm(table: pd.DataFrame, column: str = "arm") -> pd.DataFrame:
    names = table[column].astype(str)
    return table.assign(**{column: names}).set_index(column, drop=False).rename_axis(None)


def _gap(pair: Paired) -> str:
    return findings.points(pair.mean, pair.low, pair.high)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _sentence(text: str) -> str:
    return f"{_capital(text)}."
