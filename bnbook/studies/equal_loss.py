"""Nets at the same training loss: what surrounds them there, in measures that scale cannot move."""

import copy
import itertools
from typing import Any

import torch
from torch import Tensor, nn

from bnbook import data, models, training
from bnbook.run import Run
from bnbook.studies import curvature, landscape
from bnbook.studies.landscape import Batch

#: Training losses at which a net is looked at, when it first falls to them; the first is that of
#: any net before its first step.
LEVELS = (10.0, 2.0, 1.0, 0.5, 0.25)
#: Steps from one look at the loss to the next.
EVERY = 10
#: How far every filter is moved against the gradient, at most, in units of its own size.
DISTANCES = (0.01, 0.02, 0.05, 0.1)


def measure(run: Run, splits: data.Splits) -> list[dict[str, Any]]:
    """Look at `run` where its training loss first falls to each of `LEVELS`: one row for each.

    A level that it never reaches has no row, and training ends with the last. On the first
    `landscape.IMAGES` training images, in training mode: `level`, `after` (steps), `loss`; `drift`,
    `drift_before`, `shift_distance`, `line_loss`, `line_change` and `smoothness` as in
    `landscape`; `sharpness` and `relative_sharpness` as in `curvature`; `relative_roughness`, see
    there.
    """
    rows: list[dict[str, Any]] = []
    left = list(LEVELS)
    steps = range(training.last_step(run) + 1)
    for state, later in itertools.pairwise(training.follow(run, steps, splits)):
        if state.step % EVERY:
            continue
        batch = state.train[0][: landscape.IMAGES], state.train[1][: landscape.IMAGES]
        loss, gradient = landscape.loss_and_gradient(state.net, batch)
        reached = [level for level in left if loss <= level]
        if reached:
            found = {"after": state.step, "loss": loss} | _around(
                state.net, later.net, gradient, run.lr, batch
            )
            rows += [{"level": level} | found for level in reached]
            left = [level for level in left if level not in reached]
        if not left:
            break
    return rows


def _around(
    net: nn.Module, later: nn.Module, gradient: dict[str, Tensor], lr: float, batch: Batch
) -> dict[str, Any]:
    found = landscape.entering(net, later, batch[0])
    return {
        "drift": found["drift"],
        "drift_before": found["drift_before"],
        "shift_distance": landscape.shift(net, later, batch)["shift_distance"],
        **landscape.along_gradient(net, gradient, lr, batch),
        "sharpness": curvature.sharpness(net, *batch),
        "relative_sharpness": curvature.relative_sharpness(net, *batch),
        "relative_roughness": relative_roughness(net, gradient, batch),
    }


def relative_roughness(net: nn.Module, gradient: dict[str, Tensor], batch: Batch) -> float:
    """Return the steepest change of the gradient on a walk that scale cannot make shorter.

    As `landscape.along_gradient`'s `smoothness`, but by the weights of `models.weighted` alone,
    each in units of its filter's size, as `curvature.relative_sharpness` has them: along the walk
    of `DISTANCES`, the change of D g by its length, where D holds the sizes and g is the gradient
    of the loss by the weights. Before a batch norm a filter's size has no influence on it.
    """
    names = [f"{name}.weight" for name in models.weighted(net)]
    parameters = dict(net.named_parameters())
    sizes = {name: curvature.filter_sizes(parameters[name]) for name in names}
    here = {name: sizes[name] * gradient[name] for name in names}
    length = landscape.norm_of(here)
    steepest = 0.0
    for distance in DISTANCES:
        moved = copy.deepcopy(net)
        with torch.no_grad():
            for name, parameter in moved.named_parameters():
                if name in here:
                    parameter.sub_(distance / length * sizes[name] * here[name])
        _, gradient_there = landscape.loss_and_gradient(moved, batch)
        change = {name: sizes[name] * gradient_there[name] - here[name] for name in names}
        steepest = max(steepest, landscape.norm_of(change) / distance)
    return steepest
