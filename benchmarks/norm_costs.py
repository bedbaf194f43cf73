"""What each norm costs: `python -m benchmarks.norm_costs` writes two files into data/timings/.

`norm-steps`: seconds of a training step of each arm of the experiment `other-norms`.
`norm-widths`: seconds of one norm, forward and backward, against the number of features.
One thread. All take turns, in another order every time, so that a busy moment of the machine hits
any of them, and ratios are taken within a turn.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from benchmarks.turns import in_turns, timed
from bnbook import data, norms, timings, training
from bnbook.chapters.other_norms.experiments import OTHER_NORMS
from bnbook.run import Run

COMMAND = "python -m benchmarks.norm_costs"
TURNS = 25
STEPS = 8  # of each kind in a turn
WIDTHS = (16, 32, 64, 128, 256, 512)
WIDTH_KINDS = ("batch", "zca", "newton", "block", "monarch")
SAMPLES = 1024  # more than features at every width: no covariance is singular


def main() -> None:
    """Measure and write both: about a minute on a quiet core."""
    torch.set_num_threads(1)
    timings.write("norm-steps", step_rows(OTHER_NORMS.arms, TURNS, STEPS), COMMAND)
    timings.write("norm-widths", width_rows(WIDTH_KINDS, WIDTHS, TURNS), COMMAND)
    for name in ("norm-steps", "norm-widths"):
        print(f"{timings.path(name)}: written")


def step_rows(arms: Mapping[str, Run], turns: int, steps: int) -> list[dict[str, Any]]:
    """Time `steps` training steps of each of `arms` in each of `turns`; seconds of one step."""
    work = {arm: timed(_steps(run, steps)) for arm, run in arms.items()}
    return [
        {"arm": arm, "batch_size": arms[arm].batch_size, "turn": turn, "seconds": seconds / steps}
        for turn, arm, seconds in in_turns(work, turns)
    ]


def width_rows(kinds: Sequence[str], widths: Sequence[int], turns: int) -> list[dict[str, Any]]:
    """Time one pass, forward and backward, of each kind at each width in each of `turns`."""
    work = {(kind, width): timed(_pass(kind, width)) for width in widths for kind in kinds}
    return [
        {"kind": kind, "width": width, "samples": SAMPLES, "turn": turn, "seconds": seconds}
        for turn, (kind, width), seconds in in_turns(work, turns)
    ]


def _steps(run: Run, steps: int) -> Callable[[], None]:
    """Prepare training steps as `training` makes them, on images in memory."""
    part, images_in_all = data.splits(run.dataset).train, steps * run.batch_size
    images = data.to_float(part.images[:images_in_all]).split(run.batch_size)
    labels = part.labels[:images_in_all].split(run.batch_size)
    net = training.build(run)
    # So small a rate that no net breaks down, or learns its way into other numbers.
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)

    def train() -> None:
        for x, target in zip(images, labels, strict=True):
            loss = cross_entropy(net(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return train


def _pass(kind: str, width: int) -> Callable[[], None]:
    generator = torch.Generator().manual_seed(width)
    x = torch.randn(SAMPLES, width, generator=generator)
    mixed = (x @ torch.randn(width, width, generator=generator)).requires_grad_()
    layer = norms.build(kind, width, 2)

    def run() -> None:
        layer(mixed).backward(x)

    return run


if __name__ == "__main__":
    main()
