"""Training: ours against the tutorial loop, skorch and Lightning, side by side."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Subset
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

from benchmarks import frameworks
from benchmarks.evaluations import Evaluations, accuracy
from benchmarks.turns import in_turns
from bnbook import chapters, data, sweep, training
from bnbook.run import Run

#: A net of chapters 1 to 5 on all of their images, evaluated as often as the others evaluate.
RUN = Run(norms=("batch",) * 4, train_size=50_000, epochs=5)
SWEEP = [replace(RUN, seed=seed) for seed in range(4)]

#: Images per second of training alone, of the whole job with the evaluations that the way makes
#: by itself, and of the whole job with those that ours makes.
Speed = tuple[float, float, float]


def measure(turns: Mapping[int, int]) -> list[dict[str, Any]]:
    """Time jobs of so many runs in so many turns each: images per second, a row per way and turn.

    One run has PyTorch's default number of threads in every way, as in a notebook. Of several, ours
    is a sweep, one thread a run on all cores; the others train one after another. Every way
    evaluates after each epoch. Ours makes `Evaluations` besides; the others are timed without
    them and with them.
    """
    rows = []
    for size, count in turns.items():
        work = {way: functools.partial(job, SWEEP[:size]) for way, job in WAYS.items()}
        for turn, way, speed in in_turns(work, count):
            speeds = dict(zip(("training", "whole", "evaluated"), speed, strict=True))
            rows.append({"runs": size, "way": way, "turn": turn, **speeds})
    return rows


def ours(runs: Sequence[Run]) -> Speed:
    """Train one run in this process, several in a sweep; its workers start anew, which counts."""
    start = time.perf_counter()
    if len(runs) == 1:
        seconds = training.train(runs[0]).seconds
    else:
        workers = min(sweep.check_workers(None), len(runs))
        work = sweep.work_of(chapters.experiment("bias-removal"))  # plain training, as in its arms
        records = list(sweep.execute(runs, workers, work))
        seconds = sum(record["rows"][-1]["seconds"] for record in records) / workers
    whole = time.perf_counter() - start
    steps = sum(run.epochs * (run.train_size // run.batch_size) for run in runs)
    samples = steps * RUN.batch_size
    return samples / seconds, samples / whole, samples / whole


def one_after_another(
    train: Callable[[Run], tuple[float, Evaluations]], runs: Sequence[Run]
) -> Speed:
    """Do runs in this process by `train`, which returns what `frameworks.in_skorch` does."""
    data.load("mnist")  # puts the files where torchvision reads them
    start = time.perf_counter()
    alone, evaluations = zip(*map(train, runs), strict=True)
    whole = time.perf_counter() - start
    samples = sum(run.epochs * run.train_size for run in runs)
    extra = sum(some.seconds for some in evaluations)
    return samples / sum(alone), samples / (whole - extra), samples / whole


def tutorial(run: Run) -> tuple[float, Evaluations]:
    """Train and evaluate as tutorials do; seconds of training alone, and what is evaluated more."""
    torch.manual_seed(run.seed)
    images, test = (
        MNIST(data.cache_folder() / "mnist", train=train, transform=ToTensor())
        for train in (True, False)
    )
    train, validation = Subset(images, range(run.train_size)), Subset(images, range(50_000, 60_000))
    batches = DataLoader(train, batch_size=run.batch_size, shuffle=True)
    evaluations = Evaluations(train, validation, test, run.batch_size)
    net = training.build(run)
    optimizer = torch.optim.SGD(net.parameters(), lr=run.lr)
    evaluations.before(net)
    seconds = 0.0
    for _ in range(run.epochs):
        start = time.perf_counter()
        _epoch(net, batches, optimizer)
        seconds += time.perf_counter() - start
        accuracy(net, DataLoader(validation, batch_size=run.batch_size))
        evaluations.after_epoch(net)
    evaluations.at_end(net)
    return seconds, evaluations


def _epoch(net: nn.Module, batches: DataLoader[Any], optimizer: torch.optim.SGD) -> float:
    net.train()
    total = 0.0
    for images, labels in batches:
        optimizer.zero_grad()
        loss = functional.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(batches)


OURS = "ours"
WAYS: dict[str, Callable[[Sequence[Run]], Speed]] = {
    OURS: ours,
    "the tutorial loop": functools.partial(one_after_another, tutorial),
    "skorch": functools.partial(one_after_another, frameworks.in_skorch),
    "Lightning": functools.partial(one_after_another, frameworks.in_lightning),
}
