"""Measure, print and write `benchmarks/report.md`: `python -m benchmarks`, or `make bench`."""

import statistics
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks import browser_engine, lab_page, matrix_limit, site_build, training_loop
from bnbook import origin, sweep, timings
from bnbook.atomic import replacing
from bnbook.errors import BookError

#: What README quotes; a test compares them.
REPORT = Path(__file__).with_name("report.md")
#: How many runs a job has, and how often it is timed.
JOBS = {1: 3, len(training_loop.SWEEP): 2}


def main() -> None:
    """Run all benchmarks, about an hour on two cores, and write down what they found."""
    cores = sweep.check_workers(None)
    said = []

    def say(text: str) -> None:
        print(text, flush=True)
        said.append(text)

    say(f"{origin.machine()}, {cores} cores, PyTorch {torch.__version__}\n")
    speeds = training_loop.measure(JOBS)
    timings.write("training-loops", speeds, "make bench")
    say(training_table(pd.DataFrame(speeds)))
    say(f"{matrix_limit.measure()}\n")
    say(_steps_and_builds(browser_engine.measure(), site_build.measure()))
    say(_lab(lab_page.measure()))
    with replacing(REPORT) as temporary:
        temporary.write_text("\n".join(said) + "\n", encoding="utf-8")


def training_table(speeds: pd.DataFrame) -> str:
    """Tabulate images per second of every way, and how many times as fast ours is."""
    lines = [
        "| images per second | ours | " + " | ".join(_others()) + " |",
        "|---|" + "---:|" * (1 + len(_others())),
    ]
    for size in JOBS:
        runs = "one run" if size == 1 else f"{size} runs"
        for part, name in (
            ("training", "training alone"),
            ("evaluated", "whole job, the same evaluations in each"),
            ("whole", "whole job, the others evaluating once an epoch"),
        ):
            job = speeds[speeds["runs"] == size].pivot(index="turn", columns="way", values=part)
            cells = [f"{statistics.median(job[training_loop.OURS]):,.0f}"]
            cells += [_against(job, way) for way in _others()]
            lines.append(f"| {runs}, {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + (
        f"\n\nLeNet with batch norm, {training_loop.RUN.train_size:,} images, "
        f"{training_loop.RUN.epochs} epochs. Medians over turns; in brackets ours over theirs,\n"
        "turn by turn. One run: default threads in every way. Several: ours one thread a run on all"
        " cores, the others\none after another. Ours evaluates with running and with re-estimated "
        "statistics, before training as well,\nand on the test images; the others by themselves "
        "once an epoch, or as ours by way of PyTorch's `update_bn`.\nThe tutorial loop has "
        "torchvision, ToTensor and DataLoader, skorch and Lightning have tensors in memory.\n"
    )


def _steps_and_builds(
    steps: dict[int, tuple[float, float, float]], builds: site_build.Builds
) -> str:
    """Tabulate the page's engine against PyTorch, and the making of the site against nbconvert."""
    rows = [
        *(
            (f"a step of {size} images: page's engine, PyTorch", *_milliseconds(medians))
            for size, medians in steps.items()
        ),
        ("installed clone to site", *_seconds(builds.fresh, builds.nbconvert)),
        ("after touching one chapter", *_seconds(builds.touched, builds.nbconvert)),
    ]
    lines = ["| | ours | the usual way | ratio |", "|---|---:|---:|---:|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + (
        "\n\nSteps: LeNet with batch norm in Chromium, against PyTorch with its own batch norm on "
        "one thread; medians. Site:\nonce each; the usual way is `jupyter nbconvert --execute` on "
        "every chapter. Ratios above 1 are in our favor.\n"
    )


def _others() -> list[str]:
    return [way for way in training_loop.WAYS if way != training_loop.OURS]


def _against(job: Any, way: str) -> str:
    ratio = statistics.median(job[training_loop.OURS] / job[way])
    return f"{statistics.median(job[way]):,.0f} ({ratio:.1f}×)"


def _lab(lab: lab_page.Lab) -> str:
    return "\n".join(
        [
            "| the lab on the page | measured | aim |\n|---|---:|---:|",
            f"| chapter 2 without its figures, gzipped | {lab.page / 1000:.0f} kB | ≤ 250 kB |",
            f"| what all pages share, gzipped | {lab.shared / 1000:.0f} kB | |",
            f"| digits, gzipped | {lab.digits / 1000:.0f} kB | ≤ 500 kB |",
            f"| slider to redrawn curve, median | {lab.slider:.1f} ms | ≤ 16 ms |",
            f"| longest task of the page's thread | {lab.longest:.0f} ms | ≤ 50 ms |",
        ]
    )


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
