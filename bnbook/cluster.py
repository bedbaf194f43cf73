"""Runs on the machines of a Dask cluster."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import CancelledError
from typing import Any

from bnbook import data, store
from bnbook.errors import BookError
from bnbook.run import Run

#: How long to look for a scheduler before saying that there is none.
CONNECT_SECONDS = 8
#: How long to wait for the first worker of a scheduler that has none yet.
WORKER_SECONDS = 60


def execute(
    runs: Iterable[Run], address: str, work: Callable[[Run, data.Splits], store.Record]
) -> Generator[store.Record, None, None]:
    """Do `work` for each of `runs` on the workers of the scheduler at `address`.

    Yields each record as its run ends, in that order. Data go to each worker once. A run whose
    worker dies is run again elsewhere. Raises BookError where no scheduler or worker answers, or
    the connection is lost; runs still under way are then cancelled.
    """
    distributed = _library()
    _silence()
    client = _connect(distributed, address)
    try:
        print(f"Dask's dashboard: {client.dashboard_link}", flush=True)
        _wait_for_workers(client, address)
        runs = list(runs)
        sets = {name: data.splits(name) for name in sorted({run.dataset for run in runs})}
        where = {
            name: client.scatter(splits, broadcast=True, hash=False)
            for name, splits in sets.items()
        }
        # Names of their own: a scheduler remembers results by name.
        sweep = uuid.uuid4().hex
        futures = [
            client.submit(work, run, where[run.dataset], key=f"{run.key}-{sweep}", pure=False)
            for run in runs
        ]
        try:
            for future in distributed.as_completed(futures, loop=client.loop):
                yield future.result()
        finally:
            if client.status == "running":
                client.cancel(futures, force=True)
    except distributed.scheduler.KilledWorker as error:
        raise BookError(
            f"several workers died over one run ({error.task}), perhaps for lack of memory: "
            "finished runs are kept; give the workers more and repeat the command"
        ) from None
    except (CancelledError, distributed.comm.CommClosedError, OSError):
        raise BookError(
            f"the connection to the scheduler at {address} was lost: finished runs are kept; "
            "repeat the command when it is back, to go on"
        ) from None
    finally:
        client.close(timeout=2)


def _library() -> Any:
    try:
        import distributed
    except ImportError:
        raise BookError(
            "--scheduler needs Dask: install it with `pip install 'bnbook[cluster]'`"
        ) from None
    return distributed


def _silence() -> None:
    """Keep the logs of Dask and its event loop to themselves: what fails ends in a line of ours."""
    for name in ["asyncio", *logging.root.manager.loggerDict]:
        if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


def _connect(distributed: Any, address: str) -> Any:
    try:
        return distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else "no answer"
        raise BookError(
            f"no scheduler at {address} ({reason}): start one with `dask scheduler` and give its "
            "address, such as tcp://127.0.0.1:8786, or leave --scheduler out"
        ) from None


def _wait_for_workers(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=WORKER_SECONDS)
    except TimeoutError:
        raise BookError(
            f"the scheduler at {address} has no workers: start some with "
            f"`dask worker {address} --nthreads 1`"
        ) from None
