"""Run recorded runs again and say whether the records hold (see `check`)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import pandas as pd

from bnbook import findings, origin, store, sweep
from bnbook.errors import BookError
from bnbook.experiment import Experiment
from bnbook.findings import records
from bnbook.run import Run

SAME: Final = "same"
WITHIN: Final = "within"
DIFFERS: Final = "differs"

#: Seeds that `numpy.random.RandomState` takes.
MAX_DRAW: Final = 2**32 - 1

#: What no rounding moves, on whatever machine.
_EXACT: Final = ("val_images", "test_images", "train_images")
#: What else is compared there, row by row, by its size.
_SIZES: Final = (
    *("train_loss", "val_loss", "val_correct", "val_correct_running"),
    *("test_correct", "test_correct_running"),
    *("square_before", "square_normed", "square_activated", "gradient_norm", "gamma", "beta"),
    *("train_correct", "weight_norm", "first_losses"),
)
#: What is recorded of a run and not asked to repeat itself.
_FREE: Final = ("arm", "date", "seconds")


@dataclass(frozen=True, eq=False)
class Recorded:
    """One recorded run of an experiment.

    `rows` are its rows of `findings.records.so_far`.
    """

    experiment: Experiment
    run: Run
    rows: pd.DataFrame

    def __str__(self) -> str:
        arm, run = self.rows["arm"].iloc[0], self.run
        return (
            f"{self.experiment.name}: {arm}, lr {run.lr:g}, batch {run.batch_size}, seed {run.seed}"
        )


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


def verifiable(experiment: Experiment) -> bool:
    """Say whether an experiment can be run again here: recorded, and its data at hand."""
    return store.is_recorded(experiment.name) and not sweep.lacking(experiment)


def choose(experiment: Experiment, size: int, draw: int | None) -> list[Recorded]:
    """Choose `size` recorded runs of `experiment`, or all if it has fewer.

    At random, the same ones for the same number `draw` (0 to `MAX_DRAW`); if that is None, the
    shortest of those that ran to their end. Raises BookError if its records are
    missing, damaged, stale or not what their provenance says, or a number cannot be.
    """
    if size < 1:
        raise BookError(f"a sample of {size} shows nothing: give --sample 1 or more")
    if draw is not None and not 0 <= draw <= MAX_DRAW:
        raise BookError(f"seed {draw} draws no sample: give --seed 0 to {MAX_DRAW}")
    frame = records.so_far(experiment)
    name = experiment.name
    told = store.read_provenance(name)
    if wrong := origin.contradictions(experiment, told):
        raise BookError(
            f"{store.provenance_path(name)} says other {', '.join(wrong)} than the records: "
            f"restore it and {store.table_path(name).name} with `git checkout`, or delete "
            f"both and run `bnbook sweep {name}`"
        )
    study = experiment.study
    last = frame["seconds"].notna() if study else frame.groupby("key")["epoch"].idxmax()
    ends = frame.loc[last]
    whole = ends
    if not study:  # what broke off was short, too
        whole = ends[(ends["epoch"] == ends["epochs"]) & (ends["outcome"] != "non-finite")]
    chosen = (
        whole.nsmallest(size, "seconds")
        if draw is None
        else ends.sample(min(size, len(ends)), random_state=draw)
    )
    if chosen.empty:
        raise BookError(f"no run of {name} went to its end: leave --shortest out")
    return [
        Recorded(
            experiment,
            Run.from_changes(json.loads(end["run"])),
            frame[frame["key"] == end["key"]],
        )
        for _, end in chosen.iterrows()
    ]


def verify(chosen: Sequence[Recorded]) -> Iterator[Check]:
    """Run `chosen` again, in one process per core; yield each check.

    They come as the runs end; those that only rounding can explain are run `origin.ROUNDINGS` times
    more for that. Raises BookError where a run cannot be made.
    """
    by_study: dict[str, list[Recorded]] = {}
    for one in chosen:
        by_study.setdefault(one.experiment.study, []).append(one)
    for some in by_study.values():
        left: list[tuple[Recorded, pd.DataFrame]] = []
        for one, again in _again(some):
            if found := check(one, again):
                yield found
            else:
                left.append((one, again))
        rounded: dict[Recorded, list[pd.DataFrame]] = {one: [] for one, _ in left}
        for rounding in range(origin.ROUNDINGS if left else 0):
            for one, rows in _again([one for one, _ in left], rounding):
                rounded[one].append(rows)
        for one, again in left:
            yield cast(Check, check(one, again, rounded[one]))


def _again(
    some: Sequence[Recorded], rounding: int | None = None
) -> Iterator[tuple[Recorded, pd.DataFrame]]:
    """Run runs of one study, or of none, again; yield the rows of each."""
    work = sweep.work_of(some[0].experiment, rounding=rounding)
    runs = dict.fromkeys(one.run for one in some)  # experiments share some
    with contextlib.closing(sweep.execute(runs, sweep.check_workers(None), work)) as records:
        for record in records:
            for one in some:
                if one.run.key == record["key"]:
                    yield one, store.records_frame([record])


def check(
    recorded: Recorded, again: pd.DataFrame, rounded: Sequence[pd.DataFrame] = ()
) -> Check | None:
    """Compare a recorded run with the rows of the same run made `again`.

    On the kind of machine that made the record (same processor model), with its versions of torch
    and of this package, training repeats itself to the bit: everything recorded but the time must
    come out the same. Elsewhere sums are rounded differently, and training amplifies that: there
    the first losses must agree, the numbers of images, and the rows. The losses: to
    `origin.TOLERANCE`, or only the very first, where the arm does what was recorded in double
    precision (`origin.exact`). The rows: what was measured may differ from what was recorded by
    `origin.CLOSE`, or by as much as rounding makes of it. That is taken from `rounded`, the rows of
    trainings that started from weights rounded in other ways (`findings.apart`, at 95% over all
    `_SIZES` together, after Bonferroni); where it takes them and there are none, the answer is
    None. Of a study the losses alone decide: its measures have no common scale.
    """
    if _place(recorded.rows) == _place(again):
        found = _differences(recorded.rows, again)
        return Check(recorded, DIFFERS if found else SAME, "; ".join(found))
    then, now = _first_losses(recorded.rows), _first_losses(again)
    if not _begins_alike(recorded, now, then):
        return Check(recorded, DIFFERS, _apart("first_losses", [now], [then]))
    if recorded.experiment.measure:
        return Check(recorded, WITHIN, "first losses alone, on another kind of machine")
    return _apart_by_rounding(recorded, again, rounded)


def _begins_alike(recorded: Recorded, now: Any, then: Any) -> bool:
    """Say whether first losses from two kinds of machine are alike, but for amplified rounding."""
    if origin.alike(now, then):
        return True
    if not origin.start_alike(recorded.run, now, then):
        return False
    fingerprints = store.read_provenance(recorded.experiment.name)["fingerprints"]
    return origin.exact(fingerprints[recorded.rows["arm"].iloc[0]])


def _place(rows: pd.DataFrame) -> tuple[str, ...]:
    return tuple(str(rows[name].iloc[0]) for name in ("machine", "torch", "bnbook"))


def _differences(then: pd.DataFrame, now: pd.DataFrame) -> list[str]:
    """Say what is not exactly as recorded; an empty list means that all is."""
    if len(now) != len(then):
        return [f"{len(now)} rows, not {len(then)}"]
    names = [str(name) for name in now if name not in _FREE]
    # An accuracy of training's own rows says no more than the counts that it was made of.
    counted = [name.replace("correct", "accuracy") for name in names if "_correct" in name]
    columns = [name for name in names if name not in counted]
    found = (_apart(name, list(now[name]), list(then[name])) for name in columns)
    return [text for text in found if text]


def _first_losses(rows: pd.DataFrame) -> Any:
    return np.asarray(rows["first_losses"].iloc[-1], dtype=float)


def _apart(what: str, now: list[Any], then: list[Any]) -> str:
    """Say how many values are apart, or nothing. What is missing in both, agrees."""
    now, then = list(_leaves(now)), list(_leaves(then))
    if len(now) != len(then):
        return f"{what}: {len(now)} values, not {len(then)}"
    pairs = [(a, b) for a, b in zip(now, then, strict=True) if not (a == b or (a != a and b != b))]
    if not pairs:
        return ""
    if any(isinstance(value, str) for pair in pairs for value in pair):
        return f"{what}: {pairs[0][0]}, not {pairs[0][1]}"
    furthest = np.abs(np.subtract(*np.array(pairs, dtype=float).T)).max()
    return f"{what}: {len(pairs)} by up to {furthest:.3g}"


def _leaves(values: Any) -> Iterator[Any]:
    """Yield what is in lists of lists, their lengths too; None as NaN."""
    for value in values:
        if isinstance(value, (list, tuple, np.ndarray)):
            yield f"{len(value)} values"
            yield from _leaves(value)
        else:
            yield np.nan if value is None else value


def _apart_by_rounding(
    recorded: Recorded, again: pd.DataFrame, rounded: Sequence[pd.DataFrame]
) -> Check | None:
    """Compare row by row: what is not close may be as far apart as roundings put it."""
    then, now = recorded.rows.iloc[-1], again.iloc[-1]
    if found := "; ".join(filter(None, (_apart(n, [now[n]], [then[n]]) for n in _EXACT))):
        return Check(recorded, DIFFERS, found)
    why = f"accuracy {now['val_accuracy']:.4f}, recorded {then['val_accuracy']:.4f}"
    if list(again["epoch"]) == list(recorded.rows["epoch"]) and not any(_far(recorded, again, ())):
        return Check(recorded, WITHIN, why)
    if not rounded:
        return None
    failed = [rows["outcome"].iloc[-1] == "non-finite" for rows in (recorded.rows, again, *rounded)]
    if failed[0] not in failed[1:]:
        return Check(recorded, DIFFERS, f"outcome: {now['outcome']}, not {then['outcome']}; {why}")
    if any(failed):  # perhaps in different epochs: what was before the first is compared
        end = min(rows["epoch"].iloc[-1] for rows in (recorded.rows, again, *rounded))
        again = again[again["epoch"] < end]
    found = "; ".join(_far(recorded, again, rounded))
    return Check(recorded, DIFFERS if found else WITHIN, found or f"{why}, as rounding decides")


def _far(recorded: Recorded, again: pd.DataFrame, rounded: Sequence[pd.DataFrame]) -> Iterator[str]:
    """Say of each kind of value where it is first further from the recorded than it may be."""
    for name in _SIZES:
        for epoch in again["epoch"]:
            then, now, *others = (
                _size(name, rows[rows["epoch"] == epoch].iloc[0])
                for rows in (recorded.rows, again, *rounded)
            )
            allowed = origin.CLOSE
            if np.isfinite([then, now, *others]).all():
                apart = findings.apart([now, *others], 1 - 0.05 / len(_SIZES))
                allowed = max(allowed, np.nan_to_num(apart))
            if not (then == now or (then != then and now != now) or abs(then - now) <= allowed):
                said = f"{now:.4g}, not {then:.4g}; rounding moves it by {allowed:.2g}"
                yield f"{name} after epoch {epoch}: {said}"
                break


def _size(name: str, row: pd.Series[Any]) -> float:
    """Return a number for a value: a count as a share, all else by its mean square's logarithm.

    NaN where there is none.
    """
    if "_correct" in name:
        return float(row[name] / row[f"{name.partition('_')[0]}_images"])
    numbers = [x for x in _leaves([row[name]]) if not isinstance(x, str)]
    with np.errstate(divide="ignore"):
        return float(np.log(np.square(numbers).mean())) if numbers else np.nan
