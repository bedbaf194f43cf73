"""What the records say about LeNet-5 by the lab session's recipe."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from bnbook import findings, training
from bnbook.chapters.lenet5 import experiments
from bnbook.chapters.lenet5.experiments import LONG_STEPS_LR, SHEET_LR
from bnbook.experiment import MARGIN, Experiment
from bnbook.findings import Interval, decisions

WITH, WITHOUT = "with BN", "without BN"


@dataclass(frozen=True)
class Lead:
    """What batch norm gains at the sheet's learning rate, paired by seed.

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


@dataclass(frozen=True)
class Facts:
    """Accuracies are shares; intervals are 95% t intervals over seeds."""

    sheet_lr: ClassVar[float] = SHEET_LR
    long_lr: ClassVar[float] = LONG_STEPS_LR
    margin: ClassVar[float] = MARGIN

    seeds: int
    images: int
    epochs: int
    batch_size: int
    sheet: Lead
    before: Interval  # `sheet.early` in "lab-session", which has other seeds
    own_rates: Interval  # late, with batch norm at the higher rate and without it at the sheet's
    at_own_rates: str  # decision on whether batch norm ends ahead there
    svhn: Lead | None
    plain_end: float  # validation accuracy without batch norm after the last epoch, a mean
    caught_up: int  # the first evaluated epoch at which the mean with batch norm is as high
    sheet_trained: bool  # all runs at the sheet's rate
    long_trained: int  # runs with batch norm that train at the higher rate
    long_plain_trained: int  # and without
    long_plain_once: int  # how many of those without had trained at some epoch
    by_heart: float  # least accuracy on training images at the end, at the sheet's rate
    gap_with: Interval  # training minus validation accuracy at the end
    gap_without: Interval
    running_typical: float  # error of an evaluation with running statistics
    loss: float  # mean over training with batch norm in the last epoch

    @property
    def sheet_loss(self) -> float:
        """What the sheet would print for `loss`."""
        return self.loss / self.batch_size

    @property
    def decision(self) -> str:
        """Whether LeNet-5 is both faster and better with batch norm, as the sheet trains it."""
        parts = {self.sheet.faster, self.sheet.better}
        if decisions.REFUTED in parts:
            return decisions.REFUTED
        return decisions.SUPPORTED if parts == {decisions.SUPPORTED} else decisions.UNDECIDED

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
    """Work out the facts from "lab-session-long", "lab-session" and, where recorded, SVHN's."""
    long, svhn = experiments.LAB_SESSION_LONG, experiments.LAB_SESSION_SVHN
    frame = records[long.name]
    ends = findings.final(frame)
    at_sheet, at_sheet_end = frame[frame["lr"] == SHEET_LR], ends[ends["lr"] == SHEET_LR]
    course = findings.summary(at_sheet, ["arm", "epoch"]).set_index(["arm", "epoch"])["mean"]
    ahead: Any = course[WITH][course[WITH] >= course[WITHOUT].iloc[-1]]
    noise: Any = findings.evaluation_noise(at_sheet).set_index("arm").loc[WITH]
    gaps = {
        arm: findings.interval(mine["train_accuracy"] - mine["val_accuracy"])
        for arm, mine in at_sheet_end.groupby("arm", observed=True)
    }
    higher = ends[ends["lr"] == LONG_STEPS_LR].groupby("arm", observed=True)["trained"].sum()
    plain = frame[(frame["lr"] == LONG_STEPS_LR) & (frame["arm"] == WITHOUT)]
    own = findings.contrasts(frame, long.contrasts).iloc[-1]
    return Facts(
        seeds=frame["seed"].nunique(),
        images=int(frame["train_size"].max()),
        epochs=int(frame["epochs"].max()),
        batch_size=int(frame["batch_size"].iloc[0]),
        sheet=lead(frame, long),
        before=_early(records[experiments.LAB_SESSION.name]),
        own_rates=Interval.of(own),
        at_own_rates=decisions.above({"finding": own["finding"], "mean": own["mean"]}),
        svhn=lead(records[svhn.name], svhn) if svhn.name in records else None,
        plain_end=float(course[WITHOUT].iloc[-1]),
        caught_up=int(ahead.index[0]) if len(ahead) else 0,
        sheet_trained=bool(at_sheet_end["trained"].all()),
        long_trained=int(higher[WITH]),
        long_plain_trained=int(higher[WITHOUT]),
        long_plain_once=int((plain.groupby("key")["val_accuracy"].max() >= training.TRAINED).sum()),
        by_heart=float(at_sheet_end["train_accuracy"].min()),
        gap_with=gaps[WITH],
        gap_without=gaps[WITHOUT],
        running_typical=float(noise["typical"]),
        loss=float(at_sheet_end.loc[at_sheet_end["arm"] == WITH, "train_loss"].mean()),
    )


def lead(frame: pd.DataFrame, plan: Experiment) -> Lead:
    """Measure what batch norm gains at the sheet's learning rate, early and late."""
    row: Any = findings.contrasts(frame, plan.contrasts).set_index("lr").loc[f"{SHEET_LR:g}"]
    return Lead(_early(frame), Interval.of(row), str(row["finding"]))


def _early(frame: pd.DataFrame) -> Interval:
    whole = findings.filled(frame[frame["lr"] == SHEET_LR])
    first = whole[whole["epoch"] == 1].pivot(index="seed", columns="arm", values="val_accuracy")
    return findings.interval((first[WITH] - first[WITHOUT]).dropna())
