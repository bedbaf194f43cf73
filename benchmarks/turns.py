"""Fair timing: everything that is compared takes turns, on one thread where that is fair."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import torch

Name = TypeVar("Name")
Found = TypeVar("Found")


def in_turns(
    work: Mapping[Name, Callable[[], Found]], turns: int
) -> Iterator[tuple[int, Name, Found]]:
    """Do each piece of `work` once in each of `turns`; yield turn, name and what it returned.

    The order is another one every time, so that a busy moment of the machine, or what the piece
    before left in the caches, hits all alike. A turn before the first warms up and is discarded.
    """
    order = random.Random(0)
    for turn in range(-1, turns):
        for name in order.sample(list(work), len(work)):
            found = work[name]()
            if turn >= 0:
                yield turn, name, found


def timed(work: Callable[[], object]) -> Callable[[], float]:
    """Make `work` return the seconds that it takes."""

    def seconds() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return seconds


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch compute on one thread, and then on as many as before."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
