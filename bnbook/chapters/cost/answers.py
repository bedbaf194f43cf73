"""Chapter 12: what batch norm costs, by the step and by the clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from bnbook import chapters, findings
from bnbook.chapters.cost.experiments import NETS
from bnbook.findings import Interval, Sooner
from bnbook.findings.decisions import Ruled as Verdict
from bnbook.findings.reaching import TARGETS, arm_name

#: Slowdowns that count as the source's "30 %".
ABOUT: Final = (1.2, 1.4)
NUMPY: Final = "MLP in numpy"
#: Names of what is timed in the norm's place, as the benchmark has them.
NONE, BATCH = "none", "batch"

_CELL: Final = ["device", "net", "batch_size"]


@dataclass(frozen=True)
class Clock:
    """What batch norm does to a net's time to `target`: per step, in steps, and both together."""

    steps: Sooner
    per_step: Interval
    seconds: Interval

    @property
    def said(self) -> str:
        """Say which way it goes: "sooner", "later" or "undecided".

        Runs that count with their whole budget would have taken longer: with batch norm they
        forbid "sooner", without it "later".
        """
        if self.seconds.high < 1 and not self.steps.late_with:
            return "sooner"
        return "later" if self.seconds.low > 1 and not self.steps.late_without else "undecided"


def verdicts(frame: pd.DataFrame, steps: pd.DataFrame) -> list[Verdict]:
    """Judge B3 by the records of "time-to-accuracy" and the timings "bn-steps"."""
    table = slowdowns(steps)
    table = table[table["device"] == "cpu"]
    old: Any = table[table["net"] == NUMPY].iloc[0]
    nets: Any = table[table["net"] != NUMPY].sort_values("mean").to_dict("records")
    least, most = nets[0], nets[-1]
    source = source_ratio()
    fits = old["low"] <= ABOUT[1] and old["high"] >= ABOUT[0]
    everywhere = all(ABOUT[0] <= row["mean"] <= ABOUT[1] for row in nets)
    facts = (
        f"The source's net, written in numpy as there, takes {longer(old)} longer a step (the "
        f"source: {findings.percent(source - 1, digits=0)} for its whole script). In PyTorch it "
        f"goes from {longer(least)} ({_cell(least)}) to {longer(most)} ({_cell(most)}). "
        f"And a step is not the whole price. {on_the_clock(clocks(frame, steps))}"
    )
    return [
        findings.verdict(
            "B3",
            (findings.REPRODUCED, fits and everywhere, f"About 30 % it is. {facts}"),
            (
                findings.REFINED,
                fits or least["mean"] < source < most["mean"],
                f"There is no one number: it depends on the net, the batch and the code. {facts}",
            ),
            (
                findings.NOT_REPRODUCED,
                True,
                f"On this machine it is {'more' if least['mean'] > source else 'less'}. {facts}",
            ),
        )
    ]


def source_ratio() -> float:
    """Return the source's seconds with batch norm over those without."""
    figures = chapters.claim("B3").figures
    return figures["with batch norm"] / figures["without"]


def slowdowns(steps: pd.DataFrame, part: str = "seconds") -> pd.DataFrame:
    """Time of a step with a norm over that without, within turns: `mean`, `low`, `high`, `n`.

    One row per device, net, batch size, width, depth and norm of the benchmark's rows; `part` is
    "forward" or "backward" for that part of the step alone.
    """
    size = [*_CELL, "width", "depth"]
    rows = steps.assign(seconds=steps[part])
    rows = findings.relative(rows, NONE, "norm", within=(*size, "turn"))
    return findings.medians(rows[rows["norm"] != NONE], [*size, "norm"], "ratio")


def step_seconds(steps: pd.DataFrame) -> dict[str, float]:
    """Map each arm of "time-to-accuracy" to the median seconds of one of its steps, on one core."""
    medians = findings.medians(steps[steps["device"] == "cpu"], ["net", "batch_size", "norm"])
    found = medians.set_index(["net", "batch_size", "norm"])["mean"]
    return {
        arm_name(net, normed=run.normed): float(
            found[net, run.batch_size, BATCH if run.normed else NONE]
        )
        for net, (*runs, _) in NETS.items()
        for run in runs
    }


def clocks(
    frame: pd.DataFrame, steps: pd.DataFrame, target: float = TARGETS[-1]
) -> dict[str, Clock]:
    """Compare each net of the experiment with batch norm and without, on its way to `target`.

    The seconds are those of the training steps, on one core; evaluation is left out.
    """
    runs = findings.at_quickest(frame)
    ratios = slowdowns(steps).set_index([*_CELL, "norm"])
    found = {}
    for net, (plain, *_) in NETS.items():
        cell: Any = ("cpu", net, plain.batch_size, BATCH)
        row = ratios.loc[cell]
        per_step = Interval(row["mean"], row["low"], row["high"])
        fewer = findings.sooner(runs, net, target)
        found[net] = Clock(fewer, per_step, findings.product(fewer.ratio, per_step))
    return found


def longer(row: Mapping[str, Any]) -> str:
    """Write a slowdown with its interval as what comes on top: "31 % [29, 33]"."""
    return findings.percent(row["mean"] - 1, row["low"] - 1, row["high"] - 1, digits=0)


def _cell(row: Mapping[str, Any]) -> str:
    return f"{row['net']}, batches of {row['batch_size']}"


def on_the_clock(found: Mapping[str, Clock]) -> str:
    """Say what becomes of the longer step on the way to an accuracy."""
    said = [f"{net}: {_ratio(one)}, {_WORDS[one.said]}" for net, one in found.items()]
    return (
        f"The time to {findings.percent(TARGETS[-1], digits=0)} validation accuracy with batch "
        f"norm, over that without: {'; '.join(said)}."
    )


_WORDS: Final = {"sooner": "sooner with it", "later": "later with it", "undecided": "undecided"}


def _ratio(clock: Clock) -> str:
    text = findings.plain(*clock.seconds)
    # Runs without a norm that count with their budget would have taken longer.
    return f"at most {text}" if clock.steps.late_without and not clock.steps.late_with else text
