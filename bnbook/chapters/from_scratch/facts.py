"""What the records and a few checks say about batch norms written by hand."""

import itertools
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch
from torch import nn

from bnbook import data, findings
from bnbook.chapters.from_scratch import checks
from bnbook.chapters.from_scratch.experiments import LOSS_MARGIN, MISTAKES, SHEET, STRAINS
from bnbook.experiment import MARGIN
from bnbook.findings import DIFFERENT, EQUIVALENT, Interval, decisions
from bnbook.findings.statistics import LEVEL
from bnbook.studies import by_hand

RIGHT, CONTROL = "correct", "by hand"
#: Outcomes by the names that figures give them.
CURVES = {"loss": "log_loss", "accuracy": "val_accuracy"}
UNDER_STRAIN = {"saved, loaded": "loaded", "after sorting": "sorted", "batches of 4": "small"}


class Facts:
    """What each mistake did, seed by seed against the correct code, and which tests catch it.

    Tables have a row per mistake and, last, one for the control; see `findings.compared`.
    """

    mistakes = len(MISTAKES)

    def __init__(self, records: Mapping[str, pd.DataFrame]) -> None:
        """Work out the facts from "by-hand-strains", and run the tests."""
        frame = prepared(records[STRAINS.name])
        caught = checks.caught()
        sheet = findings.paired(frame, SHEET, RIGHT, "val_accuracy", MARGIN)
        run = STRAINS.arms["every code"]
        self.seeds = frame["seed"].nunique()
        self.images = run.train_size
        self.epochs = run.epochs
        self.batch_size = run.batch_size
        #: By the names of CURVES.
        self.curves = {name: compared(frame, outcome) for name, outcome in CURVES.items()}
        #: By the names of UNDER_STRAIN.
        self.strains = {name: compared(frame, outcome) for name, outcome in UNDER_STRAIN.items()}
        #: Mistakes whose every loss is the correct code's, to the last bit.
        self.same_losses = tuple(m for m in MISTAKES if _losses(frame, m) == _losses(frame, RIGHT))
        #: Mistakes and the control by tests: True where the test catches the code.
        self.caught = caught.loc[[*MISTAKES, CONTROL]]
        self.missed = tuple(m for m in MISTAKES if not _row(caught, m).any())
        self.by_gradient = tuple(m for m in MISTAKES if _row(caught, m)["numeric gradient"])
        #: Tests that catch together what all tests catch.
        self.fewest = _fewest(caught.loc[list(MISTAKES)])
        #: Tests that the lab session's norm fails.
        self.sheet_fails = tuple(str(test) for test in caught if caught[test][SHEET])
        #: What its accuracy shows against the correct code's.
        self.sheet_finding = findings.classify(sheet.p_difference, sheet.p_equivalence)
        self.blank, self.pixels = blank_pixels()  # pixels that its norm turns into NaN, and all
        self.printed_error = checks.printed_error()  # of the post's gradient of x, relative
        #: Of the post's gradient of the first weights, relative.
        self.first_layer_error = checks.first_layer_error()
        #: Of PyTorch's norm: what gets a gradient, and what is kept.
        self.learned, self.kept = _numbers_of_a_channel()
        #: Accuracy lost by saving and loading plain attributes.
        self.loading = self._cost("saved, loaded", "plain attributes")
        #: Accuracy lost after sorted images where evaluation moves the statistics.
        self.sorting = self._cost("after sorting", "moves in evaluation")
        #: Accuracy lost after batches of four with a momentum of 0.9.
        self.last_batches = self._cost("batches of 4", "momentum 0.9")
        #: Accuracy lost after batches of four with the wrong length.
        self.short_batches = self._cost("batches of 4", "wrong length")
        self.tests = len(self.caught.columns)  # how many tests there are

    @property
    def looks(self) -> dict[str, dict[str, str]]:
        """What each curve shows of each code: "worse", "better" or nothing."""
        signs = {"loss": -1, "accuracy": 1}
        return {
            name: {str(code): _look(row, signs[name]) for code, row in table.iterrows()}
            for name, table in self.curves.items()
        }

    def _looking(self, how: str) -> tuple[str, ...]:
        found = [m for m in MISTAKES if any(one[m] == how for one in self.looks.values())]
        return tuple(found)

    @property
    def worse(self) -> tuple[str, ...]:
        """Mistakes that make a curve look worse."""
        return self._looking("worse")

    @property
    def better(self) -> tuple[str, ...]:
        """Mistakes that make one look better, and none worse."""
        return tuple(m for m in self._looking("better") if m not in self.worse)

    @property
    def alike(self) -> tuple[str, ...]:
        """Mistakes shown to leave both curves within the margins."""
        return tuple(
            m
            for m in MISTAKES
            if all(_row(t, m)["holm_equivalence"] < LEVEL for t in self.curves.values())
        )

    @property
    def open(self) -> tuple[str, ...]:
        """Mistakes on which our seeds cannot decide."""
        seen = {*self.worse, *self.better, *self.alike}
        return tuple(m for m in MISTAKES if m not in seen)

    @property
    def control_alike(self) -> bool:
        """Whether the control is shown to be equivalent in both curves."""
        return all(_row(t, CONTROL)["finding"] == EQUIVALENT for t in self.curves.values())

    def _cost(self, strain: str, code: str) -> Interval:
        return -Interval.of(_row(self.strains[strain], code))

    @property
    def strained(self) -> tuple[str, ...]:
        """Mistakes that no curve shows as worse, and some strain does."""
        return tuple(
            m
            for m in MISTAKES
            if m not in self.worse
            and any(_look(_row(t, m)) == "worse" for t in self.strains.values())
        )

    @property
    def few(self) -> bool:
        """Whether some look worse, but a third at most."""
        return 0 < len(self.worse) <= self.mistakes / 3

    @property
    def decision(self) -> str:
        """Whether the curves show most of the mistakes as worse."""
        hidden = len(self.alike) + len(self.better)
        half = self.mistakes / 2
        return decisions.decide(len(self.worse) > half, hidden >= half)

    @property
    def B5(self) -> str:
        """The post's code is batch norm with its gradient, in a net of two hidden layers."""
        if self.printed_error > 1e-9:
            return decisions.REFUTED
        return decisions.REFINED if self.first_layer_error > 1e-3 else decisions.REPRODUCED

    @property
    def D2(self) -> str:
        """Two trained numbers for each channel, the momenta, and two that are not trained."""
        if (len(self.learned), len(self.kept)) != (2, 2):
            return decisions.REFUTED
        named = any("momentum" in name for name in self.learned)
        return decisions.REPRODUCED if named else decisions.REFINED

    @property
    def E3(self) -> str:
        """The lab session's norm is batch norm."""
        if not self.sheet_fails:
            return decisions.REPRODUCED
        if self.sheet_finding == EQUIVALENT:
            return decisions.REFINED
        return decisions.REFUTED if self.sheet_finding == DIFFERENT else decisions.UNDECIDED


def prepared(frame: pd.DataFrame) -> pd.DataFrame:
    """Make the study's rows, one per code and run, rows that `findings.paired` compares."""
    return frame.assign(
        arm=frame["code"],
        epoch=frame["epochs"],
        outcome="trained",
        log_loss=[math.log(losses[-1]) for losses in frame["losses"]],
    )


def compared(frame: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """Compare each mistake, and the control, with the correct code; indexed by name."""
    margin = LOSS_MARGIN if outcome == "log_loss" else MARGIN
    rows = [*MISTAKES, CONTROL]
    pairs = [findings.paired(frame, name, RIGHT, outcome, margin) for name in rows]
    return findings.compared(pairs).set_index("a")


def _row(table: pd.DataFrame, code: str) -> Any:
    return table.loc[code]


def _look(row: Any, sign: int = 1) -> str:
    if row["finding"] != DIFFERENT:
        return ""
    return "better" if sign * row["mean"] > 0 else "worse"


def _losses(frame: pd.DataFrame, code: str) -> list[list[float]]:
    mine = frame[frame["code"] == code].sort_values("seed")
    return [list(losses) for losses in mine["losses"]]


def _fewest(caught: pd.DataFrame) -> tuple[str, ...]:
    """Find the fewest tests that catch what all tests catch together."""
    wanted = caught.any(axis=1)
    return next(
        tests
        for size in range(len(caught.columns) + 1)
        for tests in itertools.combinations(caught.columns, size)
        if caught[list(tests)].any(axis=1).equals(wanted)
    )


def _numbers_of_a_channel() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name what PyTorch's norm of one channel learns, and what else it keeps for it."""
    norm = nn.BatchNorm1d(1)
    norm(torch.arange(8.0).view(8, 1)).square().sum().backward()
    learned = tuple(name for name, p in norm.named_parameters() if p.grad is not None)
    return learned, tuple(name for name, values in norm.named_buffers() if values.dim())


@torch.no_grad()
def blank_pixels() -> tuple[int, int]:
    """Count the pixels that come out as NaN if the lab session's norm is put on a batch of images.

    And all pixels. The batch is the first of the training images.
    """
    size = STRAINS.arms["every code"].batch_size
    images = data.to_float(data.splits("mnist").train.images[:size]).flatten(1)
    found = by_hand.CODES[SHEET](images.shape[1])(images)
    return int(found.isnan().any(0).sum()), images.shape[1]
