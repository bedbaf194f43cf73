"""Chapter 10: why batch norm works, as far as small nets can tell."""

from typing import Any, Final

import pandas as pd

from bnbook import chapters, findings
from bnbook.findings.decisions import Ruled as Verdict
from bnbook.findings.landscape import LARGER, SMALLER
from bnbook.findings.writing import list_of

#: A sigmoid counts as nearly linear where a line explains so much of its output's variance.
NEARLY: Final = 0.95

_SHIFT: Final = {
    "drift": "what enters its activations drifts",
    "drift_before": "what leaves its weights drifts",
    "shift": "its layers move each other's gradients",
}
_SMOOTH: Final = {
    "variation": "the loss varies along its gradient",
    "unpredictability": "its gradient changes within a step",
    "roughness": "its gradient changes at the steepest",
}
_SMALL: Final = {
    "outputs": "what enters the activations",
    "gradients": "the gradient",
    "weights": "the weights",
}


def verdicts(way: pd.DataFrame, ends: pd.DataFrame) -> list[Verdict]:
    """Judge C4, C11 and D6 to D8 by the records of "landscape" and "sharpness"."""
    found = compared(way)
    return [flatter(ends), bend(way), small(found), evenly(found), smoother(found)]


def compared(way: pd.DataFrame) -> pd.DataFrame:
    """Compare nets with and without batch norm on their way, as planned; see `findings.ratios`."""
    planned = chapters.experiment("landscape").contrasts
    return findings.ratios(findings.on_the_way(way), planned)


def learning(found: pd.DataFrame) -> pd.DataFrame:
    """Select the comparisons of `compared` in which most runs of both nets learn."""
    runs = found["n"].clip(lower=1)
    return found[(2 * found["learns_a"] > runs) & (2 * found["learns_b"] > runs)]


def flatter(ends: pd.DataFrame) -> Verdict:
    """C4: larger learning rates lead to flatter minima, which generalize better."""
    runs = findings.arrivals(ends)
    arms = [arm for arm in runs["arm"].cat.categories if arm.endswith("with BN")]
    flat = [arm for arm in arms if _falls(runs, arm)]
    accuracies = {arm: findings.slope(runs, arm, "test_accuracy", log=False) for arm in arms}
    gaps = {arm: findings.slope(runs, arm, "gap", log=False) for arm in arms}
    closer = [arm for arm in arms if gaps[arm].high < 0]
    wider = [arm for arm in arms if gaps[arm].low > 0]
    wider_too = f" and widens {_where(wider, arms)}" if wider else ""
    told = (
        f"With batch norm, larger rates end in flatter places by both measures {_where(flat, arms)}"
        f". The gap between training and test accuracy narrows {_where(closer, arms)}{wider_too}: "
        f"per tenfold rate, {_each(gaps)}. Test accuracy itself changes by {_each(accuracies)}"
    )
    cause = (
        "Rates change how far a net has come as well as where to, so this shows no cause: that "
        "flatness is what generalizes stays open"
    )
    return findings.verdict(
        "C4",
        (
            findings.REPRODUCED,
            len(flat) == len(closer) == len(arms),
            f"As far as a small net can tell. {told}. {cause}.",
        ),
        (findings.REFINED, bool(flat or closer), f"In part. {told}. {cause}."),
        (findings.NOT_REPRODUCED, True, f"{told}. {cause}."),
    )


def bend(way: pd.DataFrame) -> Verdict:
    """C11: normalizing before a sigmoid keeps it nearly linear; gamma and beta bend it again."""
    table = findings.entering(way)
    fits = {}
    for kind in ("with", "without"):
        mine = table[table["arm"] == f"sigmoid, {kind} BN"]
        looks = mine["after"].agg(["min", "max"])
        fits[kind] = [
            mine[mine["after"] == look].set_index(["layer", "seed"])["linear_fit"] for look in looks
        ]
    start, end = fits["with"]
    before = start.groupby("layer", observed=True).mean()
    change = (end - start).groupby("layer", observed=True)
    bent = [layer for layer, part in change if findings.interval(part).high < 0]
    plain = fits["without"][0].groupby("layer", observed=True).mean()
    straighter = int((plain > before).sum())
    told = (
        f"A straight line explains {findings.percent(before.min())} to "
        f"{findings.percent(before.max())} of what the normalized sigmoids give at the start. "
        f"Training makes {list_of(bent) if bent else 'none of the layers'} less linear. Without "
        f"batch norm a line explains {findings.percent(plain.min())} to "
        f"{findings.percent(plain.max())} at the start, more in {straighter} of {len(plain)} "
        "layers: it is the small inputs of a net without norms that hardly see the bend"
    )
    return findings.verdict(
        "C11",
        (
            findings.REPRODUCED,
            bool(before.min() >= NEARLY) and len(bent) == len(before) and not straighter,
            f"{told}.",
        ),
        (findings.REFINED, bool(before.min() >= NEARLY) or bool(bent), f"In part. {told}."),
        (findings.NOT_REPRODUCED, True, f"{told}."),
    )


def small(found: pd.DataFrame) -> Verdict:
    """D6: outputs, gradients and weights stay small."""
    rows = _rows(learning(found), _SMALL)
    less = [f"{_SMALL[row['outcome']]} ({_times(row)})" for row in rows if _is(row, SMALLER)]
    more = [f"{_SMALL[row['outcome']]} ({_times(row)})" for row in rows if _is(row, LARGER)]
    told = (
        f"Where nets learn with and without batch norm, it makes {_list(less)} smaller and "
        f"{_list(more)} larger. Whether it regularizes is the question of another chapter"
    )
    return findings.verdict(
        "D6",
        (findings.REPRODUCED, bool(rows) and len(less) == len(rows), f"{told}."),
        (findings.REFINED, bool(less), f"In part. {told}."),
        (findings.NOT_REPRODUCED, True, f"{told}."),
    )


def evenly(found: pd.DataFrame) -> Verdict:
    """D7: the sizes of gradients are spread more evenly over the layers."""
    rows = _rows(found, ["unevenness"])
    told = "; ".join(f"{_kind(row)} {_times(row)}" for row in rows)
    even = [row for row in rows if _is(row, SMALLER)]
    said = f"Spread of the layers' median gradients, with as a multiple of without: {told}"
    return findings.verdict(
        "D7",
        (findings.REPRODUCED, len(even) == len(rows), f"{said}."),
        (
            findings.REFINED,
            bool(even),
            f"Only for {_list([_kind(row) for row in even])}. {said}.",
        ),
        (findings.NOT_REPRODUCED, True, f"{said}."),
    )


def smoother(found: pd.DataFrame) -> Verdict:
    """D8: it counters internal covariate shift and smooths the loss."""
    rows = _rows(learning(found), [*_SHIFT, *_SMOOTH])
    less = [row["outcome"] for row in rows if _is(row, SMALLER)]
    names = _SHIFT | _SMOOTH

    def part(outcomes: dict[str, str]) -> str:
        return "; ".join(
            f"{names[row['outcome']]}, {_kind(row)}: {_times(row)}"
            for row in rows
            if row["outcome"] in outcomes
        )

    told = (
        f"With batch norm as a multiple of without, where both learn. Shift: {part(_SHIFT)}. "
        f"Smoothness: {part(_SMOOTH)}. The first of these is so by construction: only gamma "
        "and beta can move what leaves a norm. That batch norm works *because* of either is more "
        "than such numbers show"
    )
    wanted = [row["outcome"] for row in rows]
    return findings.verdict(
        "D8",
        (findings.REPRODUCED, bool(rows) and less == wanted, f"Both are smaller. {told}."),
        (
            findings.REFINED,
            bool(less),
            f"{len(less)} of {len(wanted)} measures are clearly smaller. {told}.",
        ),
        (findings.NOT_REPRODUCED, True, f"None of the measures is clearly smaller. {told}."),
    )


def _falls(runs: pd.DataFrame, arm: str) -> bool:
    both = ("sharpness", "relative_sharpness")
    return all(findings.slope(runs, arm, outcome, log=True).high < 0 for outcome in both)


def _where(some: list[str], arms: list[str]) -> str:
    if not some:
        return "in neither net" if len(arms) == 2 else "in no net"
    return f"in the net{'s' * (len(some) > 1)} of {list_of(map(_kind_of, some))}"


def _kind_of(arm: str) -> str:
    return arm.partition(",")[0]


def _each(slopes: dict[str, findings.Interval]) -> str:
    return "; ".join(f"{_kind_of(arm)} {findings.points(*found)}" for arm, found in slopes.items())


def _rows(found: pd.DataFrame, outcomes: Any) -> list[dict[str, Any]]:
    chosen = found[found["outcome"].isin(list(outcomes))]
    return [{str(k): v for k, v in row.items()} for row in chosen.to_dict("records")]


def _is(row: dict[str, Any], finding: str) -> bool:
    return bool(row["finding"] == finding)


def _kind(row: dict[str, Any]) -> str:
    return _kind_of(str(row["a"]))


def _times(row: dict[str, Any]) -> str:
    return findings.significant(row["mean"], row["low"], row["high"])


def _list(parts: list[str]) -> str:
    return list_of(parts) if parts else "nothing"
