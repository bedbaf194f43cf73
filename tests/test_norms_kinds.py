"""What holds for every norm that a slot may hold."""

import copy
import dataclasses

import pytest
import torch
from torch import nn

from bnbook import data, models, norms, training
from bnbook.chapters.other_norms.experiments import OTHER_NORMS
from bnbook.errors import BookError
from bnbook.run import Run

SHAPES = [(40, 12), (10, 12, 4, 3)]
KINDS = [kind for kind in norms.KINDS if kind != "none"]
RUNNING = [kind for kind in KINDS if isinstance(norms.build(kind, 6, 4), norms.RunningNorm)]
each = pytest.mark.parametrize("kind", KINDS)
both = pytest.mark.parametrize("shape", SHAPES, ids=["linear", "convolution"])
#: All of both, but for the one that is refused.
everywhere = pytest.mark.parametrize(
    ("kind", "shape"),
    [(kind, shape) for kind in KINDS for shape in SHAPES if (kind, len(shape)) != ("instance", 2)],
)


def draw(shape, seed=0):
    """Values with correlated features of different sizes and means."""
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(shape[1], shape[1], generator=generator).double()
    x = torch.randn(shape, generator=generator).double()
    return torch.einsum("fg,ng...->nf...", mixed, x) + 2


def randomized(kind, shape):
    layer = norms.build(kind, shape[1], len(shape)).double()
    generator = torch.Generator().manual_seed(1)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, 0.5, 2, generator=generator)
    return layer


def test_a_norm_that_would_see_single_numbers_is_refused():
    with pytest.raises(BookError, match="'instance' would see a single number after a linear"):
        norms.build("instance", 12, 2)


@pytest.mark.parametrize(("kind", "dims"), [("batch", 3), ("layer", 5), ("Batch", 4), ("", 2)])
def test_what_there_is_not_is_refused(kind, dims):
    with pytest.raises(BookError, match=r"no norm .* take one of none, batch, .* 2 or 4 dim"):
        norms.build(kind, 12, dims)


@each
def test_compilers_and_exporters_trace_the_whole_of_it(kind):
    layer, x = randomized(kind, SHAPES[1]), draw(SHAPES[1])
    compiled, exported = copy.deepcopy(layer), copy.deepcopy(layer)
    exported = torch.export.export(exported, (x,)).module()
    wanted = layer(x)
    torch.testing.assert_close(exported(x), wanted)
    torch.compiler.reset()
    run = torch.compile(compiled, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(run(x), wanted)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@everywhere
def test_function_transforms_work(kind, shape):
    layer, x = randomized(kind, shape).eval(), draw(shape)
    given = {name: value.detach() for name, value in layer.state_dict().items()}

    def squares(x):
        return torch.func.functional_call(layer, given, (x,)).square().sum()

    inputs = x.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(squares(inputs), inputs)
    torch.testing.assert_close(torch.func.grad(squares)(x), wanted)
    both = torch.vmap(layer)(torch.stack([x, 2 * x]))
    torch.testing.assert_close(both, torch.stack([layer(x), layer(2 * x)]))


def test_kinds_of_the_batch_are_those_with_running_statistics():
    assert list(norms.BATCHED) == RUNNING


def test_the_kinds_of_the_first_chapters_come_first():
    assert norms.KINDS[:4] == ("none", "batch", "mean", "variance")
    assert len(set(norms.KINDS)) == len(norms.KINDS)


@everywhere
def test_gamma_and_beta_are_one_per_feature_and_come_last(kind, shape):
    layer = norms.build(kind, shape[1], len(shape)).double()
    assert [p.shape for p in layer.parameters()] == [(shape[1],)] * 2
    x = draw(shape)
    plain = layer(x)
    layer.weight.data *= torch.arange(1.0, 13)
    layer.bias.data += torch.arange(12.0)
    assert plain.shape == x.shape
    form = (1, 12, 1, 1)[: len(shape)]
    scaled = layer.weight.view(form) * plain + layer.bias.view(form)
    torch.testing.assert_close(layer(x), scaled)


@everywhere
def test_the_gradient_is_the_numeric_one(kind, shape):
    """By either mode of differentiation."""
    layer = randomized(kind, shape)
    x = draw(shape).requires_grad_()
    names, parameters = zip(*layer.named_parameters(), strict=True)

    def transform(x, *values):
        given = dict(zip(names, values, strict=True))
        return torch.func.functional_call(layer, given, (x,))

    torch.autograd.gradcheck(
        transform, (x, *parameters), atol=1e-4, fast_mode=True, check_forward_ad=True
    )


@everywhere
def test_the_second_derivative_is_the_numeric_one(kind, shape):
    layer, x = randomized(kind, shape), draw(shape).requires_grad_()
    given = (x, *layer.parameters())
    torch.autograd.gradgradcheck(
        lambda x, *_: layer(x), given, atol=1e-3, rtol=1e-2, fast_mode=True
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", RUNNING)
def test_narrow_types_are_finite_and_near_float32(kind, dtype):
    x = (draw((300, 12), seed=2) / 4).to(dtype)
    wide, narrow = norms.build(kind, 12, 2), norms.build(kind, 12, 2).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        y = narrow(x)
    assert y.dtype == dtype
    assert all(buffer.isfinite().all() for buffer in narrow.buffers())
    # What the layer computes is rounded once, at the end; the integral has steps in its slope.
    assert (y.float() - wide(x.float())).abs().max() < (0.1 if kind == "integral" else 0.03)


@pytest.mark.parametrize("kind", RUNNING)
@both
def test_statistics_of_one_batch_give_in_eval_what_training_gave(kind, shape):
    layer = randomized(kind, (4000, *shape[1:]))
    layer.eps = 1e-12 if kind != "pca" else layer.eps
    x = draw((4000, *shape[1:]))
    trained = layer(x)
    precise = norms.reestimate(layer, x, batch_size=4000)
    # The stored variance is the unbiased one: n / (n - 1) times that of the batch.
    torch.testing.assert_close(precise(x), trained, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("kind", RUNNING)
@both
def test_reestimation_forgets_everything_and_averages_over_the_batches(kind, shape):
    layer, x = randomized(kind, shape), draw((120, *shape[1:]))
    batches = x.split(40)
    averages = {}
    for batch in batches:
        one = copy.deepcopy(layer)
        one.momentum = 1.0
        one(batch)
        for name, value in one.named_buffers():
            averages[name] = averages.get(name, 0) + value / len(batches)
    for name, buffer in layer.named_buffers():
        if name != "num_batches_tracked":
            buffer.fill_(torch.nan)
    precise = norms.reestimate(layer, x, batch_size=40)
    for name, value in precise.named_buffers():
        if name != "num_batches_tracked":
            torch.testing.assert_close(value, averages[name])
    assert all(b.isnan().all() for n, b in layer.named_buffers() if n != "num_batches_tracked")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in RUNNING])
def test_without_statistics_eval_is_training_and_reestimation_looks_at_no_image(kind):
    layer, x = randomized(kind, SHAPES[1]), draw(SHAPES[1])
    trained = layer(x)
    assert torch.equal(layer.eval()(x), trained)
    torch.testing.assert_close(layer.train()(x[:1]), trained[:1])  # samples do not see each other
    precise = norms.reestimate(layer, torch.zeros(0))
    assert not precise.training
    assert precise is not layer


@pytest.mark.parametrize("kind", RUNNING)
@both
def test_a_momentum_of_one_keeps_the_last_batch(kind, shape):
    layer = randomized(kind, shape)
    layer.momentum = 1.0
    layer(draw(shape, 1))
    layer(draw(shape, 2))
    other = randomized(kind, shape)
    other.momentum = 1.0
    other(draw(shape, 2))
    for name, value in other.named_buffers():
        if name != "num_batches_tracked":
            assert torch.equal(value, layer.get_buffer(name))


@everywhere
def test_no_number_in_gives_no_number_out_and_no_error(kind, shape):
    x = draw(shape)
    x[0] = torch.nan
    layer = norms.build(kind, shape[1], len(shape)).double()
    assert layer(x).isnan().any()
    assert layer.eval()(x).isnan().any()


# PyTorch's own batch norm is left out: it takes the statistics as they are by then.
@pytest.mark.parametrize("kind", [kind for kind in RUNNING if kind != "batch"])
@both
def test_what_was_evaluated_is_differentiated_after_training_went_on(kind, shape):
    layer = randomized(kind, shape)
    layer(draw(shape))  # so that there are statistics
    x = draw(shape, 1).requires_grad_()
    (expected,) = torch.autograd.grad(layer.eval()(x).square().sum(), x)
    y = layer(x)
    layer.train()(draw(shape, 2))
    (found,) = torch.autograd.grad(y.square().sum(), x)
    torch.testing.assert_close(found, expected)


@each
def test_a_feature_that_never_changes_gives_beta(kind):
    x = draw((64, 12, 4, 3))
    x[:, 3] = 5.0
    x.requires_grad_()
    layer = randomized(kind, x.shape)
    y = layer(x)
    (y * draw(x.shape, 3)).sum().backward()
    assert x.grad.isfinite().all()
    if kind not in ("mean", "variance", "pca", "sphere", "cone", "layer", "group"):
        torch.testing.assert_close(y[:, 3], layer.bias[3].expand_as(y[:, 3]))


@pytest.mark.parametrize("kind", RUNNING)
def test_a_shape_that_cannot_be_normalized_is_named(kind):
    layer = norms.build(kind, 12, 2)
    wrong = (RuntimeError, "12") if kind == "batch" else (ValueError, r"shape \((6, 11|12,)\)")
    for shape in [(6, 11), (12,)][: 1 + (kind != "batch")]:
        with pytest.raises(wrong[0], match=wrong[1]):
            layer(torch.zeros(shape))
    if kind != "mean":  # a mean needs one value only
        with pytest.raises(ValueError, match=r"(shape \(|Size\(\[)1, 12"):
            layer(torch.zeros(1, 12))


def test_the_reference_points_are_what_their_papers_say():
    x = draw((5, 16, 4, 3))

    def standardized(x, dims):
        return (x - x.mean(dims, keepdim=True)) / x.std(dims, correction=0, keepdim=True)

    grouped = standardized(x.view(5, 2, 8, 4, 3), (2, 3, 4)).view(x.shape)
    for kind, expected in {
        "layer": standardized(x, (1, 2, 3)),
        "group": grouped,
        "instance": standardized(x, (2, 3)),
    }.items():
        found = norms.build(kind, 16, 4).double()(x)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    flat = x[..., 0, 0]
    found = norms.build("layer", 16, 2).double()(flat)
    torch.testing.assert_close(found, nn.LayerNorm(16).double()(flat))


@pytest.mark.parametrize("arm", OTHER_NORMS.arms.values(), ids=OTHER_NORMS.arms)
def test_a_net_with_the_norm_trains_and_is_evaluated(arm):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (64, 1, 28, 28), generator=generator, dtype=torch.uint8)
    part = data.Images(images, torch.arange(64) % 10)
    run = dataclasses.replace(arm, train_size=64, batch_size=32, epochs=1, eval_epochs=(), lr=0.01)
    last = training.train(run, data.Splits(part, part, part)).rows[-1]
    assert last["val_loss"] < 10
    assert last["test_correct"] == last["test_correct_running"] or run.batched
    held = [kind != "none" for kind in run.norms]
    for name in ("gamma", "beta"):
        assert [len(slot) > 0 for slot in last[name]] == held


@each
def test_fixed_gamma_and_beta_stay_whatever_the_norm(kind):
    for affine, learned in models.AFFINE.items():
        norm = models.lenet((kind, "none", "none", "none"), affine=affine).norm1
        assert (norm.weight.requires_grad, norm.bias.requires_grad) == learned


def test_one_image_at_a_time_is_a_batch_for_norms_that_ask_for_no_more():
    part = data.Images(torch.zeros(4, 1, 28, 28, dtype=torch.uint8), torch.arange(4))
    run = Run(norms=("group",) * 4, train_size=4, batch_size=1, epochs=1)
    assert training.train(run, data.Splits(part, part, part)).rows[-1]["step"] == 4


@pytest.mark.parametrize("features", [1, 2, 6, 7, 11, 16, 84, 120, 256])
@each
def test_any_number_of_features_can_be_normalized(kind, features):
    for shape in [(300, features), (20, features, 3, 5)][kind == "instance" :]:
        y = norms.build(kind, features, len(shape))(draw(shape).float())
        assert y.shape == shape
        assert y.isfinite().all()


def test_a_model_holds_the_norms_it_names():
    net = models.lenet(("zca", "instance", "integral", "monarch"))
    named = [type(getattr(net, f"norm{slot}")).__name__ for slot in (1, 2, 3, 4)]
    assert named == ["WhiteningNorm", "InstanceNorm2d", "IntegralNorm", "MonarchNorm"]


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"batch", "layer", "group", "instance"}))
@pytest.mark.parametrize("dtype", [torch.int64, torch.complex64])
def test_only_real_numbers_in_floating_point_are_normalized(kind, dtype):
    with pytest.raises(TypeError, match="floating point"):
        norms.build(kind, 6, 4)(torch.ones(4, 6, 3, 3).to(dtype))


@pytest.mark.parametrize(("images", "size"), [(4, 0), (4, -1), (0, 10)])
def test_statistics_of_nothing_are_refused(images, size):
    net = nn.Sequential(norms.build("batch", 6, 2))
    with pytest.raises(BookError, match=f"no statistics of {images} images in batches of {size}"):
        norms.reestimate(net, torch.ones(images, 6), size)
