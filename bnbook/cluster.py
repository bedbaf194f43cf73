"""Runs on the machines of a Dask cluster."""

from __future__ import annotations

import logging
import socket
import time
import uuid
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import CancelledError
from typing import Any

from bnbook import data, origin
from bnbook.errors import BookError, reason
from bnbook.run import Run
from bnbook.tables import Record

#: How long to look for a scheduler before saying that there is none.
CONNECT_SECONDS = 8
#: How long to wait for the first worker of a scheduler that has none yet.
WORKER_SECONDS = 60
#: Bytes of a scheduler's greeting, at most; what else speaks first begins with letters.
LONGEST_GREETING = 2**20


def execute(
    runs: Iterable[Run], address: str, work: Callable[[Run, data.Splits], Record]
) -> Generator[Record, None, None]:
    """Do `work` for each of `runs` on the workers of the scheduler at `address`.

    Yields each record as its run ends, in that order. Data go to each worker once. A run whose
    worker dies is run again elsewhere. Raises BookError where no scheduler or worker answers, a
    worker has other code than this process, or the connection is lost; runs still under way are
    then canceled.
    """
    distributed = _library()
    _silence()
    client = _connect(distributed, address)
    try:
        print(f"Dask's dashboard: {client.dashboard_link}", flush=True)
        _wait_for_workers(client, address)
        _check_code(client)
        runs = list(runs)
        sets = {name: data.splits(name) for name in sorted({run.dataset for run in runs})}
        where = {
            name: client.scatter(splits, broadcast=True, hash=False)
            for name, splits in sets.items()
        }
        # Names of their own: a scheduler remembers results by name.
        sweep, code = uuid.uuid4().hex, origin.code_hash()
        futures = [
            client.submit(
                _checked, work, code, run, where[run.dataset], key=f"{run.key}-{sweep}", pure=False
            )
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
    except (AttributeError, ImportError) as error:
        raise BookError(
            f"a worker that came late has another version of bnbook ({reason(error)}): finished "
            "runs are kept; install the one that is here and repeat the command"
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
        _listen(*distributed.comm.parse_address(address))
        return distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        raise BookError(
            f"no scheduler at {address} ({reason(error)}): start one with `dask scheduler`, give "
            "its address, such as tcp://127.0.0.1:8786, or leave --scheduler out"
        ) from None


def _listen(protocol: str, place: str) -> None:
    """Hear a scheduler's greeting, for which Dask's client would wait for minutes.

    It begins with its length. Raises OSError where nothing is said, or something else, and
    ValueError for an address that no scheduler has, such as that of its dashboard.
    """
    if protocol not in ("tcp", "tls", "ws", "wss", "ucx"):
        raise ValueError(f"{protocol}:// leads to none")
    if protocol != "tcp":
        return
    host, _, port = place.rpartition(":")
    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            one = socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS)
            break
        except ConnectionRefusedError:  # it may be starting just now
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    with one:
        try:
            greeting = one.recv(8, socket.MSG_WAITALL)
        except TimeoutError:
            greeting = b""
    if len(greeting) < 8 or int.from_bytes(greeting, "little") > LONGEST_GREETING:
        raise OSError("what answers there does not speak as one does")


def _check_code(client: Any) -> None:
    """Refuse workers that would make other records than this process."""

    def code() -> str:  # travels as a whole: a worker may have a package without its like
        from bnbook import origin

        return origin.code_hash()

    for address, found in client.run(code, on_error="return").items():
        if found != origin.code_hash():
            raise BookError(
                f"the worker at {address} has another version of bnbook: install there the one "
                f"that is here (code {origin.code_hash()}), or stop it"
            )


def _checked(
    work: Callable[[Run, data.Splits], Record], code: str, run: Run, splits: data.Splits
) -> Record:
    """Do `work` if this process, on a worker that may have come late, has the code `code`."""
    if origin.code_hash() != code:
        raise BookError(
            f"a worker on {socket.gethostname()} has another version of bnbook: finished runs are "
            f"kept; install there the one of this sweep (code {code}) and repeat the command"
        )
    return work(run, splits)


def _wait_for_workers(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=WORKER_SECONDS)
    except TimeoutError:
        raise BookError(
            f"the scheduler at {address} has no workers: start some with "
            f"`dask worker {address} --nthreads 1`"
        ) from None
