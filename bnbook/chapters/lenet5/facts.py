"""What the records say about LeNet-5 by the lab session's recipe."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from bnbook import findings, history
from bnbook.chapters.lenet5 import experiments
from bnbook.chapters.lenet5.experiments import LONG_STEPS_LR, SHEET_LR
from bnbook.experiment import Experiment
from bnbook.findings import Interval, decisions

WITH, WITHOUT = "with BN", "without BN"


class Lead:
    """What batch norm gains at the sheet's learning rate, paired by seed.

    `early` is the difference in validation accuracy after the first epoch, `late` the difference in
    test accuracy after the last, with its `finding` (Holm over the experiment's contrasts).
    """

    def __init__(self, frame: pd.DataFrame, plan: Experiment) -> None:
        """Measure what batch norm gains at the sheet's learning rate, early and late."""
        row: Any = findings.contrasts(frame, plan.contrasts).set_index("lr").loc[f"{SHEET_LR:g}"]
        self.early = _early(frame)
        self.late = Interval.of(row)
        self.finding = str(row["finding"])

    @property
    def faster(self) -> str:
        """Decide whether batch norm is ahead after the first epoch."""
        return decisions.sign(self.early)

    @property
    def better(self) -> str:
        """Decide whether it is ahead after the last one."""
        return decisions.above({"finding": self.finding, "mean": self.late.mean})


class Facts:
    """Accuracies are shares; intervals are 95% t intervals over seeds."""

    sheet_lr = SHEET_LR
    long_lr = LONG_STEPS_LR

    def __init__(self, records: Mapping[str, pd.DataFrame]) -> None:
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
        self.seeds = frame["seed"].nunique()
        self.images = int(frame["train_size"].max())
        self.epochs = int(frame["epochs"].max())
        self.batch_size = int(frame["batch_size"].iloc[0])
        self.sheet = Lead(frame, long)
        #: `sheet.early` in "lab-session", which has other seeds
        self.before = _early(records[experiments.LAB_SESSION.name])
        #: Late, with batch norm at the higher rate and without it at the sheet's.
        self.own_rates = Interval.of(own)
        #: Decision on whether batch norm ends ahead there.
        self.at_own_rates = decisions.above({"finding": own["finding"], "mean": own["mean"]})
        self.svhn = Lead(records[svhn.name], svhn) if svhn.name in records else None
        #: Validation accuracy without batch norm after the last epoch, a mean.
        self.plain_end = float(course[WITHOUT].iloc[-1])
        #: The first evaluated epoch at which the mean with batch norm is as high.
        self.caught_up = int(ahead.index[0]) if len(ahead) else 0
        self.sheet_trained = bool(at_sheet_end["trained"].all())  # all runs at the sheet's rate
        self.long_trained = int(higher[WITH])  # runs with batch norm that train at the higher rate
        self.long_plain_trained = int(higher[WITHOUT])  # and without
        #: How many of those without had trained at some epoch.
        best = plain.groupby("key")["val_accuracy"].max()
        self.long_plain_once = int((best >= history.TRAINED).sum())
        #: Least accuracy on training images at the end, at the sheet's rate.
        self.by_heart = float(at_sheet_end["train_accuracy"].min())
        self.gap_with = gaps[WITH]  # training minus validation accuracy at the end
        self.gap_without = gaps[WITHOUT]
        #: Error of an evaluation with running statistics.
        self.running_typical = float(noise["typical"])
        #: Mean over training with batch norm in the last epoch.
        self.loss = float(at_sheet_end.loc[at_sheet_end["arm"] == WITH, "train_loss"].mean())
        self.sheet_loss = self.loss / self.batch_size  # what the sheet would print for `loss`

    @property
    def decision(self) -> str:
        """Whether LeNet-5 is both faster and better with batch norm, as the sheet trains it."""
        return decisions.every(self.sheet.faster, self.sheet.better)

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


def _early(frame: pd.DataFrame) -> Interval:
    whole = findings.filled(frame[frame["lr"] == SHEET_LR])
    return findings.paired(whole[whole["epoch"] == 1], WITH, WITHOUT, "val_accuracy").gap
