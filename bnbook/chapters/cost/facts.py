"""What the records and the timings say about the price of batch norm."""

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from bnbook import findings, timings
from bnbook.chapters.cost import pace
from bnbook.chapters.cost.claims import CLAIMS
from bnbook.chapters.cost.experiments import NETS, NUMPY
from bnbook.findings import Interval, decisions
from bnbook.findings.reaching import TARGETS, arm_name, quickest_lr

SIGMOIDS, RELUS, MLP, RESNET = "LeNet, sigmoids", "LeNet, ReLU", "MLP, ReLU", "ResNet"
#: Slowdowns that count as the source's "30%".
ABOUT: Final = (0.2, 0.4)


class Facts:
    """Prices are what comes on top of a step, as a share of it, on one core."""

    goals = TARGETS

    def __init__(self, records: Mapping[str, pd.DataFrame]) -> None:
        """Work out the facts from "time-to-accuracy" and the timings "bn-steps" and "bn-sizes"."""
        frame, steps = records["time-to-accuracy"], timings.read("bn-steps")
        per_step = pace.step_seconds(steps)
        figures = CLAIMS[0].figures
        self.turns = steps["turn"].nunique()
        self.seeds = findings.fresh(frame)["seed"].nunique()
        self.target = TARGETS[-1]  # validation accuracy, the highest of the goals
        self.steps = pace.on_one_core(steps)
        self.step_seconds = per_step  # by arm of "time-to-accuracy"
        self.courses = pace.courses(timings.read("bn-sizes"))
        self.clocks = pace.clocks(frame, steps)  # to the target, by net
        self.arrivals = pace.arrivals(findings.at_quickest(frame), per_step, TARGETS[-1])
        #: Arms whose quickest rate is an end of their grid: with batch norm, and without.
        self.at_edge = _at_edge(frame, normed=True)
        self.at_edge_without = _at_edge(frame, normed=False)
        self.gpu = "cuda" in set(steps["device"])  # whether one was timed, too
        #: The source's price, of its whole script.
        self.source = figures["with batch norm"] / figures["without"] - 1
        by_hand: Any = self.steps[self.steps["net"] == NUMPY].iloc[0]
        #: Price in the source's net, written as there.
        self.numpy = Interval(*(by_hand[limit] - 1 for limit in Interval._fields))
        self.ours = self.steps[self.steps["net"] != NUMPY]  # what was timed in PyTorch
        #: Lowest price of "bn-steps" in PyTorch.
        self.table_least = float(self.ours["mean"].min()) - 1
        #: Highest price of "bn-steps" in PyTorch.
        self.table_most = float(self.ours["mean"].max()) - 1
        #: Lowest price in PyTorch, of all nets that were timed.
        self.least = min(self.table_least, float(self.courses["mean"].min()) - 1)
        #: Highest price in PyTorch, of all nets that were timed.
        self.most = max(self.table_most, float(self.courses["mean"].max()) - 1)
        #: Price in the MLP at its usual batch size.
        self.mlp_price = self.clocks[MLP].per_step.mean - 1
        #: And as timed once more, among nets of other sizes.
        again = self._along(MLP, "width")
        self.mlp_again = float(again.loc[again["size"] == 256, "mean"].iloc[0]) - 1
        self.cells = len(self.ours)  # how many nets and batch sizes were timed in PyTorch
        self.nets = self.ours["net"].nunique()  # how many nets were timed in PyTorch
        #: In how many of these the price is lowest at the smallest of the batch sizes, and in how
        #: many the forward pass slows down by the larger factor.
        by_net = self.ours.sort_values("batch_size").groupby("net")["mean"]
        self.lowest_at_smallest = int((by_net.first() == by_net.min()).sum())
        self.forward_heavier = int((self.ours["forward"] > self.ours["backward"]).sum())
        #: What the price does with the width of either net.
        self.along_width = {self._course(net, "width") for net in (MLP, RESNET)}
        self.mlp_along_depth = self._course(MLP, "depth")  # and with the depth of the MLP
        self.resnet_along_depth = self._course(RESNET, "depth")  # and with that of the residual net
        #: Nets that reach the target clearly sooner with batch norm.
        self.sooner = self._nets(decisions.SUPPORTED)
        self.later = self._nets(decisions.REFUTED)  # and later
        #: Time of LeNet with sigmoids to the target with batch norm, as a share of that without.
        self.sigmoids = self.clocks[SIGMOIDS].seconds
        self.relus = self.clocks[RELUS].seconds  # and of LeNet with ReLU
        self.mlp = self.clocks[MLP].seconds  # and of the MLP
        self.runs = self.clocks[SIGMOIDS].steps.n  # runs per arm
        #: Runs of LeNet with sigmoids without batch norm that do not reach the target.
        self.late = self.clocks[SIGMOIDS].steps.late_without
        #: And of all other arms.
        steps_to_target = [clock.steps for clock in self.clocks.values()]
        self.other_late = sum(c.late_with + c.late_without for c in steps_to_target) - self.late

    def _along(self, net: str, varied: str) -> pd.DataFrame:
        rows = self.courses[(self.courses["net"] == net) & (self.courses["varied"] == varied)]
        return rows.sort_values("size")

    def _course(self, net: str, varied: str) -> str:
        first, *_, last = self._along(net, varied).to_dict("records")
        if last["high"] < first["low"]:
            return "falls"
        return "rises" if last["low"] > first["high"] else "cannot tell"

    def _nets(self, found: str) -> set[str]:
        return {net for net, clock in self.clocks.items() if clock.sooner == found}

    @property
    def decision(self) -> str:
        """Whether fewer steps can make up for longer ones, in any net."""
        return decisions.decide(bool(self.sooner), len(self.later) == len(self.clocks))

    @property
    def B3(self) -> str:
        """Training takes about 30% longer with batch norm."""
        low, high = ABOUT
        fits = self.numpy.low <= high and self.numpy.high >= low
        if fits and low <= self.table_least and self.table_most <= high:
            return decisions.REPRODUCED
        between = self.table_least < self.source < self.table_most
        return decisions.REFINED if fits or between else decisions.REFUTED


def _at_edge(frame: pd.DataFrame, *, normed: bool) -> int:
    return sum(
        quickest_lr(frame, arm_name(net, normed=normed)) in (min(lrs), max(lrs))
        for net, (*_, lrs) in NETS.items()
    )
