"""Execute the runs of an experiment on all cores, resumably."""

import contextlib
import datetime
import functools
import hashlib
import importlib.metadata
import inspect
import multiprocessing
import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from bnbook import __version__, cluster, data, spool, store
from bnbook.errors import BookError
from bnbook.experiments import Experiment, Measure
from bnbook.run import Run
from bnbook.training import first_losses, train

#: First losses in single precision that are compared, and how far they may be apart, relative to
#: the recorded ones.
COMPARED, TOLERANCE = 5, 1e-4
#: The same in double precision. Training amplifies differences in rounding, PCA whitening a
#: thousandfold in each step: there even double precision is spent after four.
DOUBLES, DOUBLES_TOLERANCE = 3, 1e-6
#: Workers that one core may be given.
MOST_PER_CORE = 8
#: Packages whose versions can move a result.
PACKAGES = ("bnbook", "torch", "torchvision", "numpy", "pandas", "scipy")

#: Makes the record of a run, with its data set's splits or without.
Work = Callable[..., store.Record]


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
    are taken over, and of a damaged table all that is intact; another sweep of the same experiment
    is waited for. Raises BookError for bad input, a full disk and a cluster out of reach,
    KeyboardInterrupt after Ctrl-C, with all local workers gone.
    """
    check_device(experiment, device)
    workers = check_workers(1 if workers is None and device != "cpu" else workers)
    with store.locked(experiment.name):
        return _run_missing(experiment, workers, scheduler, device)


def _run_missing(experiment: Experiment, workers: int, scheduler: str | None, device: str) -> int:
    known, already = _known(experiment), _already(experiment)
    new = 0
    try:
        while missing := _missing(experiment, known):
            started = (
                cluster.execute(missing, scheduler, work_of(experiment, device))
                if scheduler
                else execute(missing, workers, work_of(experiment, device, resumable=True))
            )
            progress = tqdm(total=len(missing), desc=experiment.name, unit="run", smoothing=0.05)
            with progress, contextlib.closing(started) as records:
                for finished in records:
                    store.spool(finished)
                    known[finished["key"]] = finished
                    new += 1
                    progress.update()
    finally:
        _merge(experiment, known, already)
    return new


def lacking(experiment: Experiment) -> str:
    """Name a data set of `experiment` that would have to be downloaded; "" if there is none."""
    names = {run.dataset for run in experiment.arms.values()}
    return next((name for name in sorted(names) if not data.at_hand(name)), "")


def _already(experiment: Experiment) -> dict[str, store.Record]:
    """Read the experiment's table; none of it where it is damaged, so that it is written anew."""
    try:
        return store.recorded(experiment.name)
    except BookError:
        intact = len(store.salvaged(experiment.name))
        path = store.table_path(experiment.name)
        print(f"{path} is damaged: {intact} intact runs are kept, the others repeated", flush=True)
        return {}


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
        float(torch.zeros(1, device=device))
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise BookError(
            f"cannot train on device {device!r} ({reason}): name one that PyTorch finds here, such "
            "as cuda or mps, or leave --device out"
        ) from None


def work_of(experiment: Experiment, device: str = "cpu", resumable: bool = False) -> Work:
    """Return what makes a record of a run of `experiment`; it can be sent to other processes.

    `resumable`: it keeps the state of a run in the spool, and goes on from one that it finds there.
    """
    return functools.partial(_work, experiment.name, experiment.measure, device, resumable)


def execute(runs: Iterable[Run], workers: int, work: Work) -> Generator[store.Record, None, None]:
    """Do `work` for `runs` in `workers` processes; yield each record as its run ends."""
    runs = list(runs)
    for name in {run.dataset for run in runs}:
        data.splits(name)  # unpacked or downloaded once, here, where an error is shown once
    # A forked process would inherit torch's thread pools in an undefined state.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker)
    try:
        with _no_ctrl_c():
            waiting = {pool.submit(work, run) for run in runs}
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    except BrokenProcessPool:
        raise BookError(
            "a worker died, perhaps for lack of memory: finished runs are kept; "
            "repeat the command, with fewer --workers, to go on"
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
            process.join()


@contextlib.contextmanager
def _no_ctrl_c() -> Iterator[None]:
    """Put Ctrl-C off; processes that start here never get it, not even while they import."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
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
    name: str,
    measure: Measure | None,
    device: str,
    resumable: bool,
    run: Run,
    splits: data.Splits | None = None,
) -> store.Record:
    # Two one-thread workers beat one process of two threads on nets this small.
    torch.set_num_threads(1)
    splits = splits or data.splits(run.dataset)
    circumstances = _circumstances(device)
    kept = spool.Checkpoint(run, name if measure else "", circumstances) if resumable else None
    if measure is None:
        return store.record(train(run, splits, device, checkpoint=kept), environment(device))
    start = time.perf_counter()
    takes_one = "checkpoint" in inspect.signature(measure).parameters
    rows = measure(run, splits, checkpoint=kept) if takes_one else measure(run, splits)
    seconds = time.perf_counter() - start
    rows[-1] |= {"seconds": seconds, "first_losses": first_losses(run, splits)}
    return store.study_record(name, run, rows, environment())


def environment(device: str = "cpu") -> dict[str, str]:
    """Say where, with what and when a run is made: machine, versions, date (UTC)."""
    today = datetime.datetime.now(datetime.UTC).date()
    return {
        "machine": machine(device),
        "torch": torch.__version__,
        "bnbook": __version__,
        "date": today.isoformat(),
    }


def machine(device: str = "cpu") -> str:
    """Name the kind of processor, as far as it can move a sum's last bits; first another `device`.

    Model name, family and model as the system tells them, and the instructions that torch uses:
    names such as "AMD EPYC" cover several generations.
    """
    cpuinfo = Path("/proc/cpuinfo")
    said: dict[str, str] = {}
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            name, _, value = line.partition(":")
            said.setdefault(name.strip(), value.strip())
    kind = said.get("model name") or platform.processor() or platform.machine()
    if "cpu family" in said:
        kind += f", family {said['cpu family']} model {said['model']}"
    kind += f", {torch.backends.cpu.get_cpu_capability()}"
    if device == "cpu":
        return kind
    cuda = torch.device(device).type == "cuda"
    return f"{torch.cuda.get_device_name(device) if cuda else device} beside {kind}"


def _circumstances(device: str) -> dict[str, str]:
    """Name what must be the same for a run that goes on to end with the same bits."""
    here = environment(device)
    return {name: here[name] for name in ("machine", "torch")} | {"code": code_hash()}


@functools.cache
def code_hash() -> str:
    """Hash the package's sources, for information: staleness is judged by behaviour."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def fingerprints(experiment: Experiment, records: Iterable[store.Record]) -> dict[str, Any]:
    """Pick one recorded run per arm, with its first losses: what training did when recorded.

    `losses` are the recorded ones, in single precision; `double` the first `DOUBLES` of them made
    now, in double precision.
    """
    found: dict[str, Any] = {}
    for one in records:
        run = Run.from_changes(one["run"])
        arm = experiment.arm_of(run)
        if arm not in found:
            losses = one["rows"][-1]["first_losses"]
            found[arm] = {"run": one["run"], "losses": losses, "double": _doubles(run)}
    return found


def _doubles(run: Run) -> list[float]:
    return first_losses(run, dtype=torch.float64, steps=DOUBLES)


def stale(experiment: Experiment) -> list[str]:
    """Name the arms whose training no longer does what was recorded, on whatever machine.

    On a machine of a kind that recorded them, and on one thread, losses in single precision have
    to agree as well; elsewhere all but the first may be apart by amplified rounding.
    """
    recorded = store.read_provenance(experiment.name)
    here = machine() in recorded["machines"]
    return [arm for arm, one in recorded["fingerprints"].items() if not _still_does(one, here)]


def _still_does(recorded: dict[str, Any], here: bool) -> bool:
    now, then = first_losses(Run.from_changes(recorded["run"])), recorded["losses"]
    return (alike(now, then) or (not here and start_alike(now, then))) and exact(recorded)


def alike(now: Sequence[float], then: Sequence[float]) -> bool:
    """Say whether first losses, in single precision, are of the same training.

    Their first `COMPARED` numbers are, up to `TOLERANCE`; non-finite ones must be equal.
    """
    return _near(now, then, COMPARED, TOLERANCE)


def start_alike(now: Sequence[float], then: Sequence[float]) -> bool:
    """Say whether the very first losses agree: those before any step, which amplify nothing."""
    return _near(now, then, 1, TOLERANCE)


def exact(recorded: dict[str, Any]) -> bool:
    """Say whether training does what the fingerprint `recorded` says, in double precision."""
    now = _doubles(Run.from_changes(recorded["run"]))
    return _near(now, recorded["double"], DOUBLES, DOUBLES_TOLERANCE)


def _near(now: Sequence[float], then: Sequence[float], compared: int, tolerance: float) -> bool:
    return len(now) == len(then) and np.allclose(
        now[:compared], then[:compared], rtol=tolerance, atol=0.0, equal_nan=True
    )


def _known(experiment: Experiment) -> dict[str, store.Record]:
    """Read the records that runs of `experiment` may be taken from; a study has its own alone."""
    if experiment.measure is None:
        return store.everything()
    return store.salvaged(experiment.name) | store.spooled(experiment.name)


def _missing(experiment: Experiment, known: dict[str, store.Record]) -> list[Run]:
    return [run for run in _named(experiment, known) if run.key not in known]


def _named(experiment: Experiment, known: dict[str, store.Record]) -> list[Run]:
    """List the experiment's runs that can be named, given what is known.

    Only records of its own arms count: the first call finds those, the second tunes on them.
    """
    runs = experiment.runs(_frame(experiment, []))
    own = [known[run.key] for run in runs if run.key in known]
    return experiment.runs(_frame(experiment, own))


def _frame(experiment: Experiment, records: list[store.Record]) -> Any:
    frame = store.records_frame(records)
    arms = {one["key"]: experiment.arm_of(Run.from_changes(one["run"])) for one in records}
    return frame.assign(arm=frame["key"].map(arms))


def _merge(
    experiment: Experiment, known: dict[str, store.Record], already: dict[str, store.Record]
) -> None:
    """Write the table if it would hold other runs than it does; a partial one serves too."""
    finished = {run.key: known[run.key] for run in _named(experiment, known) if run.key in known}
    if not finished or set(finished) == set(already):
        return
    records = list(finished.values())
    store.merge(experiment.name, records, provenance(experiment, records))
    store.clear_spool(finished, experiment.name if experiment.measure else "")


def provenance(experiment: Experiment, records: list[store.Record]) -> dict[str, Any]:
    """Say how `records` came to be: what, when, where, with which versions, for how long."""
    return {
        "experiment": experiment.name,
        "command": f"bnbook sweep {experiment.name}",
        "runs": len(records),
        "seeds": sorted({one["run"].get("seed", 0) for one in records}),
        "dates": sorted({one["date"] for one in records}),
        "machines": sorted({one["machine"] for one in records}),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "training_seconds": round(sum(one["rows"][-1]["seconds"] for one in records)),
        "code": code_hash(),
        "fingerprints": fingerprints(experiment, records),
    }
