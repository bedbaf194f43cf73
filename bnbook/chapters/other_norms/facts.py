"""What the records say about other normalizations, each against batch norm."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Final

import pandas as pd

from bnbook import findings, timings
from bnbook.chapters.other_norms import comparison, equal_time
from bnbook.chapters.other_norms.experiments import IDEAS, NORMS, OTHER_NORMS, REFERENCE
from bnbook.experiment import MARGIN
from bnbook.findings import Interval, decisions
from bnbook.findings.equal_time import at_best_size

_FULL, _COMPACT = "full covariance", "compact covariance"
_KINDS: Final = {idea: tuple(arms.values()) for idea, arms in IDEAS.items()}
_WINNERS: Final = {
    _FULL: "whitening",
    _COMPACT: "whitening",
    "integral transform": "integral transform",
}
#: The batch size at which whitening runs short of rows.
_SMALL: Final = 32


class Facts:
    """Norms go by their kind in `norms.KINDS`; differences are in test accuracy.

    Every norm has as many steps, and its best learning rate.
    """

    budget = equal_time.BUDGET / 1000  # seconds

    def __init__(self, records: Mapping[str, pd.DataFrame]) -> None:
        """Work out the facts from "other-norms", its timings, and "norms-equal-time"."""
        frame = records[OTHER_NORMS.name]
        runs, rows = comparison.best(frame), comparison.against(frame)
        ends = findings.final(runs)
        counted = findings.summary(runs).set_index("arm")
        kinds = rows["a"].map(NORMS)
        ahead = rows[(rows["mean"] > 0) & (rows["low"] > 0)]["a"].tolist()
        best = str(rows["a"].iloc[0])
        plan = OTHER_NORMS.arms[REFERENCE]
        rates = sorted(map(float, findings.tuning(frame)["lr"].unique()))
        self.seeds = ends["seed"].nunique()
        self.images = plan.train_size
        self.epochs = plan.epochs
        self.steps = int(runs["step"].max())
        self.runs = int(counted["runs"].min())  # per norm
        #: Of them, by kind.
        self.trained = {NORMS[str(arm)]: int(n) for arm, n in counted["trained"].items()}
        #: Against batch norm: intervals adjusted over all norms, and what Holm's tests find.
        self.against = _by_kind(rows, "a")
        self.finding = dict(zip(kinds, rows["finding"], strict=True))
        #: Time of a training step over batch norm's; of a layer of `widest` features, too.
        self.price = _by_kind(comparison.step_times())
        self.widest, self.wide_price = _wide_prices()
        #: A step, over one with full whitening.
        self.monarch_price = _by_kind(comparison.step_times("whitening"))["monarch"]
        #: Rates tried, and the norms (by arm) that train and do best at the largest.
        self.rates = rates
        self.at_largest = [
            arm
            for arm, lr in findings.best_rates(comparison.usual(frame)).items()
            if lr == rates[-1] and counted.loc[arm, "trained"]
        ]
        self.best = best  # the arm
        self.usual = comparison.BATCH_SIZE
        self._compare_sizes(frame, ends, ahead)
        self._compare_in_equal_time(records[equal_time.NORMS_AT_EQUAL_TIME.name])

    def _compare_sizes(self, frame: pd.DataFrame, ends: pd.DataFrame, ahead: Sequence[str]) -> None:
        """Compare those ahead with each other and with small batches, and a few others.

        Intervals are adjusted over all of these secondary comparisons.
        """
        usual = ends.set_index(["arm", "seed"])
        sizes = findings.final(comparison.over_sizes(frame))
        small = sizes[sizes["batch_size"] == _SMALL].set_index(["arm", "seed"])
        tested: Any = usual["test_accuracy"]
        few: Any = small["test_accuracy"]
        running: Any = small["test_accuracy_running"]
        gap: Any = usual["val_loss"] - usual["train_loss"]
        pairs = {f"{a} - {b}": tested[a] - tested[b] for a, b in combinations(ahead, 2)}
        found = findings.holm_intervals(
            {
                **pairs,
                "best": tested[self.best] - few[REFERENCE],
                "whitening": few["whitening"] - few[REFERENCE],
                "blocks": tested["block whitening"] - tested["whitening"],
                "gap": gap["soft threshold"] - gap[REFERENCE],
            }
        )
        self.between_leaders = {pair: found[pair] for pair in pairs}
        #: The best norm by its mean, in full batches, against batch norm with `small` ones.
        self.best_against_small = found["best"]
        self.whitening_small = found["whitening"]  # against batch norm, both with small batches
        self.blocks_over_full = found["blocks"]  # block whitening against whitening in full
        #: Validation minus training loss, soft threshold against batch norm.
        self.loss_gap = found["gap"]
        #: By how much layer norm ends below batch norm at least, over seeds.
        self.layer_least = float((tested[REFERENCE] - tested["layer norm"]).min())
        self.small = _SMALL
        #: Test accuracy of whitening with small batches and running statistics, and re-estimated.
        self.small_running = float(running["whitening"].mean())
        self.small_reestimated = float(few["whitening"].mean())
        self.small_time = _small_time(self.best)

    def _compare_in_equal_time(self, frame: pd.DataFrame) -> None:
        """Compare nets with batch norm in equal time, each at its own batch size and rate."""
        best = at_best_size(frame, equal_time.COSTS)
        planned = equal_time.NORMS_AT_EQUAL_TIME.contrasts
        rows = findings.compared([findings.paired(best, one.a, one.b) for one in planned])
        of_net: Any = best.groupby("arm", observed=True)[["batch_size", "step"]].max()
        self.timed = Interval.by(rows, "a")
        #: Those that are equivalent to it.
        self.level = tuple(rows.loc[rows["finding"] == findings.EQUIVALENT, "a"])
        self.timed_size = {str(arm): int(size) for arm, size in of_net["batch_size"].items()}
        self.timed_steps = {str(arm): int(steps) for arm, steps in of_net["step"].items()}
        self.timed_sizes = tuple(equal_time.COSTS[REFERENCE])  # that were tried

    @property
    def leaders(self) -> list[str]:
        """Arms that end above batch norm in as many steps, the best first."""
        found = [kind for kind in self.against if self._ahead(kind)]
        found.sort(key=lambda kind: -self.against[kind].mean)
        return [comparison.ARM_OF[kind] for kind in found]

    @property
    def leading_ideas(self) -> list[str]:
        """d2l's ideas of which an arm leads."""
        return [idea for idea, arms in IDEAS.items() if set(arms) & set(self.leaders)]

    @property
    def winner(self) -> str:
        """The kind of idea that leads alone: "whitening", "integral transform", "another", "none".

        Or "several kinds".
        """
        kinds = {_WINNERS.get(idea, "another") for idea in self.leading_ideas}
        return kinds.pop() if len(kinds) == 1 else "several kinds" if kinds else "none"

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many norms are ahead of batch norm, behind it, and too close to call.

        Those with runs that fail sometimes are none of these.
        """
        tests = (self._ahead, self._behind, self._close)
        ahead, behind, close = (sum(test(kind) for kind in self.against) for test in tests)
        return ahead, behind, close

    @property
    def leaders_differ(self) -> bool:
        """Whether any two of the leaders can be told apart."""
        return any(x.low > 0 or x.high < 0 for x in self.between_leaders.values())

    @property
    def decision(self) -> str:
        """Whether some norm ends above batch norm in as many steps."""
        return self._judged(tuple(self.against))

    @property
    def integral(self) -> str:
        """Whether the integral transform does."""
        return self._judged(_KINDS["integral transform"])

    @property
    def full(self) -> str:
        """Whether whitening with the full covariance does."""
        return self._judged(_KINDS[_FULL])

    @property
    def compact(self) -> str:
        """Whether whitening with compact matrices does."""
        return self._judged(_KINDS[_COMPACT])

    @property
    def projections(self) -> str:
        """Whether another projection does."""
        return self._judged(_KINDS["other projections"])

    @property
    def sparse(self) -> str:
        """Whether sparsification regularizes: narrows the gap from training to validation loss."""
        return decisions.sign(-self.loss_gap)

    @property
    def in_equal_time(self) -> str:
        """Whether a norm that leads in as many steps leads in as much time."""
        timed = self.timed.values()
        return decisions.decide(any(x.low > 0 for x in timed), all(x.high < MARGIN for x in timed))

    def _ahead(self, kind: str) -> bool:
        return self._clear(kind) and self.against[kind].mean > 0

    def _behind(self, kind: str) -> bool:
        return self._clear(kind) and self.against[kind].mean < 0

    def _close(self, kind: str) -> bool:
        return not self._clear(kind) and self.trained[kind] == self.runs

    def _clear(self, kind: str) -> bool:
        clear = (findings.DIFFERENT, findings.SMALL, findings.ONE_TRAINS)
        return self.finding[kind] in clear

    def _judged(self, kinds: Sequence[str]) -> str:
        lost = all(self._behind(k) or self.finding[k] == findings.EQUIVALENT for k in kinds)
        return decisions.decide(any(map(self._ahead, kinds)), lost)


def _small_time(best: str) -> float:
    """Time for as many images: small batches with batch norm over usual ones with `best`."""
    costs, usual = equal_time.COSTS, comparison.BATCH_SIZE
    if best not in costs:
        return float("nan")
    return costs[REFERENCE][_SMALL] * usual / _SMALL / costs[best][usual]


def _wide_prices() -> tuple[int, dict[str, Interval]]:
    """Return the widest layer that was measured, and by kind its time over batch norm's."""
    rows = timings.read("norm-widths")
    widest = int(rows["width"].max())
    ratios = findings.relative(rows[rows["width"] == widest], "batch")
    found = findings.medians(ratios, "kind", "ratio")
    return widest, Interval.by(found, "kind")


def _by_kind(table: pd.DataFrame, arm: str = "arm") -> dict[str, Interval]:
    return Interval.by(table.assign(kind=table[arm].map(NORMS)), "kind")
