"""What running statistics are worth: the answers of a net with those of every update rate."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bnbook import data, norms, training
from bnbook.run import Run

#: Weights of a new batch in the running statistics (PyTorch's momentum); PyTorch's own is 0.1.
UPDATE_RATES = (1.0, 0.3, 0.1, 0.03, 0.01)
USUAL_RATE = 0.1
#: After so many steps a long run is looked at, besides near its end.
EARLY_LOOKS = (50, 100, 200, 300, 450, 700, 1_000)
#: The net is looked at so many steps before the run's end.
LOOKS = (25, 20, 15, 10, 5, 0)
VALIDATION_IMAGES = 2_000  # that answers are counted on; the same for all statistics of one net
#: Batches that a net whose weights stand still is shown, and in how many random orders.
STILL_BATCHES, ORDERS = 60, 5

Statistics = list[tuple[Tensor, Tensor]]  # mean and variance per feature, norm by norm


@dataclass
class _Average:
    """Running statistics of a whole net, kept beside it."""

    rate: float
    values: Statistics

    def take(self, batch: Statistics) -> None:
        """Move toward the statistics of a batch, as batch norm does."""
        for mine, new in zip(self.values, batch, strict=True):
            for old, value in zip(mine, new, strict=True):
                old.lerp_(value, self.rate)

    def debiased(self, steps: int) -> Statistics:
        """Return the average of the batches alone, `steps` of them, without the first values."""
        left = (1 - self.rate) ** steps
        return [
            (mean / (1 - left), (var - left) / (1 - left))  # they began at 0 and 1
            for mean, var in self.values
        ]


def measure(run: Run, splits: data.Splits) -> list[dict[str, Any]]:
    """Train `run` and count what its net answers rightly with running statistics of every rate.

    `run` has a norm momentum of 1, so that its own running statistics are those of the last batch
    alone; they do not take part in training. Each row counts the `correct` ones of
    `VALIDATION_IMAGES` after `after` steps with running statistics at the update rate `rate`, and
    `correct_precise` with re-estimated ones. `offset` says for each norm how far the two means are
    apart, averaged over features, in (re-estimated) standard deviations. `weights` and `order`
    say how the running statistics arose:

    - "moving", "trained": in training, while the weights moved;
    - "still", "shuffled": from the same number of batches in random orders (`draw` by `draw`), with
      the weights as they are after the last step, from re-estimated statistics on;
    - "still", "sorted": the images of these batches, sorted by their labels;
    - "still", "own batch": no running statistics; each batch of validation images is normalized
      by its own, as in training.
    """
    rows: list[dict[str, Any]] = []
    for look, averages in _watched(run, splits):
        rows += [look.row("moving", "trained", one.rate, 0, one.values) for one in averages]
    return rows + list(_standing_still(look, run))


def measure_long(run: Run, splits: data.Splits) -> list[dict[str, Any]]:
    """Do as `measure` for moving weights, after few steps and after many.

    Rows as there; `order` is "trained" or "debiased": then the share of the first values, mean 0
    and variance 1, is taken out (as Kingma & Ba 2015, section 3, do for Adam), so that a small
    update rate is not blamed for its start.
    """
    rows: list[dict[str, Any]] = []
    for look, averages in _watched(run, splits, EARLY_LOOKS):
        for one in averages:
            debiased = one.debiased(look.state.step)
            rows.append(look.row("moving", "trained", one.rate, 0, one.values))
            rows.append(look.row("moving", "debiased", one.rate, 0, debiased))
    return rows


def _watched(
    run: Run, splits: data.Splits, early: Sequence[int] = ()
) -> Iterator[tuple["_Look", list[_Average]]]:
    """Train `run` with running statistics of every rate beside it; yield both at each look."""
    averages: list[_Average] = []
    last = training.last_step(run)
    for state in training.follow(run, range(1, last + 1), splits):
        batch = statistics(state.net)
        averages = averages or [_Average(rate, _start(batch)) for rate in UPDATE_RATES]
        for average in averages:
            average.take(batch)
        if state.step in early or last - state.step in LOOKS:
            yield _Look(state), averages


class _Look:
    """A net after some step, with its re-estimated statistics."""

    def __init__(self, state: training.State) -> None:
        self.state = state
        self.images, self.labels = (part[:VALIDATION_IMAGES] for part in state.validation)
        self.net = training.reestimated(state.net, state)
        self.precise = copied(statistics(self.net))
        self.correct = self._count()

    def row(
        self, weights: str, order: str, rate: float, draw: int, some: Statistics
    ) -> dict[str, Any]:
        """Count right answers with `some` statistics in place of the re-estimated ones."""
        for mine, new in zip(statistics(self.net), some, strict=True):
            for old, value in zip(mine, new, strict=True):
                old.copy_(value)
        return {
            "after": self.state.step,
            "weights": weights,
            "order": order,
            "rate": rate,
            "draw": draw,
            "correct": self._count(),
            "correct_precise": self.correct,
            "images": len(self.labels),
            "offset": _offset(some, self.precise),
        }

    def own_batch_row(self, size: int) -> dict[str, Any]:
        """Count right answers where each batch of `size` is normalized by itself."""
        net, correct = self.state.net.train(), 0
        with torch.no_grad():
            for images, labels in zip(
                self.images.split(size), self.labels.split(size), strict=True
            ):
                correct += int((net(images).argmax(1) == labels).sum())
        row = self.row("still", "own batch", 1.0, 0, self.precise)
        return row | {"correct": correct, "offset": []}

    def _count(self) -> int:
        return training.count_correct(self.net, self.images, self.labels)[0]


def _standing_still(look: _Look, run: Run) -> Iterator[dict[str, Any]]:
    """Show the net batches of training images while its weights stand still."""
    images, labels = look.state.train
    generator = torch.Generator().manual_seed(run.seed)
    needed = STILL_BATCHES * run.batch_size
    passes = -(-needed // len(labels))
    drawn = torch.cat([torch.randperm(len(labels), generator=generator) for _ in range(passes)])
    drawn = drawn[:needed]
    batches = of_batches(look.state.net, images, drawn.split(run.batch_size))
    for draw in range(ORDERS):
        order = torch.randperm(STILL_BATCHES, generator=generator).tolist()
        for rate in (1.0, USUAL_RATE):
            average = _Average(rate, copied(look.precise))
            for i in order:
                average.take(batches[i])
            yield look.row("still", "shuffled", rate, draw, average.values)
    by_label = drawn[labels[drawn].argsort(stable=True)]
    average = _Average(USUAL_RATE, copied(look.precise))
    for batch in of_batches(look.state.net, images, by_label.split(run.batch_size)):
        average.take(batch)
    yield look.row("still", "sorted", USUAL_RATE, 0, average.values)
    yield look.own_batch_row(run.batch_size)


@torch.no_grad()
def of_batches(
    net: nn.Module, images: Tensor, batches: Iterable[Tensor | slice]
) -> list[Statistics]:
    """Return the statistics of each batch; the norms' momentum is 1."""
    net.train()
    found = []
    for batch in batches:
        net(images[batch])
        found.append(copied(statistics(net)))
    return found


def statistics(net: nn.Module) -> Statistics:
    """Return the running statistics of each norm, themselves."""
    found = (m for m in net.modules() if isinstance(m, norms.RunningNorm))
    return [(m.get_buffer("running_mean"), m.get_buffer("running_var")) for m in found]


def copied(some: Statistics) -> Statistics:
    """Copy statistics."""
    return [(mean.clone(), var.clone()) for mean, var in some]


def _start(some: Statistics) -> Statistics:
    return [(torch.zeros_like(mean), torch.ones_like(var)) for mean, var in some]


def _offset(some: Statistics, precise: Statistics) -> list[float]:
    pairs = zip(some, precise, strict=True)
    return [float(((mean - true).abs() / var.sqrt()).mean()) for (mean, _), (true, var) in pairs]
