"""Tests of a batch norm, little more than a line each, and which mistakes they catch."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bnbook import models
from bnbook.studies import by_hand
from bnbook.studies.by_hand import ByHand, Correct


def draw(seed: int = 0) -> Tensor:
    """Draw a batch of 7 rows and 4 features: few rows, and not as many as features."""
    return 3 * torch.randn(7, 4, generator=torch.Generator().manual_seed(seed)) + 2


def close(a: Tensor, b: Tensor) -> bool:
    """Tell whether two tensors are equal but for rounding."""
    return bool((a - b).abs().max() < 1e-4)


def standardizes(layer: nn.Module) -> bool:
    """Check whether each feature leaves with mean 0 and variance 1."""
    var, mean = torch.var_mean(layer(draw()), 0, correction=0)
    return close(mean, torch.zeros(4)) and close(var, torch.ones(4))


def equals_torch_in_training(layer: nn.Module) -> bool:
    """Check whether it returns what PyTorch's layer returns."""
    return close(layer(draw()), nn.BatchNorm1d(4)(draw()))


def survives_a_constant_feature(layer: nn.Module) -> bool:
    """Check whether a feature that is the same in all rows gives numbers."""
    return bool(layer(torch.ones(7, 4)).isfinite().all())


def equals_torch_in_evaluation(layer: nn.Module) -> bool:
    """Look whether, after three batches, it evaluates as PyTorch's layer does."""
    theirs = nn.BatchNorm1d(4)
    for seed in range(3):
        layer(draw(seed)), theirs(draw(seed))
    return close(layer.eval()(draw()), theirs.eval()(draw()))


def evaluates_without_a_trace(layer: nn.Module) -> bool:
    """Check whether two evaluations give one result."""
    return close(layer.eval()(draw()), layer(draw()))


def survives_saving_and_loading(layer: nn.Module) -> bool:
    """Check whether a new layer that loads its state evaluates as it does."""
    layer(draw())
    loaded = type(layer)(4)
    loaded.load_state_dict(layer.state_dict())
    return close(loaded.eval()(draw()), layer.eval()(draw()))


def has_the_numeric_gradient(net: nn.Module) -> bool:
    """Move every parameter a little, and compare with its gradient."""
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0])
    cross_entropy(net(draw(5)), labels).backward()
    return all(
        p.grad is not None and close(p.grad, numeric_gradient(net, p, labels))
        for p in net.parameters()
    )


@torch.no_grad()
def numeric_gradient(net: nn.Module, parameter: Tensor, labels: Tensor) -> Tensor:
    """Return central differences of the loss, of `parameter`'s shape."""
    h = 1e-5
    gradient = torch.empty_like(parameter)
    values, found = parameter.view(-1), gradient.view(-1)
    for i, old in enumerate(values.tolist()):
        losses = []
        for moved in (old + h, old - h):
            values[i] = moved
            losses.append(cross_entropy(net(draw(5)), labels))
        values[i] = old
        found[i] = (losses[0] - losses[1]) / (2 * h)
    return gradient


Test = Callable[[nn.Module], bool]

#: Tests of a layer of four features, and tests of a small net with such layers.
LAYER_TESTS: dict[str, Test] = {
    "mean and variance": standardizes,
    "training like torch": equals_torch_in_training,
    "constant feature": survives_a_constant_feature,
    "evaluation like torch": equals_torch_in_evaluation,
    "evaluating twice": evaluates_without_a_trace,
    "save and load": survives_saving_and_loading,
}
NET_TESTS: dict[str, Test] = {"numeric gradient": has_the_numeric_gradient}


def small_net(layer: type[Correct]) -> nn.Sequential:
    """Build linear, norm, ReLU, twice, and linear: 4, 5, 5 and 3 features."""
    net = nn.Sequential(
        OrderedDict(
            [
                *[("fc1", nn.Linear(4, 5, bias=False)), ("norm1", nn.BatchNorm1d(5))],
                *[("act1", nn.ReLU()), ("fc2", nn.Linear(5, 5, bias=False))],
                *[("norm2", nn.BatchNorm1d(5)), ("act2", nn.ReLU()), ("out", nn.Linear(5, 3))],
            ]
        )
    )
    models.initialize(net, seed=8)
    by_hand.install(net, layer)
    return net


@contextmanager
def _double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def _passes(test: Test, module: nn.Module) -> bool:
    try:
        return test(module)
    except RuntimeError:  # PyTorch refuses to run the code: that is caught as well
        return False


def caught() -> pd.DataFrame:
    """Run all tests on all codes: True where a test (column) catches a code (row)."""
    found = {}
    with _double_precision():
        for name, code in by_hand.CODES.items():
            # What computes its gradient by hand has the correct layer's outputs, and a ReLU.
            layer = Correct if issubclass(code, ByHand) else code
            found[name] = {
                test: not _passes(check, layer(4)) for test, check in LAYER_TESTS.items()
            } | {test: not _passes(check, small_net(code)) for test, check in NET_TESTS.items()}
    return pd.DataFrame(found).T.astype(bool)


def first_layer_error() -> float:
    """How far the post's gradient of the first layer's weights is from the right one.

    The norm of the difference, relative to the right gradient's, in the small net.
    """
    gradients = []
    with _double_precision():
        for name in ("by hand", "wrong layer"):
            net = small_net(by_hand.CODES[name])
            cross_entropy(net(draw(5)), torch.tensor([0, 1, 2, 0, 1, 2, 0])).backward()
            gradients.append(torch.as_tensor(net.get_parameter("fc1.weight").grad))
    right, wrong = gradients
    return float((wrong - right).norm() / right.norm())


def printed_error() -> float:
    """How far the post's formula for the gradient of x is from autograd's, relative to it.

    The post's terms, in double precision: through the normalized rows, through the variance and
    through the mean, with the mean's own way through the variance, which is 0.
    """
    x, dy = draw(1).double(), draw(2).double()
    gamma = torch.tensor([0.5, 1.0, 1.5, 2.0]).double()
    away, scale = x - x.mean(0), (x.var(0, correction=0) + 1e-8).rsqrt()
    through_var = (dy * gamma * away).sum(0) * -0.5 * scale**3
    through_mean = -(dy * gamma * scale).sum(0) - 2 * through_var * away.mean(0)
    dx = dy * gamma * scale + (2 * through_var * away + through_mean) / len(x)
    x.requires_grad_()
    xhat = (x - x.mean(0)) / torch.sqrt(x.var(0, correction=0) + 1e-8)
    (wanted,) = torch.autograd.grad(gamma * xhat, x, dy)
    return float((dx - wanted).norm() / wanted.norm())
