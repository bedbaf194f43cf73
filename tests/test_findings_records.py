"""From files on disk to the planned comparisons: short runs, trained and recorded for real."""

import re
from dataclasses import replace

import pandas as pd
import pytest
import torch
from small_data import shortened
from tables import arranged, run_rows

from bnbook import chapters, data, findings, origin, store, verify
from bnbook.chapters import chapter
from bnbook.errors import BookError, NoRecordsError
from bnbook.experiment import TUNING_SEEDS, Contrast, Experiment
from bnbook.findings import ledger, records
from bnbook.run import Run
from bnbook.training import train

SMALL = Run(norms=("batch",) * 4, train_size=512, epochs=2, lr=1.0)


@pytest.fixture(scope="module")
def tiny():
    return Experiment(
        name="tiny",
        question="Are biases needed?",
        arms={"no biases": replace(SMALL, conv_bias=False, linear_bias=False), "biases": SMALL},
        plan=lambda _, __: [],
        contrasts=(Contrast("no biases", "biases", 1.0),),
    )


@pytest.fixture(scope="module")
def small(one_thread):
    return shortened(data.splits("mnist"), 1000)


@pytest.fixture(scope="module")
def recorded(tiny, small):
    runs = [replace(arm, seed=seed) for arm in tiny.arms.values() for seed in (0, 1)]
    return [store.record(train(run, small), origin.environment()) for run in runs]


@pytest.fixture
def on_disk(tiny, recorded, monkeypatch, tmp_path):
    monkeypatch.setattr(store, "results_folder", lambda: tmp_path)
    store.merge("tiny", recorded, origin.account(tiny, recorded))


@pytest.mark.usefixtures("on_disk")
def test_load_names_the_arms_in_the_experiments_order(tiny):
    frame = findings.load(tiny)
    assert findings.arms(frame) == ["no biases", "biases"]
    assert len(frame) == 4 * 3
    assert set(frame.loc[~frame["conv_bias"], "arm"]) == {"no biases"}


@pytest.mark.usefixtures("on_disk")
def test_what_a_stopped_sweep_has_recorded_is_no_evidence_yet(tiny, recorded):
    planned = [Run.from_changes(one["run"]) for one in recorded]
    further = replace(planned[0], seed=2)
    half = replace(tiny, plan=lambda _, __: [*planned, further])
    with pytest.raises(NoRecordsError, match=r"^1 of tiny's runs are not recorded yet"):
        findings.load(half)
    found = chapter.Records({"tiny": half})
    assert "tiny" not in found
    assert [*found] == []
    assert "| 4, 1 to come |" in str(ledger.by_experiment([half], ledger.recorded([half])))
    assert len(verify.choose(half, 5, draw=0)) == 4  # but it can be verified
    whole = chapter.Records({"tiny": replace(half, plan=lambda _, __: planned)})
    assert "tiny" in whole
    assert len(whole["tiny"]) == 4 * 3


@pytest.mark.usefixtures("on_disk")
def test_removing_biases_before_batch_norm_changes_next_to_nothing_in_a_real_run(tiny):
    found = findings.contrasts(findings.load(tiny), tiny.contrasts)
    assert found["n"].item() == 2
    assert abs(found["mean"].item()) < 0.01
    assert found["lr"].item() == "1"


@pytest.mark.usefixtures("on_disk")
def test_real_records_hold_the_probes_that_figures_need(tiny):
    frame = findings.load(tiny)
    after = findings.magnitudes(frame).query("where == 'after the norm' and epoch == 0")
    # gamma 1, beta 0: right after batch norm the mean square is 1, but for epsilon.
    assert after["value"].to_numpy() == pytest.approx(1, abs=0.01)
    assert len(findings.gradients(frame)) == 12 * 5
    assert len(findings.affine_values(frame)) == 4 * 2 * (6 + 16 + 120 + 84)


@pytest.mark.usefixtures("on_disk")
def test_provenance_says_what_was_run_where_and_how_to_repeat_it(tiny):
    said = findings.provenance(tiny)._repr_markdown_()
    assert "2 configurations, 4 runs; 2 seeds, 512 training images, 2 epochs; seeds 0, 1" in said
    assert "`bnbook verify tiny`" in said
    assert "delete `data/results/tiny.parquet` and `.json`, then `bnbook sweep tiny`" in said
    assert re.search(r"torch \d+\.\d+", said)
    assert origin.machine() in said
    assert re.search(r"Recorded \d{4}-\d\d-\d\d on", said)
    assert "seconds of training on one core" in said


@pytest.mark.usefixtures("on_disk")
def test_provenance_names_every_torch_that_made_records(tiny, recorded):
    mixed = [recorded[0] | {"torch": "2.8.0"}, *recorded[1:]]
    store.merge("tiny", mixed, origin.account(tiny, mixed))
    said = findings.provenance(tiny)._repr_markdown_()
    assert f"torch {' and '.join(sorted({'2.8.0', str(torch.__version__)}))}" in said


def test_an_unrecorded_or_unknown_experiment_is_one_clear_line(monkeypatch, tmp_path):
    monkeypatch.setattr(store, "results_folder", lambda: tmp_path)
    with pytest.raises(BookError, match="bnbook sweep affine"):
        findings.load(chapters.experiment("affine"))
    with pytest.raises(BookError, match="unknown experiment 'nonsense'"):
        chapters.experiment("nonsense")


def tuned() -> pd.DataFrame:
    """Arm a is best at 1.0, arm b at 0.1; test accuracy follows (0.01 lower)."""
    best = {("a", 0.1): 0.95, ("a", 1.0): 0.97, ("b", 0.1): 0.96, ("b", 1.0): 0.94}
    rows = []
    for (arm, lr), accuracy in best.items():
        for i, seed in enumerate((0, 1, 2, *TUNING_SEEDS)):
            run = Run(lr=lr, seed=seed, epochs=1, conv_bias=arm == "a")
            rows += run_rows(run, arm, [0.1, accuracy + 0.0001 * i * (arm == "a")])
    return arranged(rows, ["a", "b"])


def test_at_best_each_arm_stands_at_its_own_learning_rate_with_fresh_seeds():
    frame = tuned()
    assert findings.best_rates(frame) == {"a": 1.0, "b": 0.1}
    chosen = findings.at_best(frame)
    assert set(zip(chosen["arm"], chosen["lr"], strict=True)) == {("a", 1.0), ("b", 0.1)}
    assert set(chosen["seed"]) == {0, 1, 2}


def test_a_conclusion_may_turn_between_the_shared_and_the_own_best_learning_rate():
    found = findings.contrasts(tuned(), (Contrast("a", "b", 0.1), Contrast("a", "b", "best")))
    assert found["mean"].tolist() == pytest.approx([-0.0099, 0.0101])
    assert found["lr"].tolist() == ["0.1", "own best"]
    assert found[["lr_a", "lr_b"]].to_numpy().tolist() == [[0.1, 0.1], [1.0, 0.1]]
    assert (found["finding"] == findings.DIFFERENT).all()
    assert (found["n"] == 3).all()


def test_a_learning_rate_that_was_not_run_is_named_with_those_that_were():
    with pytest.raises(BookError, match=r"no runs of 'a' at learning rate 7; there are: 0.1, 1"):
        findings.contrasts(tuned(), (Contrast("a", "b", 7.0),))


def test_an_arm_that_was_not_tuned_has_no_best_learning_rate():
    with pytest.raises(BookError, match="tuning"):
        findings.best_rates(findings.fresh(tuned()))


def test_setting_is_computed_from_the_records():
    frame = findings.fresh(tuned())
    assert records.setting(frame) == "3 seeds, 10,000 training images, 1 epoch"
    fewer = frame[(frame["arm"] == "a") | (frame["seed"] == 0)]
    assert records.setting(fewer).startswith("1 to 3 seeds")


def test_a_run_cut_short_is_judged_as_if_it_had_ended_there(small):
    run = Run(norms=("batch",) * 4, lr=1.0, batch_size=32, epochs=3, train_size=512)
    long = train(run, small)
    short = train(replace(run, epochs=1), small)
    records = [store.record(h, origin.environment()) for h in (long, short)]
    frames = [store.records_frame([one]) for one in records]
    cut = findings.first_epochs(frames[0], 1)
    assert list(cut["val_correct"]) == list(frames[1]["val_correct"])
    assert list(cut["outcome"]) == list(frames[1]["outcome"])
    assert set(cut["epochs"]) == {1}
