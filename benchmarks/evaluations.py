"""The evaluations that a run of ours makes, by PyTorch's own means, for the other ways to make."""

import copy
import time
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import update_bn
from torch.utils.data import DataLoader, Dataset, Subset

from bnbook import training


class Evaluations:
    """Looks at a net that another way trains, as often as `training.train` looks at ours.

    Every way evaluates with running statistics after each epoch by itself. What is made here is
    the rest: the same with re-estimated statistics, and both before the first epoch, and on the
    test images after the last. `accuracies` lists what was found, `seconds` is what it took.

    The data sets yield an image and its label; the net is left in training mode.
    """

    def __init__(
        self, train: Dataset[Any], validation: Dataset[Any], test: Dataset[Any], batch_size: int
    ) -> None:
        first = Subset(train, range(min(training.REESTIMATE_SIZE, len(train))))  # type: ignore[arg-type]
        self.first, self.validation, self.test = (
            DataLoader(part, batch_size=batch_size) for part in (first, validation, test)
        )
        self.accuracies: list[float] = []
        self.seconds = 0.0

    def before(self, net: nn.Module) -> None:
        """Look before the first epoch."""
        self._look(net, self.validation, running=True)

    def after_epoch(self, net: nn.Module) -> None:
        """Look after an epoch."""
        self._look(net, self.validation, running=False)

    def at_end(self, net: nn.Module) -> None:
        """Look after the last epoch."""
        self._look(net, self.test, running=True)

    def _look(self, net: nn.Module, batches: DataLoader[Any], running: bool) -> None:
        start = time.perf_counter()
        precise = copy.deepcopy(net)
        update_bn(self.first, precise)
        self.accuracies += [accuracy(some, batches) for some in [precise, net][: 1 + running]]
        net.train()
        self.seconds += time.perf_counter() - start


def accuracy(net: nn.Module, batches: DataLoader[Any]) -> float:
    """Return the share of right answers in eval mode, in which the net is left."""
    net.eval()
    correct = total = 0
    with torch.no_grad():
        for images, labels in batches:
            correct += int((net(images).argmax(1) == labels).sum())
            total += len(labels)
    return correct / total
