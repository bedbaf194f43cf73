"""Chapter 2: which learning rates still train, with batch norm and without."""

from collections.abc import Sequence
from typing import Final

import pandas as pd

from bnbook import chapters, findings
from bnbook.findings import Interval
from bnbook.findings.decisions import Ruled as Verdict
from bnbook.findings.writing import rates, span

WITH: Final = "with BN"
WITHOUT: Final = "without BN"
ARMS: Final = (WITH, WITHOUT)
#: The plain net by the source's recipe: as the source has it, and as we have it elsewhere.
PLAIN: Final = {"padded": "without BN, padded", "not padded": "without BN"}


def verdicts(frame: pd.DataFrame, posted: pd.DataFrame) -> list[Verdict]:
    """Judge C2, C3, C4 and D5 by the records of "learning-rate" and "as-posted"."""
    return [
        source_range(frame, posted),
        early_and_robust(frame),
        main_benefit(frame),
        insensitive(frame),
    ]


def trained_as_posted(
    posted: pd.DataFrame,
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """List the source's learning rates at which the plain net trains by the source's recipe.

    `posted` has the records of experiment "as-posted". Returns those at which at least half of
    the seeds train, and those at which any does, by the names in `PLAIN`.
    """
    shares = findings.share_trained(posted)
    by_net = {name: shares[shares["arm"] == arm] for name, arm in PLAIN.items()}
    return (
        {name: sorted(net.loc[net["share"] >= 0.5, "lr"]) for name, net in by_net.items()},
        {name: sorted(net.loc[net["share"] > 0, "lr"]) for name, net in by_net.items()},
    )


def rates_that_train(frame: pd.DataFrame, arm: str) -> list[float]:
    """List the learning rates at which at least half of an arm's seeds train, rising."""
    shares = findings.share_trained(frame)
    return sorted(shares.loc[(shares["arm"] == arm) & (shares["share"] >= 0.5), "lr"])


def limits(frame: pd.DataFrame) -> str:
    """Write both arms' half points as a sentence."""
    half = {arm: findings.half_point(frame, arm) for arm in ARMS}
    return f"The half point is {half[WITH]} with batch norm; without it: {half[WITHOUT]}."


def early_lead(frame: pd.DataFrame) -> tuple[int, pd.DataFrame]:
    """Measure batch norm's lead in validation accuracy at the first evaluated epoch.

    Returns that epoch and `findings.estimates` of the paired difference, one row per rate.
    """
    whole = findings.filled(frame)
    first = int(whole.loc[whole["epoch"] > 0, "epoch"].min())
    early = whole[whole["epoch"] == first].pivot_table(
        index=["lr", "seed"], columns="arm", values="val_accuracy", observed=True
    )
    gap = (early[WITH] - early[WITHOUT]).dropna().rename("value").reset_index()
    return first, findings.estimates(gap, "lr", "value")


def source_range(frame: pd.DataFrame, posted: pd.DataFrame) -> Verdict:
    """C2: the lowest and the highest learning rate at which the plain net trains."""
    source = chapters.claim("C2").figures
    tried = sorted(posted.loc[posted["arm"].isin(PLAIN.values()), "lr"].unique())
    half, some = trained_as_posted(posted)
    beyond = [
        lr
        for lr in rates_that_train(frame, WITHOUT)
        if lr < source["lowest"] or lr > source["highest"]
    ]
    ranges = (
        f"By the source's recipe, padded, at least half of our seeds train at "
        f"{rates(half['padded'])} of the source's rates ({rates(tried)}), at least one seed at "
        f"{rates(some['padded'])}; without the padding, at least half at "
        f"{rates(half['not padded'])}, at least one at {rates(some['not padded'])}. "
        + (
            f"On our own grid, at least half of the seeds train at {rates(beyond)}, too: the "
            "source's ends are those of the rates it tried."
            if beyond
            else "On our own, wider grid, nothing beyond the source's ends trains."
        )
    )
    ends_hold = {min(tried), max(tried)} <= set(half["padded"])
    return findings.verdict(
        "C2",
        (findings.REPRODUCED, ends_hold and not beyond, ranges),
        (
            findings.REFINED,
            ends_hold or bool(some["padded"]),
            f"{ranges} Which rates train is a property of the budget and the seed as much as of "
            "the net: one run per rate cannot give it.",
        ),
        (findings.NOT_REPRODUCED, True, ranges),
    )


def early_and_robust(frame: pd.DataFrame) -> Verdict:
    """C3: batch norm helps early training and makes it robust to the learning rate."""
    first, lead = early_lead(frame)
    ahead = int((lead["low"] > 0).sum())
    robust, spans = _robust(frame)
    sooner = (
        f"After {first} epoch{'s' * (first > 1)} it is ahead at {ahead} of {len(lead)} learning "
        "rates. "
    )
    return findings.verdict(
        "C3",
        (findings.REPRODUCED, robust and ahead == len(lead), sooner + spans),
        (findings.REFINED, robust or ahead > len(lead) / 2, "Only in part. " + sooner + spans),
        (findings.NOT_REPRODUCED, True, sooner + spans),
    )


def main_benefit(frame: pd.DataFrame) -> Verdict:
    """C4: its main benefit is that it permits larger learning rates."""
    half = {arm: findings.half_point(frame, arm) for arm in ARMS}
    best, same_rate, own_rate = gains(frame)
    said = (
        f"At the plain net's own best learning rate, {best[WITHOUT]:g}, batch norm gains "
        f"{findings.points(*same_rate)} of test accuracy; going on to its own best, "
        f"{best[WITH]:g}, adds {findings.points(*own_rate)}."
    )
    flatness = (
        "Whether larger rates find flatter minima takes measuring the sharpness: that is done in "
        "chapter 10."
    )
    evidence = f"{limits(frame)} {said} {flatness}"
    permits = half[WITHOUT].status == "never" or half[WITH].low > half[WITHOUT].high
    return findings.verdict(
        "C4",
        (
            findings.REFINED,
            permits and best[WITH] > best[WITHOUT] and own_rate.mean > same_rate.mean,
            f"Larger rates, yes. {evidence}",
        ),
        (
            findings.REFINED,
            permits,
            f"Larger rates, yes; the main benefit, not for this net and budget. {evidence}",
        ),
        (findings.NOT_REPRODUCED, True, evidence),
    )


def insensitive(frame: pd.DataFrame) -> Verdict:
    """D5, as far as the learning rate goes: batch norm makes training less sensitive to it."""
    robust, spans = _robust(frame)
    said = f"For the learning rate. {spans} The initialization is not varied here."
    return findings.verdict(
        "D5", (findings.REPRODUCED, robust, said), (findings.NOT_REPRODUCED, True, said)
    )


def gains(frame: pd.DataFrame) -> tuple[dict[str, float], Interval, Interval]:
    """Split what batch norm gains in test accuracy into two steps, paired by seed.

    Returns each arm's best learning rate (by mean final validation accuracy), the gain of batch
    norm at the plain net's best rate, and the gain of going on from there to its own.
    """
    means = findings.summary(frame, ["arm", "lr"])
    best = {
        str(arm): float(part["lr"].iloc[int(part["mean"].argmax())])
        for arm, part in means.groupby("arm", observed=True)
    }
    tested = findings.final(frame).pivot(
        index="seed", columns=["arm", "lr"], values="test_accuracy"
    )
    there = tested[WITH, best[WITHOUT]]
    same_rate = findings.interval((there - tested[WITHOUT, best[WITHOUT]]).dropna())
    own_rate = findings.interval((tested[WITH, best[WITH]] - there).dropna())
    return best, same_rate, own_rate


def _robust(frame: pd.DataFrame) -> tuple[bool, str]:
    """Say whether the range that trains is over twice as wide with batch norm, and the ranges."""
    tried = frame["lr"].unique()
    normed, plain = (rates_that_train(frame, arm) for arm in ARMS)
    ends = findings.summary(frame, ["arm", "lr"])
    means = {str(arm): part["mean"] for arm, part in ends.groupby("arm", observed=True)}
    return _width(normed) > 2 * _width(plain), (
        f"At least half of the seeds train at {span(normed, tried)} with batch norm and at "
        f"{span(plain, tried)} without. Over the grid, mean final validation accuracy lies between "
        f"{findings.percent(means[WITH].min())} and {findings.percent(means[WITH].max())} "
        f"with it, between {findings.percent(means[WITHOUT].min())} and "
        f"{findings.percent(means[WITHOUT].max())} without."
    )


def _width(rates: Sequence[float]) -> float:
    """Highest over lowest of some learning rates; 0 for none."""
    return max(rates) / min(rates) if rates else 0
