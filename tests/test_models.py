"""The nets' shapes, sizes and initial weights."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from bnbook import models, streams

BATCH = ("batch",) * 4


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"slots": BATCH}, 44_878),
        ({"slots": BATCH, "conv_bias": False, "linear_bias": False}, 44_878 - 226),
        ({}, 44_878 - 452),
        ({"padding": 2}, 61_706),
    ],
)
def test_parameter_counts_are_those_of_the_published_nets(options, count):
    assert models.parameter_count(models.lenet(**options)) == count


@pytest.mark.parametrize("slot", range(4))
@pytest.mark.parametrize("kind", ["batch", "mean", "variance"])
def test_any_norm_fits_any_slot(slot, kind):
    slots = tuple(kind if i == slot else "none" for i in range(4))
    net = models.initialize(models.lenet(slots), 0)
    assert net(torch.rand(5, 1, 28, 28)).shape == (5, 10)
    held = [not isinstance(getattr(net, f"norm{i + 1}"), nn.Identity) for i in range(4)]
    assert held == [i == slot for i in range(4)]


def test_colour_images_of_32_pixels_fit():
    net = models.initialize(models.lenet(BATCH, input_shape=(3, 32, 32)), 0)
    assert net(torch.rand(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize(("affine", "learned"), models.AFFINE.items())
def test_fixed_gamma_and_beta_are_not_learned(affine, learned):
    norm = models.lenet(BATCH, affine=affine).norm2
    assert (norm.weight.requires_grad, norm.bias.requires_grad) == learned


def test_variants_share_the_initial_value_of_every_tensor_they_have_in_common():
    full = models.initialize(models.lenet(BATCH), 3).state_dict()
    for options in (
        {"slots": BATCH, "conv_bias": False},
        {"slots": ("none", "mean", "batch", "variance"), "linear_bias": False},
        {"activation": "relu"},
    ):
        other = models.initialize(models.lenet(**options), 3).state_dict()
        for name in set(full) & set(other):
            assert torch.equal(full[name], other[name]), name


def test_weights_are_xavier_uniform_and_differ_between_layers_and_seeds():
    net = models.initialize(models.lenet(), 0)
    bound = (6 / (400 / 16 * 6 + 400)) ** 0.5  # conv2: fan in 6*25, fan out 16*25
    weight = net.conv2.weight.detach()
    assert 0.98 * bound < weight.abs().max() <= bound
    assert not torch.equal(weight, models.initialize(models.lenet(), 1).conv2.weight)
    assert not torch.equal(net.fc1.weight[0, :84], net.fc2.weight[0, :84])
    assert not net.fc1.bias.any()


def test_streams_never_share_a_seed():
    triples = [(s, slot, kind) for s in (0, 1, 7) for slot in (0, 1, 999) for kind in streams.KINDS]
    assert len({streams.stream_seed(*t) for t in triples}) == len(triples)
    assert streams.stream_seed(streams.MAX_SEED, 999, "dropout") < 2**32
    with pytest.raises(ValueError, match="no stream"):
        streams.stream_seed(streams.MAX_SEED + 1, 0, "weight")


@pytest.mark.parametrize("shape", [(2, 3, 6, 4), (2, 1, 5, 4), (1, 2, 4, 7), (3, 2, 5, 5)])
def test_pooling_is_average_pooling_by_two(shape):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator, requires_grad=True)
    expected = functional.avg_pool2d(x, 2)
    found = models.AveragePool()(x)
    torch.testing.assert_close(found, expected)
    dy = torch.randn(expected.shape, generator=generator)
    torch.testing.assert_close(
        torch.autograd.grad(found, x, dy), torch.autograd.grad(expected, x, dy)
    )
