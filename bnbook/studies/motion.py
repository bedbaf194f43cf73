"""How the mean of a batch moves from step to step: whether it drifts or jumps about a center."""

from typing import Any

import torch
from torch import nn

from bnbook import data, training
from bnbook.run import Run
from bnbook.studies.running import Statistics, copied, of_batches, statistics

#: Steps before the run's end that are followed.
WINDOW = 100
#: Training images that show the motion of the weights alone, always the same ones.
IMAGES = 1_000
#: Steps apart at which means are correlated.
LAGS = 10


def measure(run: Run, splits: data.Splits) -> list[dict[str, Any]]:
    """Follow the mean of what enters each norm of `run` over its last `WINDOW` steps: two rows.

    `run` has a norm momentum of 1, so that its running statistics are those of the last batch.
    `series` "own batches": the means that training itself measures, each on another batch.
    "fixed images": those on the same `IMAGES` images, which the weights alone can move. For what
    is said of them, a list over norms, see `motion`.
    """
    last = training.last_step(run)
    own: list[Statistics] = []
    fixed: list[Statistics] = []
    for state in training.follow(run, range(last - WINDOW, last + 1), splits):
        own.append(copied(statistics(state.net)))
        fixed += of_batches(state.net, state.train[0], [slice(IMAGES)])
    return [
        {"series": name, "window": WINDOW} | motion(series)
        for name, series in (("own batches", own), ("fixed images", fixed))
    ]


def motion(series: list[Statistics]) -> dict[str, Any]:
    """Describe a series of statistics, step by step mean and variance `(features,)` per norm.

    Each a list over norms. With means in standard deviations of the feature (their average over
    the series): `cosine` of the angle between successive changes, averaged: 0 on a random walk, 1
    on a straight way, -1/2 where every mean is drawn anew around a center. `net_share`: the
    distance from first to last by the length of the path. `step_size`: root mean square over
    features and steps of a change. `autocorrelation`: a list over 1 to `LAGS` steps apart, of the
    distances from the center of the series.
    """
    found: dict[str, list[Any]] = {
        name: [] for name in ("cosine", "net_share", "step_size", "autocorrelation")
    }
    for one in zip(*series, strict=True):
        means = torch.stack([mean for mean, _ in one]).double()
        scaled = means / torch.stack([var for _, var in one]).double().mean(0).sqrt()
        steps = scaled.diff(dim=0)
        cosines = nn.functional.cosine_similarity(steps[1:], steps[:-1], dim=1)
        away = scaled - scaled.mean(0)
        found["cosine"].append(float(cosines.mean()))
        found["net_share"].append(float(steps.sum(0).norm() / steps.norm(dim=1).sum()))
        found["step_size"].append(float(steps.square().mean().sqrt()))
        found["autocorrelation"].append(
            [
                float((away[lag:] * away[:-lag]).mean() / away.square().mean())
                for lag in range(1, LAGS + 1)
            ]
        )
    return found
