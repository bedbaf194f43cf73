"""What the records say about other normalizations, each against batch norm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, Final

import pandas as pd

from bnbook import findings
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


@dataclass(frozen=True)
class Facts:
    """Norms go by their kind in `norms.KINDS`; differences are in test accuracy.

    Every norm has as many steps, and its best learning rate.
    """

    budget: ClassVar[float] = equal_time.BUDGET / 1000  # seconds
    margin: ClassVar[float] = MARGIN

    seeds: int
    images: int
    epochs: int
    steps: int
    runs: int  # per norm
    trained: Mapping[str, int]  # of them, by kind
    #: Against batch norm: intervals adjusted over all norms, and what Holm's tests find.
    against: Mapping[str, Interval]
    finding: Mapping[str, str]
    #: Time of a training step over batch norm's; of a layer of `widest` features over batch norm's.
    price: Mapping[str, Interval]
    widest: int
    wide_price: Mapping[str, Interval]
    monarch_price: Interval  # a step, over one with full whitening
    #: Rates tried, and the norms (by arm) that train and do best at the largest.
    rates: Sequence[float]
    at_largest: Sequence[str]
    # Secondary comparisons; their intervals are adjusted over all of them.
    #: Between any two of the norms ahead of batch norm: the differences.
    between_leaders: Mapping[str, Interval]
    #: The best of them by its mean, in full batches, against batch norm with `small` ones.
    best_against_small: Interval
    whitening_small: Interval  # whitening against batch norm, both with small batches
    small: int
    usual: int  # batch size
    blocks_over_full: Interval  # block whitening against whitening in full
    loss_gap: Interval  # validation minus training loss, soft threshold against batch norm
    layer_least: float  # by how much layer norm ends below batch norm at least, over seeds
    #: Test accuracy of whitening with small batches and running statistics, and re-estimated.
    small_running: float
    small_reestimated: float
    #: Time for as many images, batch norm with small batches over the best norm with full ones.
    small_time: float
    best: str  # the arm
    #: In equal time, each net at its own batch size and rate: against batch norm, by arm; those
    #: that are equivalent to it; the batch size and the steps of each; the sizes that were tried.
    timed: Mapping[str, Interval]
    level: tuple[str, ...]
    timed_size: Mapping[str, int]
    timed_steps: Mapping[str, int]
    timed_sizes: tuple[int, ...]

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
        if any(x.low > 0 for x in self.timed.values()):
            return decisions.SUPPORTED
        lost = all(x.high < MARGIN for x in self.timed.values())
        return decisions.REFUTED if lost else decisions.UNDECIDED

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
        if any(map(self._ahead, kinds)):
            return decisions.SUPPORTED
        lost = all(self._behind(k) or self.finding[k] == findings.EQUIVALENT for k in kinds)
        return decisions.REFUTED if lost else decisions.UNDECIDED


def facts(records: Mapping[str, pd.DataFrame]) -> Facts:
    """Work out the facts from "other-norms", its timings, and "norms-equal-time"."""
    frame = records[OTHER_NORMS.name]
    runs, rows = comparison.best(frame), comparison.against(frame)
    ends = findings.final(runs)
    counted = findings.summary(runs).set_index("arm")
    kinds = rows["a"].map(NORMS)
    ahead = rows[(rows["mean"] > 0) & (rows["low"] > 0)]["a"].tolist()
    best = str(rows["a"].iloc[0])
    layers = _wide_prices()
    plan = OTHER_NORMS.arms[REFERENCE]
    rates = sorted(map(float, findings.tuning(frame)["lr"].unique()))
    return Facts(
        seeds=ends["seed"].nunique(),
        images=plan.train_size,
        epochs=plan.epochs,
        steps=int(runs["step"].max()),
        runs=int(counted["runs"].min()),
        trained={NORMS[str(arm)]: int(n) for arm, n in counted["trained"].items()},
        against=dict(zip(kinds, _intervals(rows), strict=True)),
        finding=dict(zip(kinds, rows["finding"], strict=True)),
        price=_by_kind(comparison.step_times()),
        monarch_price=_by_kind(comparison.step_times("whitening"))["monarch"],
        rates=rates,
        at_largest=[
            arm
            for arm, lr in findings.best_rates(comparison.usual(frame)).items()
            if lr == rates[-1] and counted.loc[arm, "trained"]
        ],
        best=best,
        usual=comparison.BATCH_SIZE,
        **_timed(records[equal_time.NORMS_AT_EQUAL_TIME.name]),
        **layers,
        **_secondary(frame, ends, ahead, best),
    )


def _secondary(
    frame: pd.DataFrame, ends: pd.DataFrame, ahead: Sequence[str], best: str
) -> dict[str, Any]:
    """Compare the leaders with each other and with small batches; see the fields of `Facts`."""
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
            "best": tested[best] - few[REFERENCE],
            "whitening": few["whitening"] - few[REFERENCE],
            "blocks": tested["block whitening"] - tested["whitening"],
            "gap": gap["soft threshold"] - gap[REFERENCE],
        }
    )
    return {
        "between_leaders": {pair: found[pair] for pair in pairs},
        "best_against_small": found["best"],
        "whitening_small": found["whitening"],
        "blocks_over_full": found["blocks"],
        "loss_gap": found["gap"],
        "layer_least": float((tested[REFERENCE] - tested["layer norm"]).min()),
        "small": _SMALL,
        "small_running": float(running["whitening"].mean()),
        "small_reestimated": float(few["whitening"].mean()),
        "small_time": _small_time(best),
    }


def _small_time(best: str) -> float:
    """Time for as many images: small batches with batch norm over usual ones with `best`."""
    costs, usual = equal_time.COSTS, comparison.BATCH_SIZE
    if best not in costs:
        return float("nan")
    return costs[REFERENCE][_SMALL] * usual / _SMALL / costs[best][usual]


def _wide_prices() -> dict[str, Any]:
    """Time of the widest layer that was measured, over batch norm's."""
    rows = comparison.timings_of_layers()
    widest = int(rows["width"].max())
    ratios = findings.relative(rows[rows["width"] == widest], "batch")
    found = findings.medians(ratios, "kind", "ratio")
    return {
        "widest": widest,
        "wide_price": dict(zip(found["kind"], _intervals(found), strict=True)),
    }


def _by_kind(table: pd.DataFrame) -> dict[str, Interval]:
    return dict(zip(table["arm"].map(NORMS), _intervals(table), strict=True))


def _intervals(table: pd.DataFrame) -> list[Interval]:
    return [Interval.of(row) for row in table.to_dict("records")]


def _timed(frame: pd.DataFrame) -> dict[str, Any]:
    """Compare the nets in equal time; see the fields of `Facts`."""
    best = at_best_size(frame, equal_time.COSTS)
    planned = equal_time.NORMS_AT_EQUAL_TIME.contrasts
    rows = findings.compared([findings.paired(best, one.a, one.b) for one in planned])
    of_net: Any = best.groupby("arm", observed=True)[["batch_size", "step"]].max()
    return {
        "timed": dict(zip(rows["a"], _intervals(rows), strict=True)),
        "level": tuple(rows.loc[rows["finding"] == findings.EQUIVALENT, "a"]),
        "timed_size": {str(arm): int(size) for arm, size in of_net["batch_size"].items()},
        "timed_steps": {str(arm): int(steps) for arm, steps in of_net["step"].items()},
        "timed_sizes": tuple(equal_time.COSTS[REFERENCE]),
    }
