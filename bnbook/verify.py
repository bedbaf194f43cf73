"""Run recorded runs again and say whether the records hold.

Where a record was made on this kind of machine (same processor model) with these versions of torch
and of this package, training repeats itself to the bit, so everything that was counted must come
out the same.
Elsewhere sums are rounded differently, and training amplifies that: there the first losses must
agree (or, where single precision does not determine them, those in double precision), and the end
must be one that the seeds of this setting make plausible. Of a study, whose measures have no common
scale, everything measured must come out the same on this kind of machine; elsewhere the first
losses decide.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from bnbook import experiments, findings, store, sweep
from bnbook.errors import BookError
from bnbook.run import Run

SAME: Final = "same"
WITHIN: Final = "within"
DIFFERS: Final = "differs"

#: Seeds that `numpy.random.RandomState` takes.
MAX_DRAW: Final = 2**32 - 1

_COUNTS: Final = ["val_correct", "val_correct_running", "test_correct", "test_correct_running"]


@dataclass(frozen=True, eq=False)
class Recorded:
    """One recorded run of an experiment.

    `rows` are its rows of `findings.load`; `seeds` the final validation accuracies of all the
    experiment's seeds at this setting, its own among them.
    """

    experiment: str
    run: Run
    rows: pd.DataFrame
    seeds: list[float]

    def __str__(self) -> str:
        arm, run = self.rows["arm"].iloc[0], self.run
        return f"{self.experiment}: {arm}, lr {run.lr:g}, batch {run.batch_size}, seed {run.seed}"


@dataclass(frozen=True)
class Check:
    """What became of a recorded run when it was run again: SAME, WITHIN or DIFFERS, and why."""

    recorded: Recorded
    verdict: str
    why: str = ""

    @property
    def holds(self) -> bool:
        """Whether the record stands."""
        return self.verdict != DIFFERS

    def __str__(self) -> str:
        return f"{self.recorded}: {self.verdict}{self.why and f' ({self.why})'}"


def verifiable() -> list[str]:
    """Name the experiments that can be run again here: recorded, and their data at hand."""
    return [
        name
        for name, experiment in experiments.EXPERIMENTS.items()
        if store.table_path(name).exists() and not sweep.lacking(experiment)
    ]


def choose(experiment: str, size: int, draw: int | None) -> list[Recorded]:
    """Choose `size` recorded runs of `experiment`, or all if it has fewer.

    At random, the same ones for the same number `draw` (0 to `MAX_DRAW`); if that is None, the
    shortest of those that ran to their end. Raises BookError if the experiment is unknown, its
    records are missing, damaged or stale, or a number cannot be.
    """
    if size < 1:
        raise BookError(f"a sample of {size} shows nothing: give --sample 1 or more")
    if draw is not None and not 0 <= draw <= MAX_DRAW:
        raise BookError(f"seed {draw} draws no sample: give --seed 0 to {MAX_DRAW}")
    frame = findings.load(experiment)
    if _is_study(frame):
        return _choose_measured(experiment, frame, size, draw)
    ends = frame.loc[frame.groupby("key")["epoch"].idxmax()].reset_index(drop=True)
    ends = ends.assign(setting=ends["run"].map(_setting))
    if draw is None:
        whole = ends[(ends["epoch"] == ends["epochs"]) & (ends["outcome"] != "non-finite")]
        chosen = whole.nsmallest(size, "seconds")
    else:
        chosen = ends.sample(min(size, len(ends)), random_state=draw)
    return [_recorded(experiment, frame, ends, end) for _, end in chosen.iterrows()]


def _choose_measured(
    experiment: str, frame: pd.DataFrame, size: int, draw: int | None
) -> list[Recorded]:
    ends = frame[frame["seconds"].notna()]
    chosen = (
        ends.nsmallest(size, "seconds")
        if draw is None
        else ends.sample(min(size, len(ends)), random_state=draw)
    )
    of = {key: frame[frame["key"] == key] for key in chosen["key"]}
    return [Recorded(experiment, _run(rows), rows, []) for rows in of.values()]


def _is_study(rows: pd.DataFrame) -> bool:
    """Say whether `rows` are what a study measured: training's own count images."""
    return not set(_COUNTS) <= set(rows.columns)


def _recorded(
    experiment: str, frame: pd.DataFrame, ends: pd.DataFrame, end: pd.Series[Any]
) -> Recorded:
    seeds = ends.loc[ends["setting"] == end["setting"], "val_accuracy"]
    rows = frame[frame["key"] == end["key"]]
    return Recorded(experiment, _run(rows), rows, list(seeds))


def _run(rows: pd.DataFrame) -> Run:
    return Run.from_changes(json.loads(rows["run"].iloc[0]))


def _setting(text: str) -> str:
    """Name what runs of different seeds have in common."""
    return replace(Run.from_changes(json.loads(text)), seed=0).key


def verify(chosen: Sequence[Recorded], workers: int | None = None) -> Iterator[Check]:
    """Run `chosen` again in `workers` processes (by default one per core); yield each check.

    They come as the runs end. Raises BookError where a run cannot be made.
    """
    workers = sweep.check_workers(workers)
    by_study: dict[str, list[Recorded]] = {}
    for one in chosen:
        by_study.setdefault(one.experiment if _is_study(one.rows) else "", []).append(one)
    for some in by_study.values():
        work = sweep.work_of(experiments.find(some[0].experiment))
        runs = dict.fromkeys(one.run for one in some)  # experiments share some
        with contextlib.closing(sweep.execute(runs, workers, work)) as records:
            for record in records:
                again = store.records_frame([record])
                for one in some:
                    if one.run == _run(again):
                        yield check(one, again)


def check(recorded: Recorded, again: pd.DataFrame) -> Check:
    """Compare a recorded run with the rows of the same run made `again`.

    On the same kind of machine, everything counted. Elsewhere the first losses and the final
    validation accuracy. The losses: to `sweep.TOLERANCE`, or only the very first, where the arm
    does what was recorded in double precision (`sweep.exact`). The accuracy: as recorded, or in
    the 95 % prediction interval of this setting's seeds (`findings.prediction`; the run's own
    recorded value is one of them, so that an unusual seed may repeat itself). Where it is the only
    seed there is no interval, and the losses alone decide. Of a study: see the module's docstring.
    """
    measured = _is_study(recorded.rows)
    if _place(recorded.rows) == _place(again):
        differences = _measured_differences if measured else _differences
        found = differences(recorded.rows, again)
        return Check(recorded, DIFFERS if found else SAME, "; ".join(found))
    then, now = _first_losses(recorded.rows), _first_losses(again)
    if not _begins_alike(recorded, now, then):
        return Check(recorded, DIFFERS, *_apart("first losses", now, then))
    if measured:
        return Check(recorded, WITHIN, "first losses alone, on another kind of machine")
    return _plausible(recorded, float(again["val_accuracy"].iloc[-1]))


def _begins_alike(recorded: Recorded, now: Any, then: Any) -> bool:
    """Say whether first losses from two kinds of machine are alike, but for amplified rounding."""
    if sweep.alike(now, then):
        return True
    if not sweep.start_alike(now, then):
        return False
    fingerprints = store.read_provenance(recorded.experiment)["fingerprints"]
    return sweep.exact(fingerprints[recorded.rows["arm"].iloc[0]])


def _place(rows: pd.DataFrame) -> tuple[str, ...]:
    return tuple(str(rows[name].iloc[0]) for name in ("machine", "torch", "bnbook"))


def _differences(then: pd.DataFrame, now: pd.DataFrame) -> list[str]:
    """Say what is not exactly as recorded; an empty list means that all is."""
    found = _apart("first losses", _first_losses(now), _first_losses(then))
    if list(now["epoch"]) != list(then["epoch"]):
        found.append(f"ended after epoch {now['epoch'].max()}, not {then['epoch'].max()}")
    else:
        found += _apart("counts of correct images", _counts(now), _counts(then))
    if _outcome(now) != _outcome(then):
        found.append(f"{_outcome(now)}, not {_outcome(then)}")
    return found


def _measured_differences(then: pd.DataFrame, now: pd.DataFrame) -> list[str]:
    """Name what a study measured and did not come out the same; its time is no part of that."""
    if len(now) != len(then):
        return [f"{len(now)} rows, not {len(then)}"]
    columns = [name for name in now if name not in ("arm", "date", "seconds")]
    then, now = then.reset_index(drop=True).astype(object), now.astype(object)
    return [f"{name} differs" for name in columns if not then[name].equals(now[name])]


def _outcome(rows: pd.DataFrame) -> str:
    return str(rows["outcome"].iloc[0])


def _counts(rows: pd.DataFrame) -> Any:
    return rows[_COUNTS].to_numpy(dtype=float)


def _first_losses(rows: pd.DataFrame) -> Any:
    return np.asarray(rows["first_losses"].iloc[-1], dtype=float)


def _apart(what: str, now: Any, then: Any) -> list[str]:
    """Say how many numbers are apart, or nothing. What is missing in both, agrees."""
    if now.shape != then.shape:
        return [f"{len(now)} {what}, not {len(then)}"]
    apart = ~((now == then) | (np.isnan(now) & np.isnan(then)))
    if not apart.any():
        return []
    return [f"{apart.sum()} {what} by up to {np.abs(now[apart] - then[apart]).max():.3g}"]


def _plausible(recorded: Recorded, accuracy: float) -> Check:
    then = float(recorded.rows["val_accuracy"].iloc[-1])
    _, low, high = np.clip(findings.prediction(recorded.seeds), 0, 1)
    why = f"accuracy {accuracy:.4f}, recorded {then:.4f}"
    if np.isnan(low):
        return Check(recorded, WITHIN, f"first losses alone: no other seed; {why}")
    verdict = WITHIN if accuracy == then or low <= accuracy <= high else DIFFERS
    return Check(recorded, verdict, f"{why}, seeds {low:.4f} to {high:.4f}")
