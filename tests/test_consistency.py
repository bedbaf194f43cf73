"""What no run could have left is not believed, though every checksum be made anew."""

import copy
import hashlib
import json
from dataclasses import replace

import pyarrow as pa
import pytest

from bnbook import chapters, consistency, findings, origin, spool, store, tables, training
from bnbook.errors import BookError
from bnbook.experiment import Experiment
from bnbook.run import Run

BASE = Run("digits", norms=("batch",) * 4, epochs=3, train_size=512, record_fit=True)
PLAIN = Run("digits", epochs=2, train_size=256)
FAILS = replace(PLAIN, activation="relu", lr=1e6)
#: The same with another word for each.
RECORDED = {"with BN": BASE, "without": PLAIN, "that fails": FAILS}


@pytest.fixture(scope="module")
def made():
    """Real records, by what they are of."""
    here = origin.environment()
    return {name: store.record(training.train(run), here) for name, run in RECORDED.items()}


@pytest.fixture(scope="module")
def studied():
    """A record of one of the book's studies."""
    name = next(name for name, one in chapters.EXPERIMENTS.items() if one.study)
    return next(iter(store.recorded(name).values()))


def last(name, value):
    return lambda one: one["rows"][-1].update({name: value})


def row(index, name, value):
    return lambda one: one["rows"][index].update({name: value})


def lack(name):
    return lambda one: one["rows"][1].pop(name)


#: Forgeries of a real record: of which, what is done to it, what is said.
FORGED = [
    ("with BN", lambda one: one.update(key="0" * 16), ""),
    ("with BN", lambda one: one["run"].update(lr=0.2), "the key"),
    ("with BN", lambda one: one.update(machine=""), "where it was made"),
    ("with BN", lambda one: one.update(date=None), "where it was made"),
    ("with BN", lambda one: one.update(date="2026-99-01"), "month"),
    ("with BN", lambda one: one.update(outcome="collapsed"), "the outcome"),
    ("that fails", lambda one: one.update(outcome="not yet trained"), "the outcome"),
    ("with BN", lambda one: one["rows"].clear(), "no rows"),
    ("with BN", lambda one: one["rows"].pop(), ""),
    ("with BN", lambda one: one["rows"].pop(1), "epochs"),
    ("with BN", lambda one: one["rows"].insert(1, one["rows"][1]), "epochs"),
    ("with BN", lambda one: one["rows"].reverse(), ""),
    ("with BN", row(1, "epoch", 10**30), ""),
    ("with BN", row(1, "epoch", 2), "epochs"),
    ("with BN", row(1, "step", 5), "steps"),
    ("with BN", row(1, "step", 5.5), ""),
    ("with BN", row(1, "seconds", 1e9), "seconds"),
    ("with BN", row(1, "seconds", -1.0), "seconds"),
    ("with BN", last("seconds", float("nan")), "how long it took"),
    ("with BN", last("seconds", None), ""),
    ("with BN", last("first_losses", None), ""),
    ("with BN", last("first_losses", []), "first losses"),
    ("with BN", last("first_losses", [2.3] * 9), "first losses"),
    ("with BN", row(0, "train_loss", 2.3), "before the first step"),
    ("with BN", row(1, "train_loss", float("nan")), "went on after"),
    ("with BN", row(1, "val_loss", float("inf")), "went on after"),
    ("with BN", row(1, "val_correct", 1001), "val_correct"),
    ("with BN", row(1, "val_correct", -1), "val_correct"),
    ("with BN", row(1, "val_correct", None), ""),
    ("with BN", row(1, "val_images", 2000), "validation images"),
    ("with BN", last("test_correct", 10**9), "test_correct"),
    ("with BN", last("test_correct_running", None), ""),
    ("with BN", row(1, "train_correct", 513), "train_correct"),
    ("with BN", row(1, "train_images", 5000), "training images"),
    ("with BN", row(1, "test_correct", 100), "columns"),
    ("with BN", row(1, "gradient_norm", [1.0]), "gradient_norm"),
    ("with BN", lack("val_loss"), ""),
    ("with BN", lack("square_before"), "square_before"),
    ("without", row(1, "val_correct_running", 7), "val_correct_running"),
]


def forged(made, name, change):
    one = copy.deepcopy(made[name])
    change(one)
    return one


@pytest.mark.parametrize("name", RECORDED)
def test_what_a_run_leaves_is_believed(made, folder, name):
    experiment = Experiment("tiny", "?", {"only": RECORDED[name]}, lambda *_: [])
    consistency.check(made[name])
    spool.write(made[name])
    assert len(spool.read()) == 1
    store.merge("tiny", [made[name]], origin.follows(experiment, [made[name]]))
    assert len(store.read("tiny")) == len(made[name]["rows"])


@pytest.mark.parametrize(("name", "change", "says"), FORGED)
def test_a_forged_run_of_the_spool_is_not_believed(made, folder, capsys, name, change, says):
    spool.write(made[name])
    (path,) = spool.folder().glob("*.json")
    text = json.dumps(forged(made, name, change))
    path.write_text(f"{text}\n{hashlib.sha256(text.encode()).hexdigest()}\n")
    assert spool.read() == {}
    (said,) = capsys.readouterr().out.splitlines()
    assert said.startswith(f"{path} is damaged (")
    assert says in said


@pytest.mark.parametrize(("name", "change", "says"), FORGED)
def test_a_forged_table_is_not_believed(made, folder, name, change, says):
    one = forged(made, name, change)
    try:
        tables.to_table([one])
    except (OverflowError, pa.ArrowException):
        pytest.skip("no table can hold it")
    store.merge("tiny", [one], {})
    for read in (store.read, store.recorded):
        with pytest.raises(BookError, match=r"damaged, or not as it was recorded") as error:
            read("tiny")
        assert says in str(error.value)


def test_rows_of_one_run_that_tell_of_two_are_not_believed(made, folder):
    other = made["with BN"] | {"machine": "another"}
    store.merge("tiny", [made["with BN"], other], {})
    with pytest.raises(BookError, match=r"\(the rows of run \w{16} are of two\)"):
        findings.records.so_far(Experiment("tiny", "?", {"only": BASE}, lambda *_: [BASE]))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (last("seconds", -1.0), "how long it took"),
        (last("seconds", None), ""),
        (lambda one: one.update(key="0" * 16), "the key"),
        (lambda one: one.update(torch=""), "where it was made"),
    ],
)
def test_a_forged_study_is_not_believed(studied, folder, change, says):
    store.merge("tiny", [studied], {})
    assert len(store.recorded("tiny")) == 1
    store.merge("tiny", [forged({"study": studied}, "study", change)], {})
    with pytest.raises(BookError, match="damaged, or not as it was recorded") as error:
        store.read("tiny")
    assert says in str(error.value)
