"""What a record says of itself twice: whether any run could have left it."""

import datetime
import math
from typing import Any

from bnbook.history import enough, judge
from bnbook.run import Run
from bnbook.tables import Record
from bnbook.training import FIRST_LOSSES, REESTIMATE_SIZE, last_step


def check(one: Record) -> None:
    """Raise ValueError, or another of `tables.FAULTS`, for a record that no run leaves.

    Of a study, whose measures are its own: key, place and time. Of training also: the epochs that
    the run evaluates and their steps, counts of images, and the outcome, which follows from the
    rows (`history.judge`).
    """
    run = Run.from_changes(one["run"])
    _agree("the key", one["key"], run.key)
    if not all(isinstance(one[name], str) and one[name] for name in ("machine", "torch", "date")):
        raise ValueError("it does not say where it was made")
    datetime.date.fromisoformat(one["date"])
    rows = one["rows"]
    if not (rows and all(rows)):
        raise ValueError("it has no rows")
    if not 0 <= float(rows[-1]["seconds"]) < math.inf:
        raise ValueError("it does not say how long it took")
    if "study" not in one:
        _check_training(run, one["outcome"], rows)


def _check_training(run: Run, outcome: str, rows: list[dict[str, Any]]) -> None:
    _agree("the outcome", outcome, judge(rows, enough(run.dataset)))
    last = rows[-1]["epoch"]
    epochs = [epoch for epoch in range(1, run.epochs + 1) if run.evaluates(epoch)]
    if outcome == "non-finite":  # training ends there, evaluated or not
        epochs = [epoch for epoch in epochs if epoch < last] + [last]
    _agree("epochs", _whole(rows, "epoch"), [0, *epochs])
    steps = last_step(run) // run.epochs
    _agree("steps", _whole(rows, "step"), [steps * epoch for epoch in (0, *epochs)])
    seconds = [row["seconds"] for row in rows]
    _agree("seconds", seconds, sorted([0.0, *seconds[1:]]))
    _agree("first losses", len(rows[-1]["first_losses"]), min(FIRST_LOSSES, steps * last))
    if not math.isnan(rows[0]["train_loss"]):
        raise ValueError("it has a training loss from before the first step")
    if not all(math.isfinite(row["train_loss"] + row["val_loss"]) for row in rows[1:-1]):
        raise ValueError("it went on after a loss that is no number")
    for row in rows:
        _check_row(run, row, ends=row is rows[-1], images=rows[0]["val_images"])
    for name in ("square_before", "square_normed", "square_activated", "gradient_norm"):
        if len({len(row.get(name, ())) for row in rows}) > 1:
            raise ValueError(f"its rows have not as many values of {name} each")


def _check_row(run: Run, row: dict[str, Any], ends: bool, images: int) -> None:
    _agree("validation images", row["val_images"], images)
    needed = {
        "val_correct": True,
        "val_correct_running": True,
        "test_correct": ends,
        "test_correct_running": ends,
        "train_correct": run.record_fit,
        "gamma": ends,
        "beta": ends,
    }
    there = [name for name in needed if name in row]
    _agree("columns", there, [name for name, is_needed in needed.items() if is_needed])
    for name in [name for name in row if "_correct" in name]:
        of = row[f"{name.partition('_')[0]}_images"]
        if not (type(row[name]) is int and type(of) is int and 0 <= row[name] <= of != 0):
            raise ValueError(f"{name} is {row[name]!r} of {of!r} images")
    if not run.batched:
        _agree("val_correct_running", row["val_correct_running"], row["val_correct"])
    if run.record_fit:
        _agree("training images", row["train_images"], min(run.train_size, REESTIMATE_SIZE))


def _whole(rows: list[dict[str, Any]], name: str) -> list[int]:
    found = [row[name] for row in rows]
    if not all(type(value) is int for value in found):
        raise ValueError(f"{name} is no whole number")
    return found


def _agree(what: str, said: object, follows: object) -> None:
    if said != follows:
        raise ValueError(f"{what}: {said} is said, {follows} follows from the rest")
