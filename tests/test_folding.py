"""Folding: fewer parameters, no norms, the same outputs."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from bnbook import data, folding, models, norms, training
from bnbook.run import Run

KINDS = ("batch", "mean", "variance")
RUNS = {
    **{f"lenet, {kind}": Run(norms=(kind,) * 4) for kind in KINDS},
    "lenet, no biases": Run(norms=("batch",) * 4, conv_bias=False, linear_bias=False),
    "lenet, padded": Run(norms=("batch",) * 4, padding=2),
    "lenet, some norms": Run(norms=("batch", "none", "mean", "none")),
    "lenet, max-pooling": Run(norms=("batch",) * 4, activation="relu", pooling="max"),
    "lenet, dropout before the norm": Run(
        norms=("batch",) * 4, dropout=0.5, dropout_place="before norm"
    ),
    **{f"lenet, {kind} after": Run(norms=(kind,) * 4, norm_place="after") for kind in KINDS},
    "lenet, after, padded": Run(norms=("batch",) * 4, norm_place="after", padding=2),
    "mlp": Run(model="mlp", norms=("batch",) * 2),
    "mlp, after, dropout": Run(model="mlp", norms=("batch",) * 2, norm_place="after", dropout=0.5),
    "resnet": Run(model="resnet", norms=("batch",), activation="relu", conv_bias=False),
    "resnet, no shortcuts": Run(model="resnet", norms=("batch",), shortcuts=False, depth=14),
    "resnet, wide": Run(model="resnet", norms=("variance",), width=2),
}


def shape(run):
    return (3, 32, 32) if run.model == "resnet" else (1, 28, 28)


@torch.no_grad()
def lived_in(run):
    """A net in float64 and eval mode with statistics, gammas, betas and biases of its own."""
    generator = torch.Generator().manual_seed(1)
    net = training.build(run, shape(run)).double()
    for values in net.parameters():
        if values.dim() == 1:
            values.add_(torch.randn(values.shape, generator=generator, dtype=torch.float64))
    for _ in range(3):
        net(3 * torch.rand(8, *shape(run), generator=generator, dtype=torch.float64))
    return net.eval()


def held(net):
    return [m for m in net.modules() if isinstance(m, norms.RunningNorm)]


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_a_folded_net_has_no_norms_and_the_same_outputs(run):
    net = lived_in(run)
    before = copy.deepcopy(net.state_dict())
    folded = folding.fold(net)
    x = torch.rand(6, *shape(run), dtype=torch.float64)
    with torch.no_grad():
        wanted, found = net(x), folded(x)
    assert wanted.abs().max() > 0.1
    assert (found - wanted).abs().max() <= 1e-12 * wanted.abs().max()
    assert held(net)
    assert not held(folded)
    assert all(torch.equal(v, before[name]) for name, v in net.state_dict().items())


def test_two_numbers_per_channel_go_and_missing_biases_come():
    channels = 6 + 16 + 120 + 84
    for bias, gained in ((True, 0), (False, channels)):
        net = training.build(Run(norms=("batch",) * 4, conv_bias=bias, linear_bias=bias)).eval()
        less = models.parameter_count(net) - models.parameter_count(folding.fold(net))
        assert less == 2 * channels - gained


@pytest.mark.parametrize("linear", [False, True])
def test_folding_is_that_of_torch(linear):
    generator = torch.Generator().manual_seed(2)
    layer = nn.Linear(3, 5).double() if linear else nn.Conv2d(3, 5, 3, bias=False).double()
    norm = (nn.BatchNorm1d(5) if linear else nn.BatchNorm2d(5)).double()
    with torch.no_grad():
        for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            values.copy_(torch.rand(5, generator=generator) + 0.1)
    fuse = fuse_linear_bn_eval if linear else fuse_conv_bn_eval
    wanted = fuse(layer.eval(), norm.eval())
    found = folding.fold(nn.Sequential(layer, norm).eval())[0]
    assert torch.allclose(found.weight, wanted.weight, rtol=1e-12, atol=0)
    assert torch.allclose(found.bias, wanted.bias, rtol=1e-12, atol=1e-15)


def test_a_norm_that_nothing_can_take_up_stays():
    behind_maximum = Run(norms=("batch",) * 4, norm_place="after", pooling="max")
    net = lived_in(behind_maximum)
    folded = folding.fold(net)
    x = torch.rand(6, 1, 28, 28, dtype=torch.float64)
    assert len(held(folded)) == 2, "those of the convolutions, whose gammas may be negative"
    assert torch.allclose(folded(x), net(x), rtol=1e-12)
    padded = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 5, 3, padding=1)).eval()
    assert len(held(folding.fold(padded))) == 1


@pytest.mark.parametrize("kind", norms.BATCHED)
def test_a_norm_that_is_no_scale_and_shift_stays(kind):
    net = lived_in(Run(norms=(kind,) * 4))
    folded = folding.fold(net)
    x = torch.rand(6, 1, 28, 28, dtype=torch.float64)
    assert len(held(folded)) == (0 if kind in KINDS else 4)
    assert torch.allclose(folded(x), net(x), rtol=1e-9)


def test_a_norm_without_running_statistics_follows_its_batches_and_stays():
    net = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5, track_running_stats=False)).eval()
    assert len(held(folding.fold(net))) == 1


@pytest.mark.parametrize("part", ["", "norm2"])
def test_a_net_in_training_is_not_folded(part):
    net = training.build(Run(norms=("batch",) * 4)).eval()
    net.get_submodule(part).train()
    with pytest.raises(ValueError, match=r"in training mode.*call eval\(\) first"):
        folding.fold(net)


def test_a_trained_net_answers_alike_when_folded():
    run = Run(norms=("batch",) * 4, train_size=512, batch_size=64, epochs=1, lr=0.5)
    net = training.fit(run).net.eval()
    images = data.to_float(data.splits("mnist").test.images[:500])
    with torch.no_grad():
        assert torch.equal(net(images).argmax(1), folding.fold(net)(images).argmax(1))
