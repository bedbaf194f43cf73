"""The recorded lab: sliders over runs that were trained beforehand, drawn without a kernel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from bnbook import findings
from bnbook.errors import BookError
from bnbook.history import enough
from bnbook.lab.element import Html, Widget, element
from bnbook.lab.looks import ACCURACY_TICKS, LOOKS, LOSS_TICKS, PERFECT, TOP_ACCURACY

Cell: TypeAlias = dict[str, Any]

#: An interval is drawn from so many seeds on.
FEWEST_SEEDS = 3
NEEDED = (
    *("key", "arm", "norms", "padding", "lr", "batch_size", "seed", "epochs", "outcome"),
    *("epoch", "epoch_steps", "train_loss", "val_accuracy", "train_size", "model", "dataset"),
)


def recorded(
    frame: pd.DataFrame,
    *,
    arms: Mapping[str, str] | None = None,
    lr: float = 0.1,
    batch_size: int = 128,
) -> Html | Widget:
    """Build sliders over recorded runs, e.g. `chapters.RECORDS["learning-rate"]`.

    `arms` maps what a curve is called to an arm of the experiment; by default all runs without
    padding that have batch norm in every slot, and those that have none. `lr` and `batch_size`
    say where the sliders start. Raises BookError where they cannot, for a frame without such
    runs, or where an arm holds two runs of one seed at one grid point.
    """
    for name, value in {"learning rate": lr, "batch size": batch_size}.items():
        if not value > 0:
            raise BookError(f"the sliders cannot start at {name} {value}; it must be above 0")
    data = grid(frame, arms)
    start = (_nearest(data["lrs"], lr), _nearest(data["batch_sizes"], batch_size))
    return element("recorded", {**data, "start": start}, _table(data))


def grid(frame: pd.DataFrame, arms: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Summarize recorded runs, JSON-able; `RecordedData` in `web/types.d.ts` names the parts.

    `cells[arm][batch size][learning rate]` (indices into the other lists) is None or holds mean
    and 95% interval of the validation accuracy after each epoch of `at`, the mean training loss,
    both of the runs that trained (where none did, the median, and the mean loss of all), every
    seed's curve, and how it ended in words.
    """
    missing = [column for column in NEEDED if column not in frame]
    if missing:
        raise BookError(f"the recorded lab needs the column {missing[0]!r}; see findings.load")
    chosen = {label: part for label, part in _select(frame, arms).items() if len(part)}
    if not chosen:
        raise BookError("no recorded runs with or without batch norm to show; run the sweep first")
    runs = pd.concat(chosen.values())
    at = sorted(findings.filled(runs)["epoch"].unique().tolist())
    losses = runs["train_loss"][np.isfinite(runs["train_loss"])]
    lrs = sorted(runs["lr"].unique().tolist())
    batch_sizes = sorted(runs["batch_size"].unique().tolist())
    cells = [
        [[_cell(part, label, b, rate, at) for rate in lrs] for b in batch_sizes]
        for label, part in chosen.items()
    ]
    return {
        "lrs": lrs,
        "batch_sizes": batch_sizes,
        "arms": [{"label": label, **look} for label, look in zip(chosen, LOOKS, strict=False)],
        "at": at,
        "best": max(TOP_ACCURACY, min(PERFECT, float(runs["val_accuracy"].max()))),
        "accuracy_ticks": ACCURACY_TICKS,
        "loss_ticks": LOSS_TICKS,
        "losses": [_rounded(losses.min()), _rounded(losses.max())],
        "cells": cells,
        "about": _about(runs),
    }


def _select(frame: pd.DataFrame, arms: Mapping[str, str] | None) -> dict[str, pd.DataFrame]:
    if arms is None:
        bare = frame[frame["padding"] == 0]
        return {
            label: bare[bare["norms"].map(lambda names, kind=kind: set(names.split(",")) == {kind})]
            for label, kind in (("With batch norm", "batch"), ("Without", "none"))
        }
    if len(arms) > len(LOOKS):
        raise BookError(f"the recorded lab shows at most {len(LOOKS)} arms, not {len(arms)}")
    unknown = set(arms.values()) - set(frame["arm"])
    if unknown:
        raise BookError(
            f"unknown arm {', '.join(sorted(unknown))}; recorded: "
            f"{', '.join(sorted(frame['arm'].unique()))}"
        )
    return {label: frame[frame["arm"] == arm] for label, arm in arms.items()}


def _cell(runs: pd.DataFrame, label: str, batch_size: int, lr: float, at: list[int]) -> Cell | None:
    """Summarize one arm's runs at one grid point, after each epoch of `at`."""
    here = runs[(runs["lr"] == lr) & (runs["batch_size"] == batch_size)]
    if here.empty:
        return None
    whole = findings.filled(here)
    if whole.duplicated(["seed", "epoch"]).any():
        raise BookError(
            f"{label!r} has several runs of one seed at learning rate {lr:g}, batch size "
            f"{batch_size}: restrict the frame, or name its arms"
        )
    accuracy = whole.pivot(index="epoch", columns="seed", values="val_accuracy").reindex(at)
    loss = whole.pivot(index="epoch", columns="seed", values="train_loss").reindex(at)
    ends = here.drop_duplicates("key")
    trained = ends.loc[ends["outcome"] == "trained", "seed"].tolist()
    # Some that train and some that do not have no mean that any of them is near.
    bands = [_band(row) for row in accuracy[trained].to_numpy()] if trained else _middle(accuracy)
    outcomes = ends["outcome"].tolist()
    last = findings.percent(*bands[-1]) if trained else _range(accuracy.iloc[-1])
    last = last.replace(", ", ",\N{NO-BREAK SPACE}")  # an interval stays on one line
    return {
        # Precise enough to be rounded once more, as the numbers of the text are.
        **{
            limit: [_rounded(getattr(band, limit), 6) for band in bands]
            for limit in findings.Interval._fields
        },
        "loss": [_rounded(row.mean()) for row in loss[trained or [*loss]].to_numpy()],
        "seeds": [_column(accuracy[seed]) for seed in accuracy],
        "losses": [_column(loss[seed]) for seed in loss],
        "trained": f"{len(trained)} of {len(outcomes)}",
        "final": last,
        "text": _ending(outcomes, len(trained), last),
    }


def _band(values: npt.NDArray[np.float64]) -> findings.Interval:
    """Mean and interval; two seeds have a mean only, as their interval would cover the chart."""
    mean, low, high = findings.interval(values)
    if len(values) < FEWEST_SEEDS:
        return findings.Interval(mean, math.nan, math.nan)
    return findings.Interval(mean, max(low, 0.0), min(high, 1.0))


def _middle(accuracy: pd.DataFrame) -> list[findings.Interval]:
    """Medians: of runs that fail, some may guess, and some may have come nearly far enough."""
    medians = accuracy.median(axis="columns")
    return [findings.Interval(value, math.nan, math.nan) for value in medians]


def _ending(outcomes: list[str], trained: int, last: str) -> str:
    """Say how the runs of one grid point ended."""
    others = [name for name in outcomes if name != "trained"]
    counts = ", ".join(f"{others.count(name)} {name}" for name in sorted(set(others)))
    seeds = "seed" if len(outcomes) == 1 else "seeds"
    some = " of those that trained" if 0 < trained < len(outcomes) else ""
    return (
        f"{trained} of {len(outcomes)} {seeds} trained"
        + (f" ({counts})" if counts else "")
        + f"; final validation accuracy{some} {last}"
    )


def _range(values: pd.Series[float]) -> str:
    """Write the lowest and the highest of some accuracies, or the one that all of them are."""
    low, high = (f"{100 * value:.1f}" for value in (values.min(), values.max()))
    return f"{high}%" if low == high else f"{low} to {high}%"


def _column(values: pd.Series[float]) -> list[float | None]:
    return [_rounded(value) for value in values]


def _rounded(value: float, digits: int = 4) -> float | None:
    """Round to some significant digits; nothing for what JSON has no number for."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def _about(runs: pd.DataFrame) -> str:
    """Say what was held fixed, from the records themselves."""
    seeds = runs.groupby(["norms", "lr", "batch_size"])["seed"].nunique()
    counts = sorted(set(seeds))
    band = "band: its 95% t-interval, cut off at 100%"
    if counts[0] < FEWEST_SEEDS:
        band += f", where there are {FEWEST_SEEDS} seeds or more"
    span = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    models = {"lenet": "LeNet", "mlp": "an MLP", "resnet": "a ResNet"}
    datasets = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}
    model, dataset = runs["model"].iloc[0], runs["dataset"].iloc[0]
    steps, least = int(runs["epoch_steps"].max()), enough(runs["dataset"].iloc[0])
    return (
        f"Recorded runs of {models.get(model, model)} on {datasets.get(dataset, dataset)}, "
        f"{runs['train_size'].max():,} training images, {span} seeds per setting. "
        + f"An epoch here is {steps} steps. "
        * bool(steps)
        + f"A seed has trained if it ends with {findings.percent(least, digits=0)} or more. "
        f"Thick line: mean over the seeds that train, or the median where none does; {band}; "
        "thin lines: single seeds. A loss off the axis is drawn at its edge. "
        "A run whose loss became non-finite counts as guessing from then on. "
        "The accuracy axis is logarithmic in the error, so that 98% and 99% stay apart."
    )


def _nearest(values: list[float], wanted: float) -> int:
    return min(range(len(values)), key=lambda i: abs(math.log(values[i] / wanted)))


def _table(data: dict[str, Any]) -> str:
    """Write how the runs ended at every setting: what is left of the lab without scripts."""
    heads = ["Learning rate", "Batch size", "Net", "Seeds trained", "Validation accuracy"]
    rows = [
        f'<tr><th scope="row">{rate:g}</th><td>{size}</td><td>{escape(arm["label"])}</td>'
        f"<td>{cell['trained']}</td><td>{cell['final']}</td></tr>"
        for b, size in enumerate(data["batch_sizes"])
        for r, rate in enumerate(data["lrs"])
        for arm, cells in zip(data["arms"], data["cells"], strict=True)
        if (cell := cells[b][r])
    ]
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "\n".join(rows)
    return f"""<p>Recorded runs. The sliders need JavaScript; every setting is in this table.</p>
<details class="all"><summary>All recorded settings</summary>
<div class="scroll" tabindex="0" role="region" aria-label="All recorded settings">
<table><thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody></table></div></details>
<p class="about">{escape(data["about"])}</p>"""
