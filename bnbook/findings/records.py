"""Recorded runs as tables, the experiments' planned comparisons, and where records come from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bnbook import store
from bnbook.errors import BookError, NoRecordsError
from bnbook.experiment import LR_RULES, VARIED, Contrast, Experiment, best_lr
from bnbook.findings.adjusted import compared
from bnbook.findings.statistics import arms, fresh, paired
from bnbook.findings.writing import Markdown, folded, join
from bnbook.history import enough, judge
from bnbook.run import Run


def load(experiment: Experiment) -> pd.DataFrame:
    """Read an experiment's records: one row per run and evaluated epoch (0 is before training).

    `store.read`'s columns and `arm`, an ordered category in the experiment's order. Raises
    BookError if its records are damaged or stale, NoRecordsError where any are missing: what a
    sweep had done when it was stopped is recorded, and counts when the sweep has come to its end.
    """
    name, frame = experiment.name, so_far(experiment)
    if missing := lacking(experiment, frame):
        raise NoRecordsError(
            f"{missing:,} of {name}'s runs are not recorded yet: `bnbook sweep {name}` goes on",
            name,
        )
    return frame


def so_far(experiment: Experiment) -> pd.DataFrame:
    """Read what `load` reads, also of an experiment that is not recorded to its end."""
    frame = store.read(experiment.name)
    arm = {
        text: experiment.arm_of(Run.from_changes(json.loads(text)))
        for text in frame["run"].unique()
    }
    return frame.assign(
        arm=frame["run"].map(arm).astype(pd.CategoricalDtype(list(experiment.arms)))
    )


def lacking(experiment: Experiment, frame: pd.DataFrame) -> int:
    """Count the runs that can be named now and are not in `frame`, which is as from `so_far`."""
    return len({run.key for run in experiment.runs(frame)}.difference(frame["key"]))


def at(frame: pd.DataFrame, arm: str, lr: float) -> pd.DataFrame:
    """Select an arm's runs at a learning rate. Raises BookError if there are none."""
    chosen = frame[(frame["arm"] == arm) & (frame["lr"] == lr)]
    if chosen.empty:
        rates = sorted(frame.loc[frame["arm"] == arm, "lr"].unique())
        raise BookError(
            f"no runs of {arm!r} at learning rate {lr:g}; there are: "
            f"{', '.join(f'{rate:g}' for rate in rates) or 'none at all'}"
        )
    return chosen


def best_rates(frame: pd.DataFrame) -> dict[str, float]:
    """Name each arm's best learning rate, chosen on validation data with the tuning seeds.

    Raises BookError where an arm was not tuned.
    """
    return {arm: best_lr(frame, arm) for arm in arms(frame)}


def at_rates(frame: pd.DataFrame, rates: Mapping[str, float]) -> pd.DataFrame:
    """Select arms' fresh runs, each at its own of `rates`. Raises BookError as `at` does."""
    runs = fresh(frame)
    return pd.concat([at(runs, arm, lr) for arm, lr in rates.items()], ignore_index=True)


def at_best(frame: pd.DataFrame) -> pd.DataFrame:
    """Select every arm's fresh runs at its best learning rate."""
    return at_rates(frame, best_rates(frame))


def contrasts(frame: pd.DataFrame, planned: Sequence[Contrast]) -> pd.DataFrame:
    """Run all primary contrasts of a chapter and adjust their p-values together (Holm).

    `planned` is an experiment's `contrasts`; `frame` has one batch size. Where `lr`
    names a rule, each arm stands at its own learning rate; tuning seeds are left out.
    Columns: those of `Paired`, `lr`, `lr_a`, `lr_b`, `holm_difference`, `holm_equivalence`,
    `finding`.
    """
    pairs, rates = [], []
    for contrast in planned:
        lr_a, lr_b = _rates(frame, contrast)
        sides = [at(fresh(frame), contrast.a, lr_a), at(fresh(frame), contrast.b, lr_b)]
        pairs.append(paired(pd.concat(sides), contrast.a, contrast.b, contrast.outcome))
        lr = f"{contrast.lr:g}" if isinstance(contrast.lr, float) else "own best"
        rates.append({"lr": lr, "lr_a": lr_a, "lr_b": lr_b})
    return compared(pairs).join(pd.DataFrame(rates))


def _rates(frame: pd.DataFrame, contrast: Contrast) -> tuple[float, float]:
    lr = contrast.lr
    if isinstance(lr, str):
        rule = LR_RULES[lr]
        return rule(frame, contrast.a), rule(frame, contrast.b)
    return lr if isinstance(lr, tuple) else (lr, lr)


def setting(frame: pd.DataFrame) -> str:
    """Say how large these records are: "5 seeds, 10,000 training images, 5 epochs".

    Where what a run calls an epoch is a number of steps of its own, it says how many steps.
    """
    seeds = _configurations(frame)["seed"].nunique()
    steps = frame["epochs"] * frame["epoch_steps"]
    length = _span(frame["epochs"], "epoch") if (steps == 0).any() else _span(steps, "step")
    return ", ".join([_span(seeds, "seed"), _span(frame["train_size"], "training image"), length])


def _configurations(frame: pd.DataFrame) -> Any:
    varied = [name for name in VARIED if name != "seed"]
    return frame.groupby(["arm", *varied], observed=True)


def _span(numbers: pd.Series[Any], unit: str) -> str:
    low, high = int(numbers.min()), int(numbers.max())
    return _count(high, unit) if low == high else f"{low:,} to {high:,} {unit}s"


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def provenance(*experiments: Experiment) -> Markdown:
    """Fold away where experiments' records come from, and how to check and to repeat them."""
    return folded(join(*map(_provenance, experiments)), "Where these records come from")


def _provenance(experiment: Experiment) -> str:
    name = experiment.name
    found, frame = store.read_provenance(name), load(experiment)
    configurations = _configurations(frame).ngroups
    # A sweep may have gone on under other versions: each record names its own.
    mixed = {one: " and ".join(sorted(frame[one].unique())) for one in ("bnbook", "torch")}
    versions = found["packages"] | mixed
    packages = ", ".join(f"{one} {version}" for one, version in versions.items())
    dates = [found["dates"][0], *found["dates"][1:][-1:]]
    return (
        f"Experiment `{name}`: {_count(configurations, 'configuration')}, {found['runs']} runs; "
        f"{setting(frame)}; seeds {_seeds(found['seeds'])}. Recorded {' to '.join(dates)} on "
        f"{' and '.join(_fullest(found['machines']))}; {_duration(found['training_seconds'])} of "
        f"training on one core. Python {found['python']}, {packages}. To run a sample of them "
        f"again and compare: `bnbook verify {name}`. To record them again: delete "
        f"`data/results/{name}.parquet` and `.json`, then `{found['command']}`."
    )


def _fullest(machines: Sequence[str]) -> list[str]:
    """Leave out a machine's name that another one begins with, and says more."""
    return [one for one in machines if not any(x.startswith(f"{one},") for x in machines)]


def _seeds(seeds: Sequence[int]) -> str:
    """Write sorted seeds with runs of neighbors joined: "0–4, 100, 101"."""
    groups: list[list[int]] = []
    for seed in seeds:
        if groups and seed == groups[-1][-1] + 1:
            groups[-1].append(seed)
        else:
            groups.append([seed])
    return ", ".join(f"{g[0]}–{g[-1]}" if len(g) > 2 else ", ".join(map(str, g)) for g in groups)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def first_epochs(frame: pd.DataFrame, epochs: int) -> pd.DataFrame:
    """Cut every run after `epochs`, as if it had ended there; its outcome is judged anew.

    Exact, because a longer run passes through every state of a shorter one. Test accuracies,
    measured at the end alone, are gone from runs that were longer.
    """
    cut = frame[frame["epoch"] <= epochs]
    ends = {}
    for key, group in cut.groupby("key"):
        rows = [
            {str(name): value for name, value in row.items()} for row in group.to_dict("records")
        ]
        ends[key] = judge(rows, enough(rows[0]["dataset"]))
    return cut.assign(outcome=cut["key"].map(ends), epochs=epochs)
