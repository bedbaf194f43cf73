"""Studies: what is measured of nets in training, recorded like training itself."""

import itertools
import math
import re
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from bnbook import (
    chapters,
    data,
    findings,
    norms,
    origin,
    spool,
    store,
    sweep,
    training,
    verify,
)
from bnbook.errors import BookError
from bnbook.experiment import Experiment, grid
from bnbook.findings import ledger
from bnbook.run import Run

TINY = Run(dataset="digits", norms=("batch",) * 4, lr=0.5, batch_size=64, epochs=2, train_size=256)
ARMS = {"with BN": TINY, "without BN": replace(TINY, norms=("none",) * 4)}


def weight_norms(run, splits):
    """Measure the norm of conv1's weights before and after two epochs."""
    states = training.follow(run, [0, training.last_step(run)], splits)
    return [
        {
            "after": state.step,
            "norm": float(state.net.conv1.weight.detach().norm()),
            "per_channel": state.net.conv1.weight.detach().flatten(1).norm(dim=1).tolist(),
        }
        for state in states
    ]


def all_seeds(experiment, frame):
    return grid(experiment.arms.values(), [0.5], (0, 1))


STUDY = Experiment(name="tiny-study", question="?", arms=ARMS, plan=all_seeds, measure=weight_norms)


@pytest.fixture
def folder(folder, monkeypatch):
    """Let the folder's experiments have a study."""
    monkeypatch.setitem(chapters.EXPERIMENTS, STUDY.name, STUDY)
    return folder


def test_a_followed_net_goes_through_the_states_of_the_trained_one():
    run = replace(TINY, dropout=0.3)
    rows = training.train(run).rows
    for state, row in zip(training.follow(run, [0, 4, 8]), rows, strict=True):
        assert state.step == row["step"]
        precise = norms.reestimate(state.net, state.train[0])
        assert training.count_correct(precise, *state.validation)[0] == row["val_correct"]
        running = training.count_correct(state.net, *state.validation)[0]
        assert running == row["val_correct_running"]


def test_what_is_done_to_a_state_does_not_touch_the_training():
    run = replace(TINY, dropout=0.3)
    for state in training.follow(run, range(9)):
        if state.step < 8:
            functional.cross_entropy(state.net(state.train[0]), state.train[1]).backward()
            state.net.eval()
            with torch.no_grad():
                state.net.conv1.weight.zero_()
    alone = training.fit(run).net.state_dict()
    assert all(torch.equal(v, alone[name]) for name, v in state.net.state_dict().items())


def test_a_net_is_followed_step_by_step_as_it_is_in_one_go():
    several = [s.net.out.weight for s in training.follow(TINY, [1, 3, 8])][-1]
    assert torch.equal(several, training.fit(TINY).net.out.weight)


def test_a_step_beyond_the_run_is_refused():
    assert training.last_step(TINY) == 8
    with pytest.raises(BookError, match="steps 3 to 9: the run has steps 0 to 8"):
        next(training.follow(TINY, [3, 9]))


def test_a_study_records_what_it_measures(folder):
    assert sweep.sweep(STUDY, workers=2) == 4
    frame = findings.load(STUDY)
    assert len(frame) == 8
    assert list(frame["arm"].cat.categories) == list(ARMS)
    expected = weight_norms(TINY, data.splits(TINY.dataset))
    mine = frame[frame["key"] == TINY.key]
    assert list(mine["after"]) == [0, 8]
    # A worker has one thread; with two, sums are added up in another order.
    assert list(mine["norm"]) == pytest.approx([row["norm"] for row in expected], rel=1e-5)
    assert list(mine["per_channel"].iloc[1]) == pytest.approx(expected[1]["per_channel"], rel=1e-5)
    assert set(frame["lr"]) == {0.5}
    assert "test_accuracy" not in frame
    assert not list(spool.folder(STUDY.name).iterdir())


def test_a_study_goes_on_where_it_was(folder):
    for run in itertools.islice(STUDY.runs(store.records_frame([])), 3):
        spool.write(sweep.work_of(STUDY)(run))
    assert sweep.sweep(STUDY, workers=1) == 1
    assert sweep.sweep(STUDY, workers=1) == 0
    assert store.read(STUDY.name)["key"].nunique() == 4


def test_a_study_and_an_experiment_of_the_same_runs_keep_apart(folder):
    plain = replace(STUDY, name="tiny-plain", measure=None)
    for run in plain.runs(store.records_frame([])):
        spool.write(sweep.work_of(STUDY)(run))
    assert sweep.sweep(plain, workers=1) == 4
    assert sweep.sweep(STUDY, workers=1) == 0
    assert set(store.read("tiny-plain")["epoch"]) == {0, 1, 2}
    assert set(store.everything()) == set(store.recorded("tiny-plain"))
    assert "outcome" in next(iter(store.everything().values()))


def test_a_study_tells_where_it_comes_from_and_when_it_is_stale(folder):
    sweep.sweep(STUDY, workers=1)
    found = store.read_provenance(STUDY.name)
    assert set(found["fingerprints"]) == set(ARMS)
    assert found["fingerprints"]["with BN"]["losses"] == training.first_losses(TINY)
    assert origin.stale(STUDY) == []
    assert "4 runs" in str(findings.provenance(STUDY))


def test_the_ledger_counts_a_studys_runs_apart(folder):
    plain = replace(STUDY, name="tiny-plain", measure=None)
    for experiment in (STUDY, plain):
        sweep.sweep(experiment, workers=1)
    runs = ledger.recorded([STUDY, plain])
    assert runs.groupby("experiment").size().to_dict() == {"tiny-plain": 4, "tiny-study": 4}
    assert runs["key"].nunique() == 8
    assert set(runs["step"]) == {8}
    assert "4 networks" not in str(ledger.total(runs))
    assert len(str(ledger.endings(runs)).splitlines()) >= 3


def test_a_measured_name_that_the_run_has_is_refused():
    with pytest.raises(ValueError, match="the rows of tiny measure lr"):
        store.study_record("tiny", TINY, [{"lr": 1.0}], origin.environment())


def test_numbers_that_are_none_come_back(folder):
    rows = [{"x": math.nan, "y": None}, {"x": math.inf, "y": 2}]
    record = store.study_record("tiny", TINY, rows, origin.environment())
    record["rows"][-1]["seconds"] = 1.0
    spool.write(record)
    store.merge("tiny", spool.read("tiny").values(), {})
    x, y = (store.read("tiny")[name] for name in "xy")
    assert math.isnan(x[0])
    assert x[1] == math.inf
    assert math.isnan(y[0])
    assert y[1] == 2


def test_a_recorded_study_is_verified_to_the_bit(folder):
    sweep.sweep(STUDY, workers=1)
    checks = list(verify.verify(verify.choose(STUDY, 2, 0)))
    assert [check.verdict for check in checks] == [verify.SAME] * 2
    recorded = verify.choose(STUDY, 1, None)[0]
    again = store.records_frame([sweep.work_of(STUDY)(recorded.run)])
    bent = again.assign(norm=again["norm"] * (1 + 1e-12))
    assert re.fullmatch(r"norm: 2 by up to \S+e-12", verify.check(recorded, bent).why)
    elsewhere = verify.check(recorded, bent.assign(machine="another"))
    assert elsewhere.verdict == verify.WITHIN
    other = bent.assign(machine="another", first_losses=[None, [9.0] * 8])
    assert verify.check(recorded, other).verdict == verify.DIFFERS
