"""Chapter 10 at equal loss: where a net is looked at, and measures that no scale can move."""

from dataclasses import replace

import pytest
import torch

from bnbook import experiments, models, training
from bnbook.run import Run
from bnbook.studies import curvature, equal_loss, landscape

pytestmark = pytest.mark.usefixtures("few_digits")

RUN = Run(
    dataset="digits", norms=("batch",) * 4, activation="relu", lr=0.3, epochs=3, train_size=2_000
)


@pytest.fixture(scope="module")
def state(few_digits):
    return next(training.follow(RUN, [10]))


@pytest.fixture(scope="module")
def batch(state):
    return state.train[0][:100], state.train[1][:100]


def measures(net, batch):
    _, gradient = landscape.loss_and_gradient(net, batch)
    return {
        "roughness": landscape.along_gradient(net, gradient, 0.3, batch)["smoothness"],
        "relative_roughness": equal_loss.relative_roughness(net, gradient, batch),
        "sharpness": curvature.sharpness(net, *batch),
        "relative_sharpness": curvature.relative_sharpness(net, *batch),
    }


def test_larger_filters_before_a_norm_move_the_raw_measures_and_not_the_relative_ones(state, batch):
    before = measures(state.net, batch)
    with torch.no_grad():
        larger = next(training.follow(RUN, [10])).net
        for name, layer in models.weighted(larger).items():
            if name != "out":  # no norm follows it
                layer.weight.mul_(3)
                layer.bias.mul_(3)
    after = measures(larger, batch)
    for name in ("relative_roughness", "relative_sharpness"):
        assert after[name] == pytest.approx(before[name], rel=0.05)
    assert after["roughness"] < 0.7 * before["roughness"]


def test_at_a_short_distance_roughness_is_the_curvature_along_the_gradient(
    state, batch, monkeypatch
):
    monkeypatch.setattr(equal_loss, "DISTANCES", (1e-3,))
    found = measures(state.net, batch)
    assert 0 < found["relative_roughness"] < 1.05 * found["relative_sharpness"]


def test_a_net_is_looked_at_where_its_loss_first_falls_to_each_level(monkeypatch):
    monkeypatch.setattr(equal_loss, "EVERY", 4)
    rows = equal_loss.measure(RUN, training.data.splits("digits"))
    levels = [row["level"] for row in rows]
    assert levels == list(equal_loss.LEVELS[: len(rows)])
    assert len(rows) >= 3
    assert rows[0]["after"] == 0
    assert all(row["loss"] <= row["level"] for row in rows)
    assert sorted(row["after"] for row in rows) == [row["after"] for row in rows]
    assert len({tuple(row) for row in rows}) == 1, "all rows have the same names"


def test_a_level_that_is_not_reached_has_no_row(monkeypatch):
    monkeypatch.setattr(equal_loss, "EVERY", 1)
    rows = equal_loss.measure(
        replace(RUN, lr=1e-6, epochs=1, epoch_steps=3), training.data.splits("digits")
    )
    assert [row["level"] for row in rows] == [10.0]


def test_every_outcome_at_equal_loss_is_compared_for_both_activations():
    study = experiments.find("equal-loss")
    compared = {(c.a, c.b, c.outcome) for c in study.contrasts}
    assert len(compared) == 2 * 9
    assert {c.a for c in study.contrasts} == {"ReLU, with BN", "sigmoid, with BN"}
