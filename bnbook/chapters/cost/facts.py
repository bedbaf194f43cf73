"""What the records and the timings say about the price of batch norm."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import pandas as pd

from bnbook import findings, timings
from bnbook.chapters.cost import pace
from bnbook.chapters.cost.claims import CLAIMS
from bnbook.chapters.cost.experiments import NETS, NUMPY
from bnbook.chapters.cost.pace import Clock
from bnbook.findings import Interval, decisions
from bnbook.findings.reaching import TARGETS, arm_name, quickest_lr

SIGMOIDS, RELUS, MLP, RESNET = "LeNet, sigmoids", "LeNet, ReLU", "MLP, ReLU", "ResNet"
#: Slowdowns that count as the source's "30%".
ABOUT: Final = (0.2, 0.4)


@dataclass(frozen=True)
class Facts:
    """Prices are what comes on top of a step, as a share of it, on one core."""

    turns: int
    seeds: int
    goals: ClassVar[tuple[float, ...]] = TARGETS
    target: float  # validation accuracy, the highest of the goals
    steps: pd.DataFrame  # see `pace.on_one_core`
    step_seconds: Mapping[str, float]  # by arm of "time-to-accuracy"
    courses: pd.DataFrame  # see `pace.courses`
    clocks: Mapping[str, Clock]  # to the target, by net
    arrivals: pd.DataFrame  # see `pace.arrivals`; at the target
    #: Arms whose quickest rate is an end of their grid: with batch norm, and without.
    at_edge: int
    at_edge_without: int
    gpu: bool  # whether one was timed, too
    source: float  # the source's price, of its whole script

    @property
    def ours(self) -> pd.DataFrame:
        """What was timed in PyTorch."""
        return self.steps[self.steps["net"] != NUMPY]

    @property
    def numpy(self) -> Interval:
        """Price in the source's net, written as there."""
        row: Any = self.steps[self.steps["net"] == NUMPY].iloc[0]
        return Interval(row["mean"] - 1, row["low"] - 1, row["high"] - 1)

    @property
    def table_least(self) -> float:
        """Lowest price of "bn-steps" in PyTorch."""
        return float(self.ours["mean"].min()) - 1

    @property
    def table_most(self) -> float:
        """Highest price of "bn-steps" in PyTorch."""
        return float(self.ours["mean"].max()) - 1

    @property
    def least(self) -> float:
        """Lowest price in PyTorch, of all nets that were timed."""
        return min(self.table_least, float(self.courses["mean"].min()) - 1)

    @property
    def most(self) -> float:
        """Highest price in PyTorch, of all nets that were timed."""
        return max(self.table_most, float(self.courses["mean"].max()) - 1)

    @property
    def mlp_price(self) -> float:
        """Price in the MLP at its usual batch size."""
        return self.clocks[MLP].per_step.mean - 1

    @property
    def mlp_again(self) -> float:
        """And as timed once more, among nets of other sizes."""
        rows = self.courses[(self.courses["net"] == MLP) & (self.courses["varied"] == "width")]
        return float(rows.loc[rows["size"] == 256, "mean"].iloc[0]) - 1

    @property
    def cells(self) -> int:
        """How many nets and batch sizes were timed in PyTorch."""
        return len(self.ours)

    @property
    def nets(self) -> int:
        """How many nets were timed in PyTorch."""
        return self.ours["net"].nunique()

    @property
    def lowest_at_smallest(self) -> int:
        """In how many of them the price is lowest at the smallest of the batch sizes."""
        rows = self.ours.sort_values("batch_size").groupby("net")["mean"]
        return int((rows.first() == rows.min()).sum())

    @property
    def forward_heavier(self) -> int:
        """In how many of them the forward pass slows down by the larger factor."""
        return int((self.ours["forward"] > self.ours["backward"]).sum())

    def _ends(self, net: str, varied: str) -> tuple[Any, Any]:
        rows = self.courses[(self.courses["net"] == net) & (self.courses["varied"] == varied)]
        ordered: Any = rows.sort_values("size").to_dict("records")
        return ordered[0], ordered[-1]

    def _course(self, net: str, varied: str) -> str:
        first, last = self._ends(net, varied)
        if last["high"] < first["low"]:
            return "falls"
        return "rises" if last["low"] > first["high"] else "cannot tell"

    @property
    def along_width(self) -> set[str]:
        """What the price does with the width of either net."""
        return {self._course(net, "width") for net in (MLP, RESNET)}

    @property
    def mlp_along_depth(self) -> str:
        """And with the depth of the MLP."""
        return self._course(MLP, "depth")

    @property
    def resnet_along_depth(self) -> str:
        """And with that of the residual net."""
        return self._course(RESNET, "depth")

    @property
    def sooner(self) -> set[str]:
        """Nets that reach the target clearly sooner with batch norm."""
        return self._nets(decisions.SUPPORTED)

    @property
    def later(self) -> set[str]:
        """And later."""
        return self._nets(decisions.REFUTED)

    def _nets(self, found: str) -> set[str]:
        return {net for net, clock in self.clocks.items() if clock.sooner == found}

    @property
    def sigmoids(self) -> Interval:
        """Time of LeNet with sigmoids to the target with batch norm, as a share of that without."""
        return self.clocks[SIGMOIDS].seconds

    @property
    def relus(self) -> Interval:
        """And of LeNet with ReLU."""
        return self.clocks[RELUS].seconds

    @property
    def mlp(self) -> Interval:
        """And of the MLP."""
        return self.clocks[MLP].seconds

    @property
    def runs(self) -> int:
        """Runs per arm."""
        return self.clocks[SIGMOIDS].steps.n

    @property
    def late(self) -> int:
        """Runs of LeNet with sigmoids without batch norm that do not reach the target."""
        return self.clocks[SIGMOIDS].steps.late_without

    @property
    def other_late(self) -> int:
        """And of all other arms."""
        return (
            sum(c.steps.late_with + c.steps.late_without for c in self.clocks.values()) - self.late
        )

    @property
    def decision(self) -> str:
        """Whether fewer steps can make up for longer ones, in any net."""
        if self.sooner:
            return decisions.SUPPORTED
        everywhere = len(self.later) == len(self.clocks)
        return decisions.REFUTED if everywhere else decisions.UNDECIDED

    @property
    def B3(self) -> str:
        """Training takes about 30% longer with batch norm."""
        low, high = ABOUT
        fits = self.numpy.low <= high and self.numpy.high >= low
        if fits and low <= self.table_least and self.table_most <= high:
            return decisions.REPRODUCED
        between = self.table_least < self.source < self.table_most
        return decisions.REFINED if fits or between else decisions.REFUTED


def facts(records: Mapping[str, pd.DataFrame]) -> Facts:
    """Work out the facts from "time-to-accuracy" and the timings "bn-steps" and "bn-sizes"."""
    frame, steps = records["time-to-accuracy"], timings.read("bn-steps")
    per_step = pace.step_seconds(steps)
    figures = CLAIMS[0].figures
    return Facts(
        turns=steps["turn"].nunique(),
        seeds=findings.fresh(frame)["seed"].nunique(),
        target=TARGETS[-1],
        steps=pace.on_one_core(steps),
        step_seconds=per_step,
        courses=pace.courses(timings.read("bn-sizes")),
        clocks=pace.clocks(frame, steps),
        arrivals=pace.arrivals(findings.at_quickest(frame), per_step, TARGETS[-1]),
        at_edge=_at_edge(frame, normed=True),
        at_edge_without=_at_edge(frame, normed=False),
        gpu="cuda" in set(steps["device"]),
        source=figures["with batch norm"] / figures["without"] - 1,
    )


def _at_edge(frame: pd.DataFrame, *, normed: bool) -> int:
    return sum(
        quickest_lr(frame, arm_name(net, normed=normed)) in (min(lrs), max(lrs))
        for net, (*_, lrs) in NETS.items()
    )
