"""Networks with a norm slot after each hidden layer, before its activation."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from bnbook import norms, streams

ACTIVATIONS: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}

#: Which of gamma and beta are learned; the others stay at 1 and 0.
AFFINE = {
    "both": (True, True),
    "gamma": (True, False),
    "beta": (False, True),
    "none": (False, False),
}

#: LeNet's layers with weights, in order; all but the last are followed by a norm slot.
LENET_LAYERS = ("conv1", "conv2", "fc1", "fc2", "out")


class _AveragePool(torch.autograd.Function):
    """Average squares of 2x2; an odd last row or column is left out.

    Equal to `functional.avg_pool2d(x, 2)` up to rounding, in a fifth of its time on a CPU.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.shape = x.shape
        height, width = (side // 2 * 2 for side in x.shape[2:])
        rows = x[:, :, 0:height:2] + x[:, :, 1:height:2]
        return (rows[..., 0:width:2] + rows[..., 1:width:2]).mul_(0.25)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        height, width = (side // 2 * 2 for side in ctx.shape[2:])
        cut = (height, width) != tuple(ctx.shape[2:])
        dx = dy.new_zeros(ctx.shape) if cut else dy.new_empty(ctx.shape)
        quarter = dy * 0.25
        for column in (0, 1):
            dx[:, :, 0:height:2, column:width:2] = quarter
        dx[:, :, 1:height:2, :width] = dx[:, :, 0:height:2, :width]
        return dx


class AveragePool(nn.Module):
    """Average pooling by 2: `(n, channels, height, width)` to half the height and width."""

    def forward(self, x: Tensor) -> Tensor:
        """Average the 2x2 squares of `x`."""
        pooled: Tensor = _AveragePool.apply(x)
        return pooled


def lenet(
    slots: tuple[str, ...] = ("none",) * 4,
    affine: str = "both",
    conv_bias: bool = True,
    linear_bias: bool = True,
    activation: str = "sigmoid",
    padding: int = 0,
    input_shape: tuple[int, int, int] = (1, 28, 28),
    classes: int = 10,
) -> nn.Sequential:
    """Build d2l's LeNet (Zhang et al., sections 7.6 and 8.5.5), uninitialized.

    conv 6@5x5, conv 16@5x5, linear 120, 84, `classes`; average pooling by 2 after each
    convolution. `slots` names the norm (see `norms.KINDS`) after conv1, conv2, fc1 and fc2.
    `conv_bias` and `linear_bias` concern the hidden layers; the output layer keeps its bias.
    `padding` is conv1's. Input `(batch, *input_shape)`, output `(batch, classes)` logits.
    """
    channels, height, width = input_shape
    flat = 16 * _pooled(height, padding) * _pooled(width, padding)

    def block(name: str, layer: nn.Module, features: int, dims: int) -> list[tuple[str, nn.Module]]:
        index = LENET_LAYERS.index(name)
        norm = norms.build(slots[index], features, dims)
        _fix_affine(norm, affine)
        number = index + 1
        return [(name, layer), (f"norm{number}", norm), (f"act{number}", ACTIVATIONS[activation]())]

    return nn.Sequential(
        OrderedDict(
            [
                *block("conv1", nn.Conv2d(channels, 6, 5, padding=padding, bias=conv_bias), 6, 4),
                ("pool1", AveragePool()),
                *block("conv2", nn.Conv2d(6, 16, 5, bias=conv_bias), 16, 4),
                ("pool2", AveragePool()),
                ("flatten", nn.Flatten()),
                *block("fc1", nn.Linear(flat, 120, bias=linear_bias), 120, 2),
                *block("fc2", nn.Linear(120, 84, bias=linear_bias), 84, 2),
                ("out", nn.Linear(84, classes)),
            ]
        )
    )


def _pooled(side: int, padding: int) -> int:
    """Side of conv2's pooled output for an input of `side` pixels."""
    return ((side + 2 * padding - 4) // 2 - 4) // 2


def _fix_affine(norm: nn.Module, affine: str) -> None:
    if isinstance(norm, norms.FeatureNorm):
        learns_gamma, learns_beta = AFFINE[affine]
        for parameter, learned in ((norm.weight, learns_gamma), (norm.bias, learns_beta)):
            if parameter is not None:
                parameter.requires_grad_(learned)


def initialize(net: nn.Module, seed: int) -> nn.Module:
    """Fill the weights of `net` in place and return it.

    Weights are Xavier-uniform (Glorot & Bengio 2010), as in d2l, each from its own stream
    (see `streams`), numbered by the layer's place among the layers with weights; biases are 0.
    Norms already start at gamma 1, beta 0.
    """
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for slot, layer in enumerate(layers):
        nn.init.xavier_uniform_(layer.weight, generator=streams.stream(seed, slot, "weight"))
        if layer.bias is not None:
            torch.nn.init.zeros_(layer.bias)
    return net


def parameter_count(net: nn.Module) -> int:
    """Count the numbers in all parameters, learned or fixed."""
    return sum(p.numel() for p in net.parameters())
