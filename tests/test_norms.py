"""Our norms against torch.nn's, and the laws that hold for each."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bnbook import models, norms
from bnbook.norms import MeanNorm, VarianceNorm

shapes = st.one_of(
    st.tuples(st.integers(2, 9), st.integers(1, 6)),
    st.tuples(st.integers(2, 5), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5)),
)
seeds = st.integers(0, 2**31)
halves = st.sampled_from(["batch", "mean", "variance"])


class ByHand(nn.Module):
    """Batch norm and its halves as the papers write them, for any dimensions: the oracle."""

    def __init__(self, layer, kind):
        super().__init__()
        self.weight, self.bias = copy.deepcopy((layer.weight, layer.bias))
        self.eps, self.momentum, self.batches = layer.eps, layer.momentum, 0
        self.uses = kind != "variance", kind != "mean"
        self.running = [torch.zeros(layer.num_features), torch.ones(layer.num_features)]

    def forward(self, x):
        rows = x.transpose(0, 1).flatten(1)  # a row for each feature
        mean, var = self.running
        if self.training:
            mean = rows.mean(1)
            var = ((rows - mean[:, None]) ** 2).mean(1)
            n = rows.shape[1]
            self.batches += 1
            rate = self.momentum or 1 / self.batches
            for i, new in enumerate((mean, var * n / (n - 1))):
                self.running[i] = (1 - rate) * self.running[i] + rate * new.detach()
        form = (1, -1, *[1] * (x.dim() - 2))
        if self.uses[0]:
            x = x - mean.view(form)
        if self.uses[1]:
            x = x / (var + self.eps).sqrt().view(form)
        return x if self.weight is None else self.weight.view(form) * x + self.bias.view(form)


def made(kind, shape, **options):
    """The norm called `kind` for tensors of `shape`, in double precision."""
    return type(norms.build(kind, shape[1], len(shape)))(shape[1], **options).double()


def draw(shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(shape, generator=generator).double() + 2


def randomize(module, seed):
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        nn.init.uniform_(parameter, 0.5, 2, generator=generator)


@settings(deadline=None, max_examples=100)
@given(shapes, seeds, halves, st.sampled_from([0.1, 0.5, None]), st.booleans())
def test_norms_are_what_the_papers_write(shape, seed, kind, momentum, affine):
    layer = made(kind, shape, momentum=momentum, affine=affine)
    randomize(layer, seed)
    oracle = ByHand(layer, kind).double()
    for step in range(3):
        upstream = draw(shape, seed + 99)
        results = []
        for one in (layer, oracle):
            x = draw(shape, seed + step).requires_grad_()
            y = one(x)
            results.append([y, *torch.autograd.grad(y, [x, *one.parameters()], upstream)])
        # With two values per feature the true gradient is almost zero; what is left is rounding.
        torch.testing.assert_close(*results, rtol=1e-6, atol=1e-8)
    kept = dict(layer.named_buffers())
    for name, running in zip(("running_mean", "running_var"), oracle.running, strict=True):
        if name in kept:
            torch.testing.assert_close(kept[name], running)
    x = draw(shape, seed + 7)
    torch.testing.assert_close(layer.eval()(x), oracle.eval()(x))


@settings(deadline=None)
@given(shapes, seeds, st.floats(-50, 50))
def test_a_constant_added_to_the_input_is_removed_where_the_mean_is(shape, seed, c):
    x = draw(shape, seed)
    for kind in ("batch", "mean"):
        layer = made(kind, shape)
        torch.testing.assert_close(layer(x + c), layer(x), rtol=1e-6, atol=1e-6)


def test_variance_norm_keeps_the_constant():
    x = draw((50, 3), 0)
    shift = made("variance", x.shape)(x + 10) - made("variance", x.shape)(x)
    torch.testing.assert_close(shift, (10 / x.std(0, correction=0)).expand_as(x), rtol=1e-3, atol=0)


@settings(deadline=None)
@given(seeds, st.floats(0.01, 100))
def test_a_positive_factor_is_removed_where_the_variance_is(seed, a):
    x = draw((40, 3), seed)
    for kind in ("batch", "variance"):
        layer = made(kind, x.shape, eps=1e-12)
        torch.testing.assert_close(layer(a * x), layer(x))
    mean = MeanNorm(3).double()
    torch.testing.assert_close(mean(a * x), a * mean(x))


def test_mean_and_variance_norm_do_one_half_each():
    x = draw((200, 3), 1)
    centered = made("mean", x.shape)(x)
    torch.testing.assert_close(centered, x - x.mean(0))
    scaled = made("variance", x.shape)(x)
    torch.testing.assert_close(
        scaled.var(0, correction=0), torch.ones(3).double(), rtol=1e-3, atol=0
    )
    torch.testing.assert_close(
        scaled.mean(0), x.mean(0) / x.std(0, correction=0), rtol=1e-3, atol=0
    )


def test_each_norm_stores_only_the_statistics_it_uses():
    assert set(dict(MeanNorm(2).named_buffers())) == {"running_mean", "num_batches_tracked"}
    assert set(dict(VarianceNorm(2).named_buffers())) == {"running_var", "num_batches_tracked"}


def test_running_variance_is_fed_the_unbiased_estimate():
    x = draw((4, 1), 0)
    layer = made("batch", x.shape, momentum=1.0)
    layer(x)
    torch.testing.assert_close(layer.running_var, x.var(0, correction=1))


def test_evaluation_leaves_the_running_statistics_alone():
    layer = made("batch", (4, 3, 2, 2))
    layer(draw((4, 3, 2, 2), 0))
    before = copy.deepcopy(layer.state_dict())
    layer.eval()(draw((4, 3, 2, 2), 1))
    for name, value in layer.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("kind", ["batch", "mean", "variance"])
def test_a_constant_feature_is_finite_and_beta_where_the_mean_is_removed(kind):
    layer = norms.build(kind, 2, 2)
    x = torch.full((8, 2), 3.0, requires_grad=True)
    y = layer(x)
    y.sum().backward()
    # A rounding error of the mean is multiplied by 1 / sqrt(eps).
    assert y.abs().max() < 1e-3 or kind == "variance"
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("kind", ["batch", "mean", "variance"])
def test_reestimated_statistics_are_averages_over_batches_of_train_mode_passes(kind):
    net = models.initialize(models.lenet((kind,) * 4), 0)
    images = torch.rand(70, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    net.train()(images[:32])
    before = copy.deepcopy(net.state_dict())
    precise = norms.reestimate(net, images, batch_size=20)
    hidden = [net.conv1(images[i : i + 20]).detach() for i in (0, 20, 40)]
    if kind != "variance":
        expected = torch.stack([h.mean((0, 2, 3)) for h in hidden]).mean(0)
        torch.testing.assert_close(precise.norm1.running_mean, expected)
    if kind != "mean":
        expected = torch.stack([h.transpose(0, 1).flatten(1).var(1) for h in hidden]).mean(0)
        torch.testing.assert_close(precise.norm1.running_var, expected)
    assert not precise.training
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), f"re-estimation touched the net's own {name}"


def test_reestimation_switches_dropout_off():
    net = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3)).double()
    images = draw((40, 3), 0)
    precise = norms.reestimate(net, images, batch_size=40)
    torch.testing.assert_close(precise[1].running_mean, images.mean(0))
