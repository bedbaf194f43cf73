"""Chapter 9's study: what it counts is what running statistics would have answered."""

from dataclasses import replace

import pandas as pd
import pytest
import torch

from bnbook import data, experiments, norms, training
from bnbook.experiments import inference

STUDY = experiments.find("running-statistics")
TINY = replace(
    STUDY.arms["ReLU"], lr=0.2, batch_size=64, train_size=512, epoch_steps=30, eval_epochs=()
)
IMAGES = inference.VALIDATION_IMAGES


@pytest.fixture(scope="module")
def rows():
    return pd.DataFrame(inference.measure_statistics(TINY, data.splits("mnist")))


def layers(net):
    return [m for m in net.modules() if isinstance(m, norms.RunningNorm)]


@pytest.mark.parametrize("rate", [0.1, 0.01])
def test_every_rate_is_counted_as_if_the_net_had_been_trained_with_it(rows, rate):
    mine = rows[(rows["weights"] == "moving") & (rows["rate"] == rate)].set_index("after")
    assert list(mine.index) == [5, 10, 15, 20, 25, 30]
    for state in training.follow(replace(TINY, norm_momentum=rate), mine.index):
        part = [tensor[:IMAGES] for tensor in state.validation]
        precise = norms.reestimate(state.net, state.train[0])
        found = mine.loc[state.step]
        assert found["correct"] == training.count_correct(state.net, *part)[0]
        assert found["correct_precise"] == training.count_correct(precise, *part)[0]
        first, true = layers(state.net)[0], layers(precise)[0]
        away = (first.running_mean - true.running_mean).abs() / true.running_var.sqrt()
        assert found["offset"][0] == pytest.approx(float(away.mean()), rel=1e-3)


def test_statistics_gathered_while_weights_stand_still_are_near_the_true_ones(rows):
    still = rows[rows["weights"] == "still"].set_index("order")
    moved = rows[(rows["weights"] == "moving") & (rows["rate"] == 0.01)]
    far = max(moved["offset"].str[0])
    usual = still.loc["shuffled"].query("rate == 0.1")
    assert len(usual) == inference.ORDERS
    assert usual["offset"].str[0].max() < far / 3
    assert usual["offset"].str[0].nunique() == inference.ORDERS, "each order has its own"
    assert still.loc["sorted", "offset"][0] > usual["offset"].str[0].max()


def test_own_batch_normalizes_each_batch_by_itself(rows):
    net = training.fit(TINY).net
    images, labels = (part[:IMAGES] for part in training.fit(TINY).validation)
    with torch.no_grad():
        answers = torch.cat([net(batch).argmax(1) for batch in images.split(64)])
    (found,) = rows.loc[rows["order"] == "own batch", "correct"]
    assert found == int((answers == labels).sum())


def test_the_study_records_only_the_rates_of_runs_that_keep_the_last_batch_alone():
    runs = STUDY.runs(pd.DataFrame(columns=["key"]))
    assert {run.norm_momentum for run in runs} == {1.0}
    assert len({run.key for run in runs}) == len(runs) == 60
    assert {STUDY.arm_of(run) for run in runs} == set(STUDY.arms)
