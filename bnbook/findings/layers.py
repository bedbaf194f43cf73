"""What the norm in each layer contributes to the validation error."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations
from math import comb
from typing import Final, TypeVar

import numpy as np
import pandas as pd

from bnbook.errors import BookError
from bnbook.findings.statistics import Interval, estimates, final, interval
from bnbook.models import LENET_SLOTS

Player = TypeVar("Player", bound=Hashable)

VALIDATION_IMAGES: Final = 10_000

LEAVE_ONE_OUT: Final = "leave one out"
ADD_ONE_IN: Final = "add one in"
SHAPLEY: Final = "Shapley"


def shapley(
    values: Mapping[frozenset[Player], float], players: Sequence[Player]
) -> dict[Player, float]:
    """Exact Shapley value of each player in the game `values` (Shapley 1953).

    The mean, over all orders in which the players could join, of what each adds to those before
    it; the values sum to v(all) - v(none). Raises KeyError if a coalition has no value.
    """
    n = len(players)
    found = dict.fromkeys(players, 0.0)
    for player in players:
        others = [p for p in players if p != player]
        for size in range(n):
            for chosen in combinations(others, size):
                before = frozenset(chosen)
                gain = values[before | {player}] - values[before]
                found[player] += gain / (n * comb(n - 1, size))
    return found


def value(accuracy: float) -> float:
    """−log(error rate), with half an image added so that a perfect score stays finite."""
    return float(-np.log(1 - accuracy + 0.5 / VALIDATION_IMAGES))


def layer_values(frame: pd.DataFrame, lr: float) -> pd.DataFrame:
    """Say what batch norm in each layer is worth, per seed, in units of −log(validation error).

    At the end. Needs all 16 subsets of the four slots, for every seed, at `lr`.
    Columns: `layer` (a name), `measure`, `seed`, `value`. Leave one out: v(all) - v(all but it);
    add one in: v(it alone) - v(none); Shapley: the mean over all orders. 0.69 halves the error.
    Raises BookError if a subset has no run.
    """
    where = f"learning rate {lr:g}"
    rows = final(frame[np.isclose(frame["lr"], lr)])
    if rows.duplicated(["seed", "norms"]).any():
        raise BookError(f"several configurations share their norms at {where}: select one")
    found = []
    for seed, runs in rows.groupby("seed"):
        worth = {
            frozenset(i for i, kind in enumerate(norms.split(",")) if kind == "batch"): value(score)
            for norms, score in zip(runs["norms"], runs["val_accuracy"], strict=True)
        }
        players = range(len(LENET_SLOTS))
        everyone, nobody = frozenset(players), frozenset[int]()
        try:
            shares = shapley(worth, players)
            per_layer = {
                LEAVE_ONE_OUT: [worth[everyone] - worth[everyone - {i}] for i in players],
                ADD_ONE_IN: [worth[frozenset({i})] - worth[nobody] for i in players],
                SHAPLEY: [shares[i] for i in players],
            }
        except KeyError as missing:
            raise BookError(
                f"seed {seed} at {where}: no run has batch norm in exactly the layers "
                f"{[LENET_SLOTS[i] for i in sorted(missing.args[0])]}"
            ) from None
        found += [
            {"layer": LENET_SLOTS[i], "measure": measure, "seed": seed, "value": number}
            for measure, numbers in per_layer.items()
            for i, number in enumerate(numbers)
        ]
    if not found:
        raise BookError(f"no runs at {where}")
    return pd.DataFrame(found).astype({"layer": pd.CategoricalDtype(list(LENET_SLOTS))})


def contributions(frame: pd.DataFrame, lr: float) -> pd.DataFrame:
    """`layer_values` over seeds: columns `measure`, `layer`, `mean`, `low`, `high`, `n`, `runs`."""
    return estimates(layer_values(frame, lr), ["measure", "layer"], "value")


def trend(values: pd.DataFrame) -> Interval:
    """Mean change of the Shapley value from layer to layer: slope per seed, with a t interval.

    Above zero: later layers profit more. `values` as from `layer_values`.
    """
    chosen = values[values["measure"] == SHAPLEY]
    wide = chosen.pivot(index="seed", columns="layer", values="value")
    slopes = np.polyfit(np.arange(wide.shape[1]), wide.to_numpy().T, 1)[0]
    return interval(slopes)
