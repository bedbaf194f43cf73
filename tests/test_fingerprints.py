"""Fingerprints: whether training still does what was recorded, here and elsewhere."""

import importlib
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_sweep import ARMS, tiny

from bnbook import chapters, origin, store, sweep, training


def write_fingerprints(record, machines, part=lambda losses: losses, version=origin.__version__):
    """Record the arms' real first losses, those in single precision as `part` makes them."""
    recorded = {
        name: {
            "run": run.changes(),
            "bnbook": version,
            "losses": part(training.first_losses(run)),
            "double": training.first_losses(run, dtype=torch.float64, steps=origin.DOUBLES),
        }
        for name, run in ARMS.items()
    }
    told = {"machines": machines, "fingerprints": recorded}
    store.merge("tiny", [record], told)


@pytest.fixture
def changed(folder, record, monkeypatch):
    """Give the test recorded fingerprints, and a way to import a changed copy of the package."""
    write_fingerprints(record, machines=[origin.machine()])

    def change(file, old, new):
        copy = shutil.copytree(Path(sweep.__file__).parent, folder / "copy" / "bnbook")
        source = (copy / file).read_text()
        assert source.count(old) == 1
        (copy / file).write_text(source.replace(old, new))
        for name in [name for name in sys.modules if name.partition(".")[0] == "bnbook"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.syspath_prepend(copy.parent)
        found = importlib.import_module("bnbook.origin")
        assert Path(found.__file__).parent == copy
        return found

    return change


@pytest.mark.parametrize(
    ("file", "old", "new", "moved"),
    [
        pytest.param(
            "models/weights.py", ".xavier_uniform_(", ".kaiming_uniform_(", ARMS, id="initial"
        ),
        pytest.param(
            "session.py", " labels)\n", " labels, label_smoothing=0.1)\n", ARMS, id="loss"
        ),
        *(
            pytest.param(
                "norms/__init__.py",
                "nn.BatchNorm2d(num_features)",
                f"nn.BatchNorm2d(num_features, {other})",
                ["with BN"],
                id=other,
            )
            for other in ("eps=1e-3", "affine=False")
        ),
    ],
)
def test_a_change_in_what_training_does_is_noticed(changed, file, old, new, moved):
    assert changed(file, old, new).stale(tiny(0)) == list(moved)


@pytest.mark.parametrize("machines", [[], ["another"]])
@pytest.mark.parametrize(("first", "later"), [(1, 1.01), (1.001, 1)])
def test_elsewhere_rounding_may_part_all_losses_but_the_first(
    folder, record, machines, first, later
):
    def part(losses):
        return [losses[0] * first, *(loss * later for loss in losses[1:])]

    write_fingerprints(record, machines, part)
    assert origin.stale(tiny(0)) == ([] if first == 1 else list(ARMS))


@pytest.mark.usefixtures("one_thread")
def test_where_it_was_recorded_nothing_may_part_losses(folder, record):
    write_fingerprints(
        record, [origin.machine()], lambda losses: [losses[0], *(1.01 * x for x in losses[1:])]
    )
    assert origin.stale(tiny(0)) == list(ARMS)


def test_what_an_older_version_recorded_here_counts_as_recorded_elsewhere(folder, record):
    def part(losses):
        return [losses[0], *(1.01 * loss for loss in losses[1:])]

    write_fingerprints(record, [origin.machine()], part, version="0.1.0")
    assert origin.stale(tiny(0)) == []


def test_double_precision_has_to_agree_everywhere(folder, record):
    write_fingerprints(record, ["another"])
    found = store.read_provenance("tiny")
    found["fingerprints"]["with BN"]["double"][1] *= 1 + 2e-6
    store.merge("tiny", [record], found)
    assert origin.stale(tiny(0)) == ["with BN"]


def test_fingerprints_are_compared_as_far_as_machines_agree():
    then = [2.3, 2.2, 2.1, 2.0, 1.9, 1.8, math.nan]
    assert origin.alike([2.3, 2.2, 2.1, 2.0, 1.9001, 1.7, 1.0], then)
    assert not origin.alike([2.3, 2.2, 2.1, 2.0, 1.9003, 1.8, 1.7], then)
    assert not origin.alike(then[:-1], then)
    diverged = [2.3, 50.0, math.inf, math.nan, math.nan]
    assert origin.alike(list(diverged), diverged)
    assert not origin.alike([2.3, 50.0, 7.0, 6.0, 5.0], diverged)


def test_a_change_of_words_is_not_taken_for_a_change_of_training(changed):
    before = origin.code_hash()
    copy = changed("training.py", "Train one `Run` and say how it went.", "Train.")
    assert copy.code_hash() != before
    assert copy.stale(tiny(0)) == []


@pytest.mark.parametrize("name", chapters.EXPERIMENTS)
def test_training_still_does_what_the_book_recorded(name):
    if lacking := sweep.lacking(chapters.EXPERIMENTS[name]):
        pytest.skip(f"{lacking} is not here")
    if not store.table_path(name).exists():
        pytest.skip(f"{name} was never run")
    moved = origin.stale(chapters.EXPERIMENTS[name])
    assert not moved, f"{name} is stale in {moved}: delete its table and run `bnbook sweep {name}`"


@pytest.mark.parametrize(("torch_has", "onednn_has"), [("avx2", "AVX2"), ("default", "SSE41")])
def test_training_still_does_so_with_the_instructions_of_an_older_processor(torch_has, onednn_has):
    """Rounding differs there, and these three experiments amplify it most."""
    older = {
        "ATEN_CPU_CAPABILITY": torch_has,
        "ONEDNN_MAX_CPU_ISA": onednn_has,
        "OMP_NUM_THREADS": "1",
    }
    code = (
        "from bnbook import chapters, origin; print(origin.machine()); "
        "names = 'batch-noise', 'dropout', 'other-norms'; "
        "print([arm for name in names for arm in origin.stale(chapters.EXPERIMENTS[name])])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | older,
        capture_output=True,
        text=True,
        check=True,
    )
    machine, moved = done.stdout.splitlines()
    assert not machine.endswith("AVX512")
    assert moved == "[]"
