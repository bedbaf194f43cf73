"""What an experiment is: a named set of runs, with the comparisons stated beforehand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pandas as pd

from bnbook.errors import BookError
from bnbook.run import Run

BATCH_NORM = ("batch",) * 4
#: LeNet as chapters 1, 2, 4 and 5 train it, without a norm and with batch norm.
PLAIN = Run(train_size=50_000, epochs=10, eval_epochs=(1, 2, 3, 5, 7, 10))
FULL = replace(PLAIN, norms=BATCH_NORM)
#: Seeds of the recorded comparisons; no trial run has used them.
SEEDS = tuple(range(10, 20))
#: Curves and maps that no primary contrast of ten seeds rests on.
FEW_SEEDS = SEEDS[:5]
#: What was asked later, of nets that had been looked at, has seeds that no run had used.
LATER_SEEDS = tuple(range(20, 40))
#: Tuning has seeds of its own, from here on, so that the winner is compared on fresh ones.
TUNING_FROM = 100
TUNING_SEEDS = (100, 101)
LATER_TUNING_SEEDS = (102, 103, 104)
TUNING_LRS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
SHARED_LR = 0.1

#: What the runs of one arm may differ in.
VARIED: Final = ("lr", "batch_size", "init_scale", "seed")

#: Measures a run of a study, given it and its data set's splits (see `Experiment`).
Measure = Callable[..., list[dict[str, Any]]]

#: Differences below this (0.2 percentage points of accuracy) count as none.
MARGIN = 0.002


@dataclass(frozen=True)
class Contrast:
    """A primary comparison: `outcome` of arm `a` minus that of arm `b`, paired by seed.

    `lr` is the learning rate of both, one for each, or a name in `LR_RULES` for each arm's own.
    """

    a: str
    b: str
    lr: float | tuple[float, float] | str
    outcome: str = "test_accuracy"


@dataclass(frozen=True)
class Experiment:
    """A named set of runs: variants ("arms") of one base run, and the contrasts between them.

    `plan(experiment, frame)` lists the runs that can be named so far; `frame` holds what is
    already recorded, from which tuning reads its winners.
    An experiment that asks what training's own rows do not say, such as something of the trained
    net, is a *study*: it has a function `measure(run, splits)`, which trains as it needs to (see
    `training.follow`) and returns rows of its own, JSON-able, each with the same names. One that
    also takes a `checkpoint`, for `training.fit`, goes on after an interruption.
    """

    name: str
    question: str
    arms: dict[str, Run]
    plan: Callable[[Experiment, pd.DataFrame], list[Run]]
    contrasts: tuple[Contrast, ...] = ()
    measure: Measure | None = None

    @property
    def study(self) -> str:
        """Its name if it is a study, whose records are its own; else "", for what all share."""
        return self.name if self.measure else ""

    def runs(self, frame: pd.DataFrame) -> list[Run]:
        """List the runs that can be named now, without repetition.

        `frame` is `store.read`'s table of this experiment with an `arm` column; it may be empty.
        """
        return list(dict.fromkeys(self.plan(self, frame)))

    def arm_of(self, run: Run) -> str:
        """Name the arm that `run` belongs to. Raises BookError if it belongs to none."""
        fixed = _fixed(run)
        for name, base in self.arms.items():
            if _fixed(base) == fixed:
                return name
        raise BookError(f"run {run.key} belongs to no arm of {self.name}: its records are stale")


def _fixed(run: Run) -> dict[str, Any]:
    return {name: value for name, value in run.changes().items() if name not in VARIED}


def best_lr(frame: pd.DataFrame, arm: str) -> float:
    """Learning rate with the highest mean validation accuracy of `arm` over the tuning seeds.

    A rate at which a tuning run failed (collapsed or non-finite) is passed over, unless all did;
    of equals the smaller wins. `frame` has one row per run and epoch. Raises BookError where the
    tuning runs are missing.
    """
    final = _tuning_ends(frame, arm)
    broke = final["outcome"].isin(["collapsed", "non-finite"]).groupby(final["lr"]).any()
    return _highest(final, [~broke])


def steady_lr(frame: pd.DataFrame, arm: str) -> float:
    """Do as `best_lr` does, away from the cliff: at a rate whose neighbors on the grid work, too.

    A rate works where every tuning run of `arm` ended as trained; the first and the last of the
    grid have a neighbor that nobody tried. Where there is no such rate, one that works itself;
    where there is none either, as `best_lr`.
    """
    final = _tuning_ends(frame, arm)
    works = (final["outcome"] == "trained").groupby(final["lr"]).all()
    inside = works & works.shift(1, fill_value=False) & works.shift(-1, fill_value=False)
    if not works.any():
        return best_lr(frame, arm)
    return _highest(final, [inside, works])


#: How an arm's own learning rate is chosen, by the names that a `Contrast` knows.
LR_RULES: Final = {"best": best_lr, "steady": steady_lr}


def _tuning_ends(frame: pd.DataFrame, arm: str) -> pd.DataFrame:
    tuning = frame[(frame["arm"] == arm) & (frame["seed"] >= TUNING_FROM)]
    if tuning.empty:
        raise BookError(f"no tuning runs of arm {arm!r} are recorded: run the sweep to its end")
    return tuning.loc[tuning.groupby("key")["epoch"].idxmax()]


def _highest(final: pd.DataFrame, preferred: Iterable[pd.Series[bool]]) -> float:
    """Return the rate of the highest mean accuracy, among the first of `preferred` that has any."""
    means = final.groupby("lr")["val_accuracy"].mean()
    chosen = next((means[some] for some in preferred if some.any()), means)
    return float(chosen.index[int(chosen.argmax())])


def grid(arms: Iterable[Run], lrs: Iterable[float], seeds: Iterable[int]) -> list[Run]:
    """Cross arms with learning rates and seeds; seeds vary slowest, so pairs are near in time."""
    return [replace(arm, lr=lr, seed=seed) for seed, lr, arm in itertools.product(seeds, lrs, arms)]


def recorded(runs: Iterable[Run], frame: pd.DataFrame) -> bool:
    """Say whether `frame`, which may be empty, holds all of `runs`."""
    return {run.key for run in runs} <= set(frame["key"] if len(frame) else ())


def fixed(
    experiment: Experiment,
    frame: pd.DataFrame,  # noqa: ARG001
    lrs: Iterable[float] | Mapping[str, Sequence[float]],
    seeds: Sequence[int],
) -> list[Run]:
    """Run every arm at each of `lrs`, or of its own there, with each of `seeds`."""
    if isinstance(lrs, Mapping):
        return [run for arm, its in lrs.items() for run in grid([experiment.arms[arm]], its, seeds)]
    return grid(experiment.arms.values(), lrs, seeds)


def tuned(
    experiment: Experiment,
    frame: pd.DataFrame,
    lrs: Sequence[float] = TUNING_LRS,
    seeds: Sequence[int] = SEEDS,
    shared: float | None = SHARED_LR,
    tuning_seeds: Sequence[int] = TUNING_SEEDS,
    rule: str = "best",
) -> list[Run]:
    """Tune every arm, then run fresh seeds at the `shared` rate and at each arm's best.

    `shared` None: at its own alone. `rule`, a name in `LR_RULES`, chooses.
    """
    arms = experiment.arms
    tuning = grid(arms.values(), lrs, tuning_seeds)
    own_best: list[Run] = []
    for name, arm in arms.items():
        if recorded(grid([arm], lrs, tuning_seeds), frame):
            own_best += grid([arm], [LR_RULES[rule](frame, name)], seeds)
    at_shared = [] if shared is None else grid(arms.values(), [shared], seeds)
    return tuning + at_shared + own_best


def subsets(base: Run) -> dict[str, Run]:
    """Vary `base` over all sixteen subsets of slots (1 to 4) with batch norm: "124", or "none"."""
    slots = (1, 2, 3, 4)
    subsets = itertools.chain.from_iterable(itertools.combinations(slots, k) for k in range(5))
    return {
        "".join(map(str, held)) or "none": replace(
            base, norms=tuple("batch" if s in held else "none" for s in slots)
        )
        for held in subsets
    }


def without_one(plain: Run) -> dict[str, Run]:
    """Give `plain` batch norm in all slots but one, by the slot's number."""
    every = subsets(plain)
    return {f"without norm {s}": every["1234".replace(str(s), "")] for s in (1, 2, 3, 4)}


def halves(plain: Run) -> dict[str, Run]:
    """Give `plain` one half of batch norm."""
    return {f"{half}-only": replace(plain, norms=(half,) * 4) for half in ("mean", "variance")}


def held_fixed(full: Run) -> dict[str, Run]:
    """Hold gamma, beta or both of `full`, which has batch norm, where they start."""
    return {
        "gamma fixed": replace(full, affine="beta"),
        "beta fixed": replace(full, affine="gamma"),
        "both fixed": replace(full, affine="none"),
    }


def against(
    reference: str, others: Iterable[str], lrs: Iterable[float | str]
) -> tuple[Contrast, ...]:
    """Compare each of `others` with `reference`, at each of `lrs`."""
    return tuple(Contrast(other, reference, lr) for lr in lrs for other in others)
