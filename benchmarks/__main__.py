"""Measure, and print one Markdown table: `python -m benchmarks`, or `make bench`."""

import statistics
import sys
from typing import Any

import pandas as pd
import torch

from benchmarks import browser_engine, lab_page, matrix_limit, site_build, training_loop
from bnbook import sweep, timings
from bnbook.errors import BookError

#: How many runs a job has, and how often it is timed.
JOBS = {1: 3, len(training_loop.SWEEP): 2}


def main() -> None:
    """Run all benchmarks, about forty minutes on two cores."""
    cores = sweep.check_workers(None)
    print(f"{sweep.machine()}, {cores} cores, PyTorch {torch.__version__}\n")
    speeds = training_loop.measure(JOBS)
    timings.write("training-loops", speeds, "make bench")
    _print_training(pd.DataFrame(speeds))
    print(f"{matrix_limit.measure()}\n")
    steps = browser_engine.measure()
    builds = site_build.measure()
    rows = [
        *(
            (f"a step of {size} images: page's engine, PyTorch", *_milliseconds(medians))
            for size, medians in steps.items()
        ),
        ("installed clone to site", *_seconds(builds.fresh, builds.nbconvert)),
        ("after touching one chapter", *_seconds(builds.touched, builds.nbconvert)),
    ]
    print("| | ours | the usual way | ratio |\n|---|---:|---:|---:|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print(
        "\nSteps: LeNet with batch norm in Chromium, against our loop in PyTorch on one thread; "
        "medians. Site: once\neach; the usual way is `jupyter nbconvert --execute` on every "
        "chapter. Ratios above 1 are in our favour.\n"
    )
    _print_lab(lab_page.measure())


def _print_training(speeds: pd.DataFrame) -> None:
    """Print images per second of every way, and how many times as fast ours is."""
    print("| images per second | ours | " + " | ".join(_others()) + " |")
    print("|---|" + "---:|" * (1 + len(_others())))
    for size in JOBS:
        runs = "one run" if size == 1 else f"{size} runs"
        for part, name in (
            ("training", "training alone"),
            ("whole", "whole job with evaluations"),
        ):
            job = speeds[speeds["runs"] == size].pivot(index="turn", columns="way", values=part)
            cells = [f"{statistics.median(job[training_loop.OURS]):,.0f}"]
            cells += [_against(job, way) for way in _others()]
            print(f"| {runs}, {name} | {' | '.join(cells)} |")
    print(
        f"\nLeNet with batch norm, {training_loop.RUN.train_size:,} images, "
        f"{training_loop.RUN.epochs} epochs. Medians over turns; in brackets ours over theirs,\n"
        "turn by turn. Ours: one thread a run, all cores for several; evaluates with running and "
        "with re-estimated\nstatistics. The others: default threads, one run after another; the "
        "tutorial loop with torchvision, ToTensor\nand DataLoader, skorch and Lightning with "
        "tensors in memory.\n"
    )


def _others() -> list[str]:
    return [way for way in training_loop.WAYS if way != training_loop.OURS]


def _against(job: Any, way: str) -> str:
    ratio = statistics.median(job[training_loop.OURS] / job[way])
    return f"{statistics.median(job[way]):,.0f} ({ratio:.1f}×)"


def _print_lab(lab: lab_page.Lab) -> None:
    print("| the lab on the page | measured | aim |\n|---|---:|---:|")
    print(f"| chapter 2 without its figures, gzipped | {lab.page / 1000:.0f} kB | ≤ 250 kB |")
    print(f"| what all pages share, gzipped | {lab.shared / 1000:.0f} kB | |")
    print(f"| digits, gzipped | {lab.digits / 1000:.0f} kB | ≤ 500 kB |")
    print(f"| slider to redrawn curve, median | {lab.slider:.1f} ms | ≤ 16 ms |")
    print(f"| longest task of the page's thread | {lab.longest:.0f} ms | ≤ 50 ms |")


def _milliseconds(medians: tuple[float, float, float]) -> tuple[str, str, str]:
    ours, usual, ratio = medians
    return f"{ours:.1f} ms", f"{usual:.1f} ms", f"{ratio:.1f}×"


def _seconds(ours: float, usual: float) -> tuple[str, str, str]:
    return f"{ours:.0f} s", f"{usual:.0f} s", f"{usual / ours:.1f}×"


if __name__ == "__main__":
    try:
        main()
    except BookError as error:
        sys.exit(f"benchmarks: {error}")
