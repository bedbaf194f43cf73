"""What each command of `bnbook` does with its options, which `bnbook.cli` reads."""

import argparse
import importlib
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Final

from bnbook import chapters, data, store, sweep, verify
from bnbook.errors import BookError
from bnbook.findings import sentences


def _site() -> ModuleType:
    """Import what builds pages, which takes a second, for the commands that need it."""
    return importlib.import_module("bnbook.site")


def _render(options: argparse.Namespace) -> None:
    site = _site()
    if options.draft:
        os.environ[sentences.DRAFT] = "1"  # which the notebooks' kernels inherit
    if options.stage:
        site.check(Path.cwd())
        with site.alone(Path("_work/lock")):
            site.stage(Path.cwd())
    else:
        site.render(Path.cwd(), options.output, renderer=options.renderer)


def _serve(options: argparse.Namespace) -> None:
    _site().serve(options.output, options.port)


def _address(_options: argparse.Namespace) -> None:
    _site().check(Path.cwd())
    changed = _site().name_in_sources(Path.cwd())
    print(f"notebooks changed: {changed}; commit them, as Colab opens them from the repository")


def _sweep(options: argparse.Namespace) -> None:
    if options.list:
        of = {one.name: f"chapter {c.number}" for c in chapters.CHAPTERS for one in c.experiments}
        for name, experiment in chapters.EXPERIMENTS.items():
            print(f"{name:26} {of.get(name, 'several chapters')}: {experiment.question}")
        return
    everything = list(chapters.EXPERIMENTS.values())
    chosen = everything if options.all else [chapters.experiment(options.experiment)]
    sweep.check_workers(options.workers)
    swept = 0
    for experiment in chosen:
        if options.all and (lacking := sweep.lacking(experiment)):
            print(f"{experiment.name}: left out; `bnbook data {lacking}` says how to get its data")
            continue
        if options.all and options.device != "cpu" and experiment.measure:
            print(f"{experiment.name}: left out; it measures on the CPU")
            continue
        new = sweep.sweep(experiment, options.workers, options.scheduler, options.device)
        print(f"{experiment.name}: {new} new runs, all in {store.table_path(experiment.name)}")
        swept += 1
    if not swept:
        raise BookError("nothing was swept: no experiment has its data here")


def _verify(options: argparse.Namespace) -> int:
    draw = None
    if not options.shortest:
        draw = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    asked = [chapters.experiment(name) for name in dict.fromkeys(options.experiment or ())]
    here = asked or [one for one in chapters.EXPERIMENTS.values() if verify.verifiable(one)]
    if not here:
        raise BookError(
            f"no records to verify in {store.results_folder()}: name the folder that holds "
            "results/ in the environment variable BNBOOK_DATA, or record some with `bnbook sweep`"
        )
    left = sorted({*chapters.EXPERIMENTS} - {one.name for one in here})
    if left and not asked:
        print(f"left out, without records or data here: {', '.join(left)}")
    chosen = [one for each in here for one in verify.choose(each, options.sample, draw)]
    how = "the shortest" if draw is None else f"drawn with --seed {draw}"
    print(f"{len(chosen)} recorded runs, {how}", flush=True)
    held = 0
    for check in verify.verify(chosen):
        print(check, flush=True)
        held += check.holds
    print(f"{held} of {len(chosen)} recorded runs hold")
    return 0 if held == len(chosen) else 1


def _data(options: argparse.Namespace) -> None:
    print(data.describe(options.name))


#: By name; each returns its exit code, or None for 0.
COMMANDS: Final[Mapping[str, Callable[[argparse.Namespace], int | None]]] = {
    "render": _render,
    "serve": _serve,
    "sweep": _sweep,
    "verify": _verify,
    "address": _address,
    "data": _data,
}
