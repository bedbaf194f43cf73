"""Nets without branches, one hidden layer after another: LeNet, the MLP, and none at all."""

from collections import OrderedDict
from math import prod

from torch import nn

from bnbook.models.parts import POOLING, hidden

#: LeNet's layers with weights, in order; all but the last are followed by a norm slot.
LENET_LAYERS = ("conv1", "conv2", "fc1", "fc2", "out")
#: Features of the MLP's hidden layers.
MLP_WIDTH = 256


def lenet(
    slots: tuple[str, ...] = ("none",) * 4,
    affine: str = "both",
    conv_bias: bool = True,
    linear_bias: bool = True,
    activation: str = "sigmoid",
    padding: int = 0,
    input_shape: tuple[int, int, int] = (1, 28, 28),
    pooling: str = "average",
    norm_place: str = "before",
    norm_momentum: float = 0.1,
    norm_noise: bool = False,
    dropout: float = 0.0,
    dropout_place: str = "last",
) -> nn.Sequential:
    """Build d2l's LeNet (Zhang et al., sections 7.6 and 8.5.5), uninitialized.

    conv 6@5x5, conv 16@5x5, linear 120, 84, 10; pooling by 2 (a name in `POOLING`) at the
    end of each convolution's block. `slots` names the norm (see `norms.KINDS`) after conv1, conv2,
    fc1 and fc2; for what follows a hidden layer see `parts.hidden`.
    `conv_bias` and `linear_bias` concern the hidden layers; the output layer keeps its bias.
    `padding` is conv1's. Input `(batch, *input_shape)`, output `(batch, 10)` logits.
    With ReLU, maximum pooling and inputs of 3x32x32 it is the LeNet-5 of many lab courses.
    """
    channels, height, width = input_shape
    flat = 16 * _pooled(height, padding) * _pooled(width, padding)

    def block(name: str, layer: nn.Conv2d | nn.Linear) -> list[tuple[str, nn.Module]]:
        index = LENET_LAYERS.index(name)
        return hidden(
            index + 1, name, layer, slots[index], affine, activation,
            norm_place, norm_momentum, norm_noise, dropout, dropout_place,
        )  # fmt: skip

    return nn.Sequential(
        OrderedDict(
            [
                *block("conv1", nn.Conv2d(channels, 6, 5, padding=padding, bias=conv_bias)),
                ("pool1", POOLING[pooling]()),
                *block("conv2", nn.Conv2d(6, 16, 5, bias=conv_bias)),
                ("pool2", POOLING[pooling]()),
                ("flatten", nn.Flatten()),
                *block("fc1", nn.Linear(flat, 120, bias=linear_bias)),
                *block("fc2", nn.Linear(120, 84, bias=linear_bias)),
                ("out", nn.Linear(84, 10)),
            ]
        )
    )


def _pooled(side: int, padding: int) -> int:
    """Side of conv2's pooled output for an input of `side` pixels."""
    return ((side + 2 * padding - 4) // 2 - 4) // 2


def mlp(
    slots: tuple[str, ...] = ("none",) * 2,
    affine: str = "both",
    linear_bias: bool = True,
    activation: str = "sigmoid",
    input_shape: tuple[int, int, int] = (1, 28, 28),
    norm_place: str = "before",
    norm_momentum: float = 0.1,
    norm_noise: bool = False,
    dropout: float = 0.0,
    dropout_place: str = "last",
) -> nn.Sequential:
    """Build a net of two hidden linear layers of 256 features, uninitialized.

    `slots` names the norm (see `norms.KINDS`) after fc1 and fc2; for what follows a hidden layer
    see `parts.hidden`. `linear_bias` concerns the hidden layers; the output layer keeps its bias.
    Input `(batch, *input_shape)`, output `(batch, 10)` logits.
    """

    def block(number: int, features: int) -> list[tuple[str, nn.Module]]:
        layer = nn.Linear(features, MLP_WIDTH, bias=linear_bias)
        return hidden(
            number, f"fc{number}", layer, slots[number - 1], affine, activation,
            norm_place, norm_momentum, norm_noise, dropout, dropout_place,
        )  # fmt: skip

    return nn.Sequential(
        OrderedDict(
            [
                ("flatten", nn.Flatten()),
                *block(1, prod(input_shape)),
                *block(2, MLP_WIDTH),
                ("out", nn.Linear(MLP_WIDTH, 10)),
            ]
        )
    )


def softmax(
    slots: tuple[str, ...] = (),  # noqa: ARG001
    input_shape: tuple[int, int, int] = (1, 28, 28),
) -> nn.Sequential:
    """Build softmax regression, uninitialized: one linear layer on the pixels, and no norm slot.

    What it reaches, a net has to beat. Input `(batch, *input_shape)`, output `(batch, 10)`
    logits.
    """
    return nn.Sequential(
        OrderedDict([("flatten", nn.Flatten()), ("out", nn.Linear(prod(input_shape), 10))])
    )
