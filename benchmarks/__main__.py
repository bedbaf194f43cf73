"""Measure, and print one Markdown table: `python -m benchmarks`, or `make bench`."""

import sys

import torch

from benchmarks import browser_engine, lab_page, site_build, training_loop
from bnbook import sweep
from bnbook.errors import BookError


def main() -> None:
    """Run all benchmarks, about ten minutes on two cores."""
    cores = sweep.check_workers(None)
    print(f"{sweep.machine()}, {cores} cores, PyTorch {torch.__version__}\n")
    runs = training_loop.compare_runs()
    sweeps = training_loop.compare_sweeps()
    steps = browser_engine.measure()
    builds = site_build.measure()
    eight = f"{len(training_loop.SWEEP)} runs"
    rows = [
        ("one run, training alone", *_rates(runs.medians("training"))),
        (f"{eight}, training alone", *_rates(sweeps.medians("training"))),
        (f"{eight}, whole job with evaluations", *_rates(sweeps.medians("whole"))),
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
        "\nTraining: medians, images per second. Ours: one thread a run, all cores for a sweep; "
        "the usual way:\ntorchvision with ToTensor, DataLoader(batch_size=128, shuffle=True), "
        "default threads, one run after another.\nOur evaluations are twofold, with running and "
        "with re-estimated statistics. Steps: LeNet with batch norm in Chromium,\nagainst our loop "
        "in PyTorch on one thread; medians. Site: once each; the usual way\nis `jupyter nbconvert "
        "--execute` on every chapter. Ratios above 1 are in our favour.\n"
    )
    _print_lab(lab_page.measure())


def _print_lab(lab: lab_page.Lab) -> None:
    print("| the lab on the page | measured | aim |\n|---|---:|---:|")
    print(f"| chapter 2 without its figures, gzipped | {lab.page / 1000:.0f} kB | ≤ 250 kB |")
    print(f"| what all pages share, gzipped | {lab.shared / 1000:.0f} kB | |")
    print(f"| digits, gzipped | {lab.digits / 1000:.0f} kB | ≤ 500 kB |")
    print(f"| slider to redrawn curve, median | {lab.slider:.1f} ms | ≤ 16 ms |")
    print(f"| longest task of the page's thread | {lab.longest:.0f} ms | ≤ 50 ms |")


def _rates(medians: tuple[float, float, float]) -> tuple[str, str, str]:
    ours, usual, ratio = medians
    return f"{ours:,.0f}/s", f"{usual:,.0f}/s", f"{ratio:.1f}×"


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
