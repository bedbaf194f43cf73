"""Nets without branches, one hidden layer after another: LeNet, the MLP, and none at all."""

from collections import OrderedDict
from math import prod
from typing import Any

from torch import nn

from bnbook.models.parts import POOLING, follow

#: LeNet's layers with weights, in order; all but the last are followed by a norm slot.
LENET_LAYERS = ("conv1", "conv2", "fc1", "fc2", "out")
#: Those of them that a norm may follow.
LENET_SLOTS = LENET_LAYERS[:-1]
#: Features of the MLP's hidden layers.
MLP_WIDTH = 256


def lenet(
    slots: tuple[str, ...] = ("none",) * 4,
    conv_bias: bool = True,
    linear_bias: bool = True,
    padding: int = 0,
    input_shape: tuple[int, int, int] = (1, 28, 28),
    pooling: str = "average",
    **options: Any,
) -> nn.Sequential:
    """Build d2l's LeNet (Zhang et al., sections 7.6 and 8.5.5), uninitialized.

    conv 6@5x5, conv 16@5x5, linear 120, 84, 10; pooling by 2 (a name in `POOLING`) at the
    end of each convolution's block. `slots` names the norm (see `norms.KINDS`) after conv1, conv2,
    fc1 and fc2; for what follows a hidden layer, and its `options`, see `parts.follow`.
    `conv_bias` and `linear_bias` concern the hidden layers; the output layer keeps its bias.
    `padding` is conv1's. Input `(batch, *input_shape)`, output `(batch, 10)` logits.
    With ReLU, maximum pooling and inputs of 3x32x32 it is the LeNet-5 of many lab courses.
    """
    channels, height, width = input_shape
    return _chain(
        slots,
        options,
        conv1=nn.Conv2d(channels, 6, 5, padding=padding, bias=conv_bias),
        pool1=POOLING[pooling](),
        conv2=nn.Conv2d(6, 16, 5, bias=conv_bias),
        pool2=POOLING[pooling](),
        flatten=nn.Flatten(),
        fc1=nn.Linear(
            16 * _pooled(height, padding) * _pooled(width, padding), 120, bias=linear_bias
        ),
        fc2=nn.Linear(120, 84, bias=linear_bias),
        out=nn.Linear(84, 10),
    )


def _pooled(side: int, padding: int) -> int:
    """Side of conv2's pooled output for an input of `side` pixels."""
    return ((side + 2 * padding - 4) // 2 - 4) // 2


def mlp(
    slots: tuple[str, ...] = ("none",) * 2,
    linear_bias: bool = True,
    input_shape: tuple[int, int, int] = (1, 28, 28),
    **options: Any,
) -> nn.Sequential:
    """Build a net of two hidden linear layers of 256 features, uninitialized.

    `slots` names the norm (see `norms.KINDS`) after fc1 and fc2; for what follows a hidden layer,
    and its `options`, see `parts.follow`. `linear_bias` concerns the hidden layers; the output
    layer keeps its bias. Input `(batch, *input_shape)`, output `(batch, 10)` logits.
    """
    return _chain(
        slots,
        options,
        flatten=nn.Flatten(),
        fc1=nn.Linear(prod(input_shape), MLP_WIDTH, bias=linear_bias),
        fc2=nn.Linear(MLP_WIDTH, MLP_WIDTH, bias=linear_bias),
        out=nn.Linear(MLP_WIDTH, 10),
    )


def softmax(
    slots: tuple[str, ...] = (), input_shape: tuple[int, int, int] = (1, 28, 28)
) -> nn.Sequential:
    """Build softmax regression, uninitialized: one linear layer on the pixels, and no norm slot.

    What it reaches, a net has to beat. Input `(batch, *input_shape)`, output `(batch, 10)`
    logits.
    """
    return _chain(slots, {}, flatten=nn.Flatten(), out=nn.Linear(prod(input_shape), 10))


def _chain(slots: tuple[str, ...], options: dict[str, Any], **parts: nn.Module) -> nn.Sequential:
    """Put `parts` one after another, and after each hidden layer what belongs to it."""
    modules: list[tuple[str, nn.Module]] = []
    numbered = enumerate(slots, 1)
    for name, part in parts.items():
        modules.append((name, part))
        if isinstance(part, nn.Conv2d | nn.Linear) and name != "out":
            modules += follow(part, *next(numbered), **options)
    return nn.Sequential(OrderedDict(modules))
