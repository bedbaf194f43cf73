"""A training step against what the machine could do: its matrix products."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.turns import in_turns, one_thread, timed
from bnbook import data, models, norms, training
from bnbook.run import Run

RUN = Run(norms=("batch",) * 4)
TURNS = 30
SIDE = 1024  # of the matrices whose product is the limit


@dataclass(frozen=True)
class Limit:
    """Medians on one thread. `parts` maps kinds of layers to their seconds in a step."""

    flops: float  # counted in the net's matrix products, forward and backward
    limit: float  # operations per second of a large product
    step: float  # seconds of a step
    parts: dict[str, float]

    @property
    def share(self) -> float:
        """Share of the step that its products would take at the limit."""
        return self.flops / self.limit / self.step

    def __str__(self) -> str:
        shares = {name: 100 * part / self.step for name, part in self.parts.items()}
        said = ", ".join(f"{name} {share:.0f}%" for name, share in shares.items())
        rest = 100 - sum(shares.values())
        if rest > 0:
            said += f", loss, update and everything between {rest:.0f}%"
        else:
            said += f"; that is {-rest:.0f}% too much, since by itself a layer takes longer"
        return (
            f"A step of {RUN.batch_size} images takes {1000 * self.step:.1f} ms on one thread. Its "
            f"products are {self.flops / 1e6:.0f} million operations; a product of {SIDE}×{SIDE} "
            f"matrices runs at {self.limit / 1e9:.0f} GFLOP/s, which makes "
            f"{1000 * self.flops / self.limit:.1f} ms, {100 * self.share:.0f}% of the step. Where "
            f"the step goes, each layer timed by itself: {said}."
        )


@one_thread()
def measure() -> Limit:
    """Time step, layers and matrix product in turns."""
    part = data.splits(RUN.dataset).train
    images, labels = data.to_float(part.images[: RUN.batch_size]), part.labels[: RUN.batch_size]
    net = training.build(RUN)
    optimizer = torch.optim.SGD(net.parameters(), lr=RUN.lr)

    def step() -> None:
        optimizer.zero_grad()
        cross_entropy(net(images), labels).backward()
        optimizer.step()

    with FlopCounterMode(display=False) as counter:
        step()
    square = torch.rand(SIDE, SIDE)
    work: dict[str, Callable[[], object]] = {"step": step, "product": lambda: square @ square}
    work |= {name: _alone(*layer) for name, layer in _layers(net, images).items()}
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _, name, found in in_turns({name: timed(one) for name, one in work.items()}, TURNS):
        seconds[name].append(found)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    parts: dict[str, float] = {}
    for name, layer in net.named_children():
        kind = _kind(layer)
        parts[kind] = parts.get(kind, 0.0) + medians[name]
    return Limit(
        counter.get_total_flops(), 2 * SIDE**3 / medians["product"], medians["step"], parts
    )


def _layers(net: nn.Module, images: Tensor) -> dict[str, tuple[nn.Module, Tensor, bool]]:
    """Map names to layers, what enters them, and whether a gradient has to go on before them."""
    found, x = {}, images
    for name, layer in net.named_children():
        found[name] = layer, x.detach(), x is not images
        x = layer(x)
    return found


def _alone(layer: nn.Module, x: Tensor, goes_on: bool) -> Callable[[], object]:
    x = x.clone().requires_grad_(goes_on)
    dy = torch.rand_like(layer(x))
    return lambda: layer(x).backward(dy)


def _kind(layer: nn.Module) -> str:
    if isinstance(layer, nn.Conv2d | nn.Linear):
        return "convolutions and linear layers"
    if isinstance(layer, norms.RunningNorm):
        return "norms"
    if isinstance(layer, tuple(models.ACTIVATIONS.values())):
        return "activations"
    return "pooling"
