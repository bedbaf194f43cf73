"""Execute the runs of an experiment on all cores, resumably."""

import contextlib
import functools
import inspect
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import torch
from tqdm import tqdm

from bnbook import cluster, data, origin, spool, store, training
from bnbook.errors import BookError, of_memory, reason
from bnbook.experiment import Experiment, Measure
from bnbook.run import Run
from bnbook.tables import Record

#: Workers that one core may be given.
MOST_PER_CORE = 8
#: Makes the record of a run, with its data set's splits or without.
Work = Callable[..., Record]


def sweep(
    experiment: Experiment,
    workers: int | None = None,
    scheduler: str | None = None,
    device: str = "cpu",
) -> int:
    """Run what is missing of `experiment`, then merge its table; return how many runs were new.

    In `workers` processes of one thread each, by default one per core, or on the Dask cluster
    whose scheduler is at the address `scheduler`. Another `device` than "cpu", such as "cuda", is
    for one process alone, unless `workers` says otherwise. Every finished run is on disk at once:
    after an interruption the same call goes on where it was. Runs that another experiment recorded
    are taken over; another sweep of the same experiment is waited for. Raises BookError for bad
    input, damaged records, a full disk and a cluster out of reach, KeyboardInterrupt after Ctrl-C,
    with all local workers gone.
    """
    check_device(experiment, device)
    workers = check_workers(1 if workers is None and device != "cpu" else workers)
    if scheduler is not None and not scheduler.strip():
        raise BookError("--scheduler names no address: give one, or leave it out to train here")
    with spool.locked(experiment.name):
        store.settle(experiment.name)
        return _run_missing(experiment, workers, scheduler, device)


def _run_missing(experiment: Experiment, workers: int, scheduler: str | None, device: str) -> int:
    if not experiment.runs(_frame(experiment, [])):
        raise BookError(f"{experiment.name} names no runs: there is nothing to sweep")
    already = store.recorded(experiment.name)
    known = spool.read(experiment.study) if experiment.study else store.everything()
    known |= already
    new = 0
    try:
        while missing := [run for run in _named(experiment, known) if run.key not in known]:
            started = (
                cluster.execute(missing, scheduler, work_of(experiment, device))
                if scheduler is not None
                else execute(missing, workers, work_of(experiment, device, resumable=True))
            )
            progress = tqdm(total=len(missing), desc=experiment.name, unit="run", smoothing=0.05)
            with progress, contextlib.closing(started) as records:
                for finished in records:
                    # Known first: Ctrl-C amid the write must not leave it out of the table.
                    known[finished["key"]] = finished
                    spool.write(finished)
                    new += 1
                    progress.update()
    finally:
        _merge(experiment, known, already)
    return new


def lacking(experiment: Experiment) -> str:
    """Name a data set of `experiment` that would have to be downloaded; "" if there is none."""
    names = {run.dataset for run in experiment.arms.values()}
    return next((name for name in sorted(names) if not data.at_hand(name)), "")


def check_workers(workers: int | None) -> int:
    """Return the number of workers to use: as given, or one per core.

    Raises BookError for one below 1 or far above the number of cores.
    """
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    if workers is None:
        return cores
    if workers < 1:
        raise BookError(f"{workers} workers cannot work: give --workers 1 or more")
    if workers > MOST_PER_CORE * cores:
        # Each holds a copy of the data: thousands would take the machine down.
        raise BookError(f"{workers} workers are too many here: give --workers {cores}, the cores")
    return workers


def check_device(experiment: Experiment, device: str) -> None:
    """Raise BookError where runs of `experiment` cannot be trained on `device`."""
    if device == "cpu":
        return
    if experiment.measure:
        raise BookError(f"{experiment.name} measures what it trains on the CPU: leave --device out")
    try:
        training.check_device(device)
    except BookError as error:
        raise BookError(f"{error}, or leave --device out") from None
    if torch.device(device).type == "cpu":
        raise BookError(f"device {device!r} is the CPU: leave --device out")


def work_of(
    experiment: Experiment,
    device: str = "cpu",
    resumable: bool = False,
    rounding: int | None = None,
) -> Work:
    """Return what makes a record of a run of `experiment`; it can be sent to other processes.

    `resumable`: it keeps the state of a run in the spool, and goes on from one that it finds there.
    `rounding`, of training, is `training.train`'s.
    """
    study, measure = experiment.study, experiment.measure
    return functools.partial(_work, study, measure, device, resumable, rounding)


def execute(runs: Iterable[Run], workers: int, work: Work) -> Generator[Record, None, None]:
    """Do `work` for `runs` in `workers` processes; yield each record as its run ends."""
    runs = list(runs)
    for name in {run.dataset for run in runs}:
        data.splits(name)  # unpacked or downloaded once, here, where an error is shown once
    # A forked process would inherit torch's thread pools in an undefined state.
    context = multiprocessing.get_context("spawn")
    others = {*multiprocessing.active_children()}
    try:
        with _undisturbed():  # it starts a process of its own
            pool = ProcessPoolExecutor(workers, context, initializer=_start_worker)
    except (OSError, ImportError) as error:
        raise BookError(
            f"cannot start workers ({reason(error)}): they need shared memory, which Linux has in "
            "/dev/shm; mount it, or make it writable"
        ) from error
    try:
        with _undisturbed():
            waiting = {pool.submit(work, run) for run in runs}
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    except (BrokenProcessPool, MemoryError, RuntimeError) as error:
        if not (isinstance(error, BrokenProcessPool) or of_memory(error)):
            raise
        raise BookError(
            "a worker died, perhaps for lack of memory: finished runs are kept; "
            "repeat the command, with fewer --workers, to go on"
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in {*multiprocessing.active_children()} - others:
            process.terminate()
            process.join()


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Put Ctrl-C and the end of the terminal off.

    Processes that start here never hear of either, not even while they import.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker() -> None:
    # The parent alone answers Ctrl-C, and no worker outlives it, however it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _work(
    study: str,
    measure: Measure | None,
    device: str,
    resumable: bool,
    rounding: int | None,
    run: Run,
    splits: data.Splits | None = None,
) -> Record:
    # Two one-thread workers beat one process of two threads on nets this small.
    torch.set_num_threads(1)
    splits = splits or data.splits(run.dataset)
    kept = spool.Checkpoint(run, study, origin.circumstances(device)) if resumable else None
    if measure is None:
        return store.record(
            training.train(run, splits, device, checkpoint=kept, rounding=rounding),
            origin.environment(device),
        )
    start = time.perf_counter()
    takes_one = "checkpoint" in inspect.signature(measure).parameters
    rows = measure(run, splits, checkpoint=kept) if takes_one else measure(run, splits)
    seconds = time.perf_counter() - start
    rows[-1] |= {"seconds": seconds, "first_losses": training.first_losses(run, splits)}
    return store.study_record(study, run, rows, origin.environment())


def _named(experiment: Experiment, known: dict[str, Record]) -> list[Run]:
    """List the experiment's runs that can be named, given what is known.

    Only records of its own arms count: the first call finds those, the second tunes on them.
    """
    runs = experiment.runs(_frame(experiment, []))
    own = [known[run.key] for run in runs if run.key in known]
    return experiment.runs(_frame(experiment, own))


def _frame(experiment: Experiment, records: list[Record]) -> Any:
    frame = store.records_frame(records)
    arms = {one["key"]: experiment.arm_of(Run.from_changes(one["run"])) for one in records}
    return frame.assign(arm=frame["key"].map(arms))


def _merge(experiment: Experiment, known: dict[str, Record], already: dict[str, Record]) -> None:
    """Write the table if it would hold other runs than it does; a partial one serves too."""
    finished = {run.key: known[run.key] for run in _named(experiment, known) if run.key in known}
    if not finished or set(finished) == set(already):
        return
    records = list(finished.values())
    store.merge(experiment.name, records, origin.account(experiment, records))
    spool.clear(finished, experiment.study)
