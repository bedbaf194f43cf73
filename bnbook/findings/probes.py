"""What the probes saw inside the layers, in long form: one row per run, epoch and layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from bnbook.errors import BookError
from bnbook.findings.statistics import final
from bnbook.models import LAYERS

BEFORE: Final = "before the norm"
NORMED: Final = "after the norm"
ACTIVATED: Final = "after the activation"
SQUARES: Final = {
    "square_before": BEFORE,
    "square_normed": NORMED,
    "square_activated": ACTIVATED,
}


def magnitudes(frame: pd.DataFrame) -> pd.DataFrame:
    """Stack the probes' mean squares, one row per layer and place.

    All columns but the probes, and `layer`, `where` (before the norm, after it, after the
    activation), `value`.

    Right after a batch norm the mean square in training mode is gamma² + beta² by construction.
    """
    return _long(frame, SQUARES, "where").astype({"value": float})


def multiples(long: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Divide each value by that of the arm `reference`, paired by seed, setting and layer.

    `long` as from `magnitudes`, `gradients` or `weight_norms`. Its rows of all other arms, `value`
    being the ratio: below 1 is smaller than in the reference. Rows without a partner there are
    left out.
    """
    pair = ["seed", "lr", "batch_size", "init_scale", "epoch", "layer", "where"]
    pair = [column for column in pair if column in long]
    ours = long["arm"] == reference
    both = long[~ours].merge(long.loc[ours, [*pair, "value"]], on=pair, suffixes=("", "_of"))
    return both.assign(value=both["value"] / both["value_of"]).drop(columns="value_of")


def gradients(frame: pd.DataFrame) -> pd.DataFrame:
    """Stack the l2 norms of the weight gradients: all columns but the probes, `layer`, `value`."""
    return _per_weight(frame, "gradient_norm")


def weight_norms(frame: pd.DataFrame) -> pd.DataFrame:
    """Stack the l2 norms of the weights, as `gradients` does; of runs with `record_fit` alone."""
    return _per_weight(frame, "weight_norm")


def _per_weight(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    long = _long(frame, {column: column}, "of", output=True)
    return long.drop(columns="of").astype({"value": float})


def affine_values(frame: pd.DataFrame) -> pd.DataFrame:
    """Stack the final gamma and beta, one row per feature.

    All columns but the probes, and `layer`, `parameter` (gamma or beta), `value`.
    """
    last = final(frame)
    columns = {"gamma": "gamma", "beta": "beta"}
    per_layer = _long(last, columns, "parameter")
    long = per_layer.explode("value").dropna(subset=["value"])
    return long.astype({"value": float}).reset_index(drop=True)


def departures(frame: pd.DataFrame) -> pd.DataFrame:
    """Say how far gamma went from 1 and beta from 0: root mean square per run and layer."""
    long = affine_values(frame)
    start = long["parameter"].map({"gamma": 1.0, "beta": 0.0}).astype(float)
    long["value"] = (long["value"] - start) ** 2
    keep = [c for c in long.columns if c != "value"]
    means = long.groupby(keep, sort=False, observed=True, dropna=False)["value"].mean()
    return means.pow(0.5).reset_index()


def _layers(frame: pd.DataFrame) -> tuple[str, ...]:
    """Name the layers with weights of the frame's one kind of net."""
    found = sorted(frame["model"].unique())
    if len(found) != 1 or found[0] not in LAYERS:
        raise BookError(
            f"cannot name the layers of {', '.join(found) or 'no runs'}: "
            f"select the runs of one model out of {', '.join(LAYERS)}"
        )
    return LAYERS[found[0]]


def _long(
    frame: pd.DataFrame, columns: Mapping[str, str], name: str, *, output: bool = False
) -> pd.DataFrame:
    """Stack list columns under each other: one number, or one list, per layer.

    Of the hidden layers, and of the `output` layer where the columns have that, too.
    """
    lists = [*SQUARES, "gradient_norm", "gamma", "beta", "first_losses", "weight_norm"]
    missing = [c for c in columns if c not in frame]
    if missing:
        raise BookError(f"these runs were recorded without probes: no column {missing[0]}")
    layers = list(_layers(frame))[: None if output else -1]
    plain = frame.drop(columns=[c for c in lists if c in frame])
    pieces = []
    for column, label in columns.items():
        held = frame[column].map(lambda v: isinstance(v, Sequence | np.ndarray) and len(v) > 0)
        held_lists = frame.loc[held, column]
        piece = plain.loc[held].assign(
            **{name: label, "layer": [layers] * len(held_lists), "value": held_lists.map(list)}
        )
        pieces.append(piece.explode(["layer", "value"]))
    long = pd.concat(pieces, ignore_index=True)
    return long.astype(
        {name: pd.CategoricalDtype(list(columns.values())), "layer": pd.CategoricalDtype(layers)}
    )
