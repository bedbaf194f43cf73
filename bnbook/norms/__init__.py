"""Normalization layers, and the re-estimation of their statistics.

All layers see features in dimension 1: `(batch, features)` after a linear layer,
`(batch, channels, height, width)` after a convolution, where one channel is one feature. Each has
a gamma and a beta per feature. Batch norm, layer norm and their like are PyTorch's own modules;
Exercise 4's are in `batch`, and the others are Exercise 7's.
"""

import copy

import torch
from torch import Tensor, nn

from bnbook.errors import BookError
from bnbook.norms.base import FeatureNorm
from bnbook.norms.batch import MeanNorm, VarianceNorm
from bnbook.norms.integral import IntegralNorm
from bnbook.norms.projections import ConeNorm, SphereNorm, SymmetricNorm
from bnbook.norms.sparse import SparseNorm
from bnbook.norms.whitening import (
    BlockNorm,
    MonarchNorm,
    NewtonNorm,
    PCANorm,
    WhiteningNorm,
    block_size,
)

__all__ = [
    "BATCHED",
    "KINDS",
    "BlockNorm",
    "ConeNorm",
    "FeatureNorm",
    "IntegralNorm",
    "MeanNorm",
    "MonarchNorm",
    "NewtonNorm",
    "PCANorm",
    "SparseNorm",
    "SphereNorm",
    "SymmetricNorm",
    "VarianceNorm",
    "WhiteningNorm",
    "build",
    "check_place",
    "reestimate",
]


#: What keeps running statistics: PyTorch's batch norms, and the norms here that measure a batch.
RunningNorm = nn.modules.batchnorm._BatchNorm

#: What is made for a number of features, whatever the dimensions.
_LAYERS: dict[str, type[FeatureNorm]] = {
    "mean": MeanNorm,
    "variance": VarianceNorm,
    "integral": IntegralNorm,
    "zca": WhiteningNorm,
    "newton": NewtonNorm,
    "pca": PCANorm,
    "block": BlockNorm,
    "monarch": MonarchNorm,
    "sparse": SparseNorm,
    "sphere": SphereNorm,
    "cone": ConeNorm,
    "symmetric": SymmetricNorm,
}

#: The norms a slot may hold.
KINDS = ("none", "batch", *_LAYERS, "layer", "group", "instance")
#: Those that measure the batch and keep running statistics; the others see one sample at a time.
BATCHED = ("batch", *(kind for kind, layer in _LAYERS.items() if issubclass(layer, RunningNorm)))


def check_place(kind: str, dims: int) -> None:
    """Raise BookError for a `kind` or `dims` that there is not, and where they do not go together.

    An instance norm sees one feature of one sample at a time: after a linear layer (`dims` 2)
    that is a single number, which would become 0.
    """
    if kind not in KINDS or dims not in (2, 4):
        raise BookError(
            f"no norm {kind!r} after a layer with {dims} dimensions: take one of "
            f"{', '.join(KINDS)}, and 2 or 4 dimensions"
        )
    if kind == "instance" and dims == 2:
        raise BookError(
            "norm 'instance' would see a single number after a linear layer; "
            "take another norm there, or none"
        )


def build(kind: str, num_features: int, dims: int) -> nn.Module:
    """Build the norm called `kind` (one of `KINDS`) for tensors of `dims` dimensions, 2 or 4.

    "batch", "layer", "group" and "instance" are torch's own modules (Ioffe & Szegedy 2015; Ba,
    Kiros & Hinton 2016; Wu & He 2018; Ulyanov, Vedaldi & Lempitsky 2016), with gamma and beta per
    feature as all others. Layer norm goes over a sample's channels and positions together; groups
    are of `whitening.block_size` features. Raises BookError for an instance norm after a linear
    layer, and for what there is not (see `check_place`).
    """
    check_place(kind, dims)
    if kind == "none":
        return nn.Identity()
    if kind == "batch":
        return nn.BatchNorm1d(num_features) if dims == 2 else nn.BatchNorm2d(num_features)
    if kind == "layer":
        return nn.GroupNorm(1, num_features)
    if kind == "group":
        return nn.GroupNorm(num_features // block_size(num_features), num_features)
    if kind == "instance":
        return nn.InstanceNorm2d(num_features, affine=True)
    return _LAYERS[kind](num_features)


def reestimate(net: nn.Module, inputs: Tensor, batch_size: int = 1000) -> nn.Module:
    """Return a copy of `net` in eval mode whose statistics are those of `inputs`.

    The population statistics of Ioffe & Szegedy (2015), algorithm 2 ("PreciseBN" in Wu & Johnson
    2021): on the copy, reset every norm, then average the batch statistics of train-mode passes
    over `inputs` `(n, channels, height, width)` in batches of `batch_size`; a last, smaller batch
    is left out. Dropout is off. `net` itself is not touched. A net whose norms keep no statistics
    is only copied; for any other, raises BookError without images or with a batch size below 1.
    """
    net = copy.deepcopy(net).eval()
    norms = [m for m in net.modules() if isinstance(m, RunningNorm)]
    if not norms:
        return net
    if batch_size < 1 or not len(inputs):
        raise BookError(f"no statistics of {len(inputs)} images in batches of {batch_size}")
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    size = min(batch_size, len(inputs))
    with torch.no_grad():
        for start in range(0, len(inputs) - size + 1, size):
            net(inputs[start : start + size])
    return net.eval()
