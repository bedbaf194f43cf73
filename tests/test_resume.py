"""A run that was stopped goes on from its last epoch, and ends with the same bits."""

import hashlib
import io
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bnbook import data, origin, spool, store, sweep, training
from bnbook.experiment import Experiment, grid
from bnbook.run import Run
from bnbook.studies import features

BASE = Run(dataset="digits", norms=("batch",) * 4, epochs=3, train_size=128, batch_size=32, lr=0.1)


@pytest.fixture(scope="module", autouse=True)
def few(few_digits):
    """Give training a hundred images to be evaluated on."""
    whole = data.splits("digits")
    part = data.Images(whole.test.images[:100], whole.test.labels[:100])
    splits = data.Splits(
        data.Images(whole.train.images[:1024], whole.train.labels[:1024]), part, part
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "splits", lambda _name: splits)
        yield splits


class Stopped(Exception):
    pass


class Kept:
    """A checkpoint in memory, written as a file is, that stops the run when it has saved `n`."""

    def __init__(self, n=10**9):
        self.n, self.saved, self.content = n, 0, None

    def load(self):
        return self.content and torch.load(io.BytesIO(self.content), weights_only=True)

    def save(self, state):
        buffer = io.BytesIO()
        torch.save(state, buffer)
        self.content, self.saved = buffer.getvalue(), self.saved + 1
        if self.saved == self.n:
            raise Stopped


def told(history):
    """All but the time that it took; as text, in which NaN equals NaN."""
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in history.rows]
    return repr([rows, history.outcome, history.first_losses])


@pytest.mark.parametrize(
    "changes",
    [
        {
            **{"momentum": 0.9, "weight_decay": 1e-3, "schedule": "cosine", "dropout": 0.3},
            **{"augmentation": "crop+flip", "input_transform": "standardized"},
            **{"epoch_steps": 5, "eval_epochs": (3,)},  # epochs end within passes over the images
        },
        {"optimizer": "adam", "lr": 0.01, "trainable": "random", "norms": ("zca",) * 4},
        {"momentum": 0.9, "schedule": "two drops"},
        {"norm_noise": True},
        {"lr": 1e30, "norms": ("none",) * 4},
    ],
    ids=["all that draws and remembers", "another optimizer", "drops", "noise", "diverges"],
)
def test_a_run_stopped_after_any_epoch_ends_with_the_same_bits(changes, few):
    run = replace(BASE, **changes)
    whole = training.train(run, few)
    kept = Kept()
    while kept.saved < run.epochs and whole.outcome != "non-finite":
        kept.n = kept.saved + 1
        with pytest.raises(Stopped):
            training.train(run, few, checkpoint=kept)
    seen = []
    again = training.train(run, few, checkpoint=kept, on_epoch=seen.append)
    assert told(again) == told(whole)
    assert [row["epoch"] for row in seen] == [row["epoch"] for row in whole.rows]
    assert kept.saved in (0, run.epochs), "an epoch was trained twice"


def test_a_net_that_is_only_fitted_goes_on_too():
    run = replace(BASE, dropout=0.3)
    whole = training.fit(run).net.state_dict()
    kept = Kept(2)
    with pytest.raises(Stopped):
        training.fit(run, checkpoint=kept)
    again = training.fit(run, checkpoint=kept).net.state_dict()
    assert kept.saved == run.epochs
    assert all(torch.equal(value, again[name]) for name, value in whole.items())


# In the spool

MADE = {"machine": "here", "torch": "2", "code": "abc"}


@pytest.fixture
def kept(folder):
    return spool.Checkpoint(BASE, "", MADE)


def test_a_state_comes_back_where_it_was_made_and_nowhere_else(kept):
    assert kept.load() is None
    kept.save({"x": torch.arange(3), "rows": [{"loss": 0.1, "none": None}]})
    assert kept.load()["rows"] == [{"loss": 0.1, "none": None}]
    assert kept.load()["x"].tolist() == [0, 1, 2]
    for what in MADE:
        assert replace(kept, circumstances=MADE | {what: "other"}).load() is None
    assert replace(kept, run=replace(BASE, seed=1)).load() is None
    assert replace(kept, study="of its own").load() is None


def test_a_damaged_state_is_not_gone_on_from(kept):
    kept.save({"x": torch.arange(300)})
    path = spool.state_path(BASE.key)
    content = path.read_bytes()
    for place in range(0, len(content), 97):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert kept.load() is None
    path.write_bytes(content[:50])
    assert kept.load() is None
    path.unlink()
    os.mkfifo(path)
    assert kept.load() is None


class Canary:
    """Unpickling it leaves a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def test_nothing_in_a_state_is_executed(kept, tmp_path):
    trap = {"circumstances": MADE, "state": Canary(tmp_path / "executed")}
    saved = io.BytesIO()
    torch.save(trap, saved)
    spool.folder().mkdir()
    for content in (pickle.dumps(trap), saved.getvalue()):
        digest = hashlib.sha256(content).digest()
        spool.state_path(BASE.key).write_bytes(digest + content)
        assert kept.load() is None
    assert not (tmp_path / "executed").exists()


# In a sweep


def tiny(run=BASE, measure=None):
    def plan(one, _):
        return grid(one.arms.values(), [0.1], [0])

    return Experiment("tiny", "?", {"only": run}, plan, measure=measure)


@pytest.mark.parametrize("measure", [None, features.measure], ids=["training", "study"])
def test_a_sweep_goes_on_within_a_run_and_then_forgets_its_state(folder, monkeypatch, measure):
    one = tiny(measure=measure)
    study = one.name if measure else ""
    work = sweep.work_of(one, resumable=True)
    whole = sweep.work_of(one)(BASE)
    assert not spool.folder(study).exists(), "only a sweep keeps states"
    epoch, trained = training.Session.epoch, []

    def watched(session):
        if len(trained) == 2:
            trained.append(None)
            raise Stopped
        yield from epoch(session)
        trained.append(session.epochs)

    monkeypatch.setattr(training.Session, "epoch", watched)
    with pytest.raises(Stopped):
        work(BASE)
    assert spool.state_path(BASE.key, study).exists()
    record = work(BASE)
    assert trained[:4] == [1, 2, None, 3]
    for row in (*record["rows"], *whole["rows"]):
        row.pop("seconds", None)
    assert repr(record) == repr(whole)
    spool.write(record)
    assert [path.suffix for path in spool.folder(study).iterdir()] == [".json"]


#: The command of a user, with an experiment of one run.
COMMAND = """
import sys
sys.path.insert(0, sys.argv[1])
from bnbook import chapters, cli
from test_resume import LONG, tiny
chapters.EXPERIMENTS["tiny"] = tiny(LONG)
sys.exit(cli.main(["sweep", "tiny", "--workers", "1"]))
"""
LONG = replace(BASE, epochs=30, train_size=512, eval_epochs=(1, 30))


def test_a_machine_that_is_stopped_within_a_run_loses_an_epoch_at_most(folder):
    command = [sys.executable, "-c", COMMAND, str(Path(__file__).parent)]
    process = subprocess.Popen(command, process_group=0, stderr=subprocess.DEVNULL)
    state = spool.state_path(LONG.key)
    deadline = time.monotonic() + 300
    while not state.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(spool.folder().glob("*.json"))
    kept = spool.Checkpoint(LONG, "", origin.circumstances("cpu"))
    done = kept.load()["session"]["epochs"]
    assert 1 <= done < LONG.epochs
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert not state.exists()
    (record,) = store.recorded("tiny").values()
    assert [row["epoch"] for row in record["rows"]] == [0, 1, LONG.epochs]
    losses = training.train(LONG).rows[-1]["train_loss"]
    assert record["rows"][-1]["train_loss"] == losses
