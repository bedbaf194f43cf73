"""The integral transform, the soft threshold and the projections: what each is by definition."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from bnbook import norms
from bnbook.norms import integral, sparse

seeds = st.integers(0, 2**31)


def draw(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double()


def shares(x):
    """What the integral transform says F(x) is."""
    return norms.IntegralNorm(x.shape[1]).double()(x).detach() / math.sqrt(12) + 0.5


# The probability integral transform


@settings(deadline=None, max_examples=30)
@given(
    seeds,
    st.sampled_from([torch.exp, torch.sigmoid, torch.abs, torch.sin, lambda x: x + 2 * x.sign()]),
)
def test_any_distribution_becomes_nearly_uniform_with_the_ranks_kept(seed, form):
    x = form(draw((3000, 2), seed))
    ranks = (x.argsort(0).argsort(0) + 0.5) / len(x)
    found = shares(x)
    assert (found - ranks).abs().mean() < 0.02
    order = found.gather(0, x.argsort(0))
    assert (order.diff(dim=0) >= -1e-12).all()
    y = norms.IntegralNorm(2).double()(x)
    torch.testing.assert_close(y.mean(0), torch.zeros(2).double(), rtol=0, atol=0.15)
    torch.testing.assert_close(y.var(0), torch.ones(2).double(), rtol=0, atol=0.25)


@settings(deadline=None, max_examples=20)
@given(seeds, st.floats(0.1, 100), st.floats(-100, 100))
def test_a_feature_may_be_shifted_and_stretched(seed, scale, shift):
    x = draw((200, 3), seed)
    torch.testing.assert_close(shares(scale * x + shift), shares(x), rtol=0, atol=0.01)


def test_of_a_feature_with_two_values_the_larger_part_does_not_blow_up_the_gradient():
    x = torch.cat([torch.zeros(900, 1), draw((100, 1)).abs()]).requires_grad_()
    layer = norms.IntegralNorm(1).double()
    y = layer(x)
    (y * draw(y.shape, 1)).sum().backward()
    assert y.isfinite().all()
    # At most: all values in one bin, and batch norm's own factor 1 / sigma.
    steepest = math.sqrt(12) * integral.BINS / (2 * integral.REACH) / float(x.detach().std())
    assert x.grad.abs().max() < 5 * steepest


def test_the_slope_is_the_density():
    """Of a normal feature far from its batch: dF/dx is the normal density."""
    layer = norms.IntegralNorm(1, momentum=None).double()
    for seed in range(20):
        layer(draw((20_000, 1), seed))
    x = torch.linspace(-2.5, 2.5, 50).double().unsqueeze(1).requires_grad_()
    layer.eval()(x).sum().backward()
    density = torch.exp(-(x.detach() ** 2) / 2) / math.sqrt(2 * math.pi)
    torch.testing.assert_close(x.grad, math.sqrt(12) * density, rtol=0, atol=0.1)


def test_values_beyond_the_reach_stay_at_the_ends():
    x = draw((1000, 1))
    x[0], x[1] = 1e3, -1e3
    found = shares(x)
    assert found[0] == 1
    assert found[1] == 0


def test_a_new_layer_takes_features_for_normal():
    layer = norms.IntegralNorm(1).double().eval()
    x = torch.linspace(-3, 3, 25).double().unsqueeze(1)
    expected = math.sqrt(12) * (torch.special.ndtr(x) - 0.5)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=0.01)


# Sparsification


def test_half_of_a_normal_feature_is_set_to_beta():
    y = norms.SparseNorm(3).double()(draw((20_000, 3)))
    assert ((y == 0).double().mean(0) - 0.5).abs().max() < 0.01


def test_the_threshold_solves_the_l1_problem_of_its_docstring():
    x = draw((60, 2))
    xhat = nn.BatchNorm1d(2).double()(x).detach()
    y = norms.SparseNorm(2).double()(x).detach()
    candidates = torch.linspace(-4, 4, 8001).double().view(-1, 1, 1)
    cost = (xhat - candidates).square() / 2 + sparse.THRESHOLD * candidates.abs()
    torch.testing.assert_close(
        y, candidates[cost.argmin(0)].squeeze(-1).squeeze(-1), rtol=0, atol=1e-3
    )


# Projections


@settings(deadline=None, max_examples=30)
@given(seeds, st.sampled_from(["sphere", "cone"]))
def test_no_point_of_the_set_is_nearer(seed, kind):
    x = draw((4, 6), seed)
    x[:, 0] = x[:, 0].abs()  # the cone's formula needs a positive coordinate
    layer = norms.build(kind, 6, 2).double()
    layer.eps = 0.0
    y = layer(x).detach()
    others = draw((20_000, 1, 6), seed + 1)
    others = others.abs() if kind == "cone" else others
    others = others / others.square().mean(-1, keepdim=True).sqrt()
    nearest = (others - x).norm(dim=-1).min(0).values
    assert ((y - x).norm(dim=-1) <= nearest + 1e-9).all()
    torch.testing.assert_close(y.square().mean(-1), torch.ones(4).double())
    assert kind == "sphere" or (y >= 0).all()
    torch.testing.assert_close(layer(y), y)  # what is in the set already stays


def test_the_sphere_is_rms_norm():
    x = draw((5, 8))
    torch.testing.assert_close(norms.SphereNorm(8).double()(x), nn.RMSNorm(8, eps=1e-5).double()(x))
    maps = draw((5, 3, 4, 4))
    torch.testing.assert_close(
        norms.SphereNorm(3).double()(maps), functional.rms_norm(maps, (3, 4, 4), eps=1e-5)
    )


def test_a_sample_without_positive_coordinate_becomes_beta():
    layer = norms.ConeNorm(3)
    x = torch.tensor([[-1.0, -2.0, -3.0], [1.0, 2.0, -1.0]], requires_grad=True)
    y = layer(x)
    y.sum().backward()
    assert torch.equal(y[0], layer.bias)
    assert not x.grad[0].any()
    assert x.grad[1].any()


def test_symmetric_maps_look_the_same_in_both_mirrors():
    layer, x = norms.SymmetricNorm(3).double(), draw((6, 3, 4, 5))
    y = layer(x)
    for side in (2, 3):
        torch.testing.assert_close(y.flip(side), y)
        torch.testing.assert_close(layer(x.flip(side)), y)


def test_what_is_symmetric_already_gets_batch_norm():
    x = draw((6, 3, 4, 5))
    x = (x + x.flip(2) + x.flip(3) + x.flip(2, 3)) / 4
    batch = nn.BatchNorm2d(3).double()
    torch.testing.assert_close(norms.SymmetricNorm(3).double()(x), batch(x))
    flat = draw((20, 3))
    assert torch.equal(norms.SymmetricNorm(3).double()(flat), nn.BatchNorm1d(3).double()(flat))


@pytest.mark.parametrize("kind", ["sphere", "cone"])
def test_a_projection_does_not_see_the_size_of_a_sample(kind):
    layer, x = norms.build(kind, 6, 2).double(), draw((4, 6))
    layer.eps = 0.0
    torch.testing.assert_close(layer(9 * x), layer(x))
