"""Chapter 3, first half: which layer misses its batch norm most."""

import math
from typing import Any, Final

import pandas as pd

from bnbook import findings
from bnbook.chapters.per_layer import experiments
from bnbook.chapters.per_layer.activations import shrinking
from bnbook.experiment import subset_name
from bnbook.findings.decisions import Ruled as Verdict
from bnbook.findings.writing import list_of
from bnbook.models import LENET_LAYERS

#: The layers that a norm may follow, from the image to the output.
LAYERS: Final = LENET_LAYERS[:-1]
#: The source trains for 2, 4 and 8 epochs of 60,000 images in batches of 128.
SOURCE_STEPS: Final = tuple(epochs * math.ceil(60_000 / 128) for epochs in (2, 4, 8))

_Worth = dict[tuple[float, int], pd.DataFrame]


def verdicts(frame: pd.DataFrame) -> list[Verdict]:
    """Judge C5 and C6 by the records of experiment "per-layer"."""
    return [first_norm(frame), shrinking(frame, budgets(frame))]


def budgets(frame: pd.DataFrame) -> list[int]:
    """Choose the last three evaluated epochs: the budgets of the published answer."""
    return sorted(int(epoch) for epoch in frame["epoch"].unique() if epoch > 0)[-3:]


def first_norm(frame: pd.DataFrame) -> Verdict:
    """C5: removing the first batch norm hurts most."""
    shared, higher = experiments.LAYER_LRS
    epochs = budgets(frame)
    first, last = epochs[0], epochs[-1]
    worth = _worth(frame, epochs)
    missed = {
        where: findings.leader(values, findings.LEAVE_ONE_OUT) for where, values in worth.items()
    }
    tops = {where: str(gaps["layer"].iloc[0]) for where, gaps in missed.items()}
    clear = {where: bool(gaps["ahead"].all()) for where, gaps in missed.items()}
    at_source = [(shared, epoch) for epoch in epochs]
    first_always = all(tops[where] == LAYERS[0] for where in at_source)
    first_somewhere = any(tops[where] == LAYERS[0] and clear[where] for where in tops)

    at_shared, at_higher = (_named(missed, lr, epochs) for lr in (shared, higher))
    facts = [
        f"Missed most at both learning rates: {at_shared}"
        if at_shared == at_higher
        else f"Missed most at learning rate {shared:g}: {at_shared}; at {higher:g}: {at_higher}",
        _left_out(worth[shared, last], tops[shared, last], shared),
        _by_accuracy(frame),
        f"Missed most at learning rate {shared:g}, evaluated with running statistics: "
        f"{_with_running(frame, shared, epochs)}",
        _paper([worth[lr, last] for lr in experiments.LAYER_LRS]),
        *_budget_note(int(frame["step"].max())),
    ]
    details = "\n\n" + "\n".join(f"- {fact}." for fact in facts)
    change = findings.interval(
        _lead_of_last(worth[shared, last]) - _lead_of_last(worth[shared, first])
    )
    return findings.verdict(
        "C5",
        (
            findings.REPRODUCED,
            first_always and all(clear[where] for where in at_source),
            f"The first norm is the one missed most.{details}",
        ),
        (
            findings.REFINED,
            first_always or first_somewhere,
            f"The first norm is missed most in some settings only, or not clearly.{details}",
        ),
        (
            findings.REFINED,
            change.high < 0,
            "It depends on the budget: the lead of the last norm over the first, when either is "
            f"left out, falls by {findings.plain(-change.mean, -change.high, -change.low)} from "
            f"epoch {first} to epoch {last}."
            + (
                " This fits the picture of the plateau: what counts early is that the output sees "
                "the images differ, and that is what the last norm does."
                if tops[shared, first] == LAYERS[-1]
                else ""
            )
            + details,
        ),
        (
            findings.NOT_REPRODUCED,
            True,
            (
                "The first norm is missed most at some budgets, but at none clearly more than all "
                if LAYERS[0] in tops.values()
                else "The first norm is nowhere missed more than all "
            )
            + f"others.{details}",
        ),
    )


def _worth(frame: pd.DataFrame, epochs: list[int]) -> _Worth:
    """Measure what each layer's norm is worth, per seed, at every learning rate and budget."""
    return {
        (lr, epoch): findings.layer_values(frame, lr, epoch)
        for lr in experiments.LAYER_LRS
        for epoch in epochs
    }


def _named(missed: _Worth, lr: float, epochs: list[int]) -> str:
    """Name the layer whose norm is missed most at each budget, and whether it is so clearly."""
    said = [
        missed[lr, epoch]["layer"].iloc[0]
        + ("" if missed[lr, epoch]["ahead"].all() else " (not clearly ahead)")
        for epoch in epochs
    ]
    if len(set(said)) == 1:
        return f"{said[0]} at every budget"
    return list_of(f"{layer} at epoch {epoch}" for layer, epoch in zip(said, epochs, strict=True))


def _left_out(values: pd.DataFrame, worst: str, lr: float) -> str:
    """Say what leaving out the first norm costs, and the one missed most."""
    costs = findings.estimates(values, ["measure", "layer"], "value")
    costs = costs[costs["measure"] == findings.LEAVE_ONE_OUT].set_index("layer")

    def cost(layer: str) -> str:
        row: Any = costs.loc[layer]
        return findings.as_plain(row)

    return (
        f"Leaving out the norm after {LAYERS[0]} costs {cost(LAYERS[0])} in −log(error) at "
        f"learning rate {lr:g}"
        + (
            f", leaving out that after {worst} {cost(worst)}"
            if worst != LAYERS[0]
            else ", more than any other"
        )
    )


def _by_accuracy(frame: pd.DataFrame) -> str:
    """Say which of the planned comparisons, in test accuracy after the last epoch, differ."""
    table = findings.contrasts(frame, experiments.PER_LAYER.contrasts)
    rows: list[Any] = table[table["finding"] == findings.DIFFERENT].to_dict("records")
    slots = range(1, len(LAYERS) + 1)
    lacking = {subset_name({*slots} - {slot}): LAYERS[slot - 1] for slot in slots}
    said = [
        f"without {lacking[row['a']]}'s at learning rate {row['lr']} ({findings.as_points(row)})"
        for row in rows
    ]
    return (
        f"Planned comparisons that show a difference in test accuracy: {len(said)} of {len(table)}"
        + (f", {list_of(said)}" if said else "")
    )


def _with_running(frame: pd.DataFrame, lr: float, epochs: list[int]) -> str:
    running = frame.assign(val_accuracy=frame["val_accuracy_running"])
    missed = {
        (lr, epoch): findings.leader(
            findings.layer_values(running, lr, epoch), findings.LEAVE_ONE_OUT
        )
        for epoch in epochs
    }
    return _named(missed, lr, epochs)


def _paper(values: list[pd.DataFrame]) -> str:
    """Say whether later layers profit more, by the Shapley values at every learning rate."""
    slopes = [findings.trend(worth) for worth in values]
    if all(slope.low > 0 for slope in slopes):
        return "The Shapley values side with the paper: later layers profit more, at both rates"
    if all(slope.high < 0 for slope in slopes):
        return (
            "The Shapley values speak against the paper: earlier layers profit more, at both rates"
        )
    return (
        "On the paper's word, that later layers profit more, the two rates do not agree or do not "
        "decide"
    )


def _budget_note(steps: int) -> list[str]:
    if steps >= SOURCE_STEPS[0]:
        return []
    return [f"Our longest budget has {steps:,} steps, the source's shortest {SOURCE_STEPS[0]:,}"]


def _lead_of_last(worth: pd.DataFrame) -> "pd.Series[float]":
    """How much more leaving out the last norm costs than leaving out the first, per seed."""
    values = worth[worth["measure"] == findings.LEAVE_ONE_OUT]
    wide = values.pivot(index="seed", columns="layer", values="value")
    return wide[LAYERS[-1]] - wide[LAYERS[0]]
