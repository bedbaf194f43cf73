"""PyTorch's own list of cases for its batch norm, for that and for its two halves.

The cases are those of its module tests (`torch.testing._internal.common_modules`) and the claims
those of its tests of `nn`. Not asked of the halves: `bias=False` and `torch.jit.script`.
"""

import copy
import io
import itertools
import pickle

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from bnbook import models, norms
from bnbook.norms.base import along

BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
#: Arguments of the layer after the number of features, and the shape of what it is given.
CASES = {
    "affine": ((), (4, 10)),
    "3d_input": ((), (4, 5, 3)),
    "2d": ((), (2, 3, 6, 6)),
    "simple_average": ((1e-3, None), (4, 10)),
    "2d_simple_average": ((1e-3, None), (2, 3, 6, 6)),
    "momentum": ((1e-3, 0.8), (2, 3, 6, 6)),
    "no_momentum": ((1e-3, 0.0), (4, 10)),
    "not_affine": ((1e-3, 0.3, False), (4, 10)),
    "3d_not_affine": ((1e-3, 0.3, False), (4, 5, 3)),
    "2d_not_affine": ((1e-3, 0.8, False), (2, 3, 6, 6)),
    "not_tracking": ((1e-3, 0.3, True, False), (4, 10)),
    "2d_not_tracking": ((1e-3, 0.8, True, False), (2, 3, 6, 6)),
}
KINDS = ("batch", "mean", "variance")
each = pytest.mark.parametrize("kind", KINDS)
halves = pytest.mark.parametrize("kind", KINDS[1:])
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
modes = pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])


def draw(shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(shape, generator=generator, dtype=torch.float64) + 2).to(dtype)


def made(kind, shape=(6, 3), options=(), dtype=torch.float64):
    """A layer for `shape` with parameters and running statistics that are its own."""
    kinds = {"batch": nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d}
    kinds |= {"mean": norms.MeanNorm, "variance": norms.VarianceNorm}
    layer = kinds[kind](shape[1], *options, dtype=dtype)
    with torch.no_grad():
        for seed, tensor in enumerate([*layer.parameters(), *layer.buffers()]):
            if tensor.dim():
                tensor.copy_(draw(tensor.shape, seed, dtype).abs() + 0.5)
    return layer


class Reference(nn.Module):
    """A half made of PyTorch's batch norm: what that removes too much is put back."""

    def __init__(self, layer, kind, dims):
        super().__init__()
        whole = nn.BatchNorm2d if dims == 4 else nn.BatchNorm1d
        kept = layer.track_running_stats
        self.kind, self.weight, self.bias = kind, *copy.deepcopy((layer.weight, layer.bias))
        self.norm = whole(layer.num_features, layer.eps, layer.momentum, False, kept).double()
        self.norm.load_state_dict(layer.state_dict(), strict=False)

    def forward(self, x):
        dims = [0, *range(2, x.dim())]
        if self.training or not self.norm.track_running_stats:
            mean, var = x.mean(dims), x.var(dims, correction=0)
        else:
            mean, var = self.norm.running_mean, self.norm.running_var
        root = along((var + self.norm.eps).sqrt(), x)
        y = self.norm(x)
        y = y * root if self.kind == "mean" else y + along(mean, x) / root
        return y if self.weight is None else y * along(self.weight, x) + along(self.bias, x)


def test_batch_norm_is_pytorchs():
    assert type(norms.build("batch", 3, 2)) is nn.BatchNorm1d
    assert type(norms.build("batch", 3, 4)) is nn.BatchNorm2d


@halves
@cases
@modes
def test_a_half_does_what_it_does_made_of_pytorchs_batch_norm(kind, case, training):
    options, shape = case
    layer = made(kind, shape, options).train(training)
    reference = Reference(layer, kind, len(shape)).train(training)
    for step in range(3):
        results = []
        for one in (layer, reference):
            x = draw(shape, step).requires_grad_()
            y = one(x)
            results.append([y, *torch.autograd.grad(y, [x, *one.parameters()], draw(shape, 9))])
        torch.testing.assert_close(*results)
    for name, value in layer.named_buffers():
        torch.testing.assert_close(value, reference.norm.get_buffer(name))
    assert [name in dict(layer.named_buffers()) for name in BUFFERS] == [
        layer.track_running_stats and used for used in (kind == "mean", kind == "variance", True)
    ]


@halves
@cases
@modes
def test_first_and_second_derivatives_are_the_numeric_ones(kind, case, training):
    options, shape = case
    layer = made(kind, (3, shape[1], *shape[2:3]), options).train(training)
    x = draw((3, shape[1], *shape[2:3])).requires_grad_()

    def of(x, *values):
        frozen = {name: value.clone() for name, value in layer.named_buffers()}
        named = dict(zip(dict(layer.named_parameters()), values, strict=True))
        return functional_call(layer, frozen | named, (x,))

    given = (x, *layer.parameters())
    assert torch.autograd.gradcheck(of, given, fast_mode=True)
    assert torch.autograd.gradgradcheck(of, given, fast_mode=True)


@each
def test_the_hessian_is_not_zero(kind):
    x, c = draw((5, 3)), draw((5, 3), 1)
    hessian = torch.autograd.functional.hessian(
        lambda z: (made(kind, options=(1e-5, 0.1, False))(z) * c).sum(), x
    )
    expected = torch.func.hessian(
        lambda z: (made(kind, options=(1e-5, 0.1, False, False))(z) * c).sum()
    )(x)
    torch.testing.assert_close(hessian, expected)
    assert bool(hessian.abs().sum() > 0.1) == (kind != "mean"), "a mean is linear"


def test_a_gradient_penalty_on_a_whole_net_is_differentiated():
    net = models.initialize(models.lenet(("batch", "variance", "mean", "batch")), 0).double()
    x = torch.rand(4, 1, 28, 28, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x).square().sum(), x, create_graph=True)
    direction = draw(x.shape, 1)
    (along_it,) = torch.autograd.grad((gradient * direction).sum(), x)
    step = 1e-6 * direction
    ends = []
    for moved in (x.detach() + step, x.detach() - step):
        moved.requires_grad_()
        ends.append(torch.autograd.grad(net(moved).square().sum(), moved)[0])
    torch.testing.assert_close(along_it, (ends[0] - ends[1]) / 2e-6, rtol=1e-4, atol=1e-6)


@each
@modes
@pytest.mark.parametrize("shape", [(0, 5), (0, 5, 9), (0, 5, 2, 2)])
def test_an_empty_batch_is_counted_and_leaves_the_statistics_alone(kind, shape, training):
    layer = made(kind, shape).train(training)
    before = copy.deepcopy(dict(layer.named_buffers()))
    x = draw(shape).requires_grad_()
    y = layer(x)
    y.sum().backward()
    assert y.shape == x.grad.shape == shape
    assert all(torch.equal(p.grad, torch.zeros(5).double()) for p in layer.parameters())
    assert layer.num_batches_tracked == before.pop("num_batches_tracked") + training
    assert all(torch.equal(layer.get_buffer(name), value) for name, value in before.items())


@each
@modes
def test_memory_layout_makes_no_difference_and_is_kept(kind, training):
    x, layer = draw((4, 3, 5, 6)), made(kind, (4, 3, 5, 6)).train(training)
    wanted = copy.deepcopy(layer)(x)
    last = copy.deepcopy(layer)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(last, wanted)
    assert last.is_contiguous(memory_format=torch.channels_last)
    apart = torch.stack([x, x], dim=-1)[..., 0]
    assert not apart.is_contiguous()
    torch.testing.assert_close(copy.deepcopy(layer)(apart), wanted)
    torch.testing.assert_close(copy.deepcopy(layer)(x.transpose(2, 3)), wanted.transpose(2, 3))


@each
@modes
def test_only_what_asks_for_a_gradient_gets_it(kind, training):
    for asked in itertools.product([True, False], repeat=3):
        layer = made(kind).train(training)
        x = draw((6, 3)).requires_grad_(asked[0])
        given = (x, layer.weight.requires_grad_(asked[1]), layer.bias.requires_grad_(asked[2]))
        y = layer(x)
        assert y.requires_grad == any(asked)
        if any(asked):
            y.sum().backward()
        assert [one.grad is not None for one in given] == list(asked)


@each
@modes
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("mixed", [True, False], ids=["wide layer", "narrow layer"])
def test_narrow_types_are_computed_in_float32(kind, training, dtype, mixed):
    narrow = made(kind, dtype=torch.float32 if mixed else dtype).train(training)
    wide = copy.deepcopy(narrow).float()
    x = draw((64, 3), dtype=dtype)
    y, wanted = narrow(x), wide(x.float())
    assert y.dtype == dtype
    assert narrow.weight.dtype == (torch.float32 if mixed else dtype)
    loose = {"rtol": 4 * torch.finfo(dtype).eps, "atol": 4 * torch.finfo(dtype).eps}
    torch.testing.assert_close(y.float(), wanted, **loose)
    for name, value in narrow.named_buffers():
        torch.testing.assert_close(value.float(), wide.get_buffer(name).float(), **loose)


@each
def test_half_precision_does_not_overflow(kind):
    layer = made(kind, (64, 3, 32, 32)).half()
    layer.reset_parameters()
    x = torch.randn(64, 3, 32, 32, generator=torch.Generator().manual_seed(0)).half() + 10
    y = layer(x.requires_grad_())
    y.float().square().mean().backward()
    assert all(one.isfinite().all() for one in (y, x.grad, *layer.parameters(), *layer.buffers()))


@each
def test_a_net_trains_under_autocast(kind):
    net = models.initialize(models.lenet((kind,) * 4), 0)
    x = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    wanted = copy.deepcopy(net)(x)
    with torch.autocast("cpu", torch.bfloat16):
        y = net(x)
        functional.cross_entropy(y, torch.arange(8)).backward()
    assert y.dtype == torch.bfloat16
    assert all(p.grad.isfinite().all() for p in net.parameters())
    assert (y.float() - wanted).abs().max() < 0.2
    assert net.norm1.num_batches_tracked == 1


@each
def test_update_bn_averages_over_the_batches(kind):
    net = nn.Sequential(nn.Identity(), made(kind))
    batches = [draw((20, 3), seed) for seed in range(3)]
    precise = norms.reestimate(net, torch.cat(batches), batch_size=20)
    torch.optim.swa_utils.update_bn(batches, net)
    assert net[1].num_batches_tracked == 3
    assert net[1].momentum == 0.1
    torch.testing.assert_close(net.state_dict(), precise.state_dict())


@each
def test_state_dicts_are_batch_norms_own_and_old_ones_are_read(kind):
    layer, whole = made(kind), nn.BatchNorm1d(3).double()
    kept = [name for name in whole.state_dict() if name in layer.state_dict()]
    assert list(layer.state_dict()) == kept
    other = type(layer)(3).double()
    stream = io.BytesIO()
    torch.save(layer.state_dict(), stream)
    stream.seek(0)
    other.load_state_dict(torch.load(stream))
    assert torch.equal(other.eval()(draw((6, 3))), layer.eval()(draw((6, 3))))
    # Before version 2 there was no count.
    old = {k: v for k, v in layer.state_dict().items() if k != "num_batches_tracked"}
    assert type(layer)(3).load_state_dict(dict(old))
    missing = whole.load_state_dict(layer.state_dict(), strict=False).missing_keys
    assert missing == [name for name in whole.state_dict() if name not in kept]


@each
def test_copies_and_pickles_are_layers_of_their_own(kind):
    layer = made(kind)
    wanted = copy.deepcopy(layer).eval()(draw((6, 3)))
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        layer(draw((6, 3), 5))
        torch.testing.assert_close(twin.eval()(draw((6, 3))), wanted)


@each
def test_functional_calls_move_the_statistics_that_they_are_given(kind):
    layer, x = made(kind), draw((6, 3))
    given = {name: value.detach().clone() for name, value in layer.state_dict().items()}
    y = functional_call(layer, given, (x,))
    assert layer.num_batches_tracked == 0
    assert given["num_batches_tracked"] == 1
    torch.testing.assert_close(layer(x), y)
    for name, value in layer.named_buffers():
        assert torch.equal(value, given[name])


@each
@pytest.mark.parametrize("options", [(1e-5, 0.1, True, False), ()], ids=["train", "eval"])
def test_function_transforms_work_where_pytorchs_do(kind, options):
    layer, x, v = made(kind, options=options).train(bool(options)), draw((6, 3)), draw((6, 3), 1)
    moved = torch.func.jvp(layer, (x,), (v,))[1]
    torch.testing.assert_close(moved, (layer(x + 1e-6 * v) - layer(x - 1e-6 * v)) / 2e-6)
    both = torch.vmap(layer)(torch.stack([x, v]))
    torch.testing.assert_close(both, torch.stack([layer(x), layer(v)]))
    torch.func.replace_all_batch_norm_modules_(layer)
    assert list(layer.buffers()) == []
    assert layer.train()(x).isfinite().all()


@each
@modes
def test_compilers_and_exporters_trace_the_whole_layer(kind, training):
    layer, x = made(kind, (4, 3, 5, 5)).train(training), draw((4, 3, 5, 5))
    eager, compiled, exported = (copy.deepcopy(layer) for _ in range(3))
    exported = torch.export.export(exported, (x,)).module()
    wanted = eager(x)
    torch.testing.assert_close(exported(x), wanted)
    run = torch.compile(compiled, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(run(x), wanted)
    for name, value in eager.named_buffers():
        torch.testing.assert_close(compiled.get_buffer(name), value)
        torch.testing.assert_close(exported.get_buffer(name), value)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_net_with_batch_norm_can_be_scripted():
    layer = made("batch").eval()
    torch.testing.assert_close(torch.jit.script(layer)(draw((6, 3))), layer(draw((6, 3))))


@each
def test_what_cannot_be_normalized_is_refused(kind):
    wrong = [(6, 2), (3,)] + ([(1, 3)] if kind != "mean" else [])
    for shape in wrong:
        with pytest.raises((ValueError, RuntimeError), match=r"\d"):
            made(kind)(draw(shape))


@each
def test_statistics_that_are_no_longer_tracked_stand_still_and_are_used_in_eval_mode(kind):
    layer = made(kind)
    layer.track_running_stats = False
    before = copy.deepcopy(layer.state_dict())
    layer(draw((6, 3)))
    torch.testing.assert_close(layer.state_dict(), before)
    tracking = made(kind).eval()
    torch.testing.assert_close(layer.eval()(draw((6, 3))), tracking(draw((6, 3))))
