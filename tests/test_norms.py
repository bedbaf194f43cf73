"""Our norms against torch.nn's, and the laws that hold for each."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bnbook import models, norms
from bnbook.norms import BatchNorm1d, BatchNorm2d, MeanNorm, VarianceNorm

shapes = st.one_of(
    st.tuples(st.integers(2, 9), st.integers(1, 6)),
    st.tuples(st.integers(2, 5), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5)),
)
seeds = st.integers(0, 2**31)


def pair(shape, **options):
    """Our batch norm and torch's for tensors of `shape`."""
    ours, theirs = (
        (BatchNorm1d, nn.BatchNorm1d) if len(shape) == 2 else (BatchNorm2d, nn.BatchNorm2d)
    )
    return ours(shape[1], **options), theirs(shape[1], **options)


def draw(shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(shape, generator=generator) + 2


def randomize(module, seed):
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        nn.init.uniform_(parameter, 0.5, 2, generator=generator)


@settings(deadline=None, max_examples=60)
@given(shapes, seeds, st.sampled_from([0.1, 0.5, None]), st.booleans())
def test_batch_norm_equals_torch_in_every_respect(shape, seed, momentum, affine):
    ours, theirs = pair(shape, momentum=momentum, affine=affine)
    randomize(ours, seed)
    theirs.load_state_dict(ours.state_dict())
    for step in range(3):
        x = draw(shape, seed + step)
        inputs = [x.clone().requires_grad_(), x.clone().requires_grad_()]
        outputs = [ours(inputs[0]), theirs(inputs[1])]
        torch.testing.assert_close(*outputs, rtol=1e-4, atol=1e-4)
        upstream = draw(shape, seed + 99)
        for output in outputs:
            output.backward(upstream)
        # With two values per feature the true gradient is almost zero; what is left is rounding.
        torch.testing.assert_close(inputs[0].grad, inputs[1].grad, rtol=1e-3, atol=2e-3)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-3)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, theirs.state_dict()[name], rtol=1e-4, atol=1e-5)
    x = draw(shape, seed + 7)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=40)
@given(shapes, seeds, st.sampled_from(["batch", "mean", "variance"]))
def test_closed_form_gradient_is_the_numeric_one(shape, seed, kind):
    layer = norms.build(kind, shape[1], len(shape)).double()
    randomize(layer, seed)
    x = draw(shape, seed).double().requires_grad_()

    def transform(x, weight, bias):
        return norms.batch._BatchTransform.apply(
            x, weight, bias, layer.uses_mean, layer.uses_var, layer.eps
        )[0]

    # Without the eps, two equal values would make the true gradient change within the step.
    layer.eps = 0.1
    assert torch.autograd.gradcheck(transform, (x, layer.weight, layer.bias), atol=1e-4)


@settings(deadline=None)
@given(shapes, seeds, st.floats(-50, 50))
def test_a_constant_added_to_the_input_is_removed_where_the_mean_is(shape, seed, c):
    x = draw(shape, seed)
    for kind in ("batch", "mean"):
        layer = norms.build(kind, shape[1], len(shape))
        torch.testing.assert_close(layer(x + c), layer(x), rtol=1e-3, atol=1e-3)


def test_variance_norm_keeps_the_constant():
    x = draw((50, 3), 0)
    shift = VarianceNorm(3)(x + 10) - VarianceNorm(3)(x)
    torch.testing.assert_close(shift, (10 / x.std(0, correction=0)).expand_as(x), rtol=1e-3, atol=0)


@settings(deadline=None)
@given(seeds, st.floats(0.01, 100))
def test_a_positive_factor_is_removed_where_the_variance_is(seed, a):
    x = draw((40, 3), seed).double()
    for kind in ("batch", "variance"):
        layer = norms.build(kind, 3, 2).double()
        layer.eps = 0.0
        torch.testing.assert_close(layer(a * x), layer(x))
    mean = MeanNorm(3).double()
    torch.testing.assert_close(mean(a * x), a * mean(x))


def test_mean_and_variance_norm_do_one_half_each():
    x = draw((200, 3), 1)
    centred = MeanNorm(3)(x)
    torch.testing.assert_close(centred, x - x.mean(0))
    scaled = VarianceNorm(3)(x)
    torch.testing.assert_close(scaled.var(0, correction=0), torch.ones(3), rtol=1e-3, atol=0)
    torch.testing.assert_close(
        scaled.mean(0), x.mean(0) / x.std(0, correction=0), rtol=1e-3, atol=0
    )


def test_each_norm_stores_only_the_statistics_it_uses():
    assert set(dict(MeanNorm(2).named_buffers())) == {"running_mean", "num_batches_tracked"}
    assert set(dict(VarianceNorm(2).named_buffers())) == {"running_var", "num_batches_tracked"}


def test_running_variance_is_fed_the_unbiased_estimate():
    x = draw((4, 1), 0)
    layer = BatchNorm1d(1, momentum=1.0)
    layer(x)
    torch.testing.assert_close(layer.running_var, x.var(0, correction=1))


def test_evaluation_leaves_the_running_statistics_alone():
    layer = BatchNorm2d(3)
    layer(draw((4, 3, 2, 2), 0))
    before = copy.deepcopy(layer.state_dict())
    layer.eval()(draw((4, 3, 2, 2), 1))
    for name, value in layer.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_constant_feature_gives_beta_and_no_nan():
    layer = BatchNorm1d(2)
    x = torch.full((8, 2), 3.0, requires_grad=True)
    y = layer(x)
    y.sum().backward()
    assert torch.equal(y, torch.zeros(8, 2))
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (BatchNorm1d(3), (4, 2)),
        (BatchNorm1d(3), (4, 3, 2, 2)),
        (BatchNorm2d(3), (4, 3)),
        (BatchNorm1d(3), (1, 3)),
        (VarianceNorm(3), (1, 3)),
    ],
)
def test_a_shape_that_cannot_be_normalized_is_named(layer, shape):
    with pytest.raises(ValueError, match=r"shape \("):
        layer(torch.zeros(shape))


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
    net = nn.Sequential(nn.Dropout(0.5), BatchNorm1d(3))
    images = draw((40, 3), 0)
    precise = norms.reestimate(net, images, batch_size=40)
    torch.testing.assert_close(precise[1].running_mean, images.mean(0))
