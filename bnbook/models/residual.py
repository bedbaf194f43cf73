"""Residual nets for images of 32 pixels (He et al. 2016, section 4.2)."""

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn

from bnbook.models.parts import ACTIVATIONS, GlobalAverage, norm_slot

#: Channels of the three stages at width 1; each but the first begins with stride 2.
STAGES = (16, 32, 64)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with their norms, and a shortcut added before the last activation.

    Where the shape changes the shortcut is a 1x1 convolution with a norm (He et al. 2016, option
    B), elsewhere the identity; without `shortcuts` nothing is added at all. Input
    `(n, before, height, width)`, output `(n, channels, height / stride, width / stride)`, rounded
    up.
    """

    def __init__(
        self,
        before: int,
        channels: int,
        stride: int,
        slot: Callable[[int], nn.Module],
        activation: type[nn.Module],
        conv_bias: bool,
        shortcuts: bool,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, channels, 3, stride, padding=1, bias=conv_bias)
        self.norm1 = slot(channels)
        self.act1 = activation()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=conv_bias)
        self.norm2 = slot(channels)
        self.shortcut: nn.Module | None = nn.Identity() if shortcuts else None
        if shortcuts and (stride, before) != (1, channels):
            projection = nn.Conv2d(before, channels, 1, stride, bias=conv_bias)
            self.shortcut = nn.Sequential(
                OrderedDict([("conv", projection), ("norm", slot(channels))])
            )
        self.act2 = activation()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to `x`."""
        y = self.norm2(self.conv2(self.act1(self.norm1(self.conv1(x)))))
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        activated: Tensor = self.act2(y)
        return activated


def resnet(
    slots: tuple[str, ...] = ("none",),
    depth: int = 8,
    width: int = 1,
    shortcuts: bool = True,
    affine: str = "both",
    conv_bias: bool = True,
    activation: str = "sigmoid",
    input_shape: tuple[int, int, int] = (3, 32, 32),
    norm_momentum: float = 0.1,
) -> nn.Sequential:
    """Build a residual net of `depth` 6n + 2, uninitialized.

    One convolution, three stages of n blocks with 16, 32 and 64 channels times `width`, the
    average over all positions, and one linear layer. `slots` holds one word: the norm (see
    `norms.KINDS`) after every convolution. `conv_bias` concerns all convolutions, those of the
    shortcuts too; without them, in d2l's count, depth 14 with batch norm has 175,258 parameters.
    Input `(batch, *input_shape)`, output `(batch, 10)` logits.
    """
    (kind,) = slots

    def slot(features: int) -> nn.Module:
        return norm_slot(kind, features, 4, affine, norm_momentum)

    channels = STAGES[0] * width
    parts: list[tuple[str, nn.Module]] = [
        ("conv1", nn.Conv2d(input_shape[0], channels, 3, padding=1, bias=conv_bias)),
        ("norm1", slot(channels)),
        ("act1", ACTIVATIONS[activation]()),
    ]
    for number, base in enumerate(STAGES, 1):
        blocks = []
        for block in range((depth - 2) // 6):
            before, channels = channels, base * width
            stride = 2 if number > 1 and block == 0 else 1
            blocks.append(
                ResidualBlock(
                    before, channels, stride, slot, ACTIVATIONS[activation], conv_bias, shortcuts
                )
            )
        parts.append((f"stage{number}", nn.Sequential(*blocks)))
    parts += [("pool", GlobalAverage()), ("out", nn.Linear(channels, 10))]
    # Channels innermost: with so few of them a step takes a fifth less time on a CPU.
    return nn.Sequential(OrderedDict(parts)).to(memory_format=torch.channels_last)
