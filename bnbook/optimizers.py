"""How a step is made of a gradient: PyTorch's optimizers, and learning rates that change."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "rmsprop": torch.optim.RMSprop,
}
SCHEDULES = ("constant", "cosine", "two drops")


def build(
    name: str, parameters: Iterable[Tensor], lr: float, momentum: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Build the optimizer called `name` with PyTorch's other defaults.

    `momentum` is SGD's, the share of the last step that is kept. `weight_decay` times the weight
    is added to the gradient, whatever the optimizer then makes of it.
    """
    options = {"momentum": momentum} if name == "sgd" else {}
    return OPTIMIZERS[name](parameters, lr=lr, weight_decay=weight_decay, **options)


def schedule(name: str, optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler | None:
    """Return what changes the learning rate after each of `steps` steps; None if nothing does.

    "cosine": half a wave, from the first rate down to 0 (Loshchilov & Hutter 2017, no restarts).
    "two drops": to a tenth after half of the steps, and again after three quarters (He et al.
    2016, section 4.2).
    """
    if name == "cosine":
        return CosineAnnealingLR(optimizer, steps)
    if name == "two drops":
        return LambdaLR(
            optimizer, lambda step: 0.1 ** ((2 * step >= steps) + (4 * step >= 3 * steps))
        )
    return None
