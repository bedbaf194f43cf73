"""Chapter 10 at equal loss: where a net is looked at, and measures that no scale can move."""

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from bnbook import chapters, models, training
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
    larger = copy.deepcopy(state.net)
    with torch.no_grad():
        for name, layer in models.weighted(larger).items():
            if name != "out":  # no norm follows it
                layer.weight.mul_(3)
                layer.bias.mul_(3)
    after = measures(larger, batch)
    for name in ("relative_roughness", "relative_sharpness"):
        assert after[name] == pytest.approx(before[name], rel=0.05)
    assert after["roughness"] < 0.7 * before["roughness"]


def test_at_a_short_distance_roughness_is_the_curvature_along_the_gradient(batch, monkeypatch):
    """With sigmoids: across the kink of a ReLU a gradient jumps, which no curvature tells."""
    monkeypatch.setattr(equal_loss, "DISTANCES", (1e-3,))
    net = next(training.follow(replace(RUN, activation="sigmoid"), [10])).net
    _, gradient = landscape.loss_and_gradient(net, batch)
    weights = [layer.weight for layer in models.weighted(net).values()]
    sizes = [w.detach().flatten(1).norm(dim=1).view(-1, *[1] * (w.dim() - 1)) for w in weights]
    loss = functional.cross_entropy(net(batch[0]), batch[1])
    slopes = torch.autograd.grad(loss, weights, create_graph=True)
    steps = [size * slope.detach() for size, slope in zip(sizes, slopes, strict=True)]
    length = torch.cat([step.flatten() for step in steps]).norm()
    along = [size * step / length for size, step in zip(sizes, steps, strict=True)]
    bent = torch.autograd.grad(slopes, weights, along)
    curvature = torch.cat([(size * b).flatten() for size, b in zip(sizes, bent, strict=True)])
    found = equal_loss.relative_roughness(net, gradient, batch)
    assert found == pytest.approx(float(curvature.norm()), rel=0.05)


def test_a_net_is_looked_at_where_its_loss_first_falls_to_each_level(monkeypatch):
    monkeypatch.setattr(equal_loss, "EVERY", 4)
    monkeypatch.setattr(landscape, "IMAGES", 100)
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
    monkeypatch.setattr(landscape, "IMAGES", 100)
    rows = equal_loss.measure(
        replace(RUN, lr=1e-6, epochs=1, epoch_steps=3), training.data.splits("digits")
    )
    assert [row["level"] for row in rows] == [10.0]


def test_every_outcome_at_equal_loss_is_compared_for_both_activations():
    study = chapters.experiment("equal-loss")
    compared = {(c.a, c.b, c.outcome) for c in study.contrasts}
    assert len(compared) == 2 * 9
    assert {c.a for c in study.contrasts} == {"ReLU, with BN", "sigmoid, with BN"}
