"""Batch norm merged into the layers beside it: what is left of it once training is over."""

import copy
from collections import Counter
from collections.abc import Iterator
from typing import TypeGuard

import torch
from torch import Tensor, nn

from bnbook import models, norms

# Types are compared exactly: what a subclass does, it alone knows.
#: What may stand between a norm and the layer that takes it up: it lets a scale and a shift pass.
_TRANSPARENT = (models.AveragePool, models.Dropout, models.Noise, nn.Flatten, nn.Identity)
#: What calls its children one after another; a block does up to the shortcut, which is no norm.
_CHAINS = (nn.Sequential, models.ResidualBlock)

Layer = nn.Conv2d | nn.Linear
#: Norms that are a scale and a shift in eval mode.
Foldable = nn.BatchNorm1d | nn.BatchNorm2d | norms.MeanNorm | norms.VarianceNorm
#: Those that may stand beside a layer, which has as many dimensions.
_BESIDE: dict[type[nn.Module], tuple[type[nn.Module], ...]] = {
    nn.Conv2d: (nn.BatchNorm2d, norms.MeanNorm, norms.VarianceNorm),
    nn.Linear: (nn.BatchNorm1d, norms.MeanNorm, norms.VarianceNorm),
}


@torch.no_grad()
def fold(net: nn.Module) -> nn.Module:
    """Return a copy of `net`, in eval mode, with its norms merged away.

    In eval mode a norm multiplies each feature by a constant and adds another (Ioffe & Szegedy
    2015, section 3.1). The layer directly before it can do so itself; where the norm stands after
    the activation it is the next layer with weights. Outputs are those of `net` up to rounding;
    the copy is for inference, since a norm in training would follow its batches. A norm stays where
    it is if no such layer takes it up: behind maximum pooling, or before a convolution that pads.
    So does one that is no fixed scale and shift, such as those of Exercise 7, and one beside a
    layer whose weights others use, too, or that has hooks or a parametrization.
    Norms and layers are looked for in `nn.Sequential` and in the blocks of `models.resnet`; linear
    layers are taken to see vectors, `(batch, features)`.
    Raises ValueError if a part of `net` is in training mode: its statistics still move.
    """
    if any(part.training for part in net.modules()):
        raise ValueError(
            "the net is in training mode, its statistics still move: call eval() first"
        )
    net = copy.deepcopy(net)
    shared = _shared(net)
    for layer, between, norm in list(_neighbors(net, shared)):
        if _is_layer(layer) and _is_fixed(norm) and _fits_before(layer, between, norm):
            _before(layer, *scale_and_shift(norm))
            _remove(net, norm)
    for norm, between, layer in list(_neighbors(net, shared)):
        if _is_layer(layer) and _is_fixed(norm) and _fits_after(norm, between, layer):
            _after(layer, *scale_and_shift(norm))
            _remove(net, norm)
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


def _is_layer(module: nn.Module) -> TypeGuard[Layer]:
    return type(module) in _BESIDE


def _is_fixed(norm: nn.Module) -> TypeGuard[Foldable]:
    # Without running statistics a norm follows its batches in eval mode, too.
    foldable = any(type(norm) in kinds for kinds in _BESIDE.values())
    return foldable and getattr(norm, "num_batches_tracked", None) is not None


def _shared(net: nn.Module) -> set[nn.Module]:
    """Return the modules that are used in several places, or of which a parameter is."""
    places = Counter(module for _, module in net.named_modules(remove_duplicate=False))
    uses = Counter(id(one) for _, one in net.named_parameters(remove_duplicate=False))
    return {
        module
        for module, times in places.items()
        if times > 1 or any(uses[id(one)] > 1 for one in module.parameters(recurse=False))
    }


def _neighbors(
    net: nn.Module, shared: set[nn.Module]
) -> Iterator[tuple[nn.Module, list[nn.Module], nn.Module]]:
    """Yield each two modules of `net` of which one follows the other, and what is between them.

    Between them are transparent ones only, and all of them do what their types do, in one place.
    """
    for parent in net.modules():
        if type(parent) not in _CHAINS:
            continue
        before, between = None, list[nn.Module]()
        # Unlike `children`, this names one that comes twice, twice.
        for module in (one for one in parent._modules.values() if one is not None):
            if module in shared or _is_hooked(module):
                before = None
            elif _is_transparent(module):
                between.append(module)
            else:
                if before is not None:
                    yield before, between, module
                before, between = module, []


def _is_transparent(module: nn.Module) -> bool:
    if isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) != (1, -1):
        return False  # something else than a vector for each image
    return type(module) in _TRANSPARENT


def _is_hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _flattens(modules: list[nn.Module]) -> bool:
    return any(isinstance(module, nn.Flatten) for module in modules)


def _fits_before(layer: Layer, between: list[nn.Module], norm: Foldable) -> bool:
    """Say whether `norm` has a feature for each that comes out of `layer`."""
    return (
        type(norm) in _BESIDE[type(layer)]
        and norm.num_features == len(layer.weight)
        and not (_flattens(between) and isinstance(layer, nn.Conv2d))
    )


def _fits_after(norm: Foldable, between: list[nn.Module], layer: Layer) -> bool:
    """Say whether all that `layer` sees are features of `norm`, and no zeros around them."""
    if isinstance(layer, nn.Conv2d):
        return (
            type(norm) in _BESIDE[nn.Conv2d]
            and norm.num_features == layer.in_channels
            # A convolution pads with zeros, to which the norm would not have added its shift.
            and layer.padding == (0, 0)
            and layer.groups == 1
            and not _flattens(between)
        )
    if not _flattens(between):
        return type(norm) in _BESIDE[nn.Linear] and norm.num_features == layer.in_features
    return layer.in_features % norm.num_features == 0


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


def _remove(net: nn.Module, norm: nn.Module) -> None:
    name = next(name for name, module in net.named_modules() if module is norm)
    net.set_submodule(name, nn.Identity())
