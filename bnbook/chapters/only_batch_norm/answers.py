"""Chapter 13: what a residual net can do that trains nothing but its batch norm."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd

from bnbook import chapters, findings, store
from bnbook.chapters.only_batch_norm import experiments
from bnbook.findings import Interval
from bnbook.findings.decisions import Ruled as Verdict
from bnbook.studies.features import PRUNED

EVERYTHING, NORM = "everything", "only norm"
#: The source's own depths and schedule, recorded by whoever has a GPU.
DEEP: Final = "only-norm-deep"
DEEPEST: Final = f"{NORM}, depth 110", f"{EVERYTHING}, depth 110"
#: An accuracy so far from the source's (5 points) is of the same size: it says "about".
NEAR: Final = 0.05
#: A feature counts as switched off if its gamma ends below this; all start at 1.
OFF: Final = 0.1
#: "Many" features are at least this share of all.
MANY: Final = 0.1
#: "Little cost" is less than this (2 points of test accuracy).
LITTLE: Final = 0.02
#: What is switched off, and with which statistics: rows of `costs`.
WEAKEST: Final = "the smallest gammas"
CHANCE: Final = "drawn by chance"
OLD: Final = "the smallest gammas, statistics as they were"
#: Accuracy that is clearly above a guess among ten classes.
ABOVE_CHANCE: Final = 0.15
#: What Frankle et al. (2021) have at depth 14 with only batch norm trained, after 160 epochs.
PAPER_DEPTH_14: Final = 0.48


def verdicts(frame: pd.DataFrame, pruned: pd.DataFrame) -> list[Verdict]:
    """Judge A1 to A5 and A7 to A9 by the records of "only-norm" and "pruning".

    A1 by those of `DEEP` where there are any.
    """
    deep = store.table_path(DEEP).exists()
    return [
        far_at_110(chapters.RECORDS[DEEP]) if deep else far(frame),
        sparse(frame),
        affine(frame),
        representations(frame),
        random_features(frame),
        depth(frame),
        removable(frame, pruned),
        shortcuts(frame),
    ]


def far_at_110(deep: pd.DataFrame) -> Verdict:
    """A1 by the source's depth and schedule, from the records of `DEEP`."""
    ends = findings.final(deep)
    mine = [reached(ends, arm) for arm in DEEPEST]
    figures = chapters.claim("A1").figures
    theirs = [figures["only batch norm trained"], figures["everything trained"]]
    rows = findings.contrasts(deep, experiments.ONLY_NORM_DEEP.contrasts)
    gap: Any = rows[(rows["a"] == DEEPEST[0]) & (rows["b"] == DEEPEST[1])].iloc[0]
    near = all(abs(m.mean - t) <= NEAR for m, t in zip(mine, theirs, strict=True))
    said = (
        f"At depth 110, after 160 epochs: {findings.percent(*mine[0])} with only batch norm "
        f"trained, {findings.percent(*mine[1])} with everything, a difference of "
        f"{findings.as_points(gap)}. The source has about "
        f"{findings.percent(theirs[0], digits=0)} and {findings.percent(theirs[1], digits=0)}"
    )
    return findings.verdict(
        "A1",
        (findings.REPRODUCED, clear(gap, -1) and near, f"{said}."),
        (
            findings.REFINED,
            clear(gap, -1) and mine[0].low > ABOVE_CHANCE,
            f"In kind, not in size. {said}.",
        ),
        (findings.NOT_REPRODUCED, True, f"{said}."),
    )


def far(frame: pd.DataFrame) -> Verdict:
    """A1: training only the norm gets far, and less far than training everything."""
    deep = f"{NORM}, depth 14", f"{EVERYTHING}, depth 14"
    mine, all_of_it = (reached(frame, arm) for arm in deep)
    gap = contrast(frame, *deep)
    source = chapters.claim("A1").figures
    theirs, whole, paper = (
        findings.percent(x, digits=0)
        for x in (
            source["only batch norm trained"],
            source["everything trained"],
            PAPER_DEPTH_14,
        )
    )
    said = (
        f"At depth 14: {findings.percent(*mine)} with only batch norm trained, "
        f"{findings.percent(*all_of_it)} with everything, a difference of "
        f"{findings.as_points(gap)}. The source has about {theirs} and {whole} at depth 110; the "
        f"paper behind it has {paper} at depth 14 with only batch norm trained, after 160 epochs. "
        f"Ours: {findings.setting(frame)}, and CIFAR-10 from JPEG files."
    )
    return findings.verdict(
        "A1",
        (
            findings.REFINED,
            mine.low > ABOVE_CHANCE and clear(gap, -1),
            f"In kind, not in size. {said}",
        ),
        (
            findings.NOT_REPRODUCED,
            mine.low <= ABOVE_CHANCE,
            f"What only batch norm reaches is not clearly above a guess. {said}",
        ),
        (findings.NOT_REPRODUCED, True, f"We see no clear gap between the two. {said}"),
    )


def sparse(frame: pd.DataFrame) -> Verdict:
    """A2: many gammas end near zero."""
    mine, all_of_it = (off(frame, arm) for arm in (NORM, EVERYTHING))
    said = (
        f"{findings.percent(*mine)} of the gammas end below {OFF:g} in size where only batch norm "
        f"is trained, {findings.percent(*all_of_it)} where everything is; they start at 1."
    )
    return findings.verdict(
        "A2",
        (findings.REPRODUCED, mine.low >= MANY, said),
        (findings.REFINED, mine.low > 0, f"Some, not clearly a tenth of them. {said}"),
        (findings.NOT_REPRODUCED, True, f"At this budget, hardly any. {said}"),
    )


def affine(frame: pd.DataFrame) -> Verdict:
    """A3: the affine parameters matter."""
    return _gain(
        frame,
        "A3",
        ("norm and head", "only head"),
        lambda gap: (
            f"With a trained head in both nets, training gamma and beta as well gains {gap} of "
            "test accuracy."
        ),
    )


def representations(frame: pd.DataFrame) -> Verdict:
    """A4: batch norm makes for better representations."""
    gap = contrast(frame, NORM, "only head", "readout_accuracy")
    said = (
        "A new linear head on the features of the net that trained only its batch norm gets "
        f"{findings.as_points(gap)} more than one on the features it started with."
    )
    untested = "Nets without batch norm are not compared here: they would need rates of their own."
    return findings.verdict(
        "A4",
        (findings.REFINED, clear(gap, 1), f"Training it does. {said} {untested}"),
        (findings.NOT_REPRODUCED, True, f"Not clearly ({gap['finding']}). {said} {untested}"),
    )


def random_features(frame: pd.DataFrame) -> Verdict:
    """A5: batch norm beats as many other parameters."""
    mine, others = (reached(frame, arm) for arm in (NORM, "random weights"))
    return _gain(
        frame,
        "A5",
        (NORM, "random weights"),
        lambda gap: (
            f"On the same random features, training batch norm reaches {findings.percent(*mine)}, "
            f"training as many randomly chosen weights {findings.percent(*others)}: {gap}."
        ),
    )


def depth(frame: pd.DataFrame) -> Verdict:
    """A7: depth gains more than width."""
    deep, wide, base = (
        reached(frame, arm) for arm in (f"{NORM}, depth 14", f"{NORM}, twice as wide", NORM)
    )
    heads = paired(frame, f"{NORM}, depth 14", f"{NORM}, twice as wide", outcome="readout_accuracy")
    return _gain(
        frame,
        "A7",
        (f"{NORM}, depth 14", f"{NORM}, twice as wide"),
        lambda gap: (
            f"From {findings.percent(*base)} at depth 8, going to depth 14 leads to "
            f"{findings.percent(*deep)}, doubling the width to {findings.percent(*wide)}: {gap}. "
            "The wider net trains more parameters of batch norm than the deeper one. With a new "
            f"head on the features of each, deeper minus wider is {findings.points(*heads)} (a "
            "comparison that was not planned)."
        ),
    )


def removable(frame: pd.DataFrame, pruned: pd.DataFrame) -> Verdict:
    """A8: many features can be taken out at little cost."""
    table = costs(frame, pruned).sort_values("share")
    mine: dict[Any, list[Any]] = {
        how: rows.to_dict("records") for how, rows in table[table["arm"] == NORM].groupby("how")
    }
    least = {how: rows[0] for how, rows in mine.items()}
    cheap = [row["share"] for row in mine[WEAKEST] if row["high"] < LITTLE]
    weakest = "; ".join(
        f"{findings.percent(row['share'], digits=0)}, {findings.as_points(row)}"
        for row in mine[WEAKEST]
    )
    tenth = findings.percent(least[WEAKEST]["share"], digits=0)
    said = (
        "Test accuracy that goes with the features of the smallest gammas, nothing retrained but "
        f"the statistics re-estimated: {weakest}. Little is less than {100 * LITTLE:g} points. Of "
        f"features drawn by chance, {tenth} cost "
        f"{findings.as_points(least[CHANCE])}; with the statistics of the whole net, "
        f"{tenth} of the smallest gammas cost {findings.as_points(least[OLD])}."
    )
    return findings.verdict(
        "A8",
        (findings.REPRODUCED, any(share >= 2 * MANY for share in cheap), said),
        (findings.REFINED, bool(cheap), f"A tenth of them, not a quarter. {said}"),
        (
            findings.NOT_REPRODUCED,
            least[WEAKEST]["low"] >= LITTLE,
            f"Even a tenth costs more. {said}",
        ),
        (findings.NOT_REPRODUCED, True, f"We cannot tell whether a tenth costs little. {said}"),
    )


def shortcuts(frame: pd.DataFrame) -> Verdict:
    """A9: shortcuts hold back a net that trains only its norm."""
    everything = paired(frame, f"{EVERYTHING}, no shortcuts", EVERYTHING)
    return _gain(
        frame,
        "A9",
        (f"{NORM}, no shortcuts", NORM),
        lambda gap: (
            f"Without shortcuts, and so without the norms in them, a net that trains only batch "
            f"norm has {gap}; one that trains everything {findings.points(*everything)}."
        ),
    )


def reached(frame: pd.DataFrame, arm: str, outcome: str = "test_accuracy") -> Interval:
    """Mean of an arm's accuracy over the seeds, with its interval."""
    return findings.interval(frame.loc[frame["arm"] == arm, outcome])


def contrast(frame: pd.DataFrame, a: str, b: str, outcome: str = "test_accuracy") -> Any:
    """One of the planned contrasts, with its finding (Holm over all of them)."""
    rows = findings.contrasts(frame, experiments.ONLY_NORM.contrasts)
    chosen = (rows["a"] == a) & (rows["b"] == b) & (rows["outcome"] == outcome)
    return rows[chosen].iloc[0]


def paired(frame: pd.DataFrame, a: str, b: str, outcome: str = "test_accuracy") -> Interval:
    """Difference of two arms, paired by seed, that was not planned."""
    pair = findings.paired(frame, a, b, outcome=outcome)
    return Interval(pair.mean, pair.low, pair.high)


def clear(gap: Any, sign: int) -> bool:
    """Say whether a planned contrast is different from zero, in the direction of `sign`."""
    return bool(gap["finding"] == findings.DIFFERENT and sign * gap["mean"] > 0)


def off(frame: pd.DataFrame, arm: str) -> Interval:
    """Share of gammas that end below `OFF` in size, over seeds; at least 0."""
    mine = frame.loc[frame["arm"] == arm, "gamma"]
    mean, low, high = findings.interval([np.mean(np.abs(gamma) < OFF) for gamma in mine])
    return Interval(mean, max(low, 0.0), high)


def costs(frame: pd.DataFrame, pruned: pd.DataFrame) -> pd.DataFrame:
    """Subtract the test accuracy without some features from that of the net as trained.

    Columns `arm`, `how` (`WEAKEST`, `CHANCE` or `OLD`), `share` (of all features, in
    `studies.features.PRUNED`), `mean`, `low`, `high`, `n`, over seeds; the arms of `pruned`.
    """
    whole = frame[frame["arm"].isin(pruned["arm"].unique())]
    ways = (
        (WEAKEST, pruned, "weakest"),
        (CHANCE, pruned, "random"),
        (OLD, whole, "pruned_accuracy"),
    )
    long = pd.DataFrame(
        {
            "arm": str(row["arm"]),
            "how": how,
            "seed": row["seed"],
            "share": share,
            "value": row["test_accuracy"] - left,
        }
        for how, rows, column in ways
        for row in rows.to_dict("records")
        for share, left in zip(PRUNED, row[column], strict=True)
    )
    return findings.estimates(long, ["arm", "how", "share"], "value")


def _gain(
    frame: pd.DataFrame, claim: str, arms: tuple[str, str], said: Callable[[str], str]
) -> Verdict:
    """Reproduced where the first arm is clearly ahead of the second."""
    gap = contrast(frame, *arms)
    found = said(findings.as_points(gap))
    return findings.verdict(
        claim,
        (findings.REPRODUCED, clear(gap, 1), found),
        (findings.NOT_REPRODUCED, clear(gap, -1), f"The other way round. {found}"),
        (findings.NOT_REPRODUCED, True, f"We cannot tell ({gap['finding']}). {found}"),
    )
