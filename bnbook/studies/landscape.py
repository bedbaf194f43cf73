"""What happens in a net and around it while it trains: its inputs, gradients and loss."""

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bnbook import data, models, training
from bnbook.run import Run

#: States at which a run is looked at; each is compared with that one step later.
STEPS = (0, 10, 30, 100, 200, 300, 389)
#: Training images that all of it is measured on, always the same ones.
IMAGES = 500
#: How far along the gradient we look, in steps of the run's own learning rate. Santurkar et al.
#: (2018), section 3.1, look from 1/2 to 4.
LENGTHS = (0.5, 1.0, 2.0, 4.0, 8.0)
#: Edges of the histograms of log10 |gradient|; what lies beyond counts in the first or last bin.
EDGES = tuple(np.arange(-8.0, 1.01, 0.25).tolist())

Batch = tuple[Tensor, Tensor]


def measure(run: Run, splits: data.Splits) -> list[dict[str, Any]]:
    """Look at `run` after each of `STEPS` (a run of 390 steps): one row for each.

    `after` (steps), `loss`; `entering`, `gradients` and `along_gradient` of the net there, `shift`
    to the net a step later; `val_accuracy` (re-estimated) of the net after the last step.
    """
    wanted = sorted({*STEPS, *(step + 1 for step in STEPS)})
    rows: list[dict[str, Any]] = []
    for state, later in itertools.pairwise(training.follow(run, wanted, splits)):
        if state.step not in STEPS:
            continue
        batch = state.train[0][:IMAGES], state.train[1][:IMAGES]
        loss, gradient = loss_and_gradient(state.net, batch)
        rows.append(
            {"after": state.step, "loss": loss}
            | entering(state.net, later.net, batch[0])
            | gradients(state.net, gradient)
            | along_gradient(state.net, gradient, run.lr, batch)
            | shift(state.net, later.net, batch)
        )
    precise = training.reestimated(later.net, later)
    rows[-1]["val_accuracy"] = training.accuracy(precise, later.validation)
    return rows


def entering(net: nn.Module, later: nn.Module, images: Tensor) -> dict[str, Any]:
    """Describe what enters each activation of `net` in training mode, feature by feature.

    `entering_mean` and `entering_sd` over `images` `(n, channels, height, width)` and positions,
    a list per layer; `entering_square`, the mean square of a layer. `drift` from here to `later`,
    and `drift_before`, the same of what enters the norms' slots: right after a norm it is the
    motion of beta and gamma alone, by construction. `linear_share`: inputs from -1 to 1;
    `linear_fit`: see there.
    """
    (before, now), (before_later, then) = (_entering(one, images) for one in (net, later))
    return {
        "entering_mean": [_mean(x).tolist() for x in now],
        "entering_sd": [_sd(x).tolist() for x in now],
        "entering_square": [float(x.square().mean()) for x in now],
        "drift": list(map(drift, now, then)),
        "drift_before": list(map(drift, before, before_later)),
        "linear_share": [float((x.abs() <= 1).double().mean()) for x in now],
        "linear_fit": [linear_fit(x.flatten()) for x in now],
    }


def drift(x: Tensor, later: Tensor) -> float:
    """Return how far features `(features, values)` drift from `x` to `later`.

    The root mean square over features of the Wasserstein distance between normal distributions of
    their means and standard deviations, in units of the layer's own root mean square deviation.
    """
    distances = (_mean(later) - _mean(x)) ** 2 + (_sd(later) - _sd(x)) ** 2
    return float((distances.mean() / (_sd(x) ** 2).mean()).sqrt())


def linear_fit(x: Tensor) -> float:
    """Return the share of the variance of sigmoid(x) that is linear in `x` `(n,)`; 1: all of it."""
    both = torch.stack([x, torch.sigmoid(x)])
    return float(torch.corrcoef(both)[0, 1] ** 2)


def gradients(net: nn.Module, gradient: dict[str, Tensor]) -> dict[str, Any]:
    """Describe the gradient of the loss by the weights of each of `models.weighted`.

    `gradient_histogram`: counts of log10 |entry| between `EDGES`, entries that are 0 left out;
    `gradient_median` of |entry|, these too left out; `gradient_size` and `weight_size`: l2 norms.
    """
    layers = [gradient[f"{name}.weight"] for name in models.weighted(net)]
    sizes = [np.abs(g.numpy().ravel()).astype(float) for g in layers]
    logs = [np.log10(size[size > 0]) for size in sizes]
    return {
        "gradient_histogram": [
            np.histogram(x.clip(EDGES[0], EDGES[-1]), EDGES)[0].tolist() for x in logs
        ],
        "gradient_median": [float(10 ** np.median(x)) if x.size else 0.0 for x in logs],
        "gradient_size": [float(g.norm()) for g in layers],
        "weight_size": [float(m.weight.detach().norm()) for m in models.weighted(net).values()],
    }


def along_gradient(
    net: nn.Module, gradient: dict[str, Tensor], lr: float, batch: Batch
) -> dict[str, Any]:
    """Walk from `net` against its gradient, `LENGTHS` times `lr` far, and look around.

    `line_loss` there, and `line_change`, the l2 distance of the gradient there from the one here
    in units of the latter (Santurkar et al. 2018, section 3.1, "gradient predictiveness").
    `smoothness`: the largest distance of gradients by the length of the walk, "effective
    beta-smoothness" there.
    """
    size = norm_of(gradient)
    losses, changes = [], []
    for length in LENGTHS:
        moved = copy.deepcopy(net)
        with torch.no_grad():
            for name, parameter in moved.named_parameters():
                if name in gradient:
                    parameter.sub_(length * lr * gradient[name])
        loss, there = loss_and_gradient(moved, batch)
        losses.append(loss)
        changes.append(norm_of({name: there[name] - g for name, g in gradient.items()}) / size)
    steepest = max(change / (length * lr) for change, length in zip(changes, LENGTHS, strict=True))
    return {"line_loss": losses, "line_change": changes, "smoothness": steepest}


def shift(net: nn.Module, later: nn.Module, batch: Batch) -> dict[str, Any]:
    """Measure how the step from `net` to `later` moves the ground under each layer.

    For every layer with weights but the first: its gradient in `net`, and its gradient where all
    parameters before it are those of `later` (Santurkar et al. 2018, definition 2.1: internal
    covariate shift). `shift_distance`: l2 distance of the two by the size of the first;
    `shift_cosine` of their angle.
    """
    _, gradient = loss_and_gradient(net, batch)
    distances, cosines = [], []
    for name in list(models.weighted(net))[1:]:
        mixed, target = copy.deepcopy(net), f"{name}.weight"
        updated = dict(later.named_parameters())
        with torch.no_grad():
            for other, parameter in _before(mixed, target):
                parameter.copy_(updated[other])
        _, moved = loss_and_gradient(mixed, batch)
        here, there = gradient[target].flatten(), moved[target].flatten()
        distances.append(float((there - here).norm() / here.norm()))
        cosines.append(float(functional.cosine_similarity(here, there, dim=0)))
    return {"shift_distance": distances, "shift_cosine": cosines}


def _before(net: nn.Module, target: str) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield the parameters of a net without branches that come before `target`."""
    return itertools.takewhile(lambda named: named[0] != target, net.named_parameters())


def loss_and_gradient(net: nn.Module, batch: Batch) -> tuple[float, dict[str, Tensor]]:
    """Return the training loss of a copy of `net` on `batch`, and its gradient by parameter."""
    net = copy.deepcopy(net).train()
    loss = functional.cross_entropy(net(batch[0]), batch[1])
    learned = {name: p for name, p in net.named_parameters() if p.requires_grad}
    found = torch.autograd.grad(loss, list(learned.values()))
    return float(loss.detach()), dict(zip(learned, found, strict=True))


def _entering(net: nn.Module, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Return what enters each norm's slot of `net` and each activation, `(features, values)`."""
    net = copy.deepcopy(net).train()
    slots, activations = (list(f(net).values()) for f in (models.norm_slots, models.activations))
    seen: dict[nn.Module, Tensor] = {}

    def look(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        seen[module] = given[0].transpose(0, 1).flatten(1).double()

    for module in (*slots, *activations):
        module.register_forward_pre_hook(look)
    with torch.no_grad():
        net(images)
    return [seen[slot] for slot in slots], [seen[activation] for activation in activations]


def _mean(x: Tensor) -> Tensor:
    return x.mean(1)


def _sd(x: Tensor) -> Tensor:
    return x.std(1, correction=0)


def norm_of(gradient: dict[str, Tensor]) -> float:
    """Return the l2 norm of all of `gradient` together."""
    return float(torch.stack([g.norm() for g in gradient.values()]).norm())
