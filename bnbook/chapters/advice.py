"""What to do in one's own net: each line chosen by a rule on the records, with its number."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from bnbook import chapters, findings, models, store, timings, training
from bnbook.chapters.cost import answers as cost
from bnbook.chapters.fixed_affine import answers as affine
from bnbook.chapters.inference import answers as inference
from bnbook.chapters.learning_rates import answers as learning_rate
from bnbook.chapters.lite_batch_norm import answers as lite
from bnbook.experiment import MARGIN, SHARED_LR
from bnbook.findings import Markdown, list_of
from bnbook.run import Run


@dataclass(frozen=True)
class Advice:
    """A line of advice: what to do about a topic, the evidence, and the chapter that has it."""

    topic: str
    do: str
    evidence: str
    chapter: int

    def __str__(self) -> str:
        link = chapters.find(self.chapter).link()
        return f"## {self.topic}\n\n{self.do}\n\n*Evidence:* {self.evidence} ({link})"


def bias(frame: pd.DataFrame) -> Advice:
    """Whether to leave out biases before batch norm."""
    plan = chapters.experiment("bias-removal")
    contrasts = findings.contrasts(frame, plan.contrasts)
    gap = findings.points(contrasts["mean"].abs().max())
    kept, gone = (
        models.parameter_count(training.build(plan.arms[arm]))
        for arm in ("all biases", "no biases")
    )
    if (contrasts["finding"] == findings.EQUIVALENT).all():
        do = (
            "Leave out the bias of every layer that batch norm follows directly. Keep that of the "
            "output layer, and those before norms that do not subtract the mean over the batch."
        )
    elif (contrasts["finding"] == findings.DIFFERENT).any():
        do = "Keep the biases before batch norm until you know why leaving them out matters."
    else:
        do = "Our records leave open whether biases before batch norm matter."
    evidence = (
        f"Without them, {kept - gone} parameters go, and the largest mean difference in test "
        f"accuracy is {gap} ({findings.setting(frame)})."
    )
    return Advice("Bias", do, evidence, 1)


def rate(frame: pd.DataFrame) -> Advice:
    """Whether larger learning rates come with batch norm."""
    half = {arm: findings.half_point(frame, arm) for arm in learning_rate.ARMS}
    normed, plain = (half[arm] for arm in learning_rate.ARMS)
    best, _, gain = learning_rate.gains(frame)
    if plain.status == "never" or normed.low > plain.high:
        do = "Look for the learning rate anew when you add batch norm, and look higher."
    else:
        do = (
            "Look for the learning rate anew when you add batch norm; higher is not better as such."
        )
    at, plain_at = (best[arm] for arm in learning_rate.ARMS)
    evidence = (
        f"{learning_rate.limits(frame)} That is the learning rate at which half of the seeds still "
        f"train. The best rates tried are {at:g} with and {plain_at:g} without"
        + (
            f"; going from this to that changes the test accuracy of the net with batch norm by "
            f"{findings.points(*gain)}."
            if at != plain_at
            else "."
        )
    )
    return Advice("Learning rate", do, evidence, 2)


def tuning(halves: pd.DataFrame, fixed: pd.DataFrame) -> Advice | None:
    """Whether variants need learning rates of their own before they are compared."""
    moved = lite.changed(halves) + affine.changed(fixed)
    if not moved:
        return None
    evidence = (
        f"At one shared rate, {SHARED_LR:g}, we would have come to another conclusion "
        f"about {list_of(moved)} than with each net at its own best."
    )
    return Advice(
        "Comparisons", "Tune the learning rate of each variant before you compare.", evidence, 4
    )


def layers(frame: pd.DataFrame) -> Advice:
    """Where to put the norms."""
    contrasts = findings.contrasts(frame, chapters.experiment("per-layer").contrasts)
    slots = dict(zip(("234", "134", "124", "123"), models.LENET_LAYERS, strict=False))
    costs = contrasts[(contrasts["finding"] == findings.DIFFERENT) & (contrasts["mean"] < 0)]
    missed = [slots[arm] for arm in slots if arm in set(costs["a"])]
    if len(missed) == len(slots):
        do = "Put batch norm after every hidden layer."
    elif missed:
        do = f"Put batch norm after every hidden layer, and after {list_of(missed)} in any case."
    else:
        do = "Where batch norm is a burden, take out one: the others make up for it."
    most: Any = contrasts.iloc[int(contrasts["mean"].argmin())]
    evidence = (
        f"The dearest to take out is that after {slots[most['a']]}, at learning rate {most['lr']}: "
        f"{findings.as_points(most)} of test accuracy ({findings.setting(frame)})."
    )
    return Advice("Where", do, evidence, 3)


def place(frame: pd.DataFrame) -> Advice:
    """Whether the norm stands before the activation or after it."""
    sides, gaps = inference.places(frame)
    clear = set(sides.values()) - {""}
    if len(clear) == 1 and all(sides.values()):
        do = f"Put batch norm {clear.pop()} the activation."
    elif clear:
        better = list_of(f"{side} it with {net}" for net, side in sides.items() if side)
        do = f"Before the activation or after it: that depends on the net. Put it {better}."
    else:
        do = "Leave it where it is: our records do not show that one place is better."
    return Advice("Before or after the activation", do, gaps, 9)


def halves(frame: pd.DataFrame) -> Advice:
    """Whether half of batch norm is enough."""
    contrasts = findings.contrasts(frame, chapters.experiment("lite").contrasts)
    own = contrasts[(contrasts["lr"] == "own best") & (contrasts["a"] != "none")]
    rows: Any = own.to_dict("records")
    said = list_of(f"{findings.as_points(row)} with {row['a']}" for row in rows)
    if all(row["finding"] == findings.DIFFERENT and row["mean"] < 0 for row in rows):
        do = "Keep both halves: subtract the mean and divide by the deviation."
    elif equal := [row["a"] for row in rows if row["finding"] == findings.EQUIVALENT]:
        do = f"Half of it may do: try {list_of(equal)} norm."
    else:
        do = "Our records leave open whether half of it would do."
    evidence = f"Each at its own best rate, the test accuracy changes by {said}."
    return Advice("Half a norm", do, evidence, 4)


def evaluation(frame: pd.DataFrame) -> Advice:
    """Whether running statistics are good enough to compare nets by."""
    noise: Any = findings.evaluation_noise(frame[frame["arm"] == learning_rate.WITH]).iloc[0]
    if noise["typical"] > MARGIN:
        do = (
            "Re-estimate the statistics over training data before you compare or report "
            "accuracies, and never trust one evaluation with running ones."
        )
    else:
        do = "Evaluate with running statistics; re-estimated ones say the same."
    evidence = (
        f"Over {noise['n']:,} evaluations, the accuracy with running statistics is off by "
        f"{100 * noise['typical']:.1f} points on average and by {100 * noise['largest']:.1f} at "
        "worst, against the same weights with re-estimated ones."
    )
    return Advice("Evaluation", do, evidence, 9)


def freezing(frame: pd.DataFrame) -> Advice:
    """Whether gamma and beta may be held fixed."""
    contrasts = findings.contrasts(frame, chapters.experiment("affine").contrasts)
    both: Any = contrasts[contrasts["a"] == affine.BOTH].to_dict("records")
    rows = {row["lr"]: row for row in both}
    own, shared = rows["own best"], rows[f"{SHARED_LR:g}"]
    if own["finding"] == findings.DIFFERENT and own["mean"] < 0:
        do = "Let gamma and beta learn."
    elif own["finding"] == findings.EQUIVALENT:
        do = "You may hold gamma and beta fixed."
    else:
        do = "Our records leave open whether gamma and beta may be held fixed."
    evidence = (
        f"Holding both fixed changes the test accuracy by {findings.as_points(own)} with each net "
        f"at its own best learning rate, and by {findings.as_points(shared)} at {shared['lr']}."
    )
    after = " Whatever you freeze, freeze it before the optimizer's first step."
    return Advice("Freezing", do + after, evidence, 5)


def small_batches(frame: pd.DataFrame) -> Advice:
    """Whether small batches spoil batch norm, each batch size at its own best learning rate."""
    normed = frame[frame["arm"] == learning_rate.WITH]
    small, usual = int(normed["batch_size"].min()), Run().batch_size
    means = findings.summary(normed, ["batch_size", "lr"])
    ends = findings.final(normed)

    def at_best(size: int) -> tuple[float, pd.DataFrame]:
        mine = means[means["batch_size"] == size]
        best = float(mine["lr"].iloc[int(mine["mean"].argmax())])
        chosen = ends[(ends["batch_size"] == size) & (ends["lr"] == best)]
        return best, chosen.set_index("seed")

    (lr, few), (usual_lr, many) = at_best(small), at_best(usual)
    gap = findings.interval((few["test_accuracy"] - many["test_accuracy"]).dropna())
    if gap.low > -MARGIN:
        do = f"Batches of {small} are large enough for batch norm, at a learning rate of their own."
    elif gap.high < 0:
        do = f"Do not go down to batches of {small} without need."
    else:
        do = f"Our records leave open whether batches of {small} cost accuracy."
    off = {
        size: 100 * float((part["val_accuracy_running"] - part["val_accuracy"]).abs().mean())
        for size, part in ((small, few), (usual, many))
    }
    evidence = (
        f"Batches of {small} at {lr:g} minus batches of {usual} at {usual_lr:g}: "
        f"{findings.points(*gap)} of test accuracy ({findings.setting(normed)}). With running "
        f"statistics the end is off by {off[small]:.1f} points on average with batches of {small}, "
        f"and by {off[usual]:.1f} with {usual}."
    )
    return Advice("Small batches", do, evidence, 2)


def pace(frame: pd.DataFrame) -> Advice:
    """Whether batch norm pays on the clock, though its steps take longer."""
    clocks = cost.clocks(frame, timings.read("bn-steps"))
    said = {clock.said for clock in clocks.values()}
    if "sooner" in said and "later" not in said:
        do = "Judge batch norm by the time to the accuracy you need, not by that of a step."
    elif "later" in said and "sooner" not in said:
        do = "Expect to pay for batch norm in time."
    else:
        do = "Our records leave open whether batch norm saves time: it depends on the net."
    longer = list_of(
        f"{cost.longer(one.per_step._asdict())} ({net})" for net, one in clocks.items()
    )
    evidence = f"A step takes longer with it, by {longer}. {cost.on_the_clock(clocks)}"
    return Advice("Time", do, evidence, 12)


def folding() -> Advice:
    """Whether batch norm can be merged into the layer before it, once training is over."""
    net, folded, error = inference.folding_error(
        chapters.experiment("bias-removal").arms["all biases"]
    )
    before, after = (models.parameter_count(one) for one in (net, folded))
    evidence = (
        f"`bnbook.folding.fold` turns our net into one of {after:,} parameters instead of "
        f"{before:,}, without a norm; in double precision its outputs differ by "
        f"{findings.two_digits(error)} of the largest, which is rounding. "
        "`torch.nn.utils.fusion` does the same to one layer."
    )
    return Advice("Folding", "Fold batch norm away before you deploy the net.", evidence, 9)


#: Each rule with the experiments whose records it reads, in the order of the page.
RULES: Final[Sequence[tuple[Callable[..., Advice | None], tuple[str, ...]]]] = (
    (bias, ("bias-removal",)),
    (layers, ("per-layer",)),
    (place, ("norm-place",)),
    (halves, ("lite",)),
    (rate, ("learning-rate",)),
    (small_batches, ("learning-rate-grid",)),
    (freezing, ("affine",)),
    (evaluation, ("learning-rate",)),
    (tuning, ("lite", "affine")),
    (pace, ("time-to-accuracy",)),
    (folding, ()),
)


def advice() -> Markdown:
    """Write every line of advice, each under a heading.

    A rule whose experiments are not recorded yet is left out; where the evidence decides nothing,
    the line says so. Raises BookError where records are damaged or stale.
    """
    lines = [
        rule(*map(chapters.RECORDS.__getitem__, names))
        for rule, names in RULES
        if all(store.table_path(name).exists() for name in names)
    ]
    return Markdown("\n\n".join(str(line) for line in lines if line))
