"""What folding saves: `python -m benchmarks.folding_speed` writes data/timings/folding.json.

Seconds of one pass in eval mode, of nets with batch norm and of the same nets folded, on one
thread. All take turns, and ratios are taken within a turn.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks.turns import in_turns, timed
from bnbook import folding, timings, training
from bnbook.run import Run

COMMAND = "python -m benchmarks.folding_speed"
TURNS = 25
#: Batch sizes, and how many passes are timed together.
PASSES = {1: 64, 128: 4}
NETS = {
    "LeNet": Run(norms=("batch",) * 4, activation="relu"),
    "MLP": Run(model="mlp", norms=("batch",) * 2, activation="relu"),
    "ResNet-8": Run(model="resnet", norms=("batch",), activation="relu", conv_bias=False),
}
WITH, FOLDED = "with batch norm", "folded"


def main() -> None:
    """Measure and write, less than a minute."""
    torch.set_num_threads(1)
    timings.write("folding", rows(TURNS), COMMAND)
    print(f"{timings.path('folding')}: written")


def rows(turns: int) -> list[dict[str, Any]]:
    """Time every net, folded and not, at every batch size in each of `turns`; seconds of a pass."""
    work = {
        (name, size, kind): timed(_passes(net, _shape(run), size))
        for name, run in NETS.items()
        for kind, net in _both(run).items()
        for size in PASSES
    }
    return [
        {
            "net": name,
            "batch_size": size,
            "kind": kind,
            "turn": turn,
            "seconds": seconds / PASSES[size],
        }
        for turn, (name, size, kind), seconds in in_turns(work, turns)
    ]


def _both(run: Run) -> dict[str, nn.Module]:
    net = training.build(run, _shape(run)).eval()
    return {WITH: net, FOLDED: folding.fold(net)}


def _shape(run: Run) -> tuple[int, ...]:
    return (3, 32, 32) if run.model == "resnet" else (1, 28, 28)


def _passes(net: nn.Module, shape: tuple[int, ...], size: int) -> Callable[[], None]:
    x = torch.rand(size, *shape, generator=torch.Generator().manual_seed(0))

    @torch.inference_mode()
    def run() -> None:
        for _ in range(PASSES[size]):
            net(x)

    return run


if __name__ == "__main__":
    main()
