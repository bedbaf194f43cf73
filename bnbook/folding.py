"""Batch norm merged into the layers beside it: what is left of it once training is over."""

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import TypeGuard

import torch
from torch import Tensor, nn

from bnbook import models, norms

#: What may stand between a norm and the layer that takes it up: it lets a scale and a shift pass.
_TRANSPARENT = (models.AveragePool, models.Dropout, models.Noise, nn.Flatten, nn.Identity)

Layer = nn.Conv2d | nn.Linear
#: Norms that are a scale and a shift in eval mode.
Foldable = nn.BatchNorm1d | nn.BatchNorm2d | norms.MeanNorm | norms.VarianceNorm
#: A norm, by its parent and its name there.
Place = tuple[nn.Module, str]


@torch.no_grad()
def fold(net: nn.Module) -> nn.Module:
    """Return a copy of `net`, one of `models.MODELS` in eval mode, with its norms merged away.

    In eval mode a norm multiplies each feature by a constant and adds another (Ioffe & Szegedy
    2015, section 3.1). The layer directly before it can do so itself; where the norm stands after
    the activation it is the next layer with weights. Outputs are those of `net` up to rounding;
    the copy is for inference, since a norm in training would follow its batches. A norm stays where
    it is if no such layer takes it up: behind maximum pooling, or before a convolution that pads.
    So does one that is no fixed scale and shift, such as those of Exercise 7.
    Raises ValueError if a part of `net` is in training mode: its statistics still move.
    """
    if any(part.training for part in net.modules()):
        raise ValueError(
            "the net is in training mode, its statistics still move: call eval() first"
        )
    net = copy.deepcopy(net)
    for (layer, _), (norm, place) in list(_neighbors(net)):
        if isinstance(layer, Layer) and _is_fixed(norm):
            _before(layer, *scale_and_shift(norm))
            _remove(place)
    for (norm, place), (layer, _) in list(_neighbors(net)):
        if _is_fixed(norm) and _sees_no_padding(layer):
            _after(layer, *scale_and_shift(norm))
            _remove(place)
    return net


def scale_and_shift(norm: Foldable) -> tuple[Tensor, Tensor]:
    """Return what `norm` does in eval mode, a scale and a shift: two tensors `(features,)`.

    gamma / sqrt(var + eps) and beta - scale * mean, without the parts that the norm does not have.
    """
    kept, parameters = dict(norm.named_buffers()), dict(norm.named_parameters())
    feature = next(iter(kept.values()))  # a statistic: all have its shape
    scale = parameters.get("weight", torch.ones_like(feature))
    shift = parameters.get("bias", torch.zeros_like(feature))
    if "running_var" in kept:
        scale = scale * torch.rsqrt(kept["running_var"] + norm.eps)
    if "running_mean" in kept:
        shift = shift - scale * kept["running_mean"]
    return scale, shift


def _is_fixed(norm: nn.Module) -> TypeGuard[Foldable]:
    # Without running statistics a norm follows its batches in eval mode, too.
    return isinstance(norm, Foldable) and norm.num_batches_tracked is not None


def _neighbors(net: nn.Module) -> Iterator[tuple[tuple[nn.Module, Place], ...]]:
    """Yield each two modules of `net` of which one follows the other, but for transparent ones."""
    for parent in net.modules():
        # A block calls its children in their order, up to the shortcut, which is no norm.
        if isinstance(parent, nn.Sequential | models.ResidualBlock):
            yield from pairwise(
                (module, (parent, name))
                for name, module in parent.named_children()
                if not isinstance(module, _TRANSPARENT)
            )


def _sees_no_padding(layer: nn.Module) -> TypeGuard[Layer]:
    # A convolution pads with zeros, to which the norm would not have added its shift.
    return isinstance(layer, nn.Linear) or (
        isinstance(layer, nn.Conv2d) and layer.padding == (0, 0)
    )


def _before(layer: Layer, scale: Tensor, shift: Tensor) -> None:
    """Let `layer` do what follows it: scale (W x + b) + shift."""
    bias = scale.new_zeros(()) if layer.bias is None else layer.bias
    layer.bias = nn.Parameter(scale * bias + shift)
    layer.weight.mul_(scale.view([-1] + [1] * (layer.weight.dim() - 1)))


def _after(layer: Layer, scale: Tensor, shift: Tensor) -> None:
    """Let `layer` do what stands before it: W (scale x + shift) + b."""
    # After flattening, a channel is as many neighboring features as it has positions.
    weight = layer.weight.unflatten(1, (len(scale), -1))  # out, features, positions(, k, k)
    along = [1, -1] + [1] * (weight.dim() - 2)
    added = (weight * shift.view(along)).flatten(1).sum(1)
    layer.bias = nn.Parameter(added if layer.bias is None else layer.bias + added)
    layer.weight.copy_((weight * scale.view(along)).flatten(1, 2))


def _remove(place: Place) -> None:
    parent, name = place
    setattr(parent, name, nn.Identity())
