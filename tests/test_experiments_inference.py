"""Chapter 9's study: what it counts is what running statistics would have answered."""

from dataclasses import replace

import pandas as pd
import pytest
import torch

from bnbook import chapters, data, norms, training
from bnbook.studies import motion, running

STUDY = chapters.experiment("running-statistics")
TINY = replace(
    STUDY.arms["ReLU"], lr=0.2, batch_size=64, train_size=512, epoch_steps=30, eval_epochs=()
)
IMAGES = running.VALIDATION_IMAGES


@pytest.fixture(scope="module")
def rows():
    return pd.DataFrame(running.measure(TINY, data.splits("mnist")))


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
    assert len(usual) == running.ORDERS
    assert usual["offset"].str[0].max() < far / 3
    assert usual["offset"].str[0].nunique() == running.ORDERS, "each order has its own"
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


# The long run, and the motion of the means


def test_debiased_statistics_are_the_weighted_average_of_the_batches_alone():
    draw = torch.Generator().manual_seed(0)
    batches = [[(torch.randn(3, generator=draw), torch.rand(3, generator=draw))] for _ in range(7)]
    average = running._Average(0.2, running._start(batches[0]))
    for batch in batches:
        average.take(batch)
    weights = torch.tensor([0.2 * 0.8**age for age in reversed(range(7))])
    ((mean, var),) = average.debiased(7)
    for found, part in ((mean, 0), (var, 1)):
        stacked = torch.stack([batch[0][part] for batch in batches])
        expected = (weights[:, None] * stacked).sum(0) / weights.sum()
        torch.testing.assert_close(found, expected)


def test_a_long_run_is_counted_early_and_late_and_its_start_wears_off(monkeypatch):
    monkeypatch.setattr(running, "EARLY_LOOKS", (5,))
    run = replace(TINY, norm_momentum=1.0)
    found = pd.DataFrame(running.measure_long(run, data.splits("mnist")))
    assert sorted(found["after"].unique()) == [5, 10, 15, 20, 25, 30]
    plain, debiased = (
        found[found["order"] == order].set_index(["after", "rate"])["offset"].str[0]
        for order in ("trained", "debiased")
    )
    # Of the newest batch alone nothing has to be taken out; of a slow average nearly all.
    assert plain.xs(1.0, level="rate").tolist() == debiased.xs(1.0, level="rate").tolist()
    assert debiased[5, 0.01] < plain[5, 0.01] / 2


def series(values):
    """Means that move as `values` do, in both of two features of variance 4."""
    return [[(torch.tensor([v, v]), torch.tensor([4.0, 4.0]))] for v in values]


def test_a_straight_way_and_a_jump_to_and_fro_are_told_apart():
    straight = motion.motion(series([0.1 * t for t in range(30)]))
    assert straight["cosine"] == pytest.approx([1.0])
    assert straight["net_share"] == pytest.approx([1.0])
    assert straight["step_size"] == pytest.approx([0.05])
    fro = motion.motion(series([(-1.0) ** t for t in range(31)]))
    assert fro["cosine"] == pytest.approx([-1.0])
    assert fro["net_share"] == pytest.approx([0.0], abs=1e-9)
    assert fro["step_size"] == pytest.approx([1.0])
    assert fro["autocorrelation"][0][0] == pytest.approx(-1, abs=0.1)
    assert fro["autocorrelation"][0][1] == pytest.approx(1, abs=0.1)


def test_means_drawn_anew_turn_back_by_half():
    torch.manual_seed(0)
    drawn = [[(torch.randn(500), torch.ones(500))] for _ in range(60)]
    found = motion.motion(drawn)
    assert found["cosine"] == pytest.approx([-0.5], abs=0.03)
    assert max(map(abs, found["autocorrelation"][0])) < 0.1


def test_the_motion_is_that_of_every_norm_on_own_batches_and_on_fixed_images(monkeypatch):
    monkeypatch.setattr(motion, "WINDOW", 20)
    rows = motion.measure(replace(TINY, norm_momentum=1.0), data.splits("mnist"))
    assert [row["series"] for row in rows] == ["own batches", "fixed images"]
    for row in rows:
        assert len(row["cosine"]) == len(row["step_size"]) == 4
        assert all(len(one) == motion.LAGS for one in row["autocorrelation"])
    # What another batch adds is missing where the images are the same.
    assert all(b < a for a, b in zip(rows[0]["step_size"], rows[1]["step_size"], strict=True))
