"""What batch norm costs: `python -m benchmarks.bn_costs` writes two files into data/timings/.

`bn-steps`: seconds of a training step, its forward pass, backward pass and update apart, of an
MLP, LeNet and a residual net at several batch sizes, and of source B's MLP in numpy, all without
and with batch norm.
`bn-sizes`: the same for MLPs and residual nets of several widths and depths.
One thread on the processor; where there is a GPU, all but numpy once more on it. Everything takes
turns, so that ratios can be taken within a turn.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks import numpy_mlp
from benchmarks.turns import in_turns
from bnbook import norms, optimizers, timings, training
from bnbook.chapters.cost.experiments import BATCH, NETS, NONE, NUMPY
from bnbook.run import Run

#: OpenBLAS, which numpy calls, reads its number of threads when it starts.
COMMAND = "OMP_NUM_THREADS=1 python -m benchmarks.bn_costs"
TURNS = 21
NORMS = (NONE, BATCH)
#: The nets of chapter 12's experiment, a residual net, and source B's MLP, at its batch size.
BATCH_SIZES = {
    "MLP, ReLU": (64, 256, 1024),
    "LeNet, ReLU": (32, 128, 512),
    "LeNet, sigmoids": (32, 128, 512),
    "ResNet": (8, 32, 128),
}
NUMPY_BATCH = 256
#: Width and depth of nets at the batch size that the size series have.
MLP_SIZES = ((64, 2), (256, 2), (1024, 2), (256, 1), (256, 4), (256, 8))
RESNET_SIZES = ((1, 8), (2, 8), (4, 8), (1, 14), (1, 20))
SIZES_BATCH = {"MLP, ReLU": 256, "ResNet": 16}
#: Images that each piece of work sees in a turn, as so many steps.
IMAGES = {"MLP, ReLU": 1024, "LeNet, ReLU": 512, "LeNet, sigmoids": 512, "ResNet": 64, NUMPY: 1024}

# So small a rate that no net breaks down on what it is shown here.
_RUNS = {net: replace(plain, lr=1e-4) for net, (plain, *_) in NETS.items()} | {
    "ResNet": Run(model="resnet", activation="relu", init="he", lr=1e-4)
}


@dataclass(frozen=True)
class Cell:
    """What is timed: a net, with batch norm or without, at a batch size."""

    net: str
    norm: str
    batch_size: int
    width: int = 0  # features of an MLP's hidden layers, times 16, 32 and 64 channels of a ResNet
    depth: int = 0  # hidden layers of an MLP, layers of a ResNet
    device: str = "cpu"


def main() -> None:
    """Measure and write both, about four minutes."""
    torch.set_num_threads(1)
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    for name, cells in (("bn-steps", step_cells(devices)), ("bn-sizes", size_cells(devices))):
        timings.write(name, rows(cells, TURNS), COMMAND)
        print(f"{timings.path(name)}: written")


def step_cells(devices: Sequence[str]) -> list[Cell]:
    """List the nets with every norm at every batch size, and numpy's."""
    return [
        Cell(net, norm, size, device=device)
        for device in devices
        for net, sizes in BATCH_SIZES.items()
        for size, norm in product(sizes, NORMS)
    ] + [Cell(NUMPY, norm, NUMPY_BATCH) for norm in NORMS]


def size_cells(devices: Sequence[str]) -> list[Cell]:
    """List MLPs and residual nets of every size, with every norm."""
    return [
        Cell(net, norm, SIZES_BATCH[net], width, depth, device)
        for device in devices
        for net, sizes in (("MLP, ReLU", MLP_SIZES), ("ResNet", RESNET_SIZES))
        for (width, depth), norm in product(sizes, NORMS)
    ]


def rows(cells: Iterable[Cell], turns: int) -> list[dict[str, Any]]:
    """Time each cell once in each of `turns`: seconds of a step, and of its three parts."""
    work = {cell: _steps(cell) for cell in cells}
    return [
        asdict(cell)
        | {"turn": turn, "seconds": float(f"{sum(parts):.4g}")}
        | {
            name: float(f"{part:.4g}")
            for name, part in zip(("forward", "backward", "update"), parts, strict=True)
        }
        for turn, cell, parts in in_turns(work, turns)
    ]


def build(cell: Cell) -> nn.Module:
    """Build the net of `cell`, on its device."""
    run = _RUNS[cell.net]
    if cell.net == "MLP, ReLU" and cell.width:
        net = _mlp(cell.width, cell.depth, cell.norm)
    else:
        run = replace(run, norms=(cell.norm,) * len(run.norms))
        if cell.width:
            run = replace(run, width=cell.width, depth=cell.depth)
        net = training.build(run, _shape(cell.net))
    return net.to(cell.device)


def _shape(net: str) -> tuple[int, int, int]:
    return (3, 32, 32) if net == "ResNet" else (1, 28, 28)


def _mlp(width: int, depth: int, kind: str) -> nn.Sequential:
    """Build an MLP of `depth` hidden layers; those of `models` have two of 256 features."""
    layers: list[nn.Module] = [nn.Flatten()]
    for before in (784, *[width] * (depth - 1)):
        layers += [nn.Linear(before, width), norms.build(kind, width, 2), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def _steps(cell: Cell) -> Callable[[], tuple[float, float, float]]:
    """Prepare training steps; what comes back takes them and returns the seconds of one."""
    count = max(1, IMAGES[cell.net] // cell.batch_size)
    generator = torch.Generator().manual_seed(0)
    # What the images show does not change the time.
    images = torch.rand(cell.batch_size, *_shape(cell.net), generator=generator).to(cell.device)
    labels = torch.randint(10, (cell.batch_size,), generator=generator).to(cell.device)
    if cell.net == NUMPY:
        return _numpy_steps(cell, count, images.flatten(1).double().numpy(), labels.numpy())
    net = build(cell)
    run = _RUNS[cell.net]
    optimizer = optimizers.build(
        run.optimizer, list(net.parameters()), run.lr, run.momentum, run.weight_decay
    )

    def take() -> tuple[float, float, float]:
        clock = _Clock(cell.device)
        for _ in range(count):
            loss = cross_entropy(net(images), labels)
            clock.part(0)
            optimizer.zero_grad()
            loss.backward()
            clock.part(1)
            optimizer.step()
            clock.part(2)
        return clock.each(count)

    return take


def _numpy_steps(
    cell: Cell, count: int, images: numpy_mlp.Array, labels: np.ndarray
) -> Callable[[], tuple[float, float, float]]:
    net = numpy_mlp.NumpyMLP(cell.norm == BATCH)

    def take() -> tuple[float, float, float]:
        clock = _Clock("cpu")
        for _ in range(count):
            logits, caches = net.forward(images)
            clock.part(0)
            gradients = net.backward(numpy_mlp.loss_gradient(logits, labels), caches)
            clock.part(1)
            net.update(gradients)
            clock.part(2)
        return clock.each(count)

    return take


class _Clock:
    """Sums the seconds of a step's parts. A GPU is waited for: it works behind the program."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.seconds = [0.0, 0.0, 0.0]
        self.last = time.perf_counter()

    def part(self, index: int) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.seconds[index] += now - self.last
        self.last = now

    def each(self, count: int) -> tuple[float, float, float]:
        forward, backward, update = (total / count for total in self.seconds)
        return forward, backward, update


if __name__ == "__main__":
    main()
