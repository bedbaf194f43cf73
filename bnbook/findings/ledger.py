"""All records together: how many runs, how much training, on what, when, and how large."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from bnbook import store
from bnbook.errors import NoRecordsError
from bnbook.experiment import Experiment
from bnbook.findings.records import lacking, so_far
from bnbook.findings.writing import Markdown, table

#: What identifies a run, and what its last row says of it.
_KEPT = ["key", "outcome", "machine", "torch", "date", "step", "batch_size", "seconds", "seed"]


def recorded(experiments: Iterable[Experiment]) -> pd.DataFrame:
    """List the recorded runs of `experiments`: one row per experiment and run.

    Columns: `experiment`, `lacking` (how many of its runs are still to be made), `key`, `outcome`,
    `machine`, `torch`, `date`, `step` (the last), `batch_size`, `seconds` (of training) and `seed`.
    A run that several experiments share has the same `key` in each. Raises BookError where a table
    is damaged.
    """
    parts = []
    for experiment in experiments:
        name = experiment.name
        if store.is_recorded(name):
            rows = so_far(experiment)
            ends = _measured(rows, name) if experiment.measure else _trained(rows)
            parts.append(ends.assign(experiment=name, lacking=lacking(experiment, rows)))
    if not parts:
        raise NoRecordsError("nothing is recorded: run `bnbook sweep --all`")
    return pd.concat(parts, ignore_index=True)


def _trained(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.loc[rows.groupby("key")["epoch"].idxmax(), _KEPT]


def _measured(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """List a study's runs, which are made for it alone and whose outcome it does not judge."""
    ends = rows[rows["seconds"].notna()]
    a_pass = ends["train_size"] // ends["batch_size"]
    steps = ends["epochs"] * ends["epoch_steps"].where(ends["epoch_steps"] > 0, a_pass)
    own = ends.assign(key=name + " " + ends["key"], step=steps, outcome=None)
    return own[_KEPT]


def by_experiment(experiments: Iterable[Experiment], runs: pd.DataFrame) -> Markdown:
    """Show what each experiment asks, and the size of its records; `runs` as from `recorded`."""
    rows = []
    for experiment in experiments:
        name = experiment.name
        mine = runs[runs["experiment"] == name]
        row: dict[str, Any] = {
            "Experiment": f"`{name}`",
            "It asks": experiment.question,
            "Contrasts": len(experiment.contrasts) or "–",
        }
        if mine.empty:
            row |= {
                "Runs": "not recorded yet",
                "Seeds, with those of tuning": "–",
                "Hours": "–",
                "kB": "–",
            }
        else:
            to_come = int(mine["lacking"].iloc[0])
            row |= {
                "Runs": f"{len(mine):,}" + f", {to_come:,} to come" * bool(to_come),
                "Seeds, with those of tuning": mine["seed"].nunique(),
                "Hours": f"{mine['seconds'].sum() / 3600:.1f}",
                "kB": f"{store.table_path(name).stat().st_size / 1000:,.0f}",
            }
        rows.append(row)
    return table(pd.DataFrame(rows))


def total(runs: pd.DataFrame) -> Markdown:
    """Sum up the distinct runs of `recorded` in a sentence or two."""
    distinct = runs.drop_duplicates("key")
    size = sum(path.stat().st_size for path in store.results_folder().iterdir())
    shared = len(runs) - len(distinct)
    return Markdown(
        f"{len(distinct):,} networks were trained, in {distinct['step'].sum() / 1e6:.1f} million "
        f"steps that saw {(distinct['step'] * distinct['batch_size']).sum() / 1e6:,.0f} million "
        f"images. One core would have taken {distinct['seconds'].sum() / 3600:.1f} hours for the "
        "training alone. "
        + (f"{shared:,} runs serve more than one experiment; they were made once. " * bool(shared))
        + f"All records together take {size / 1e6:.1f} MB."
    )


def machines(runs: pd.DataFrame) -> Markdown:
    """Show on what, with which PyTorch and when the distinct runs of `recorded` were made."""
    groups = runs.drop_duplicates("key").groupby(["machine", "torch"], sort=False)
    return table(
        pd.DataFrame(
            {
                "Processor, and the instructions that PyTorch uses": machine,
                "PyTorch": torch,
                "Days": _days(sorted(part["date"].unique())),
                "Runs": f"{len(part):,}",
            }
            for (machine, torch), part in groups
        )
    )


def _days(dates: Sequence[str]) -> str:
    return dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"


def packages(runs: pd.DataFrame) -> Markdown:
    """Name the versions that every experiment's provenance states, as a sentence."""
    found = [store.read_provenance(name) for name in runs["experiment"].unique()]
    versions: dict[str, set[str]] = {"Python": {one["python"] for one in found}}
    for one in found:
        for package, version in one["packages"].items():
            versions.setdefault(package, set()).add(version)
    said = (f"{name} {' and '.join(sorted(those))}" for name, those in versions.items())
    return Markdown(f"Recorded with {', '.join(said)}.")


def endings(runs: pd.DataFrame) -> Markdown:
    """Count how the distinct runs of `recorded` ended."""
    outcomes = runs.drop_duplicates("key")["outcome"]
    counts = outcomes.fillna("not judged: a study, which measures something else").value_counts()
    return table(
        pd.DataFrame({"How it ended": outcome, "Runs": f"{n:,}"} for outcome, n in counts.items())
    )
