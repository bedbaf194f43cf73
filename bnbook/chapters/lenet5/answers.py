"""Chapter 14: LeNet-5 by the lab session's recipe, with batch norm and without."""

from typing import Any, Final, NamedTuple

import pandas as pd

from bnbook import chapters, findings, store
from bnbook.chapters.lenet5 import experiments
from bnbook.chapters.lenet5.experiments import LONG_STEPS_LR, SHEET_LR
from bnbook.findings import Interval
from bnbook.findings.decisions import Ruled as Verdict
from bnbook.findings.writing import list_of

WITH: Final = "with BN"
WITHOUT: Final = "without BN"
ARMS: Final = (WITH, WITHOUT)
SVHN: Final = "lab-session-svhn"


class Lead(NamedTuple):
    """What batch norm gains at one learning rate, paired by seed.

    `early` is the difference in validation accuracy after the first epoch, `late` that in test
    accuracy after the last, with its `finding` (Holm over both learning rates).
    """

    early: Interval
    late: Interval
    finding: str

    @property
    def faster(self) -> bool:
        """Ahead after the first epoch, clearly."""
        return self.early.low > 0

    @property
    def better(self) -> bool:
        """Ahead after the last epoch, clearly, and not shown to be within the margin."""
        return self.finding in (findings.DIFFERENT, findings.ONE_TRAINS) and self.late.mean > 0

    def __str__(self) -> str:
        return (
            f"after one epoch {findings.points(*self.early)} of validation accuracy, after the "
            f"last {findings.points(*self.late)} of test accuracy ({self.finding})"
        )


def verdicts(frame: pd.DataFrame) -> list[Verdict]:
    """Judge E1, E2 and E3 by the records of experiment "lab-session", and SVHN's if there are."""
    return [on_mnist(frame), on_svhn(), losses(frame)]


def on_mnist(frame: pd.DataFrame) -> Verdict:
    """E1: on MNIST, batch norm converges faster and ends better."""
    return _judged("E1", frame)


def on_svhn() -> Verdict:
    """E2: and so it does on SVHN."""
    if store.table_path(SVHN).exists():
        return _judged("E2", chapters.RECORDS[SVHN])
    return findings.verdict(
        "E2",
        (
            findings.NOT_RUN,
            True,
            "SVHN does not come with the book and could not be had where its records were made. "
            f"With the network, `bnbook sweep {SVHN}` records it, and this line judges it.",
        ),
    )


def losses(frame: pd.DataFrame) -> Verdict:
    """E3, its loss of an epoch: the sum of the batches' means over the number of images."""
    batch_size, last = int(frame["batch_size"].iloc[0]), findings.final(frame)
    mine = last[(last["arm"] == WITH) & (last["lr"] == SHEET_LR)]["train_loss"].mean()
    return findings.verdict(
        "E3",
        (
            findings.REFINED,
            batch_size > 1,
            "The sum of the batches' mean losses over the number of images is the mean loss "
            f"divided by the batch size: where our nets with batch norm end at {mine:.3g}, the "
            f"sheet prints {mine / batch_size:.2g}. Curves keep their shape, unless batch sizes "
            "are compared. The sheet's own layer is judged in chapter 8.",
        ),
        (findings.REPRODUCED, True, "With batches of one image the two losses are the same."),
    )


def lead(frame: pd.DataFrame, lr: float) -> Lead:
    """Measure what batch norm gains at the learning rate `lr`, early and late."""
    whole = findings.filled(frame[frame["lr"] == lr])
    first = whole[whole["epoch"] == 1].pivot(index="seed", columns="arm", values="val_accuracy")
    planned = experiments.LAB_SESSION.contrasts
    row: Any = findings.contrasts(frame, planned).set_index("lr").loc[f"{lr:g}"]
    late = Interval(row["mean"], row["low"], row["high"])
    return Lead(
        findings.interval((first[WITH] - first[WITHOUT]).dropna()), late, str(row["finding"])
    )


def trained(frame: pd.DataFrame, lr: float) -> str:
    """Count the nets that train at `lr`: "5 of 5 with BN, 2 of 5 without BN"."""
    ends: Any = findings.summary(frame[frame["lr"] == lr]).set_index("arm")
    return ", ".join(f"{ends.at[arm, 'trained']} of {ends.at[arm, 'runs']} {arm}" for arm in ARMS)


def _judged(claim: str, frame: pd.DataFrame) -> Verdict:
    sheet, long = lead(frame, SHEET_LR), lead(frame, LONG_STEPS_LR)
    holds = [word for word, so in (("faster", sheet.faster), ("better", sheet.better)) if so]
    found = (
        f"At the sheet's learning rate, {SHEET_LR:g}, batch norm gains {sheet}. At "
        f"{LONG_STEPS_LR:g} it gains {long}; there train {trained(frame, LONG_STEPS_LR)}. "
        f"{findings.setting(frame)}, where the sheet has one run of 50 epochs."
    )
    return findings.verdict(
        claim,
        (findings.REPRODUCED, len(holds) == 2, found),
        (findings.REFINED, bool(holds), f"Only {list_of(holds)}. {found}" if holds else ""),
        (findings.NOT_REPRODUCED, True, f"Neither faster nor better. {found}"),
    )
