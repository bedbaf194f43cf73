"""Sweeps: parallel, resumable, and never leaving a mess; and the store they write to."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest
import torch
from tiny_sweep import ARMS, TINY, tiny

import bnbook
from bnbook import atomic, chapters, findings, origin, spool, store, sweep, tables, training
from bnbook.errors import BookError, NoRecordsError
from bnbook.experiment import best_lr, tuned
from bnbook.run import Run


def test_a_sweep_records_what_the_same_runs_give_alone(folder, record):
    assert sweep.sweep(tiny(0, 1), workers=2) == 4
    frame = store.read("tiny")
    assert frame["key"].nunique() == 4
    assert list(frame["epoch"].unique()) == [0, 1]
    mine = frame[frame["key"] == record["key"]].iloc[-1]
    assert mine["val_correct"] == record["rows"][-1]["val_correct"]
    assert mine["bnbook"] == bnbook.__version__
    assert mine["val_accuracy"] == mine["val_correct"] / 1_000
    assert mine["norms"] == "batch,batch,batch,batch"
    assert mine["first_losses"] == pytest.approx(record["rows"][-1]["first_losses"], rel=1e-6)
    assert not list(spool.folder().glob("*.json"))
    assert not [p for p in (folder / "results").iterdir() if p.name.startswith(".")]


def test_a_sweep_runs_only_what_is_missing(folder):
    assert sweep.sweep(tiny(0), workers=1) == 2
    before = store.table_path("tiny").read_bytes()
    assert sweep.sweep(tiny(0), workers=1) == 0
    assert store.table_path("tiny").read_bytes() == before
    assert sweep.sweep(tiny(0, 1), workers=1) == 2
    assert store.read("tiny")["key"].nunique() == 4


def test_a_run_that_two_experiments_share_is_run_once(folder):
    sweep.sweep(tiny(0), workers=1)
    other = replace(tiny(0), name="other")
    assert sweep.sweep(other, workers=1) == 0
    assert store.read("other")["key"].nunique() == 2


def test_a_spooled_run_is_not_repeated(folder, record):
    spool.write(record | {"date": "2000-01-01"})
    assert sweep.sweep(tiny(0), workers=1) == 1
    frame = store.read("tiny")
    assert set(frame[frame["key"] == record["key"]]["date"]) == {"2000-01-01"}


def test_tuning_names_the_final_runs_once_its_own_are_recorded(folder):
    plan = partial(tuned, lrs=(0.5, 2.0), seeds=(0,), tuning_seeds=(100,))
    tuning = replace(tiny(), arms={"with BN": ARMS["with BN"]}, plan=plan)
    assert sweep.sweep(tuning, workers=1) == 4  # two to tune, one shared, one at the best
    frame = store.read("tiny").assign(arm="with BN")
    assert best_lr(frame, "with BN") in (0.5, 2.0)
    assert sorted(frame[frame["seed"] == 0]["lr"].unique()) == sorted(
        {0.1, best_lr(frame, "with BN")}
    )


def test_the_provenance_tells_what_when_where_and_with_what(folder):
    sweep.sweep(tiny(0), workers=1)
    found = store.read_provenance("tiny")
    assert found["runs"] == 2
    assert found["seeds"] == [0]
    assert found["packages"]["torch"] == importlib.metadata.version("torch")
    assert found["machines"] == [origin.machine()]
    assert set(found["fingerprints"]) == set(ARMS)
    for one in found["fingerprints"].values():
        assert one["double"] == pytest.approx(one["losses"], rel=1e-5)
    assert origin.stale(tiny(0)) == []


@pytest.mark.parametrize("name", chapters.EXPERIMENTS)
def test_the_books_records_are_of_runs_that_are_planned(name):
    experiment = chapters.EXPERIMENTS[name]
    known = store.recorded(name)
    if not known:
        pytest.skip(f"{name} was never run")
    planned = {run.key for run in sweep._named(experiment, known)}
    assert planned >= set(known)
    if left := len(planned.difference(known)):
        with pytest.raises(NoRecordsError, match=f"^{left} of "):
            findings.load(experiment)
    for one in known.values():
        assert experiment.arm_of(Run.from_changes(one["run"])) in experiment.arms


def test_what_a_run_records_beyond_the_usual_comes_back_from_the_table(folder):
    run = replace(TINY, record_fit=True)
    last = training.train(run).rows[-1]
    both = [store.record(training.train(one), origin.environment()) for one in (TINY, run)]
    store.merge("tiny", both, {})
    frame = store.read("tiny")
    plain, fitted = frame[~frame["record_fit"]], frame[frame["record_fit"]]
    assert plain["train_accuracy"].isna().all()
    assert plain["weight_norm"].isna().all()
    assert fitted["train_accuracy"].iloc[-1] == last["train_correct"] / 256
    assert list(fitted["weight_norm"].iloc[-1]) == pytest.approx(last["weight_norm"])


def test_tables_without_the_later_columns_can_be_read(folder, record, monkeypatch):
    later = ["bnbook", "train_correct", "train_images", "weight_norm"]
    older = tables.to_table([record]).drop_columns(later)
    monkeypatch.setattr(tables, "to_table", lambda _: older)
    store.merge("tiny", [record], {})
    monkeypatch.undo()
    monkeypatch.setenv("BNBOOK_DATA", str(folder))
    frame = store.read("tiny")
    assert frame["train_accuracy"].isna().all()
    assert set(frame["bnbook"]) == {"0.1.0"}
    assert frame["val_correct"].iloc[-1] == record["rows"][-1]["val_correct"]
    assert store.recorded("tiny")[record["key"]]["rows"][-1].keys() == record["rows"][-1].keys()


def damage(path, how):
    content = path.read_bytes()
    if how == "cut short":
        path.write_bytes(content[: len(content) // 2])
    elif how == "one flipped byte":
        middle = len(content) // 4
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :])
    else:
        path.write_bytes(b"")


@pytest.mark.parametrize("how", ["cut short", "one flipped byte", "emptied"])
def test_a_damaged_table_is_named_with_the_way_out(folder, record, how):
    store.merge("tiny", [record] * 50, {})
    damage(store.table_path("tiny"), how)
    with pytest.raises(BookError, match=r"tiny\.parquet is damaged.*bnbook sweep tiny") as error:
        store.read("tiny")
    assert "\n" not in str(error.value)


def test_a_damaged_spool_file_is_named_and_its_run_repeated(folder, record, capsys):
    spool.write(record)
    path = next(spool.folder().iterdir())
    damage(path, "cut short")
    assert sweep.sweep(tiny(0), workers=1) == 2
    assert f"{path.stem}.json is damaged" in capsys.readouterr().out
    assert not path.exists()


def test_a_missing_table_says_how_to_make_it(folder):
    with pytest.raises(BookError, match=r"no records of tiny .*run `bnbook sweep tiny`"):
        store.read("tiny")


def test_a_failed_write_leaves_the_old_file_whole(folder, record):
    store.merge("tiny", [record], {})
    before = store.table_path("tiny").read_bytes()
    with (
        pytest.raises(BookError, match=r"cannot write .*No space left"),
        atomic.replacing(store.table_path("tiny")) as temporary,
    ):
        temporary.write_bytes(b"half a ta")
        raise OSError(28, os.strerror(28))
    assert store.table_path("tiny").read_bytes() == before
    assert len(list((folder / "results").iterdir())) == 2


def test_a_table_of_another_schema_is_refused(folder, record, monkeypatch):
    store.merge("tiny", [record], {})
    monkeypatch.setattr(tables, "SCHEMA_VERSION", 99)
    with pytest.raises(BookError, match="has schema 1, this bnbook reads 99"):
        store.read("tiny")


def test_a_run_of_no_arm_is_named():
    with pytest.raises(BookError, match="belongs to no arm of lite"):
        chapters.experiment("lite").arm_of(Run(padding=2))


def start_sweep(folder):
    environment = os.environ | {"BNBOOK_DATA": str(folder)}
    command = [sys.executable, "-m", "bnbook", "sweep", "browser-lab", "--workers", "2"]
    process = subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # What runs in the background of a shell ignores Ctrl-C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    spool = Path(folder) / "spool"
    deadline = time.monotonic() + 300
    while not (spool.exists() and any(spool.glob("*.json"))):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return process, psutil.Process(process.pid).children(recursive=True)


def test_ctrl_c_keeps_what_is_finished_and_leaves_no_worker(folder):
    process, workers = start_sweep(folder)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip().splitlines()[-1] == "bnbook: interrupted; what was finished is kept"
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert not alive
    assert store.read("browser-lab")["key"].nunique() >= 1
    assert json.loads(store.provenance_path("browser-lab").read_text())["runs"] >= 1


def test_workers_do_not_outlive_a_killed_sweep(folder):
    process, workers = start_sweep(folder)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive
    assert spool.read()


# Another device


def test_a_device_that_is_not_here_is_named(folder):
    for nonsense in ("abacus", "", "meta", "cuda:99"):
        with pytest.raises(
            BookError, match=f"cannot train on device '{nonsense}' .*leave --device"
        ):
            sweep.sweep(tiny(0), device=nonsense)
    assert not store.table_path("tiny").exists()


def test_a_study_measures_on_the_cpu_alone(folder):
    study = replace(tiny(0), measure=lambda run, splits: [{"one": 1}])
    with pytest.raises(BookError, match="leave --device out"):
        sweep.sweep(study, device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_one_process_records_what_the_cpu_would_and_names_it(folder, record):
    assert sweep.sweep(tiny(0), device="cuda") == 2
    frame = store.read("tiny")
    assert frame["machine"].str.contains(torch.cuda.get_device_name()).all()
    mine = frame[frame["key"] == record["key"]]
    assert mine["val_loss"].iloc[0] == pytest.approx(record["rows"][0]["val_loss"], rel=1e-3)
