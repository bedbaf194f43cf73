"""What the records say about LeNet-5 by the lab session's recipe."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import pandas as pd
from statsmodels.stats.power import TTestPower

from bnbook import findings
from bnbook.chapters.lenet5 import experiments
from bnbook.chapters.lenet5.experiments import LONG_STEPS_LR, SHEET_LR
from bnbook.experiment import Experiment
from bnbook.findings import Interval, decisions
from bnbook.findings.statistics import LEVEL

WITH, WITHOUT = "with BN", "without BN"
#: Chance to find a difference that is there, in `Facts.seeds_needed`.
POWER: Final = 0.8
MOST_SEEDS: Final = 1_000


@dataclass(frozen=True)
class Lead:
    """What batch norm gains at one learning rate, paired by seed.

    `early` is the difference in validation accuracy after the first epoch, `late` the difference in
    test accuracy after the last, with its `finding` (Holm over the experiment's contrasts).
    """

    early: Interval
    late: Interval
    finding: str

    @property
    def faster(self) -> str:
        """Decide whether batch norm is ahead after the first epoch."""
        return decisions.sign(self.early)

    @property
    def better(self) -> str:
        """Decide whether it is ahead after the last one."""
        return decisions.above({"finding": self.finding, "mean": self.late.mean})

    @property
    def both(self) -> str:
        """Decide whether it is faster and better: refuted if one is, supported if both are."""
        parts = {self.faster, self.better}
        if decisions.REFUTED in parts:
            return decisions.REFUTED
        return decisions.SUPPORTED if parts == {decisions.SUPPORTED} else decisions.UNDECIDED


@dataclass(frozen=True)
class Facts:
    """Accuracies are shares; intervals are 95 % t intervals over seeds."""

    sheet_lr: ClassVar[float] = SHEET_LR
    long_lr: ClassVar[float] = LONG_STEPS_LR
    sheet_epochs: ClassVar[int] = experiments.LAB_SESSION_LONG.arms[WITH].epochs
    power: ClassVar[float] = POWER

    experiment: str  # its name: the one with the sheet's epochs, once it is recorded
    seeds: int
    images: int
    epochs: int
    batch_size: int
    sheet: Lead  # on MNIST, at the sheet's learning rate
    long_steps: Lead  # and at ten times that
    svhn: Lead | None
    plain_end: float  # validation accuracy without batch norm after the last epoch, a mean
    caught_up: int  # the first epoch at which the mean with batch norm is as high
    all_train: bool  # at both rates
    seeds_needed: int  # to tell a difference as large as `late` from zero, with chance POWER
    gap_with: Interval  # training minus validation accuracy at the end
    gap_without: Interval
    running_typical: float  # error of an evaluation with running statistics
    running_worst: float
    loss: float  # mean over training with batch norm in the last epoch

    @property
    def sheet_loss(self) -> float:
        """What the sheet would print for `loss`."""
        return self.loss / self.batch_size

    @property
    def decision(self) -> str:
        """Whether LeNet-5 is both faster and better with batch norm, as the sheet trains it."""
        return self.sheet.both

    @property
    def E1(self) -> str:
        """On MNIST, batch norm converges faster and ends better."""
        return decisions.of_parts(self.sheet.faster, self.sheet.better)

    @property
    def E2(self) -> str:
        """And so it does on SVHN."""
        if self.svhn is None:
            return decisions.NOT_RUN
        return decisions.of_parts(self.svhn.faster, self.svhn.better)

    @property
    def E3(self) -> str:
        """The sum of the batches' mean losses over the number of images is the epoch's loss."""
        return decisions.REFINED if self.batch_size > 1 else decisions.REPRODUCED


def facts(records: Mapping[str, pd.DataFrame]) -> Facts:
    """Work out the facts from "lab-session", and from what has the sheet's epochs, or SVHN."""
    long, svhn = experiments.LAB_SESSION_LONG, experiments.LAB_SESSION_SVHN
    plan = long if long.name in records else experiments.LAB_SESSION
    frame = records[plan.name]
    at_sheet = frame[frame["lr"] == SHEET_LR]
    course = findings.summary(at_sheet, ["arm", "epoch"]).set_index(["arm", "epoch"])["mean"]
    ahead: Any = course[WITH][course[WITH] >= course[WITHOUT].iloc[-1]]
    ends = findings.final(at_sheet)
    test = ends.pivot(index="seed", columns="arm", values="test_accuracy")
    noise: Any = findings.evaluation_noise(at_sheet).set_index("arm").loc[WITH]
    gaps = {
        arm: findings.interval(mine["train_accuracy"] - mine["val_accuracy"])
        for arm, mine in ends.groupby("arm", observed=True)
    }
    return Facts(
        experiment=plan.name,
        seeds=frame["seed"].nunique(),
        images=int(frame["train_size"].max()),
        epochs=int(frame["epochs"].max()),
        batch_size=int(frame["batch_size"].iloc[0]),
        sheet=lead(frame, SHEET_LR, plan),
        long_steps=lead(frame, LONG_STEPS_LR, plan),
        svhn=lead(records[svhn.name], SHEET_LR, svhn) if svhn.name in records else None,
        plain_end=float(course[WITHOUT].iloc[-1]),
        caught_up=int(ahead.index[0]) if len(ahead) else 0,
        all_train=bool(findings.final(frame)["trained"].all()),
        seeds_needed=_seeds_needed(test[WITH] - test[WITHOUT]),
        gap_with=gaps[WITH],
        gap_without=gaps[WITHOUT],
        running_typical=float(noise["typical"]),
        running_worst=float(noise["largest"]),
        loss=float(ends.loc[ends["arm"] == WITH, "train_loss"].mean()),
    )


def lead(frame: pd.DataFrame, lr: float, plan: Experiment) -> Lead:
    """Measure what batch norm gains at the learning rate `lr`, early and late."""
    whole = findings.filled(frame[frame["lr"] == lr])
    first = whole[whole["epoch"] == 1].pivot(index="seed", columns="arm", values="val_accuracy")
    row: Any = findings.contrasts(frame, plan.contrasts).set_index("lr").loc[f"{lr:g}"]
    return Lead(
        findings.interval((first[WITH] - first[WITHOUT]).dropna()),
        Interval.of(row),
        str(row["finding"]),
    )


def _seeds_needed(differences: Any) -> int:
    """Count the pairs at which a t test would find this mean, given this spread, by `POWER`.

    At most `MOST_SEEDS`.
    """
    size = abs(float(differences.mean())) / float(differences.std())
    test = TTestPower()
    enough = (n for n in range(3, MOST_SEEDS) if test.power(size, n, LEVEL) >= POWER)
    return next(enough, MOST_SEEDS)
