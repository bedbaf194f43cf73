"""What the nets are made of: pooling, dropout, norm slots, and hidden layers that hold them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bnbook import norms

ACTIVATIONS: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}

#: Which of gamma and beta are learned; the others stay at 1 and 0.
AFFINE = {
    "both": (True, True),
    "gamma": (True, False),
    "beta": (False, True),
    "none": (False, False),
}

#: Where a norm stands: before the activation or after it.
NORM_PLACES = ("before", "after")
#: Where dropout stands: last (after norm and activation) or directly before the norm.
DROPOUT_PLACES = ("last", "before norm")


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
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        dx: Tensor = _Spread.apply(dy, ctx.shape)
        return dx


class _Spread(torch.autograd.Function):
    """The gradient of `_AveragePool`, which in turn is the gradient of this."""

    @staticmethod
    def forward(ctx: Any, dy: Tensor, shape: torch.Size) -> Tensor:  # noqa: ARG004
        height, width = (side // 2 * 2 for side in shape[2:])
        cut = (height, width) != tuple(shape[2:])
        dx = dy.new_zeros(shape) if cut else dy.new_empty(shape)
        quarter = dy * 0.25
        for column in (0, 1):
            dx[:, :, 0:height:2, column:width:2] = quarter
        dx[:, :, 1:height:2, :width] = dx[:, :, 0:height:2, :width]
        return dx

    @staticmethod
    def backward(ctx: Any, dx: Tensor) -> tuple[Tensor, None]:  # noqa: ARG004
        return _AveragePool.apply(dx), None


class AveragePool(nn.Module):
    """Average pooling by 2: `(n, channels, height, width)` to half the height and width."""

    def forward(self, x: Tensor) -> Tensor:
        """Average the 2x2 squares of `x`."""
        pooled: Tensor = _AveragePool.apply(x)
        return pooled


#: Pooling by 2, as each of d2l's LeNet (average) and of many later ones (maximum) has it.
POOLING: dict[str, Callable[[], nn.Module]] = {
    "average": AveragePool,
    "max": lambda: nn.MaxPool2d(2),
}


class GlobalAverage(nn.Module):
    """Average over all positions: `(n, channels, height, width)` to `(n, channels)`."""

    def forward(self, x: Tensor) -> Tensor:
        """Average each channel of `x`."""
        return x.mean((2, 3))


class Dropout(nn.Module):
    """Set values to 0 with `probability` in training and scale the others up to keep the mean.

    Srivastava et al. (2014), section 10 ("inverted"). In eval mode it lets all pass. It draws from
    a generator of its own (see `initialize`), so that no other stream moves with it, on the CPU:
    the same values fall out on every device.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability
        self.generator = torch.Generator()

    def forward(self, x: Tensor) -> Tensor:
        """Drop values of `x`, of any shape."""
        if not self.training:
            return x
        share = 1 - self.probability
        kept = torch.empty(x.shape).bernoulli_(share, generator=self.generator)
        return x * kept.div_(share).to(x.device)

    def extra_repr(self) -> str:
        """Show the probability in the printed net."""
        return f"{self.probability}"


class Noise(nn.Module):
    """Shift and stretch every value at random, in training; other each step, other each value.

    Santurkar et al. (2018), section 2.1 and its appendix, "noisy batch norm": for each feature a
    shift is drawn from U(-`SHIFT`, `SHIFT`) and a stretch from U(1, `STRETCH`), anew in each step;
    for each of its values a shift uniform within `SPREAD` of the feature's and a stretch that is
    normal about the feature's with deviation `SPREAD`. In eval mode it lets all pass. Like
    `Dropout` it draws from a CPU generator of its own (see `initialize`).
    """

    SHIFT, STRETCH, SPREAD = 0.5, 1.25, 0.1

    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator()

    def forward(self, x: Tensor) -> Tensor:
        """Disturb `x`, with its features in dimension 1."""
        if not self.training:
            return x
        features = torch.rand(2, x.shape[1], generator=self.generator)
        shift, stretch = (f.view(1, -1, *[1] * (x.dim() - 2)) for f in features)
        shifts = (2 * torch.rand(x.shape, generator=self.generator) - 1).mul_(self.SPREAD)
        stretches = torch.randn(x.shape, generator=self.generator).mul_(self.SPREAD)
        shifts += self.SHIFT * (2 * shift - 1)
        stretches += 1 + (self.STRETCH - 1) * stretch
        return x * stretches.to(x) + shifts.to(x)


def norm_slot(kind: str, features: int, dims: int, affine: str, momentum: float) -> nn.Module:
    """Build the norm called `kind` for `features` features of tensors of `dims` dimensions.

    `affine` (a name in `AFFINE`) says what is learned; `momentum` is the weight of a new batch in
    the running statistics.
    """
    norm = norms.build(kind, features, dims)
    if isinstance(norm, norms.RunningNorm):
        norm.momentum = momentum
    learns_gamma, learns_beta = AFFINE[affine]
    for name, parameter in norm.named_parameters():  # torch's own norms call them so, too
        parameter.requires_grad_(learns_gamma if name == "weight" else learns_beta)
    return norm


def follow(
    layer: nn.Conv2d | nn.Linear,
    number: int,
    norm: str,
    affine: str = "both",
    activation: str = "sigmoid",
    norm_place: str = "before",
    norm_momentum: float = 0.1,
    norm_noise: bool = False,
    dropout: float = 0.0,
    dropout_place: str = "last",
) -> list[tuple[str, nn.Module]]:
    """Name and list the modules after `layer`, the hidden one of this `number` (from 1), in order.

    Norm and activation as `norm_place` says, and dropout where it is above 0: last, or directly
    before the norm. `norm_noise`: with noise right after the norm.
    """
    conv = isinstance(layer, nn.Conv2d)
    features = layer.out_channels if isinstance(layer, nn.Conv2d) else layer.out_features
    slot = norm_slot(norm, features, 4 if conv else 2, affine, norm_momentum)
    normed, activated = (f"norm{number}", slot), (f"act{number}", ACTIVATIONS[activation]())
    order = [normed, activated] if norm_place == "before" else [activated, normed]
    if dropout:
        place = len(order) if dropout_place == "last" else order.index(normed)
        order.insert(place, (f"drop{number}", Dropout(dropout)))
    if norm_noise and norm != "none":
        order.insert(order.index(normed) + 1, (f"noise{number}", Noise()))
    return order
