"""The nets' shapes, sizes and initial weights."""

import copy
import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional

from bnbook import models, norms, streams

BATCH = ("batch",) * 4
#: A residual net as the literature counts it: batch norm, no bias before it.
USUAL = {"slots": ("batch",), "conv_bias": False, "activation": "relu"}


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


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


def test_softmax_regression_is_one_linear_layer_on_the_pixels():
    net = models.softmax(input_shape=(3, 32, 32))
    assert models.parameter_count(net) == 3072 * 10 + 10
    images = torch.rand(5, 3, 32, 32)
    assert torch.equal(net(images), net.out(images.flatten(1)))
    assert list(models.weighted(net)) == list(models.LAYERS["softmax"])
    assert not models.norm_slots(net)


def test_the_mlp_has_two_hidden_layers_of_256():
    weights = 784 * 256 + 256 * 256 + 256 * 10
    assert models.parameter_count(models.mlp()) == weights + 256 + 256 + 10
    with_norms = models.mlp(("batch",) * 2, linear_bias=False)
    assert models.parameter_count(with_norms) == weights + 2 * 512 + 10


def test_the_lenet_5_of_the_lab_sheet_has_its_published_size():
    net = models.lenet(BATCH, activation="relu", pooling="max", input_shape=(3, 32, 32))
    assert models.parameter_count(net) == 62_006 + 452
    names = [type(m).__name__ for m in net]
    assert names[:4] == ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"]


@pytest.mark.parametrize(
    ("depth", "count", "of_norms"),
    [(8, 78_042, 672), (14, 175_258, 1_120), (110, 1_730_714, 8_288)],
)
def test_residual_nets_have_their_published_sizes(depth, count, of_norms):
    net = models.resnet(depth=depth, **USUAL)
    assert models.parameter_count(net) == count
    held = models.norm_slots(net).values()
    assert sum(models.parameter_count(norm) for norm in held) == of_norms
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == depth - 1 + 2, "all but the head, and two projections"


def test_residual_nets_halve_the_image_twice_and_widen():
    net = models.initialize(models.resnet(width=2, **USUAL), 0)
    sizes = {}
    for name, stage in net.named_children():
        stage.register_forward_hook(lambda _, x, y, name=name: sizes.update({name: y.shape[1:]}))
    assert net(torch.rand(2, 3, 32, 32)).shape == (2, 10)
    assert sizes["stage1"] == (32, 32, 32)
    assert sizes["stage2"] == (64, 16, 16)
    assert sizes["stage3"] == (128, 8, 8)
    digits = models.resnet(input_shape=(1, 28, 28), **USUAL)
    assert digits(torch.rand(2, 1, 28, 28)).shape == (2, 10)


def test_a_block_adds_its_shortcut_before_the_last_activation():
    x = torch.randn(4, 16, 6, 6, generator=rng())
    for index, stage in ((0, "stage1"), (0, "stage2")):
        block = models.initialize(models.resnet(**USUAL), 1).get_submodule(stage)[index]
        branch = block.norm2(block.conv2(block.norm1(block.conv1(x)).relu()))
        beside = x if stage == "stage1" else block.shortcut.norm(block.shortcut.conv(x))
        torch.testing.assert_close(block(x), (branch + beside).relu())


def test_without_shortcuts_the_rest_of_the_net_begins_with_the_same_weights():
    full = models.initialize(models.resnet(depth=14, **USUAL), 3).state_dict()
    bare = models.initialize(models.resnet(depth=14, shortcuts=False, **USUAL), 3)
    assert not [name for name in bare.state_dict() if "shortcut" in name]
    for name, value in bare.state_dict().items():
        assert torch.equal(value, full[name]), name
    x = torch.randn(4, 16, 6, 6, generator=rng())
    block = bare.stage1[0]
    torch.testing.assert_close(
        block(x), block.norm2(block.conv2(block.norm1(block.conv1(x)).relu())).relu()
    )


@pytest.mark.parametrize("make", [models.lenet, models.mlp], ids=["lenet", "mlp"])
@pytest.mark.parametrize(
    ("options", "order"),
    [
        ({}, "fc norm act"),
        ({"dropout": 0.5}, "fc norm act drop"),
        ({"dropout": 0.5, "dropout_place": "before norm"}, "fc drop norm act"),
        ({"norm_place": "after"}, "fc act norm"),
        ({"norm_place": "after", "dropout": 0.5}, "fc act norm drop"),
        (
            {"norm_place": "after", "dropout": 0.5, "dropout_place": "before norm"},
            "fc act drop norm",
        ),
    ],
)
def test_norm_activation_and_dropout_stand_in_the_order_asked_for(make, options, order):
    slots = ("batch",) * (4 if make is models.lenet else 2)
    names = [name.rstrip("1234") for name, _ in make(slots, **options).named_children()]
    assert " ".join(names).endswith(f"{order} {order} out")


def test_the_weight_of_a_new_batch_in_the_running_statistics_can_be_chosen():
    x = torch.rand(50, 1, 28, 28, generator=rng())
    for make in (
        models.lenet(BATCH, norm_momentum=0.5),
        models.mlp(("batch",) * 2, norm_momentum=0.5),
        models.resnet(("batch",), norm_momentum=0.5, input_shape=(1, 28, 28)),
    ):
        net = models.initialize(make, 0)
        first = next(m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear))
        entering = first(x.flatten(1) if isinstance(first, nn.Linear) else x)
        net(x)
        axes = (0,) if entering.dim() == 2 else (0, 2, 3)
        torch.testing.assert_close(net.norm1.running_mean, 0.5 * entering.mean(axes))


def test_dropout_keeps_the_mean_and_drops_the_share_asked_for():
    layer = models.Dropout(0.3)
    x = torch.ones(200, 500)
    y = layer(x)
    assert float((y == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    torch.testing.assert_close(y[y > 0], torch.full_like(y[y > 0], 1 / 0.7))
    assert torch.equal(layer.eval()(x), x)


def test_dropout_falls_on_the_same_values_wherever_it_stands():
    kept = []
    for place in models.DROPOUT_PLACES:
        net = models.mlp(("batch",) * 2, dropout=0.5, dropout_place=place)
        models.initialize(net, 7)
        kept.append([net.drop1(torch.ones(9, 256)), net.drop2(torch.ones(9, 256))])
    assert all(torch.equal(a, b) for a, b in zip(*kept, strict=True))
    assert not torch.equal(*kept[0])
    assert not torch.equal(net.drop1(torch.ones(9, 256)), kept[0][0]), "each step draws anew"


def test_a_copy_of_a_net_draws_its_own_dropout():
    net = models.initialize(models.mlp(dropout=0.5), 0)
    copy.deepcopy(net).drop1(torch.ones(9, 256))
    again = models.initialize(models.mlp(dropout=0.5), 0)
    assert torch.equal(net.drop1(torch.ones(9, 256)), again.drop1(torch.ones(9, 256)))


def test_reestimation_draws_no_dropout():
    x = torch.rand(40, 1, 28, 28, generator=rng())
    nets = [
        models.initialize(models.mlp(("batch",) * 2, dropout=p, dropout_place=place), 0)
        for p, place in ((0.0, "last"), (0.5, "last"), (0.5, "before norm"))
    ]
    plain, *dropped = (norms.reestimate(net, x, 20).state_dict() for net in nets)
    for one in dropped:
        assert all(torch.equal(value, plain[name]) for name, value in one.items())


@pytest.mark.parametrize("slot", range(4))
@pytest.mark.parametrize("kind", ["batch", "mean", "variance"])
def test_any_norm_fits_any_slot(slot, kind):
    slots = tuple(kind if i == slot else "none" for i in range(4))
    net = models.initialize(models.lenet(slots), 0)
    assert net(torch.rand(5, 1, 28, 28)).shape == (5, 10)
    held = [not isinstance(getattr(net, f"norm{i + 1}"), nn.Identity) for i in range(4)]
    assert held == [i == slot for i in range(4)]


def test_color_images_of_32_pixels_fit():
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


@pytest.mark.parametrize(
    ("init", "scale", "deviation"),
    [("he", 1.0, (2 / 256) ** 0.5), ("normal", 1.0, 1.0), ("normal", 0.2, 0.2)],
)
def test_weights_have_the_deviation_that_their_initialization_names(init, scale, deviation):
    net = models.initialize(models.mlp(), 0, init, scale)
    assert float(net.fc2.weight.detach().std()) == pytest.approx(deviation, rel=0.02)
    assert not net.fc2.bias.any()
    assert not torch.equal(net.fc1.weight[:, :256], net.fc2.weight)
    other = models.initialize(models.mlp(("batch",) * 2), 0, init, scale)
    assert torch.equal(net.fc2.weight, other.fc2.weight)


def trained(net):
    """Count the entries of each parameter that are trained, after freezing."""
    return {name: p.numel() for name, p in net.named_parameters() if p.requires_grad}


@pytest.mark.parametrize(
    "make",
    [
        lambda: models.resnet(depth=14, **USUAL),
        lambda: models.lenet(("batch", "none", "batch", "mean")),
        lambda: models.mlp(("batch",) * 2),
    ],
    ids=["resnet", "lenet", "mlp"],
)
def test_each_subset_names_exactly_what_is_trained(make):
    net = make()
    names = [name for name, _ in net.named_parameters()]
    of_norms = {n for n in names if n.rpartition(".")[0] in models.norm_slots(net)}
    head = {"out.weight", "out.bias"}
    expected = {"all": set(names), "norm": of_norms, "head": head, "norm+head": of_norms | head}
    for subset, members in expected.items():
        net = make()
        assert models.freeze(net, subset, 0) == []
        assert set(trained(net)) == members
    assert of_norms


def test_a_fixed_gamma_is_not_trained_by_asking_for_norms():
    net = models.lenet(BATCH, affine="beta")
    models.freeze(net, "norm", 0)
    assert set(trained(net)) == {f"norm{i}.bias" for i in range(1, 5)}


def test_random_entries_are_as_many_as_gammas_and_betas_and_two_to_a_channel():
    net = models.initialize(models.resnet(depth=14, **USUAL), 0)
    partial = models.freeze(net, "random", 0)
    assert sum(int(one.trained.sum()) for one in partial) == 1_120
    assert all((one.trained.flatten(1).sum(1) == 2).all() for one in partial)
    assert {id(one.weight) for one in partial} == {
        id(p) for p in net.parameters() if p.requires_grad
    }
    again, other = (models.freeze(models.resnet(depth=14, **USUAL), "random", s) for s in (0, 1))
    assert all(torch.equal(a.trained, b.trained) for a, b in zip(partial, again, strict=True))
    assert not all(torch.equal(a.trained, b.trained) for a, b in zip(partial, other, strict=True))


def test_random_entries_lie_only_before_norms():
    net = models.lenet(("none", "batch", "none", "none"))
    (one,) = models.freeze(net, "random", 0)
    assert one.weight is net.conv2.weight


def test_layers_and_norms_are_listed_main_path_first():
    net = models.resnet(**USUAL)
    layers, slots = list(models.weighted(net)), list(models.norm_slots(net))
    assert layers[:3] == ["conv1", "stage1.0.conv1", "stage1.0.conv2"]
    assert layers[-3:] == ["out", "stage2.0.shortcut.conv", "stage3.0.shortcut.conv"]
    assert slots == [n.replace("conv", "norm") for n in layers if n != "out"], (
        "each norm stands where its convolution does"
    )
    assert list(models.weighted(models.lenet())) == list(models.LENET_LAYERS)


def test_every_net_takes_every_norm_that_has_something_to_do_there():
    for (name, make), kind in itertools.product(models.MODELS.items(), norms.KINDS):
        if (kind == "instance" and 2 in models.SLOT_DIMS[name]) or not models.SLOTS[name]:
            continue
        net = models.initialize(
            make((kind,) * models.SLOTS[name], input_shape=(1, 28, 28), activation="relu"), 0
        )
        assert net(torch.rand(3, 1, 28, 28)).shape == (3, 10), (name, kind)


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


# Noise after the norms (Santurkar et al. 2018)


def noisy(seed=0, **more):
    return models.initialize(models.lenet(("batch",) * 4, norm_noise=True, **more), seed)


def test_noise_stands_right_after_each_norm_and_nowhere_else():
    names = [name for name, _ in noisy().named_children()]
    for slot in (1, 2, 3, 4):
        assert names.index(f"noise{slot}") == names.index(f"norm{slot}") + 1
    some = models.lenet(("batch", "none", "none", "batch"), norm_noise=True)
    assert [n for n, _ in some.named_children() if "noise" in n] == ["noise1", "noise4"]


def test_noise_leaves_weights_and_evaluation_as_they_are():
    quiet = models.initialize(models.lenet(("batch",) * 4), 0)
    loud = noisy()
    for name, value in quiet.state_dict().items():
        assert torch.equal(value, loud.state_dict()[name])
    images = torch.rand(8, 1, 28, 28)
    assert torch.equal(quiet.eval()(images), loud.eval()(images))
    loud.train(), quiet.train()
    assert not torch.allclose(quiet(images), loud(images))
    again = noisy().train()
    assert torch.equal(noisy().train()(images), again(images)), "the same seed, the same noise"
    assert not torch.equal(again(images), noisy().train()(images)), "every step has its own"


def test_noise_has_the_distribution_of_its_source():
    noise = models.Noise()
    noise.generator.manual_seed(0)
    n, features = 4_000, 300
    shifts = noise(torch.zeros(n, features))
    stretches = noise(torch.ones(n, features)) - noise(torch.zeros(n, features))
    centers = shifts.mean(0)
    assert -0.51 < centers.min() < -0.48
    assert 0.48 < centers.max() < 0.51
    assert float((shifts - centers).abs().max()) <= 0.1 + 0.01
    assert float(shifts.std(0).mean()) == pytest.approx(0.1 / 3**0.5, rel=0.05)
    # Stretches differ from feature to feature by 1 to 1.25, and the two shifts add to them.
    assert float(stretches.mean()) == pytest.approx(1.125, abs=0.08)


def test_noise_trains_and_is_off_where_statistics_are_measured_again():
    net = noisy()
    images = torch.rand(40, 1, 28, 28)
    precise = norms.reestimate(net, images, batch_size=40)
    quiet = norms.reestimate(models.initialize(models.lenet(("batch",) * 4), 0), images, 40)
    for name, value in quiet.state_dict().items():
        torch.testing.assert_close(value, precise.state_dict()[name])


@pytest.mark.parametrize("side", [4, 5])
def test_average_pooling_is_differentiated_twice_as_well(side):
    x = torch.rand(2, 3, side, side, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(models.AveragePool(), (x,))
    assert torch.autograd.gradgradcheck(models.AveragePool(), (x,))
