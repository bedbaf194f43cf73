"""Training: our loop against the loop of most tutorials, on the same net and the same images."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Subset
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

from bnbook import data, sweep, training
from bnbook.run import Run

RUN = Run(norms=("batch",) * 4, epochs=2)
SWEEP = [replace(RUN, seed=seed) for seed in range(8)]


@dataclass(frozen=True)
class Speed:
    """Training images per second: of training alone, and of the whole job with evaluations."""

    training: float
    whole: float


@dataclass(frozen=True)
class Comparison:
    """Repeated measurements of both sides, made in turns."""

    ours: list[Speed]
    usual: list[Speed]

    def medians(self, part: str) -> tuple[float, float, float]:
        """Return the medians of ours, of the usual way, and of their ratios turn by turn."""
        ours = [getattr(speed, part) for speed in self.ours]
        usual = [getattr(speed, part) for speed in self.usual]
        ratios = [a / b for a, b in zip(ours, usual, strict=True)]
        return statistics.median(ours), statistics.median(usual), statistics.median(ratios)


def compare_runs(repeats: int = 5) -> Comparison:
    """Compare one run: ours on one thread, the usual one on PyTorch's default number."""
    # One more turn, discarded: it warms up what both sides share.
    return _compare(_our_run, lambda: _usual([RUN]), repeats + 1, discard=1)


def compare_sweeps(repeats: int = 3) -> Comparison:
    """Compare eight runs: ours on all cores, the usual ones one after another."""
    # Nothing to warm up: our workers always start anew, and their start counts.
    return _compare(_our_sweep, lambda: _usual(SWEEP), repeats, discard=0)


def _compare(
    ours: Callable[[], Speed], usual: Callable[[], Speed], turns: int, discard: int
) -> Comparison:
    """Take turns, so that a busy moment hits both sides."""
    pairs = [(ours(), usual()) for _ in range(turns)][discard:]
    return Comparison([a for a, _ in pairs], [b for _, b in pairs])


def _our_run() -> Speed:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    start = time.perf_counter()
    try:
        history = training.train(RUN)
    finally:
        torch.set_num_threads(threads)
    return Speed(
        training=_samples(RUN) / history.seconds,
        whole=_samples(RUN) / (time.perf_counter() - start),
    )


def _our_sweep() -> Speed:
    workers = sweep.check_workers(None)
    start = time.perf_counter()
    records = list(sweep.execute(SWEEP, workers))
    whole = time.perf_counter() - start
    busy = sum(record["rows"][-1]["seconds"] for record in records) / workers
    samples = sum(map(_samples, SWEEP))
    return Speed(training=samples / busy, whole=samples / whole)


def _samples(run: Run) -> int:
    return run.epochs * (run.train_size // run.batch_size) * run.batch_size


def _usual(runs: list[Run]) -> Speed:
    """Train and evaluate one run after another as tutorials do, with default threads."""
    data.load("mnist")  # puts the files where torchvision reads them
    training_seconds = 0.0
    start = time.perf_counter()
    for run in runs:
        torch.manual_seed(run.seed)
        images = MNIST(data.cache_folder() / "mnist", train=True, transform=ToTensor())
        validation = Subset(images, range(50_000, 60_000))
        batches = DataLoader(
            Subset(images, range(run.train_size)), batch_size=run.batch_size, shuffle=True
        )
        net = training.build(run)
        optimizer = torch.optim.SGD(net.parameters(), lr=run.lr)
        for _ in range(run.epochs):
            epoch = time.perf_counter()
            _usual_epoch(net, batches, optimizer)
            training_seconds += time.perf_counter() - epoch
            _usual_accuracy(net, DataLoader(validation, batch_size=run.batch_size))
    samples = sum(run.epochs * run.train_size for run in runs)
    return Speed(samples / training_seconds, samples / (time.perf_counter() - start))


def _usual_epoch(net: nn.Module, batches: DataLoader[Any], optimizer: torch.optim.SGD) -> float:
    net.train()
    total = 0.0
    for images, labels in batches:
        optimizer.zero_grad()
        loss = functional.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(batches)


def _usual_accuracy(net: nn.Module, batches: DataLoader[Any]) -> float:
    net.eval()
    correct = total = 0
    with torch.no_grad():
        for images, labels in batches:
            correct += int((net(images).argmax(1) == labels).sum())
            total += len(labels)
    return correct / total
