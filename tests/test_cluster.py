"""Sweeps on a real Dask cluster: a scheduler and two workers on this machine."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import distributed
import pytest

from bnbook import cli, cluster, spool, store, sweep
from bnbook.errors import BookError
from bnbook.experiment import Experiment, grid
from bnbook.run import Run

#: Few images to evaluate, and long enough to be interrupted.
TINY = Run(dataset="digits", epochs=3, train_size=4000, lr=0.5)
ARMS = {"with BN": replace(TINY, norms=("batch",) * 4), "without BN": TINY}

#: The command of a user, with an experiment that is done in seconds.
COMMAND = """
import sys
from bnbook import chapters, cli
sys.path.insert(0, sys.argv[1])
from test_cluster import tiny
chapters.EXPERIMENTS["tiny"] = tiny(*range(int(sys.argv[3])))
sys.exit(cli.main(["sweep", "tiny", "--scheduler", sys.argv[2]]))
"""


def tiny(*seeds):
    return Experiment(
        "tiny", "Does it work?", ARMS, lambda one, _: grid(one.arms.values(), [0.5], seeds)
    )


@pytest.fixture
def started():
    """Start processes that end with the test."""
    with contextlib.ExitStack() as stack:

        def start(*command, **options):
            process = subprocess.Popen(
                [sys.executable, *command],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                **options,
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            return process

        yield start


@pytest.fixture
def address():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{one.getsockname()[1]}"


def start_scheduler(started, address):
    port = address.rpartition(":")[2]
    where = ("--host", "127.0.0.1", "--port", port, "--dashboard-address", "127.0.0.1:0")
    return started("-m", "distributed.cli.dask_scheduler", *where)


def start_worker(started, address, **options):
    alone = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
    return started("-m", "distributed.cli.dask_worker", address, *alone, **options)


def command(started, address, seeds, **options):
    return started("-c", COMMAND, str(Path(__file__).parent), address, str(seeds), **options)


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def spooled():
    return list(spool.folder().glob("*.json")) if spool.folder().exists() else []


def comparable(record):
    """What must not depend on where a run was made."""
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in record["rows"]]
    return record["outcome"], record["machine"], json.dumps(rows)  # as text, NaN equals NaN


def test_a_cluster_that_loses_a_worker_records_what_this_machine_records_alone(
    folder, started, address
):
    start_scheduler(started, address)
    doomed, _ = workers = [start_worker(started, address) for _ in range(2)]
    with distributed.Client(address, timeout=60, set_as_default=False) as client:
        process = command(started, address, 4)
        wait_for(spooled)
        held = client.run(
            lambda dask_worker: [type(value).__name__ for value in dask_worker.data.values()]
        )
    assert process.poll() is None
    doomed.send_signal(signal.SIGKILL)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "Dask's dashboard: http://127.0.0.1:" in output
    assert "tiny: 8 new runs" in output
    assert len(held) == len(workers)
    assert all(kinds.count("Splits") == 1 for kinds in held.values()), "data go to a worker once"
    rows = store.read("tiny")
    assert rows["key"].nunique() == 8
    assert not rows.duplicated(["key", "epoch"]).any()
    there = store.recorded("tiny")
    for path in (store.table_path("tiny"), store.provenance_path("tiny")):
        path.unlink()
    assert sweep.sweep(tiny(0), workers=1) == 2
    for key, record in store.recorded("tiny").items():
        assert comparable(record) == comparable(there[key])


def test_a_sweep_whose_scheduler_died_goes_on_when_it_is_back(folder, started, address):
    scheduler, worker = start_scheduler(started, address), start_worker(started, address)
    # Dask looks for a lost scheduler so long before it gives up.
    patience = os.environ | {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s"}
    process = command(started, address, 6, env=patience)
    wait_for(spooled)
    scheduler.send_signal(signal.SIGKILL)
    worker.send_signal(signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert errors.strip().splitlines()[-1].startswith("bnbook: the connection to the scheduler at")
    assert "Traceback" not in errors
    before = store.read("tiny")
    finished = before["key"].nunique()
    assert 1 <= finished < 12

    start_scheduler(started, address)
    start_worker(started, address)
    output, errors = command(started, address, 6).communicate()
    assert f"tiny: {12 - finished} new runs" in output, errors
    after = store.read("tiny")
    assert after["key"].nunique() == 12
    kept = after[after["key"].isin(before["key"])]
    assert sorted(kept["seconds"]) == sorted(before["seconds"])  # not run again


def test_a_scheduler_that_is_not_there_is_named_within_seconds(folder, address, capsys):
    start = time.monotonic()
    assert cli.main(["sweep", "browser-lab", "--scheduler", address]) == 2
    assert time.monotonic() - start < 30
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert line.startswith(f"bnbook: no scheduler at {address}")
    assert "dask scheduler" in line


@pytest.mark.parametrize(
    "nonsense", ["nonsense", "tcp://", "http://127.0.0.1:1", "tcp://a b:1", "inproc://x"]
)
def test_an_address_that_cannot_be_one_is_named(folder, nonsense, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(BookError, match="no scheduler at"):
        sweep.sweep(tiny(0), scheduler=nonsense)


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-OpenSSH_9.2\r\n"], ids=["silent", "another's"])
def test_a_port_where_no_scheduler_speaks_is_named_within_seconds(folder, monkeypatch, greeting):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].sendall(greeting), daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        start = time.monotonic()
        with pytest.raises(BookError, match=f"no scheduler at {address} .what answers there"):
            sweep.sweep(tiny(0), scheduler=address)
    assert time.monotonic() - start < 20


def test_the_web_page_of_dask_is_no_scheduler(folder, started, address, monkeypatch):
    port = address.rpartition(":")[2]
    dashboard = ("--port", "0", "--dashboard-address", f"127.0.0.1:{port}")
    started("-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", *dashboard)
    wait_for(lambda: not socket.socket().connect_ex(("127.0.0.1", int(port))))
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 5)
    with pytest.raises(BookError, match=f"no scheduler at {address} "):
        sweep.sweep(tiny(0), scheduler=address)


@pytest.mark.parametrize("unset", ["", " "])
def test_an_unset_variable_in_place_of_a_scheduler_trains_nothing_here(folder, unset, capsys):
    assert cli.main(["sweep", "lite", "--scheduler", unset]) == 2
    assert "--scheduler names no address: give one, or leave it out" in capsys.readouterr().err
    assert not spool.folder().exists()


def test_a_worker_with_other_code_is_refused_by_name(
    folder, started, address, tmp_path, monkeypatch
):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 60)
    start_scheduler(started, address)
    copy = shutil.copytree(Path(cluster.__file__).parent, tmp_path / "other" / "bnbook")
    with (copy / "errors.py").open("a") as file:
        file.write("# changed\n")
    start_worker(started, address, cwd=copy.parent)  # where `python -m` looks first
    with pytest.raises(BookError, match=r"the worker at tcp://127.* has another version"):
        sweep.sweep(tiny(0), scheduler=address)
    assert not store.results_folder().exists()


def test_a_worker_that_comes_late_with_other_code_is_refused_too():
    with pytest.raises(BookError, match="has another version of bnbook: finished runs are kept"):
        cluster._checked(lambda run, splits: {}, "0123", TINY, None)


def test_a_scheduler_without_workers_is_named(folder, started, address, monkeypatch):
    monkeypatch.setattr(cluster, "WORKER_SECONDS", 1)
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 60)
    start_scheduler(started, address)
    with pytest.raises(BookError, match="has no workers: start some with `dask worker"):
        sweep.sweep(tiny(0), scheduler=address)


def test_without_dask_the_message_says_how_to_get_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(BookError, match=r"pip install 'bnbook\[cluster\]'"):
        sweep.sweep(tiny(0), scheduler="tcp://127.0.0.1:1")
