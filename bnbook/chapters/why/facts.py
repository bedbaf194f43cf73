"""What the records say about why batch norm works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from bnbook import findings
from bnbook.chapters.why import experiments, measures
from bnbook.chapters.why.experiments import KINDS, NOISY, WITH, WITHOUT
from bnbook.chapters.why.measures import Effects, effects
from bnbook.experiment import Contrast
from bnbook.findings import Interval, decisions
from bnbook.findings.landscape import LARGER, LEARNS, SMALLER

#: A sigmoid counts as nearly linear where a line explains so much of its output's variance.
NEARLY: Final = 0.95
SCALE_FREE: Final = ("relative_roughness", "relative_sharpness")


class Facts:
    """Accuracies are shares of test images. Ratios are with batch norm over without."""

    def __init__(self, records: Mapping[str, pd.DataFrame]) -> None:
        """Work out the facts from the five experiments of the chapter."""
        way, noisy = records[experiments.LANDSCAPE.name], records[experiments.NOISY_NORM.name]
        trained = findings.summary(noisy).set_index("arm")
        caught = measures.looks(records[experiments.EQUAL_LOSS.name])
        runs = measures.at_equal_loss(caught)
        ends = way[way["val_accuracy"].notna() & (way["arm"] == f"sigmoid, {WITHOUT}")]
        drifts = findings.on_the_way(records[experiments.NOISY_DRIFT.name])
        self.seeds = int(noisy["seed"].nunique())
        #: By kind of net, noisy batch norm against "with BN" and "without BN": differences of test
        #: accuracy, and ratios of drift.
        self.noisy = effects(findings.contrasts(noisy, experiments.NOISY_NORM.contrasts), _other)
        self.drift = effects(findings.ratios(drifts, experiments.NOISY_DRIFT.contrasts), _other)
        self.runs = int(trained["runs"].max())  # per net
        self.sigmoid_trains = int(trained["trained"][f"sigmoid, {WITHOUT}"])  # without batch norm
        self.noisy_sigmoid_trains = int(trained["trained"][f"sigmoid, {NOISY}"])
        #: By kind of net and quantity, ratios at equal numbers of steps, at equal loss, and before
        #: the first step.
        self.steps = _ratios(findings.on_the_way(way), experiments.LANDSCAPE.contrasts)
        self.equal = _ratios(runs, experiments.EQUAL_LOSS.contrasts)
        self.start = _ratios(measures.at_start(caught), _AT_START)
        #: Nets of sigmoids without batch norm that do not learn in "landscape".
        self.stuck = int((ends["val_accuracy"] < LEARNS).sum())
        #: Rms of what enters the activations of the plain net of ReLUs, at the first and last look.
        self.outputs_first, self.outputs_last = _outputs(way)
        self._compare_rates(records[experiments.SHARPNESS.name])
        self._measure_straightness(way)
        #: The smallest share that a line explains in any layer, with batch norm, at the start.
        self.least_straight = min(self.straight.values())
        #: Largest such change of the share that a line explains, as a positive number.
        self.most_bent = max(-change.mean for change in self.bend.values())
        #: Layers that are more linear without batch norm, at the start.
        self.straighter_plain = sum(
            self.straight_plain[layer] > fit for layer, fit in self.straight.items()
        )
        self.layers = len(self.straight)  # how many layers have a sigmoid

    def _compare_rates(self, sharpness: pd.DataFrame) -> None:
        """Say what a tenfold rate does to each kind of net with batch norm."""
        runs = findings.arrivals(sharpness)
        normed = {arm.partition(",")[0]: arm for arm in findings.arms(runs) if arm.endswith(WITH)}

        def slopes(outcome: str, *, log: bool = False) -> dict[str, Interval]:
            return {
                kind: findings.slope(runs, arm, outcome, log=log) for kind, arm in normed.items()
            }

        #: Factor of relative sharpness; test accuracy; gap between training and test accuracy.
        self.flatter = {
            kind: Interval(*(10.0**limit for limit in slope))
            for kind, slope in slopes("relative_sharpness", log=True).items()
        }
        self.better, self.wider = slopes("test_accuracy"), slopes("gap")
        #: Of the net of ReLUs: the rate of the highest test accuracy, and the highest rate.
        relu = findings.estimates(runs[runs["arm"] == normed["ReLU"]], "lr", "test_accuracy")
        self.best_rate = float(relu["lr"].iloc[int(relu["mean"].argmax())])
        self.top_rate = float(relu["lr"].max())

    def _measure_straightness(self, way: pd.DataFrame) -> None:
        """Say which share of a sigmoid's output a line explains, per layer."""
        table = findings.entering(way)

        def fits(name: str, after: int) -> pd.DataFrame:
            mine = table[(table["arm"] == f"sigmoid, {name}") & (table["after"] == after)]
            return mine.pivot(index="seed", columns="layer", values="linear_fit")

        start, end = fits(WITH, 0), fits(WITH, table["after"].max())
        self.straight = {str(layer): float(start[layer].mean()) for layer in start}
        #: Change from there to the end; and without batch norm at the start.
        self.bend = {str(layer): findings.interval(end[layer] - start[layer]) for layer in start}
        self.straight_plain = {str(k): float(v.mean()) for k, v in fits(WITHOUT, 0).items()}

    @property
    def drifts_more(self) -> bool:
        """Whether inputs drift more with noisy batch norm than with none, in every kind of net."""
        return all(self.drift[kind][WITHOUT].finding == LARGER for kind in KINDS)

    @property
    def ahead(self) -> list[str]:
        """Per kind of net, whether noisy batch norm is ahead of none: see `decisions.above`."""
        return [decisions.above(vars(self.noisy[kind][WITHOUT])) for kind in KINDS]

    @property
    def loses(self) -> bool:
        """Whether noise costs batch norm more than the margin, in some kind of net."""
        found = [self.noisy[kind][WITH] for kind in KINDS]
        return any(one.finding == findings.DIFFERENT and one.mean < 0 for one in found)

    @property
    def decision(self) -> str:
        """Whether batch norm helps because its layers' inputs hold still."""
        if not self.drifts_more:
            return decisions.UNDECIDED
        if set(self.ahead) == {decisions.REFUTED} or self.loses:
            return decisions.SUPPORTED
        kept = set(self.ahead) == {decisions.SUPPORTED}
        return decisions.REFUTED if kept else decisions.UNDECIDED

    @property
    def left(self) -> str:
        """What noise leaves of batch norm's lead: "all", "part", "nothing", or "" if open."""
        if self.decision == decisions.REFUTED:
            return "all"
        if self.decision == decisions.SUPPORTED:
            return "part" if decisions.SUPPORTED in self.ahead else "nothing"
        return ""

    @property
    def smoother(self) -> str:
        """Whether the loss is smoother at equal loss, by both measures that scale cannot move."""
        return _all_are(SMALLER, self.equal, *SCALE_FREE)

    @property
    def steadier(self) -> str:
        """Whether gradients shift less under their layers at equal loss."""
        return _all_are(SMALLER, self.equal, "shift")

    @property
    def D8(self) -> str:
        """It works because it counters internal covariate shift and smooths the loss."""
        found = decisions.of_parts(self.smoother, self.steadier)
        whole = found != decisions.REPRODUCED or self.decision == decisions.SUPPORTED
        return found if whole else decisions.REFINED

    @property
    def D7(self) -> str:
        """Gradient magnitudes span across a larger range quite evenly: both halves."""
        return decisions.of_parts(
            _all_are(LARGER, self.steps, "breadth"),
            _all_are(SMALLER, self.steps, "unevenness"),
        )

    @property
    def D6(self) -> str:
        """Outputs, gradients and weights stay small, where nets learn with and without it."""
        quantities = ("outputs", "gradients", "weights")
        return decisions.of_parts(
            *(_all_are(SMALLER, self.steps, q, kinds=("ReLU",)) for q in quantities)
        )

    @property
    def all_flatter(self) -> bool:
        """Whether larger rates end in flatter places in every net with batch norm."""
        return all(one.high < 1 for one in self.flatter.values())

    @property
    def any_closer(self) -> bool:
        """Whether the gap narrows with the rate in some net."""
        return any(one.high < 0 for one in self.wider.values())

    @property
    def C4(self) -> str:
        """Larger rates lead to flatter minima, and these generalize better."""
        if any(one.low > 1 for one in self.flatter.values()):
            return decisions.REFUTED
        if not self.all_flatter:
            return decisions.UNDECIDED
        better = all(one.low > 0 for one in self.better.values())
        closer = all(one.high < 0 for one in self.wider.values())
        return decisions.REPRODUCED if better and closer else decisions.REFINED

    @property
    def bent(self) -> list[str]:
        """Layers that training makes less linear."""
        return [layer for layer, change in self.bend.items() if change.high < 0]

    @property
    def C11(self) -> str:
        """Normalizing keeps a sigmoid nearly linear; gamma and beta give the bend back."""
        if self.least_straight < NEARLY:
            return decisions.REFUTED
        whole = len(self.bent) == self.layers and not self.straighter_plain
        return decisions.REPRODUCED if whole else decisions.REFINED


def _all_are(wanted: str, found: Effects, *quantities: str, kinds: Sequence[str] = KINDS) -> str:
    """Supported where all are as wanted in every net, refuted where one is the reverse."""
    seen = {found[kind][quantity].finding for kind in kinds for quantity in quantities}
    if seen == {wanted}:
        return decisions.SUPPORTED
    reverse = LARGER if wanted == SMALLER else SMALLER
    return decisions.REFUTED if reverse in seen else decisions.UNDECIDED


_AT_START: Final = tuple(
    Contrast(f"{kind}, {WITH}", f"{kind}, {WITHOUT}", 0.0, measure)
    for kind in KINDS
    for measure in SCALE_FREE
)


def _other(row: Mapping[str, Any]) -> str:
    return str(row["b"]).partition(", ")[2]


def _ratios(runs: pd.DataFrame, planned: Sequence[Contrast]) -> Effects:
    return effects(findings.ratios(runs, planned), lambda row: str(row["outcome"]))


def _outputs(way: pd.DataFrame) -> tuple[float, float]:
    plain = findings.looks(way).query("arm == @name", local_dict={"name": f"ReLU, {WITHOUT}"})
    means = plain.groupby("after")["outputs"].mean()
    return float(means.iloc[0]), float(means.iloc[-1])
