"""Folding: fewer parameters, no norms, the same outputs."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
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


class Doubling(nn.Sequential):
    """Calls its children otherwise than one after another."""

    def forward(self, x):
        return 2 * super().forward(self[0](x))


class Halved(nn.Linear):
    """A layer that does something else with its weights."""

    def forward(self, x):
        return super().forward(x) / 2


def tied():
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    return nn.Sequential(first, nn.BatchNorm1d(4), nn.ReLU(), second)


def hooked(where):
    net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    net[where].register_forward_hook(lambda _, __, out: out.clamp(-0.1, 0.1))
    return net


def twice():
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.BatchNorm1d(4), nn.Sigmoid(), layer)


def between():
    """After the sigmoid comes the first layer once more, which `children` leaves out."""
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.Sigmoid(), nn.Linear(4, 4), layer, nn.BatchNorm1d(4))


VECTORS, MAPS = (6, 4), (6, 4, 8, 8)
#: Nets whose norms must stay, and the shape of what they see.
KEPT = {
    "a subclass of Sequential": (lambda: Doubling(nn.Linear(4, 4), nn.BatchNorm1d(4)), VECTORS),
    "a subclass of a layer": (lambda: nn.Sequential(Halved(4, 4), nn.BatchNorm1d(4)), VECTORS),
    "tied weights": (tied, VECTORS),
    "a layer used twice": (twice, VECTORS),
    "a layer used again in between": (between, VECTORS),
    "a hook on the layer": (lambda: hooked(0), VECTORS),
    "weight norm": (
        lambda: nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 4)), nn.BatchNorm1d(4)),
        VECTORS,
    ),
    "a grouped convolution after": (
        lambda: nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, groups=2)),
        MAPS,
    ),
    "rows of maps, before": (lambda: nn.Sequential(nn.Linear(8, 4), nn.BatchNorm2d(4)), MAPS),
    "rows of maps, after": (lambda: nn.Sequential(nn.BatchNorm2d(4), nn.Linear(8, 4)), MAPS),
    "sequences": (lambda: nn.Sequential(nn.BatchNorm1d(4), nn.Linear(8, 4)), (6, 4, 8)),
    "rows of flattened maps": (
        lambda: nn.Sequential(nn.BatchNorm2d(4), nn.Flatten(2), nn.Linear(64, 4)),
        MAPS,
    ),
    "a flattened map": (
        lambda: nn.Sequential(nn.Conv2d(4, 4, 8), nn.Flatten(), nn.BatchNorm1d(4)),
        MAPS,
    ),
}


def stirred(net, shape):
    """A net in eval mode whose norms have seen batches and have gammas and betas of their own."""
    net = net.double()
    with torch.no_grad():
        for norm in (m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)):
            norm.weight.uniform_(0.5, 2)
            norm.bias.uniform_(0.5, 2)
    for _ in range(3):
        net(torch.randn(shape, dtype=torch.float64) + 1)
    return net.eval()


@pytest.mark.parametrize(("make", "shape"), KEPT.values(), ids=KEPT)
def test_a_norm_stays_where_something_else_would_change_with_it(make, shape):
    net = stirred(make(), shape)
    folded = folding.fold(net)
    assert str(folded).count("BatchNorm") == 1
    x = torch.randn(shape, dtype=torch.float64)
    assert torch.equal(folded(x), net(x))


def test_a_grouped_convolution_takes_up_the_norm_behind_it():
    net = stirred(nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.BatchNorm2d(8)), MAPS)
    folded = folding.fold(net)
    assert "BatchNorm" not in str(folded)
    x = torch.randn(MAPS, dtype=torch.float64)
    assert torch.allclose(folded(x), net(x), rtol=1e-12)


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
