"""What goes on inside a net in one pass: spreads, gradients, how different images still look."""

import copy
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnbook import models
from bnbook.history import Row

PROBE_SIZE = 256  # images in the fixed batch that probes look at

Measure = TypeVar("Measure")


def probe(net: nn.Module, images: Tensor, labels: Tensor) -> Row:
    """Measure one train-mode pass, forward and backward, on a copy of `net`.

    Mean squares right before each norm slot and after it (one number for each in
    `models.norm_slots`), and after each activation (`models.activations`); l2 norms of the weight
    gradients, of frozen weights too (one for each layer in `models.weighted`). Dropout and noise
    are off.
    """
    net = probed_copy(net)
    weights = [layer.weight.requires_grad_() for layer in models.weighted(net).values()]
    seen = watched_pass(net, images, labels, lambda x: float(x.square().mean()))
    slots, activations = models.norm_slots(net).values(), models.activations(net).values()
    return {
        "square_before": [seen[norm][0] for norm in slots],
        "square_normed": [seen[norm][1] for norm in slots],
        "square_activated": [seen[activation][1] for activation in activations],
        "gradient_norm": [float(w.grad.norm()) for w in weights if w.grad is not None],
    }


@torch.no_grad()
def image_shares(net: nn.Module, images: Tensor) -> list[float]:
    """Measure how different `images` still look to each layer, in one train-mode pass.

    After each activation (`models.activations`), before any pooling, and at the output: the
    variance over the images, averaged over all places, as a share of the mean square. Nearly 0
    where all images look alike, NaN where all values are 0.
    """
    net = probed_copy(net)
    shares: list[float] = []

    def record(_module: nn.Module, _entering: object, x: Tensor) -> None:
        shares.append(float(x.var(0).mean() / x.square().mean()))

    for module in (*models.activations(net).values(), net):
        module.register_forward_hook(record)
    net(images)
    return shares


def probed_copy(net: nn.Module) -> nn.Module:
    """Return a copy of `net` in training mode, with dropout and noise off."""
    net = copy.deepcopy(net).train()
    for module in net.modules():
        if isinstance(module, models.Dropout | models.Noise):
            module.eval()
    return net


def watched_pass(
    net: nn.Module, images: Tensor, labels: Tensor, measure: Callable[[Tensor], Measure]
) -> dict[nn.Module, tuple[Measure, Measure]]:
    """Take `net` forward and backward; measure what goes into its norm slots and activations.

    Returns for each of these modules what `measure` says of what goes in, and of what comes out.
    """
    seen: dict[nn.Module, tuple[Measure, Measure]] = {}

    def record(module: nn.Module, entering: tuple[Tensor, ...], leaving: Tensor) -> None:
        seen[module] = measure(entering[0].detach()), measure(leaving.detach())

    for module in (*models.norm_slots(net).values(), *models.activations(net).values()):
        module.register_forward_hook(record)
    functional.cross_entropy(net(images), labels).backward()
    return seen
