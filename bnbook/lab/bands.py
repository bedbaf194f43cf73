"""Runs beside those that readers train on the page: its own few digits, in seconds."""

import json
import math
import zlib
from dataclasses import replace
from typing import Any

import pandas as pd

from bnbook import findings, history
from bnbook.experiment import Experiment, grid, halves, held_fixed, subsets
from bnbook.lab.presets import NET_FIELDS, NORMED, PLAIN
from bnbook.lab.settings import net_code
from bnbook.run import Run

#: The site keeps the summary of these runs here, for all labs.
ADDRESS = "data/bands.js"
#: Bands hold accuracies as whole numbers of so many parts: three bytes less for each.
SHARE = 10_000

PAGE_SEEDS = (0, 1, 2, 3, 4)
PAGE_LRS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
PAGE_BATCH_SIZES = (16, 32, 512)
PAGE_BATCH_LRS = (0.1, 0.5, 1.0, 2.0, 5.0)
PAGE_VARIANT_LRS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
PAGE_SUBSET_LRS = (0.1, 1.0)
#: Nets of ReLUs: without a norm they train at small rates only.
PAGE_RELU_LRS = (0.1, 0.2, 0.5)


def _page(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    arms = dict(experiment.arms)
    main = [arms.pop("1234"), arms.pop("none")]
    rectified = [arms.pop("ReLU, with BN"), arms.pop("ReLU, without BN")]
    partial = [arms.pop(name) for name in subsets(PLAIN) if name in arms]
    return [
        # What trains only its norms wants larger steps than the other variants.
        *grid([*main, arms.pop("only norm")], PAGE_LRS, PAGE_SEEDS),
        *grid(arms.values(), PAGE_VARIANT_LRS, PAGE_SEEDS),
        *grid(rectified, PAGE_RELU_LRS, PAGE_SEEDS),
        *(
            replace(run, batch_size=size)
            for size in PAGE_BATCH_SIZES
            for run in grid(main, PAGE_BATCH_LRS, PAGE_SEEDS)
        ),
        *grid(partial, PAGE_SUBSET_LRS, PAGE_SEEDS),
    ]


PAGE = Experiment(
    name="browser-lab",
    question="What do other seeds do at the settings that a reader trains on the page?",
    arms={
        **subsets(PLAIN),
        "no biases": replace(NORMED, conv_bias=False, linear_bias=False),
        **halves(PLAIN),
        **held_fixed(NORMED),
        "ReLU, with BN": replace(NORMED, activation="relu"),
        "ReLU, without BN": replace(PLAIN, activation="relu"),
        "only norm": replace(NORMED, trainable="norm"),
        "norm and head": replace(NORMED, trainable="norm+head"),
        "only head": replace(NORMED, trainable="head"),
    },
    plan=_page,
)


def script(frame: pd.DataFrame) -> str:
    """Write the bands of `frame` as a script: a page that is opened from disk loads nothing else.

    `frame` is `findings.load(PAGE)`, or a part of it.
    """
    text = json.dumps(bands(frame), separators=(",", ":"), allow_nan=False)
    checksum = zlib.adler32(text.encode())  # the page compares it, as that of the images
    return f"globalThis.bnBands = {{ text: '{text}', checksum: {checksum} }};\n"


def bands(frame: pd.DataFrame) -> dict[str, Any]:
    """Summarize recorded runs by net, batch size and learning rate, JSON-able.

    Each cell has four lists over epochs from 0: mean, lower and upper limit of the validation
    accuracy (in parts of `SHARE`), and mean training loss; None where there is nothing to show.
    Where some runs end at chance and others do not, which have no mean that any of them is near,
    these are of the others, and a fifth list has their number and that of all.
    """
    cells: dict[str, dict[str, dict[str, list[list[float | None]]]]] = {}
    seeds = set()
    settings = [*NET_FIELDS.values(), "batch_size", "lr"]
    for _, runs in findings.filled(frame).groupby(settings, observed=True):
        net = {name: runs[name].iloc[0] for name in NET_FIELDS.values()}
        biases = {name: bool(net[name]) for name in ("conv_bias", "linear_bias")}
        code = net_code(Run(**{**net, **biases, "norms": net["norms"].split(",")}))
        rates = cells.setdefault(code, {}).setdefault(f"{runs['batch_size'].iloc[0]}", {})
        rates[f"{runs['lr'].iloc[0]:g}"] = _band(runs)
        seeds.add(runs["seed"].nunique())
    return {"seeds": min(seeds), "cells": cells}


def _band(runs: pd.DataFrame) -> list[list[float | None]]:
    ends = runs[runs["epoch"] == runs["epoch"].max()]
    learned = ends.loc[ends["val_accuracy"] >= history.AT_CHANCE, "seed"]
    counts: list[list[float | None]] = []
    if 0 < len(learned) < len(ends):
        runs = runs[runs["seed"].isin(learned)]
        counts = [[len(learned), len(ends)]]
    by_epoch = runs.groupby("epoch")
    spans = [findings.interval(values) for _, values in by_epoch["val_accuracy"]]
    losses = by_epoch["train_loss"].mean()
    return [
        [_parts(span.mean) for span in spans],
        [_parts(max(span.low, 0.0)) for span in spans],
        [_parts(min(span.high, 1.0)) for span in spans],
        [float(f"{loss:.3g}") if math.isfinite(loss) else None for loss in losses],
        *counts,
    ]


def _parts(share: float) -> int | None:
    return round(share * SHARE) if math.isfinite(share) else None
