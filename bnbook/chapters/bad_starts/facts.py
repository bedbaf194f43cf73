"""What the records say about initial weights of the wrong size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from bnbook import findings
from bnbook.chapters.bad_starts.experiments import BAD_STARTS
from bnbook.findings import Interval, decisions
from bnbook.findings.probes import ACTIVATED

WITH, WITHOUT = "with BN", "without BN"
GOOD: Final = "good start, without BN"
FIRST: Final = "fc1"
#: The post's text has dropout; in which of its nets, it does not say. Pairs with and without norm.
READINGS: Final = {
    "plain": (WITH, WITHOUT),
    "dropout": (f"{WITH}, dropout", f"{WITHOUT}, dropout"),
}


class Map:
    """How many runs of one optimizer's map train, and at how many scales of the weights.

    A scale counts if half of the seeds train at some rate. `gain`: share of settings that train
    with batch norm, minus without, over seeds.
    """

    def __init__(self, starts: pd.DataFrame, optimizer: str) -> None:
        sides = [starts[starts["arm"] == f"{optimizer}, {arm}"] for arm in (WITH, WITHOUT)]
        normed, plain = (findings.final(side) for side in sides)
        by_seed = [ends.groupby("seed")["trained"].mean() for ends in (normed, plain)]
        shares = [findings.share_trained(side, ("arm", "lr", "init_scale")) for side in sides]
        scales = [int(table[table["share"] >= 0.5]["init_scale"].nunique()) for table in shares]
        self.runs = len(normed)  # with batch norm, and as many without
        self.normed = int(normed["trained"].sum())
        self.plain = int(plain["trained"].sum())
        self.scales_normed, self.scales_plain = scales
        self.gain = findings.interval((by_seed[0] - by_seed[1]).dropna())


class Facts:
    """Accuracies are shares of test images; arms as in `BAD_STARTS`."""

    def __init__(self, records: Mapping[str, pd.DataFrame]) -> None:
        """Work out the facts from "bad-starts" and "start-map"."""
        posted, starts = records["bad-starts"], records["start-map"]
        table = findings.summary(posted, outcome="test_accuracy").set_index("arm")
        rows: Any = findings.contrasts(posted, BAD_STARTS.contrasts).to_dict("records")
        last = int(posted["epoch"].max())
        largest = findings.final(starts[starts["init_scale"] == starts["init_scale"].max()])
        self.seeds = int(table["runs"].max())  # per arm
        self.steps = int(posted["step"].max())
        #: By arm: test accuracy, and how many runs trained.
        self.reached = Interval.by(table.reset_index(), "arm")
        self.trained = {str(arm): int(n) for arm, n in table["trained"].items()}
        #: Contrasts of test accuracy by their two arms: rows of `findings.contrasts`.
        self.contrasts = {(row["a"], row["b"]): row for row in rows}
        #: By layer, gradients without batch norm as multiples of those from the good start: before
        #: the first step, and with dropout after the last.
        self.first = gradient_ratios(posted, WITHOUT, 0)
        self.last_dropout = gradient_ratios(posted, f"{WITHOUT}, dropout", last)
        #: Mean square after the first ReLU after the last step, without batch norm: with dropout as
        #: a multiple of that without dropout.
        self.silence = _silence(posted[posted["epoch"] == last])
        self.maps = {name: Map(starts, name) for name in ("Adam", "SGD")}
        #: Largest scale of the map, and runs that train from it, of both optimizers and nets.
        self.largest = float(starts["init_scale"].max())
        self.largest_trained = int(largest["trained"].sum())
        #: How far batch norm from the bad start is behind batch norm from the good one.
        self.behind = -Interval.of(self.contrasts[WITH, f"good start, {WITH}"])
        #: How far it is ahead of a good start without.
        self.from_good = Interval.of(self.contrasts[WITH, GOOD])
        #: What the test says of batch norm from the bad start against a good start without.
        self.recovered = str(self.contrasts[WITH, GOOD]["finding"])

    @property
    def gradient(self) -> str:
        """What the bad start does to the first layer's gradient, as far as a factor of two goes."""
        found = self.first[FIRST]
        if found.high < 0.5:
            return "smaller"
        if found.low > 2:
            return "larger"
        return "same" if found.low > 0.5 and found.high < 2 else ""

    @property
    def alone(self) -> dict[str, bool]:
        """By reading, whether all runs with batch norm train and none without."""
        return {
            reading: self.trained[normed] == self.seeds and self.trained[plain] == 0
            for reading, (normed, plain) in READINGS.items()
        }

    @property
    def B1(self) -> str:
        """From standard normal weights the net with batch norm learns, the other does not."""
        if all(self.alone.values()):
            return decisions.REPRODUCED
        ahead = {decisions.above(self.contrasts[pair]) for pair in READINGS.values()}
        if any(self.alone.values()):
            return decisions.REFINED
        return decisions.UNDECIDED if decisions.UNDECIDED in ahead else decisions.REFUTED

    @property
    def B4(self) -> str:
        """Without batch norm, the bad start makes gradients vanish."""
        return decisions.of_parts(*map(decisions.smaller, self.first.values()))

    @property
    def D5(self) -> str:
        """Batch norm makes training less sensitive to the initialization."""
        wider = any(one.gain.low > 0 for one in self.maps.values())
        refined = wider and self.decision == decisions.UNDECIDED
        return decisions.REFINED if refined else decisions.on_claim(self.decision)

    @property
    def decision(self) -> str:
        """Whether batch norm makes up for initial weights of the wrong size."""
        return decisions.every(*(decisions.sign(one.gain) for one in self.maps.values()))


def gradient_ratios(posted: pd.DataFrame, arm: str, epoch: int) -> dict[str, Interval]:
    """Divide the gradients of `arm` by those of the good start, both without batch norm.

    At `epoch`, paired by seed: a geometric mean with its 95% t interval for each layer.
    """
    runs = posted[(posted["epoch"] == epoch) & posted["arm"].isin([arm, GOOD])]
    each = findings.multiples(findings.gradients(runs), GOOD)
    return Interval.by(findings.estimates(each, "layer", "value", geometric=True), "layer")


def _silence(ends: pd.DataFrame) -> float:
    squares = findings.magnitudes(ends)
    first = squares[(squares["where"] == ACTIVATED) & (squares["layer"] == FIRST)]
    each = findings.multiples(first, WITHOUT)
    return float(np.exp(np.log(each.loc[each["arm"] == f"{WITHOUT}, dropout", "value"]).mean()))
