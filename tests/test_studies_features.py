"""What features are worth: the measures of chapter 13 on nets whose answers are known."""

from dataclasses import replace

import pytest
import torch
from test_experiments_deep import few
from torch import nn

from bnbook import chapters, models, norms, training
from bnbook.studies import features

RUN = replace(
    chapters.experiment("only-norm").arms["only norm"],
    train_size=32, batch_size=16, epochs=1,
)  # fmt: skip


@pytest.fixture
def net():
    return training.build(RUN, (3, 32, 32)).eval()


def test_the_smallest_gammas_are_switched_off_wherever_they_are(net):
    first, *others = (m for m in net.modules() if isinstance(m, norms.RunningNorm))
    n = len(features.gammas(net))
    with torch.no_grad():
        first.weight[:8] = torch.linspace(-0.01, 0.01, 8)
        others[-1].weight[3] = 0.005
        others[-1].bias.fill_(0.5)
    pruned = features.prune(net, 9 / n, features.gammas(net).abs())
    kept = features.gammas(pruned)
    assert (kept == 0).sum() == 9
    _, *after = (m for m in pruned.modules() if isinstance(m, norms.RunningNorm))
    assert after[-1].weight[3] == after[-1].bias[3] == 0
    assert after[-1].bias.sum() == 0.5 * (len(after[-1].bias) - 1)
    assert (features.gammas(net) != 0).all(), "the net itself is left alone"


def test_a_feature_that_is_switched_off_is_zero_for_every_image(net):
    pruned = features.prune(net, 0.5, features.gammas(net).abs())
    first = next(m for m in pruned.modules() if isinstance(m, norms.RunningNorm))
    with torch.no_grad():
        first.weight[0] = first.bias[0] = 0
        assert (first(torch.randn(4, 16, 8, 8))[:, 0] == 0).all()


def test_nothing_is_lost_by_pruning_nothing(net):
    images = torch.randn(8, 3, 32, 32)
    with torch.no_grad():
        assert features.prune(net, 0.0, features.gammas(net))(images).equal(net(images))


def separable(n, classes=10):
    labels = torch.arange(n) % classes
    return nn.functional.one_hot(labels, 16).float() + 0.1 * torch.randn(n, 16), labels


def test_a_readout_finds_what_a_linear_head_can_find_whatever_the_head_was():
    torch.manual_seed(0)
    net = nn.Sequential()
    net.add_module("body", nn.Identity())
    net.add_module("out", nn.Linear(16, 10))
    train, test = separable(500), separable(200)
    assert training.accuracy(net, test) < 0.5
    assert features.readout(net, train, test) > 0.99
    # A feature that never moves does no harm.
    still = [(torch.cat([x, torch.ones(len(x), 1)], 1), y) for x, y in (train, test)]
    net.out = nn.Linear(17, 10)
    assert features.readout(net, *still) > 0.99


def test_a_readout_of_noise_is_a_guess():
    torch.manual_seed(0)
    net = nn.Sequential()
    net.add_module("out", nn.Linear(16, 10))
    noise = [(torch.randn(n, 16), torch.randint(10, (n,))) for n in (2_000, 2_000)]
    assert 0.05 < features.readout(net, *noise) < 0.16


@pytest.mark.parametrize("subset", ["norm", "all", "head"])
def test_a_run_becomes_one_row_with_what_it_learned(subset):
    (row,) = features.measure(replace(RUN, trainable=subset), few((3, 32, 32)))
    assert len(row["gamma"]) == 336
    assert (set(row["gamma"]) == {1.0}) == (subset == "head")
    assert len(row["pruned_accuracy"]) == (0 if subset == "head" else len(features.PRUNED))
    for name in ("val_accuracy", "test_accuracy", "readout_accuracy"):
        assert 0 <= row[name] <= 1
    assert row["step"] == 2


def test_the_measured_net_has_reestimated_statistics(monkeypatch):
    seen = []
    monkeypatch.setattr(training, "accuracy", lambda net, _: seen.append(net) or 0.0)
    features.measure(RUN, few((3, 32, 32)))
    first = models.norm_slots(seen[0])["norm1"]
    state = training.fit(RUN, few((3, 32, 32)))
    again = models.norm_slots(norms.reestimate(state.net, state.train[0]))["norm1"]
    assert torch.allclose(first.running_mean, again.running_mean)
    assert not torch.allclose(
        first.running_mean, models.norm_slots(state.net)["norm1"].running_mean
    )


def test_a_net_is_pruned_by_the_weakest_and_by_chance_with_statistics_of_its_own(monkeypatch):
    pruned, strengths = [], []
    prune = features.prune

    def noted(net, share, strength):
        pruned.append(prune(net, share, strength))
        strengths.append((share, strength))
        return pruned[-1]

    seen = []
    monkeypatch.setattr(features, "prune", noted)
    monkeypatch.setattr(training, "accuracy", lambda net, _: seen.append(net) or 0.5)
    (row,) = features.measure_pruned(RUN, few((3, 32, 32)))
    assert row["test_accuracy"] == 0.5
    assert row["weakest"] == row["random"] == [0.5] * len(features.PRUNED)
    assert [share for share, _ in strengths] == [*features.PRUNED] * 2
    weakest, chance = strengths[0][1], strengths[-1][1]
    assert weakest.equal(features.gammas(seen[0]).abs())
    assert all(strength.equal(chance) for _, strength in strengths[3:])
    assert abs(float(chance.mean()) - 0.5) < 0.1
    for net, evaluated in zip(pruned, seen[1:], strict=True):
        last, again = (models.norm_slots(one)["norm1"] for one in (net, evaluated))
        assert again.weight.equal(last.weight)
        assert not again.running_mean.equal(last.running_mean)


def test_features_drawn_by_chance_are_others_for_another_seed(monkeypatch):
    strengths = []
    monkeypatch.setattr(
        features, "prune", lambda net, _, strength: strengths.append(strength) or net
    )
    for seed in (1, 1, 2):
        features.measure_pruned(replace(RUN, seed=seed), few((3, 32, 32)))
    one, again, other = strengths[len(features.PRUNED) * 2 - 1 :: len(features.PRUNED) * 2]
    assert one.equal(again)
    assert not one.equal(other)


def test_features_of_hardly_any_gamma_are_counted_and_switched_off(monkeypatch):
    monkeypatch.setattr(features, "SMALL", 1.0 + 1e-6)  # all that did not grow
    (row,) = features.measure_small(RUN, few((3, 32, 32)))
    (plain,) = features.measure(RUN, few((3, 32, 32)))
    assert row | plain == row, "what measure says is the same"
    gamma = torch.tensor(row["gamma"]).abs()
    assert row["small_share"] == pytest.approx(float((gamma < features.SMALL).double().mean()))
    assert 0 < row["small_share"] < 1
    assert all(0 <= accuracy <= 1 for accuracy in row["small_accuracy"])
    monkeypatch.setattr(features, "SMALL", 0.0)
    (row,) = features.measure_small(RUN, few((3, 32, 32)))
    assert row["small_share"] == 0
    assert row["small_accuracy"] == [row["test_accuracy"]] * 2
