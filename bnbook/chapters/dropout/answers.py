"""Chapter 6: dropout, batch norm, both or neither."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from bnbook import chapters, findings
from bnbook.chapters.dropout import experiments
from bnbook.findings import Interval
from bnbook.findings.decisions import Ruled as Verdict
from bnbook.findings.writing import list_of

NEITHER: Final = "neither"
NORM: Final = "batch norm"
DROPOUT: Final = "dropout"
USUAL: Final = "norm then dropout"
SWAPPED: Final = "dropout then norm"

_RUNNING: Final = "test_accuracy_running"


def verdicts(full: pd.DataFrame, few: pd.DataFrame, noise: pd.DataFrame) -> list[Verdict]:
    """Judge B2, C12, D4 and D6 by "dropout", "dropout-few-images" and "batch-noise"."""
    return [ranking(full), batch_noise(noise), order(full, few), mildness(few)]


def ranking(full: pd.DataFrame) -> Verdict:
    """B2: batch norm beats dropout, and dropout beats neither."""
    rows = compared(full, "dropout")
    first, second = rows[NORM, DROPOUT], rows[DROPOUT, NEITHER]
    over_neither = rows[NORM, NEITHER]
    means = findings.summary(findings.at_best(full), outcome="test_accuracy").set_index("arm")
    scores: Any = means.loc[[NORM, DROPOUT, NEITHER]].sort_values("mean", ascending=False)
    said = list_of(f"{findings.as_percent(row)} with {arm}" for arm, row in scores.iterrows())
    details = (
        f"Each at its own best learning rate: {said}. Batch norm minus dropout: "
        f"{findings.as_points(first)}; dropout minus neither: {findings.as_points(second)}; batch "
        f"norm minus neither: {findings.as_points(over_neither)}."
    )
    return findings.verdict(
        "B2",
        (findings.REPRODUCED, ahead(first) and ahead(second), f"In this order. {details}"),
        (
            findings.REFINED,
            ahead(first) and ahead(over_neither),
            "Batch norm is ahead of both; dropout, in so few steps, is "
            + ("worse than neither" if behind(second) else "not clearly ahead of neither")
            + f". {details}",
        ),
        (
            findings.REFINED,
            ahead(first) or ahead(second) or ahead(over_neither),
            f"Only in part. {details}",
        ),
        (findings.NOT_REPRODUCED, True, f"None of the three is clearly ahead. {details}"),
    )


def batch_noise(noise: pd.DataFrame) -> Verdict:
    """C12: batch norm regularizes by its noise, best at batches of middle size."""
    leads = lead(noise)
    (small, small_gap), (large, large_gap) = ends_of_lead(leads)
    means: Any = findings.estimates(leads, "batch_size", "value").to_dict("records")
    said = list_of(
        f"{findings.as_points(row)} with batches of {row['batch_size']:g}" for row in means
    )
    details = (
        f"What batch norm adds to the test accuracy, with every net at its own best rate: {said}. "
        f"The sizes between minus the smallest, {small}: {findings.points(*small_gap)}; minus the "
        f"largest, {large}: {findings.points(*large_gap)}."
    )
    too_noisy, too_calm = small_gap.low > 0, large_gap.low > 0
    return findings.verdict(
        "C12",
        (findings.REPRODUCED, too_noisy and too_calm, f"Both ends lose. {details}"),
        (
            findings.REFINED,
            too_noisy or too_calm,
            f"One end loses: the {'smallest' if too_noisy else 'largest'} batch. {details}",
        ),
        (findings.NOT_REPRODUCED, True, f"Neither end loses detectably. {details}"),
    )


def order(full: pd.DataFrame, few: pd.DataFrame) -> Verdict:
    """D4, as far as dropout goes: it belongs after batch norm."""
    found = {
        (images, of): compared(frame, name, outcome)[SWAPPED, USUAL]
        for images, frame, name in (
            ("all images", full, "dropout"),
            ("few images", few, "dropout-few-images"),
        )
        for of, outcome in (("re-estimated", "test_accuracy"), ("running", _RUNNING))
    }
    said = list_of(
        f"{findings.as_points(row)} on {images} with {of} statistics"
        for (images, of), row in found.items()
    )
    details = (
        f"Dropout directly before the norm, minus dropout last: {said}. On the place of the norm "
        "and the activation see the chapter on inference."
    )
    worse = [where for where, row in found.items() if behind(row)]
    sound = [where for where in worse if where[1] == "re-estimated"]
    return findings.verdict(
        "D4",
        (findings.REPRODUCED, len(sound) == len(found) / 2, f"Dropout last is better. {details}"),
        (findings.REFINED, bool(worse), f"Dropout last is better in part. {details}"),
        (findings.NOT_REPRODUCED, True, f"The order makes no clear difference. {details}"),
    )


def mildness(few: pd.DataFrame) -> Verdict:
    """D6, as far as this net goes: mild regularization, small outputs, gradients and weights."""
    row = compared(few, "dropout-few-images")[NORM, NEITHER]
    change = gap_change(few, NORM)
    of_dropout = gap_change(few, DROPOUT)
    regularizes = ahead(row) and change.high < 0
    sizes = relative_sizes(few)
    small = [what for what, ratio in sizes.items() if ratio.high < 1]
    said = list_of(f"{what} {findings.plain(*ratio)}" for what, ratio in sizes.items())
    details = (
        f"On few images batch norm changes the test accuracy by {findings.as_points(row)}, and the "
        f"gap between training and test images by {findings.points(*change)} (dropout: by "
        f"{findings.points(*of_dropout)}). Sizes with batch norm as multiples of those without, at "
        f"the learning rate {experiments.FEW_SHARED_LR:g}: {said}."
    )
    return findings.verdict(
        "D6",
        (
            findings.REPRODUCED,
            regularizes and len(small) == len(sizes),
            f"It regularizes, and all three are smaller. {details}",
        ),
        (
            findings.REFINED,
            regularizes or bool(small),
            ("It regularizes" if regularizes else "We see no clear regularization")
            + f"; smaller are {list_of(small) if small else 'none of the three'}. {details}",
        ),
        (findings.NOT_REPRODUCED, True, f"No part of it shows here. {details}"),
    )


def compared(
    frame: pd.DataFrame, experiment: str, outcome: str = "test_accuracy"
) -> dict[tuple[str, str], Any]:
    """Index the rows of an experiment's planned contrasts in `outcome` by their two arms."""
    rows = findings.contrasts(frame, chapters.experiment(experiment).contrasts)
    chosen: Any = rows[rows["outcome"] == outcome].to_dict("records")
    return {(row["a"], row["b"]): row for row in chosen}


def ahead(row: Mapping[str, Any]) -> bool:
    """Say whether the first arm of a contrast is clearly better."""
    return row["finding"] in (findings.DIFFERENT, findings.SMALL) and row["mean"] > 0


def behind(row: Mapping[str, Any]) -> bool:
    """Say whether the first arm of a contrast is clearly worse."""
    return row["finding"] in (findings.DIFFERENT, findings.SMALL) and row["mean"] < 0


def best_by_size(noise: pd.DataFrame) -> dict[int, pd.DataFrame]:
    """Select each arm's fresh runs at its own best learning rate, for every batch size apart."""
    sizes: list[int] = sorted(noise["batch_size"].unique())
    return {size: findings.at_best(noise[noise["batch_size"] == size]) for size in sizes}


def lead(noise: pd.DataFrame) -> pd.DataFrame:
    """Measure what batch norm adds to the test accuracy, by `batch_size` and `seed`: `value`."""
    rows = []
    for size, runs in best_by_size(noise).items():
        tested = findings.final(runs).pivot(index="seed", columns="arm", values="test_accuracy")
        gain = (tested[NORM] - tested[NEITHER]).dropna()
        rows += [{"batch_size": size, "seed": seed, "value": value} for seed, value in gain.items()]
    return pd.DataFrame(rows)


def ends_of_lead(leads: pd.DataFrame) -> tuple[tuple[int, Interval], tuple[int, Interval]]:
    """Compare the mean lead at the batch sizes between with that at either end, by seed.

    Returns the smallest and the largest size, each with the lead that it lacks.
    """
    wide = leads.pivot(index="seed", columns="batch_size", values="value")
    between = wide.iloc[:, 1:-1].mean(axis=1)
    small, large = int(wide.columns[0]), int(wide.columns[-1])
    return (
        (small, findings.interval(between - wide[small])),
        (large, findings.interval(between - wide[large])),
    )


def gap_change(few: pd.DataFrame, arm: str) -> Interval:
    """Measure how much smaller (below 0) `arm` makes the gap from training to test images."""
    ends = findings.final(findings.at_best(few))
    gaps = ends.assign(gap=ends["train_accuracy"] - ends["test_accuracy"])
    wide = gaps.pivot(index="seed", columns="arm", values="gap")
    return findings.interval(wide[arm] - wide[NEITHER])


def relative_sizes(few: pd.DataFrame) -> dict[str, Interval]:
    """Compare outputs, gradients and weights with batch norm to those without: ratios by seed.

    At the shared learning rate, geometric means over layers. Outputs (root mean squares after the
    activation) and gradients: over the start, where both nets have the same weights, and the first
    evaluation after it. Weights: at the end of training.
    """
    fresh = findings.fresh(few)
    runs = fresh[(fresh["lr"] == experiments.FEW_SHARED_LR) & fresh["arm"].isin([NORM, NEITHER])]
    early = runs[runs["epoch"] <= runs.loc[runs["epoch"] > 0, "epoch"].min()]
    squares = findings.magnitudes(early)
    outputs = squares[squares["where"] == "after the activation"]
    return {
        "outputs": _ratio(outputs.assign(value=outputs["value"] ** 0.5)),
        "gradients": _ratio(findings.gradients(early)),
        "weights": _ratio(findings.weight_norms(runs[runs["epoch"] == runs["epochs"]])),
    }


def _ratio(long: pd.DataFrame) -> Interval:
    each = findings.multiples(long, NEITHER)
    each = each.assign(log=np.log(each["value"]))
    per_seed = each.groupby("seed")["log"].mean()
    mean, low, high = np.exp(findings.interval(per_seed))
    return Interval(float(mean), float(low), float(high))
