"""Recorded runs hold when they are run again, and what does not hold is told apart."""

import os
import sys
from dataclasses import replace

import numpy as np
import pytest

from bnbook import chapters, cli, data, findings, origin, store, sweep, verify
from bnbook.errors import BookError
from bnbook.experiment import Experiment
from bnbook.run import Run

BASE = Run(norms=("batch",) * 4, epochs=2, train_size=512)
TINY = Experiment("tiny", "Does it hold?", {"only": BASE}, lambda _, __: [BASE])
#: What of the book can be run again here.
VERIFIABLE = [one for one in chapters.EXPERIMENTS.values() if verify.verifiable(one)]
LOSSES = [2.5, 2.25, 2.0, float("nan"), 1.5, 1.5, 1.5, 1.5]


def made(run, final=9000, outcome="trained", machine="here", seconds=1.0, losses=LOSSES):
    """Record of a run that never was, of 2 epochs: right answers at the start 1,000, then as told.

    Outcome "non-finite" ends it after the first.
    """
    rows = [
        {
            "epoch": epoch,
            "step": 4 * epoch,
            "train_loss": 0.5 if epoch else float("nan"),
            "val_loss": 0.5,
            "val_correct": correct,
            "val_correct_running": correct - 10 * run.batched,
            "val_images": 10_000,
            "seconds": seconds * epoch,
            "gradient_norm": [1.0, 1.0],
        }
        for epoch, correct in enumerate((1000, 8000, final))
    ]
    if outcome == "non-finite":
        del rows[2]
        rows[1]["train_loss"], losses = float("inf"), losses[:4]
    rows[-1] |= {"test_correct": final, "test_correct_running": final, "test_images": 10_000}
    rows[-1] |= {"gamma": [[1.0, 2.0], []], "beta": []}
    rows[-1]["first_losses"] = list(losses)
    place = {"machine": machine, "torch": "2", "date": "2026-11-22"}
    named = {"key": run.key, "run": run.changes(), "outcome": outcome}
    return {**named, **place, "rows": rows}


def changed(name, value, run=None):
    """The record of `made` with another value in its last row."""
    record = made(run or BASE)
    record["rows"][-1][name] = value
    return record


def recorded(record):
    rows = store.records_frame([record]).assign(arm="only")
    return verify.Recorded(TINY, Run.from_changes(record["run"]), rows)


def check(then, now, rounded=()):
    frames = [store.records_frame([one]) for one in (now, *rounded)]
    return verify.check(recorded(then), frames[0], frames[1:])


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """Record an experiment of two arms, three seeds each, two of them at another rate as well."""
    runs = [
        replace(arm, lr=lr, seed=seed)
        for arm in (BASE, replace(BASE, norms=("none",) * 4))
        for lr, seeds in ((0.1, (0, 1, 2)), (1.0, (0, 1)))
        for seed in seeds
    ]
    arms = {"with BN": runs[0], "without BN": runs[5]}
    experiment = Experiment("tiny", "Does it hold?", arms, lambda _, __: runs)
    monkeypatch.setattr(store, "results_folder", lambda: tmp_path)
    monkeypatch.setitem(chapters.EXPERIMENTS, "tiny", experiment)
    records = [made(run, 9000 + i, seconds=10 - i) for i, run in enumerate(runs)]
    store.merge("tiny", records, origin.follows(experiment, records))
    return records


def write(name, records):
    store.merge(name, records, origin.follows(chapters.experiment(name), records))


@pytest.fixture
def rerun(tiny, monkeypatch):
    """Let every run end as its record says, but for those changed in the dictionary given."""
    changed = {}

    def execute(runs, workers, work):
        by_key = {one["key"]: one for one in tiny}
        yield from (changed.get(run.key, by_key[run.key]) for run in runs)

    monkeypatch.setattr(sweep, "execute", execute)
    return changed


# The real thing


@pytest.mark.parametrize("name", [one.name for one in VERIFIABLE])
def test_records_are_told_from_measurements_and_come_back_as_they_are(name):
    experiment = chapters.experiment(name)
    (one,) = verify.choose(experiment, 1, draw=0)
    assert verify.check(one, one.rows.reset_index(drop=True)).verdict == verify.SAME


def test_a_list_that_a_study_measured_is_compared_number_by_number():
    (one,) = verify.choose(chapters.experiment("only-norm"), 1, draw=0)
    same = one.rows.reset_index(drop=True)
    same["gamma"] = [gamma.copy() for gamma in same["gamma"]]
    assert verify.check(one, same).verdict == verify.SAME
    same["gamma"].iloc[0][0] += 1e-3
    assert verify.check(one, same).why == "gamma: 1 by up to 0.001"


def test_two_short_recorded_runs_hold():
    """With batch norm and without, so that evaluation with re-estimated statistics counts too."""
    chosen = [one for each in VERIFIABLE for one in verify.choose(each, 1000, draw=None)]
    chosen.sort(key=lambda one: one.rows["seconds"].iloc[-1])
    with_bn = next(one for one in chosen if set(one.run.norms) == {"batch"})
    without = next(one for one in chosen if set(one.run.norms) == {"none"})
    checks = list(verify.verify([with_bn, without]))
    assert len(checks) == 2
    assert all(check.holds for check in checks), [str(check) for check in checks]


# On the same kind of machine


def test_a_run_that_repeats_itself_is_the_same():
    assert check(made(BASE), made(BASE)).verdict == verify.SAME


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (
            made(BASE, 9001),
            "val_correct: 1 by up to 1; val_correct_running: 1 by up to 1; "
            "test_correct: 1 by up to 1; test_correct_running: 1 by up to 1",
        ),
        (made(BASE, outcome="collapsed"), "outcome: collapsed, not trained"),
        (
            made(BASE, losses=[2.5, 2.25, 2.0 + 1e-12, *LOSSES[3:]]),
            "first_losses: 1 by up to 1e-12",
        ),
        (made(BASE, losses=LOSSES[:2]), "first_losses: 5 values, not 11"),
        (made(BASE, losses=[2.5, 2.25, 2.0, 2.0, *LOSSES[4:]]), "first_losses: 1 by up to nan"),
        (changed("val_loss", 0.5 + 1e-12), "val_loss: 1 by up to 1e-12"),
        (changed("gradient_norm", [1.0, 2.0]), "gradient_norm: 1 by up to 1"),
        (changed("gamma", [[1.0], []]), "gamma: 6 values, not 7"),
        (changed("test_images", 9_999), "test_images: 1 by up to 1"),
    ],
)
def test_the_smallest_difference_counts_on_the_same_kind_of_machine(now, why):
    found = check(made(BASE), now)
    assert not found.holds
    assert found.why == why


def test_a_run_that_ends_early_differs():
    early = made(BASE)
    early["rows"] = [early["rows"][0], early["rows"][1] | {"first_losses": LOSSES}]
    assert check(made(BASE), early).why == "2 rows, not 3"


@pytest.mark.parametrize("version", ["torch", "bnbook"])
def test_another_version_of_torch_or_of_this_package_is_another_place(version):
    assert check(made(BASE), made(BASE) | {version: "3"}).verdict == verify.WITHIN


# Elsewhere


def elsewhere(final=9000, **more):
    """A run of another machine; rounding moves its accuracy by up to 0.004, its losses by none."""
    return made(BASE, final, machine="elsewhere", **more)


ROUNDED = [elsewhere(9000 + more) for more in (20, -20, 10, -10)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("val_images", 5_000),
        ("test_images", 5_000),
        ("val_loss", 1.0),
        ("val_loss", None),
        ("train_loss", float("nan")),
        ("val_correct", 9_400),
        ("val_correct_running", 9_400),
        ("test_correct", 5_000),
        ("gradient_norm", [2.0, 2.0]),
        ("gradient_norm", None),
        ("gamma", [[2.0, 4.0], []]),
    ],
)
def test_elsewhere_what_was_rewritten_in_one_run_shows(name, value):
    assert check(made(BASE), elsewhere()).verdict == verify.WITHIN
    images = name.endswith("_images")  # which no rounding moves
    assert (check(changed(name, value), elsewhere()) is None) != images
    found = check(changed(name, value), elsewhere(), ROUNDED)
    assert found.verdict == verify.DIFFERS
    assert found.why.startswith(f"{name}: " if images else f"{name} after epoch 2: ")


def test_elsewhere_a_row_amid_the_training_counts():
    then = made(BASE)
    then["rows"][1]["val_loss"] = 0.7
    assert check(then, elsewhere(), ROUNDED).why.startswith("val_loss after epoch 1: -1.386, not ")


@pytest.mark.parametrize(
    ("final", "holds"),
    [
        (9009, True),  # close
        # Of 9000, 9020, 8980, 9010, 8990 the spread is 15.8; t(1 - 0.025 / 15, 4) = 6.25.
        (9130, True),
        (9140, False),
        (8860, False),
    ],
)
def test_elsewhere_the_end_may_be_as_far_away_as_rounding_puts_it(final, holds):
    assert (check(made(BASE), elsewhere(final)) is not None) == (final == 9009)
    rounded = [elsewhere(final + more) for more in (20, -20, 10, -10)]
    assert check(made(BASE), elsewhere(final), rounded).holds == holds


@pytest.mark.parametrize(("scale", "holds"), [(1 + 0.9e-4, True), (1 + 1.1e-4, False)])
def test_elsewhere_the_start_must_agree(scale, holds):
    now = elsewhere(losses=[scale * loss for loss in LOSSES])
    assert check(made(BASE), now).holds == holds


def test_elsewhere_a_run_may_break_off_where_rounding_lets_it():
    trained, failed = made(BASE), made(BASE, outcome="non-finite")
    early = elsewhere(outcome="non-finite")
    for one in (failed, early):  # as if an epoch had more steps than first losses are kept of
        one["rows"][-1]["first_losses"] = LOSSES
    late = elsewhere()
    late["outcome"], late["rows"][-1]["val_loss"] = "non-finite", float("inf")
    assert check(trained, early) is None
    assert check(trained, early, [elsewhere(), late]).holds
    found = check(trained, early, [early, late])
    assert found.why.startswith("outcome: non-finite, not trained")
    assert check(failed, elsewhere(), [elsewhere(), late]).holds
    assert not check(failed, elsewhere(), [elsewhere()] * 4).holds
    assert check(failed, late, [late] * 4).holds
    failed["rows"][0]["val_loss"] = 2.0
    assert not check(failed, late, [late] * 4).holds


# Choosing


def test_one_number_draws_one_sample(tiny):
    keys = [
        [one.run.key for one in verify.choose(chapters.experiment("tiny"), 4, draw)]
        for draw in (7, 7, 8, verify.MAX_DRAW)
    ]
    assert keys[0] == keys[1] != keys[2]
    assert all(len(set(sample)) == 4 for sample in keys)


def test_a_sample_larger_than_the_table_is_the_table(tiny):
    assert len(verify.choose(chapters.experiment("tiny"), 1000, 0)) == len(tiny)


def test_the_shortest_runs_are_those_that_ran_to_their_end(tiny):
    tiny[-1] = made(Run.from_changes(tiny[-1]["run"]), outcome="non-finite")
    write("tiny", tiny)
    chosen = verify.choose(chapters.experiment("tiny"), 2, draw=None)
    assert [one.run.key for one in chosen] == [tiny[-2]["key"], tiny[-3]["key"]]


def test_a_recorded_run_is_named_by_arm_and_setting(tiny):
    chosen = {one.run.key: one for one in verify.choose(chapters.experiment("tiny"), 1000, 0)}
    assert str(chosen[tiny[9]["key"]]) == "tiny: without BN, lr 1, batch 128, seed 1"


@pytest.mark.parametrize(("size", "draw"), [(0, 1), (-2, None), (1, -1), (1, 2**32)])
def test_an_impossible_sample_is_named(size, draw):
    with pytest.raises(BookError, match=r"give --(sample|seed)"):
        verify.choose(chapters.experiment("lite"), size, draw)


# The command


def test_the_command_says_that_all_hold(rerun, capsys):
    assert cli.main(["verify", "tiny", "tiny", "--seed", "5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 recorded runs, drawn with --seed 5"
    assert all(line.startswith("tiny: ") and line.endswith(": same") for line in lines[1:3])
    assert lines[3] == "2 of 2 recorded runs hold"


def test_a_fresh_sample_can_be_drawn_again(rerun, capsys):
    assert cli.main(["verify", "tiny", "--sample", "4"]) == 0
    first = capsys.readouterr().out
    seed = first.splitlines()[0].rpartition(" ")[2]
    assert cli.main(["verify", "tiny", "--sample", "4", "--seed", seed]) == 0
    assert capsys.readouterr().out == first


def test_the_command_names_what_differs_and_exits_with_1(tiny, rerun, capsys):
    last = Run.from_changes(tiny[-1]["run"])
    rerun[last.key] = made(last, 9008)
    assert cli.main(["verify", "tiny", "--shortest", "--sample", "3"]) == 1
    out = capsys.readouterr().out
    assert "3 recorded runs, the shortest" in out
    assert "tiny: without BN, lr 1, batch 128, seed 1: differs (val_correct: 1 by up to 1" in out
    assert out.endswith("2 of 3 recorded runs hold\n")


def test_a_run_that_two_experiments_share_is_run_once_and_checked_twice(rerun, tiny, monkeypatch):
    both = (chapters.experiment("tiny"), replace(chapters.experiment("tiny"), name="twin"))
    monkeypatch.setitem(chapters.EXPERIMENTS, "twin", both[1])
    write("twin", tiny)
    chosen = [one for each in both for one in verify.choose(each, 1, 0)]
    assert [check.recorded.experiment for check in verify.verify(chosen)] == list(both)


def verifiable():
    return [name for name, one in chapters.EXPERIMENTS.items() if verify.verifiable(one)]


def test_what_has_no_records_or_no_data_here_is_not_verified_unasked(tiny, monkeypatch):
    assert verifiable() == ["tiny"]
    monkeypatch.setattr(data, "at_hand", lambda name: False)
    assert verifiable() == []


def test_missing_records_are_one_clear_line(tiny, capsys):
    assert cli.main(["verify", "tiny", "affine"]) == 2
    assert "no records of affine" in capsys.readouterr().err


# How far apart


def test_how_far_two_more_values_may_be_apart_by_hand():
    # standard deviation 1, t(0.975, 2) = 4.302653
    assert findings.apart([1, 2, 3]) == pytest.approx(4.302653 * np.sqrt(2), rel=1e-6)
    assert np.isnan(findings.apart([1]))


def test_two_more_values_are_no_further_apart_in_95_of_100_cases():
    """The difference is that of two others; t's own would be a bound of their mean's."""
    draws = np.random.default_rng(0).normal(3.0, 2.0, size=(4_000, 7))
    held = np.mean([abs(row[5] - row[6]) <= findings.apart(row[:5]) for row in draws])
    assert 0.94 < held < 0.96


# What would be no success


def test_nothing_to_verify_is_no_success(folder, capsys):
    assert cli.main(["verify"]) == 2
    assert "no records to verify in" in capsys.readouterr().err


def test_a_sample_without_runs_is_no_success(tiny, capsys):
    write("tiny", [made(Run.from_changes(one["run"]), outcome="non-finite") for one in tiny])
    assert cli.main(["verify", "tiny", "--shortest"]) == 2
    assert "no run of tiny went to its end: leave --shortest out" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["seeds", "machines", "training_seconds", "fingerprints"])
def test_a_provenance_that_says_other_things_than_its_table_is_named(tiny, name):
    told = store.read_provenance("tiny")
    other = {"training_seconds": 7, "fingerprints": {}}.get(name, ["other"])
    store.merge("tiny", tiny, told | {name: other})
    with pytest.raises(BookError, match=rf"tiny\.json says other {name} than the records"):
        verify.choose(chapters.experiment("tiny"), 1, 0)


def test_a_reader_who_leaves_changes_nothing_of_the_exit_code(tiny, rerun, monkeypatch):
    for record in tiny:
        run = Run.from_changes(record["run"])
        rerun[run.key] = made(run, 1)
    reading, writing = os.pipe()
    os.close(reading)
    kept = os.dup(1)
    try:
        os.dup2(writing, 1)
        with open(1, "w", closefd=False) as output:
            monkeypatch.setattr(sys, "stdout", output)
            assert cli.main(["verify", "tiny"]) == 1
    finally:
        os.dup2(kept, 1)
