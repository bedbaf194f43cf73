"""How long steps take, and how long nets take to reach an accuracy, with batch norm and without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bnbook import findings
from bnbook.chapters.cost.experiments import BATCH, NETS, NONE
from bnbook.findings import Interval, Sooner, decisions
from bnbook.findings.reaching import TARGETS, arm_name

_CELL = ["device", "net", "batch_size"]


@dataclass(frozen=True)
class Clock:
    """What batch norm does to a net's time to the target: per step, in steps, and both together."""

    steps: Sooner
    per_step: Interval
    seconds: Interval

    @property
    def sooner(self) -> str:
        """Decide whether the net gets there sooner with batch norm.

        Runs that count with their whole budget would have taken longer: with batch norm they
        forbid "supported", without it "refuted".
        """
        return decisions.decide(
            self.seconds.high < 1 and not self.steps.late_with,
            self.seconds.low > 1 and not self.steps.late_without,
        )


def slowdowns(steps: pd.DataFrame, part: str = "seconds") -> pd.DataFrame:
    """Time of a step with a norm over that without, within turns: `mean`, `low`, `high`, `n`.

    One row per device, net, batch size, width, depth and norm of the benchmark's rows; `part` is
    "forward" or "backward" for that part of the step alone.
    """
    size = [*_CELL, "width", "depth"]
    rows = steps.assign(seconds=steps[part])
    rows = findings.relative(rows, NONE, "norm", within=(*size, "turn"))
    return findings.medians(rows[rows["norm"] != NONE], [*size, "norm"], "ratio")


def on_one_core(steps: pd.DataFrame) -> pd.DataFrame:
    """List the slowdowns of a step on the processor, and of its parts: a row per net and batch.

    Columns net, batch_size, mean, low, high, n, `forward` and `backward` (medians), and `without`
    and `with` batch norm, the median seconds of a step.
    """
    steps = steps[steps["device"] == "cpu"]
    cell = ["net", "batch_size"]
    seconds = findings.medians(steps, [*cell, "norm"]).pivot(
        index=cell, columns="norm", values="mean"
    )
    table = slowdowns(steps).set_index(cell)[["mean", "low", "high", "n"]]
    parts = {
        part: slowdowns(steps, part).set_index(cell)["mean"] for part in ("forward", "backward")
    }
    times = {"without": seconds[NONE], "with": seconds[BATCH]}
    return table.assign(**parts, **times).sort_index().reset_index()


def step_seconds(steps: pd.DataFrame) -> dict[str, float]:
    """Map each arm of "time-to-accuracy" to the median seconds of one of its steps, on one core."""
    found: Any = on_one_core(steps).set_index(["net", "batch_size"])
    return {
        arm_name(net, normed=run.normed): float(
            found.loc[(net, run.batch_size), "with" if run.normed else "without"]
        )
        for net, (*runs, _) in NETS.items()
        for run in runs
    }


def clocks(frame: pd.DataFrame, steps: pd.DataFrame) -> dict[str, Clock]:
    """Compare each net of the experiment with batch norm and without, on its way to the target.

    The seconds are those of the training steps, on one core; evaluation is left out.
    """
    runs = findings.at_quickest(frame)
    ratios: Any = slowdowns(steps).set_index([*_CELL, "norm"])
    found = {}
    for net, (plain, *_) in NETS.items():
        per_step = Interval.of(ratios.loc["cpu", net, plain.batch_size, BATCH])
        fewer = findings.sooner(runs, net, TARGETS[-1])
        found[net] = Clock(fewer, per_step, findings.product(fewer.ratio, per_step))
    return found


def arrivals(runs: pd.DataFrame, per_step: Mapping[str, float], target: float) -> pd.DataFrame:
    """Average steps and seconds to `target` per arm: `arm`, `steps`, `seconds`, `there`, `runs`.

    Geometric means; runs that are not there count with their whole budget. `runs` as from
    `findings.at_quickest`.
    """
    found = findings.reaching(runs, target)
    table = findings.estimates(found, "arm", "reached", geometric=True)
    there = found.groupby("arm", observed=True)["in_time"].sum()
    return pd.DataFrame(
        {
            "arm": table["arm"],
            "steps": table["mean"],
            "seconds": table["mean"] * table["arm"].astype(str).map(per_step),
            "there": table["arm"].map(there).astype(int),
            "runs": table["runs"],
        }
    )


def courses(sizes: pd.DataFrame) -> pd.DataFrame:
    """List slowdowns along the width and the depth of nets: net, `varied`, `size`, mean, low, high.

    Width: features of a hidden layer of the MLP, channels of the residual net's first stage.
    """
    table = slowdowns(sizes[sizes["device"] == "cpu"])
    found = []
    for net, base, channels in (("MLP, ReLU", (256, 2), 1), ("ResNet", (1, 8), 16)):
        mine = table[table["net"] == net]
        for varied, fixed, at, unit in (
            ("width", "depth", base[1], channels),
            ("depth", "width", base[0], 1),
        ):
            part = mine[mine[fixed] == at]
            found.append(part.assign(varied=varied, size=unit * part[varied]))
    return pd.concat(found, ignore_index=True)
