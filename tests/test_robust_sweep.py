"""Faults during a sweep: it is killed, interrupted, started twice, or the disk is full."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch

from bnbook import cli, origin, spool, store, sweep, training
from bnbook.errors import BookError
from bnbook.experiment import Experiment, grid
from bnbook.run import Run

TINY = Run(dataset="digits", epochs=2, train_size=1024, lr=0.5)
ARMS = {"with BN": replace(TINY, norms=("batch",) * 4), "without BN": TINY}

#: The command of a user, with an experiment that is done in seconds; arguments: seeds, options.
COMMAND = """
import sys
sys.path.insert(0, sys.argv[1])
from bnbook import chapters, cli
from test_robust_sweep import tiny
chapters.EXPERIMENTS["tiny"] = tiny(int(sys.argv[2]))
sys.exit(cli.main(["sweep", "tiny", *sys.argv[3:]]))
"""


def tiny(seeds):
    return Experiment(
        "tiny", "?", ARMS, lambda one, _: grid(one.arms.values(), [0.5], range(seeds))
    )


def command(seeds, workers=2):
    here = str(Path(__file__).parent)
    return [sys.executable, "-c", COMMAND, here, str(seeds), "--workers", str(workers)]


@pytest.fixture
def started():
    """Start processes in groups of their own, as a terminal does; they end with the test."""
    with contextlib.ExitStack() as stack:

        def start(arguments):
            process = subprocess.Popen(
                arguments,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                process_group=0,
                preexec_fn=_listen,
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            return process

        yield start


def _listen():
    """What runs in the background of a shell, or by nohup, ignores these, and so would this."""
    for one in (signal.SIGINT, signal.SIGHUP):
        signal.signal(one, signal.SIG_DFL)


def wait_for(condition, process, seconds=300):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def spooled():
    return sorted(spool.folder().glob("*.json"))


def workers_of(process):
    """Its workers, without the process that Python starts to keep track of resources."""
    found = []
    for one in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # a program that it asked has ended
            found += [one] * ("spawn_main" in " ".join(one.cmdline()))
    return found


def is_running(process):
    """A process that has ended may wait as a zombie until somebody asks how it ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def what_counts(record):
    """A record without what depends on when it was made; as text, in which NaN equals NaN."""
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in record["rows"]]
    return json.dumps([record["key"], record["outcome"], rows])


def seconds_of(records):
    return {key: one["rows"][-1]["seconds"] for key, one in records.items()}


def test_a_killed_sweep_goes_on_and_ends_with_the_rows_of_one_that_was_not(folder, started):
    process = started(command(4, workers=1))
    wait_for(spooled, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = seconds_of(spool.read())
    assert 1 <= len(kept) < 8
    assert sweep.sweep(tiny(4), workers=1) == 8 - len(kept)
    records = store.recorded("tiny")
    assert len(records) == 8
    assert store.read("tiny").groupby("key")["epoch"].agg(list).map(len).eq(3).all()
    again = pytest.approx(kept, rel=1e-6)
    assert {k: v for k, v in seconds_of(records).items() if k in kept} == again, "run again"
    killed = next(iter(records.values()))
    alone = store.record(training.train(Run.from_changes(killed["run"])), origin.environment())
    store.merge("alone", [alone], {})
    assert what_counts(store.recorded("alone")[killed["key"]]) == what_counts(killed)


def test_a_table_that_was_half_written_when_killed_is_cleared_away(folder):
    store.results_folder().mkdir()
    half = store.results_folder() / ".tiny.parquet.1234"
    half.write_bytes(b"PAR1 and no more")
    store.settle("tiny")
    assert not half.exists()


@pytest.mark.parametrize("moment", ["while workers start", "while they train"])
def test_ctrl_c_ends_all_workers_at_once_and_keeps_what_is_finished(folder, started, moment):
    process = started(command(20))
    if moment == "while workers start":
        wait_for(lambda: len(workers_of(process)) == 2, process)
    else:
        wait_for(spooled, process)
    workers = workers_of(process)
    start = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to workers too
    # A second on a quiet machine; one that went on to its end would not return 130.
    while alive := [one for one in workers if is_running(one)]:
        assert time.monotonic() - start < 30, alive
        time.sleep(0.02)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert errors.strip().splitlines()[-1] == "bnbook: interrupted; what was finished is kept"
    assert "Traceback" not in errors
    if moment == "while they train":
        assert store.recorded("tiny")


@pytest.mark.parametrize(
    ("whom", "how"),
    [(os.kill, signal.SIGTERM), (os.killpg, signal.SIGTERM), (os.killpg, signal.SIGHUP)],
    ids=["the command", "its whole group", "the terminal is closed"],
)
def test_a_sweep_that_is_terminated_says_so_in_one_line(folder, started, whom, how):
    process = started(command(20))
    wait_for(spooled, process)
    workers = workers_of(process)
    whom(process.pid, how)
    _, errors = process.communicate(timeout=300)
    last = errors.strip().splitlines()[-1]
    assert last.startswith("bnbook: ")
    assert process.returncode in (143, 2)
    assert "Traceback" not in errors
    assert "leaked" not in errors
    assert not [one for one in workers if is_running(one)]
    assert store.recorded("tiny")


def out_of_memory(run, splits):
    raise MemoryError


def too_large(run, splits):
    torch.empty(2**60)


@pytest.mark.parametrize("measure", [out_of_memory, too_large])
def test_a_worker_without_memory_is_one_line(folder, measure):
    one = replace(tiny(1), measure=measure)
    with pytest.raises(BookError, match="for lack of memory: finished runs are kept; repeat"):
        sweep.sweep(one, workers=1)


def test_without_shared_memory_the_line_says_what_is_missing(folder, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", refuse)
    with pytest.raises(BookError, match=r"they need shared memory, which Linux has in /dev/shm"):
        sweep.sweep(tiny(1), workers=1)


def test_a_sweep_of_nothing_is_no_success(folder, monkeypatch, capsys):
    empty = replace(tiny(0), plan=lambda *_: [])
    with pytest.raises(BookError, match="tiny names no runs"):
        sweep.sweep(empty, workers=1)
    monkeypatch.setattr("bnbook.data.at_hand", lambda name: False)
    assert cli.main(["sweep", "--all"]) == 2
    assert "nothing was swept" in capsys.readouterr().err


def test_two_sweeps_of_one_experiment_at_once_run_everything_once(folder, started):
    both = [started(command(3, workers=1)) for _ in range(2)]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    output = sorted(out for out, _ in said)
    assert "tiny: 6 new runs" in "".join(output)
    assert "another sweep of tiny is under way: waiting for its end\ntiny: 0 new runs" in output[0]
    frame = store.read("tiny")
    assert frame["key"].nunique() == 6
    assert not frame.duplicated(["key", "epoch"]).any()
    assert not spooled()
