"""How sharply the training loss is curved: the largest eigenvalue of its Hessian."""

import copy
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh
from torch import Tensor, nn
from torch.nn import functional

from bnbook import data, models, streams, training
from bnbook.run import Run

#: Training images that the loss is taken over.
IMAGES = 500
#: Relative precision of an eigenvalue; seeds differ by far more.
PRECISION = 1e-2


def measure(
    run: Run, splits: data.Splits, checkpoint: training.Checkpoint | None = None
) -> list[dict[str, Any]]:
    """Train `run` to its end and measure where it arrived: one row.

    `sharpness` and `relative_sharpness` over `IMAGES` training images; `train_loss`,
    `train_accuracy` over all its training images, `val_accuracy`, `test_loss`, `test_accuracy`, all
    with re-estimated statistics.
    """
    state = training.fit(run, splits, checkpoint=checkpoint)
    part = state.train[0][:IMAGES], state.train[1][:IMAGES]
    precise = training.reestimated(state.net, state)
    row = {
        "sharpness": sharpness(state.net, *part),
        "relative_sharpness": relative_sharpness(state.net, *part),
    }
    for name, (images, labels) in (
        ("train", state.train),
        ("val", state.validation),
        ("test", state.test),
    ):
        correct, row[f"{name}_loss"] = training.count_correct(precise, images, labels)
        row[f"{name}_accuracy"] = correct / len(labels)
    return [row]


def sharpness(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the largest eigenvalue of the Hessian of the training loss by all parameters.

    The loss is the mean cross-entropy of `net` in training mode (norms use the statistics of
    these images) over `images` `(n, channels, height, width)`. Gradient descent with rate lr is
    stable at a minimum only where lr times this stays below 2. NaN where the loss is not finite.
    """
    net = copy.deepcopy(net).train()
    parameters = list(net.parameters())
    return _largest(net, parameters, [torch.ones_like(p) for p in parameters], images, labels)


def relative_sharpness(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the largest eigenvalue of D H D, where D holds the norm of each weight's filter.

    H is the Hessian of the same loss by the weights of `models.weighted` alone; the norm is that
    of all weights that lead to one output feature, so directions count relative to the filter's
    size: the filter normalization of Li et al. (2018), section 4, applied to the Hessian. Before a
    batch norm the size of a filter has no influence on the loss, but shrinks H by its square; this
    number does not move with it. NaN where the loss is not finite.
    """
    net = copy.deepcopy(net).train()
    weights = [layer.weight for layer in models.weighted(net).values()]
    scales = [filter_sizes(w).expand_as(w) for w in weights]
    return _largest(net, weights, scales, images, labels)


def filter_sizes(weight: Tensor) -> Tensor:
    """Return the norm of the weights that lead to each output feature, to multiply `weight` by."""
    sizes: Tensor = weight.detach().flatten(1).norm(dim=1)
    return sizes.view(-1, *[1] * (weight.dim() - 1))


def _vector(parts: Iterable[Tensor]) -> Tensor:
    """Set the numbers of `parts` one after another."""
    return torch.cat([part.reshape(-1) for part in parts])


def _largest(
    net: nn.Module,
    parameters: Sequence[Tensor],
    scales: Sequence[Tensor],
    images: Tensor,
    labels: Tensor,
) -> float:
    """Find the largest eigenvalue of S H S by Lanczos iterations, S diagonal.

    These are power iterations that keep all the directions they have passed through. H itself is
    never formed: a product H v is the derivative of the gradient along v.
    """
    loss = functional.cross_entropy(net(images), labels)
    if not math.isfinite(float(loss.detach())):
        return math.nan
    gradient = torch.autograd.grad(loss, parameters, create_graph=True)
    scale = _vector(scales)
    sizes = [p.numel() for p in parameters]

    def product(vector: np.ndarray) -> np.ndarray:
        scaled = torch.from_numpy(vector).to(scale.dtype).ravel() * scale
        parts = [v.view_as(p) for v, p in zip(scaled.split(sizes), parameters, strict=True)]
        along = torch.autograd.grad(gradient, parameters, parts, retain_graph=True)
        return (_vector(along) * scale).double().numpy()

    n = sum(sizes)
    operator = LinearOperator((n, n), matvec=product, dtype=np.float64)
    start = torch.randn(n, generator=streams.stream(0, 0, "order"), dtype=torch.float64).numpy()
    try:
        found = eigsh(operator, k=1, which="LA", v0=start, tol=PRECISION, return_eigenvectors=False)
    except ArpackError:
        return math.nan
    return float(found[0])
