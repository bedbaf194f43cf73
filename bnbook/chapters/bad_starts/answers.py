"""Chapter 11: whether batch norm makes up for a bad start."""

from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from bnbook import chapters, findings, training
from bnbook.chapters.dropout.answers import ahead
from bnbook.findings import Interval
from bnbook.findings.decisions import Ruled as Verdict
from bnbook.findings.writing import list_of, span

WITH: Final = "with BN"
WITHOUT: Final = "without BN"
GOOD: Final = "good start, without BN"
#: The post says that it uses dropout; which of its nets have it, it does not say.
READINGS: Final = {
    "without dropout": (WITH, WITHOUT),
    "with dropout": ("with BN, dropout", "without BN, dropout"),
}


class Cells(NamedTuple):
    """How much of the map of starts trains, for one optimizer.

    `shares` by arm; `gain` is batch norm's share of cells minus that without, paired by seed;
    `scales` and `rates` list, by arm, those at which at least one partner lets half of the seeds
    train.
    """

    shares: dict[str, Interval]
    gain: Interval
    scales: dict[str, list[float]]
    rates: dict[str, list[float]]


def verdicts(posted: pd.DataFrame, starts: pd.DataFrame) -> list[Verdict]:
    """Judge B1, B4 and D5 by the records of "bad-starts" and "start-map"."""
    return [learning(posted), vanishing(posted, starts), insensitive(starts)]


def learning(posted: pd.DataFrame) -> Verdict:
    """B1: from standard normal weights the net with batch norm learns, the other does not."""
    contrasts = findings.contrasts(posted, chapters.experiment("bad-starts").contrasts)
    table = findings.summary(posted, outcome="test_accuracy")
    ends: dict[str, Any] = {row["arm"]: row for row in table.to_dict("records")}
    rows: Any = contrasts.to_dict("records")
    by_arm = {(row["a"], row["b"]): row for row in rows}
    leads = [ahead(by_arm[pair]) for pair in READINGS.values()]
    stuck = [
        reading
        for reading, (normed, plain) in READINGS.items()
        if ends[normed]["mean"] > training.AT_CHANCE > ends[plain]["mean"]
    ]
    said = "; ".join(
        f"{reading}, {findings.as_percent(ends[normed])} against {findings.as_percent(ends[plain])}"
        for reading, (normed, plain) in READINGS.items()
    )
    details = f"With batch norm against without it: {said}."
    return findings.verdict(
        "B1",
        (
            findings.REPRODUCED,
            bool(stuck) and all(leads),
            f"The net without batch norm stays at chance {' and '.join(stuck)}. {details}",
        ),
        (
            findings.REFINED,
            any(leads),
            f"Batch norm is ahead, but the net without it learns, too. {details}",
        ),
        (findings.NOT_REPRODUCED, True, f"Batch norm is not clearly ahead. {details}"),
    )


def vanishing(posted: pd.DataFrame, starts: pd.DataFrame) -> Verdict:
    """B4: without batch norm a bad start makes the gradients vanish."""
    ratios = gradient_ratios(posted, 0)
    said = list_of(f"{layer} {times(ratio)}" for layer, ratio in ratios.items())
    last = int(posted["epoch"].max())
    later = list_of(f"{layer} {times(r)}" for layer, r in gradient_ratios(posted, last).items())
    scale, faint = smallest_start(posted, starts)
    details = (
        "Gradients from standard normal weights as multiples of those from a good start, both "
        f"without batch norm: at the start {said}; after {int(posted['step'].max()):,} steps "
        f"{later}. From weights that are too small, of scale {scale:g}, that of the first layer is "
        f"{times(faint)} times as large."
    )
    return findings.verdict(
        "B4",
        (
            findings.REPRODUCED,
            all(ratio.high < 1 for ratio in ratios.values()),
            f"They are smaller in every layer. {details}",
        ),
        (
            findings.NOT_REPRODUCED,
            all(ratio.low > 1 for ratio in ratios.values()),
            f"They do the opposite: they explode. {details}",
        ),
        (
            findings.REFINED,
            any(ratio.high < 1 for ratio in ratios.values()),
            f"In some layers only. {details}",
        ),
        (findings.NOT_REPRODUCED, True, f"No layer's gradient is clearly smaller. {details}"),
    )


def insensitive(starts: pd.DataFrame) -> Verdict:
    """D5, as far as the initialization goes: batch norm makes training less sensitive to it."""
    found = {optimizer: cells(starts, optimizer) for optimizer in optimizers(starts)}
    wider = [name for name, one in found.items() if one.gain.low > 0]
    narrower = [name for name, one in found.items() if one.gain.high < 0]
    tried = sorted(starts["init_scale"].unique())
    details = " ".join(
        f"{name}: {_share(one, WITH)} of the map's settings train with batch norm, "
        f"{_share(one, WITHOUT)} without, a difference of {findings.points(*one.gain, digits=0)}; "
        f"at some learning rate, at scales {span(one.scales[WITH], tried)} with it and "
        f"{span(one.scales[WITHOUT], tried)} without."
        for name, one in found.items()
    )
    return findings.verdict(
        "D5",
        (findings.REPRODUCED, len(wider) == len(found), f"For the initialization. {details}"),
        (
            findings.REFINED,
            bool(wider) and not narrower,
            f"For the initialization, only with {list_of(wider)}. {details}" if wider else details,
        ),
        (findings.NOT_REPRODUCED, True, f"Not for the initialization. {details}"),
    )


def gradient_ratios(posted: pd.DataFrame, epoch: int) -> dict[str, Interval]:
    """Divide the gradients of the bad start by those of the good one, both without batch norm.

    At `epoch`, paired by seed: a geometric mean with its interval for each layer.
    """
    runs = posted[(posted["epoch"] == epoch) & posted["arm"].isin([WITHOUT, GOOD])]
    each = findings.multiples(findings.gradients(runs), GOOD)
    table = findings.estimates(each, ["layer"], "value", geometric=True)
    rows: Any = table.to_dict("records")
    return {str(row["layer"]): Interval(row["mean"], row["low"], row["high"]) for row in rows}


def smallest_start(posted: pd.DataFrame, starts: pd.DataFrame) -> tuple[float, Interval]:
    """Return the smallest scale of the map, and its gradient in the first layer at the start.

    Without batch norm, as a multiple of that of the good start with the same seed.
    """
    scale = float(starts["init_scale"].min())
    faint = starts[(starts["arm"] == f"SGD, {WITHOUT}") & (starts["init_scale"] == scale)]
    sides = [
        runs[(runs["epoch"] == 0) & (runs["lr"] == runs["lr"].min())]
        for runs in (faint, posted[posted["arm"] == GOOD])
    ]
    small, good = (
        long[long["layer"] == "fc1"].set_index("seed")["value"]
        for long in map(findings.gradients, sides)
    )
    logs = np.log((small / good).dropna())
    mean, low, high = np.exp(findings.interval(logs))
    return scale, Interval(float(mean), float(low), float(high))


def optimizers(starts: pd.DataFrame) -> list[str]:
    """Name the optimizers of the map, as its arms do."""
    return list(dict.fromkeys(arm.partition(",")[0] for arm in findings.arms(starts)))


def cells(starts: pd.DataFrame, optimizer: str) -> Cells:
    """Count the settings of one optimizer's map that train."""
    mine = {arm: starts[starts["arm"] == f"{optimizer}, {arm}"] for arm in (WITH, WITHOUT)}
    by_seed = {
        arm: findings.final(part).groupby("seed")["trained"].mean() for arm, part in mine.items()
    }
    held = {
        arm: table[table["share"] >= 0.5]
        for arm, table in (
            (arm, findings.share_trained(part, ("arm", "lr", "init_scale")))
            for arm, part in mine.items()
        )
    }
    return Cells(
        shares={arm: findings.interval(values) for arm, values in by_seed.items()},
        gain=findings.interval((by_seed[WITH] - by_seed[WITHOUT]).dropna()),
        scales={arm: sorted(table["init_scale"].unique()) for arm, table in held.items()},
        rates={arm: sorted(table["lr"].unique()) for arm, table in held.items()},
    )


def times(ratio: Interval) -> str:
    """Write a ratio that may span decades, to two digits, with its interval."""
    mean, low, high = map(findings.two_digits, ratio)
    return f"{mean} [{low}, {high}]"


def _share(one: Cells, arm: str) -> str:
    mean, low, high = one.shares[arm]
    return findings.percent(mean, max(low, 0), min(high, 1), digits=0)
