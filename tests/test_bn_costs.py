"""What the benchmark of chapter 12 times is what it says."""

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import bn_costs, numpy_mlp
from benchmarks.bn_costs import Cell
from benchmarks.turns import in_turns
from bnbook import training
from bnbook.chapters.cost.experiments import NETS


def kinds(net, kind):
    return sum(isinstance(module, kind) for module in net.modules())


def test_every_piece_of_work_takes_its_turn_and_the_first_turn_is_discarded():
    done = []
    work = {name: lambda name=name: done.append(name) or name.upper() for name in "abc"}
    found = list(in_turns(work, 4))
    assert len(done) == 15
    assert sorted(found) == [(turn, name, name.upper()) for turn in range(4) for name in "abc"]
    orders = {tuple(name for turn, name, _ in found if turn == t) for t in range(4)}
    assert len(orders) > 1


@pytest.mark.parametrize("net", NETS)
def test_the_nets_timed_are_those_whose_steps_the_experiment_counts(net):
    plain, normed, _ = NETS[net]
    assert normed.batch_size in bn_costs.BATCH_SIZES[net]
    for norm, run in (("none", plain), ("batch", normed)):
        timed = bn_costs.build(Cell(net, norm, 128))
        assert str(timed) == str(training.build(run))
    assert set(bn_costs.BATCH_SIZES) == {*NETS, "ResNet"}


def test_widths_and_depths_are_those_asked_for():
    mlp = bn_costs.build(Cell("MLP, ReLU", "batch", 32, width=64, depth=4))
    assert [layer.out_features for layer in mlp if isinstance(layer, nn.Linear)] == [64] * 4 + [10]
    resnet = bn_costs.build(Cell("ResNet", "batch", 32, width=2, depth=14))
    assert resnet.conv1.out_channels == 32
    assert kinds(resnet, nn.Conv2d) == 13 + 2  # two shortcuts change the shape


def test_a_step_is_the_sum_of_its_parts():
    cells = [Cell("MLP, ReLU", "batch", 64), Cell(bn_costs.NUMPY, "batch", 64)]
    found = bn_costs.rows(cells, turns=2)
    assert sorted((row["net"], row["turn"]) for row in found) == [
        (cell.net, turn) for cell in reversed(cells) for turn in (0, 1)
    ]
    for row in found:
        parts = [row[name] for name in ("forward", "backward", "update")]
        assert min(parts) > 0
        assert row["seconds"] == pytest.approx(sum(parts), rel=1e-2)


@pytest.mark.parametrize("normed", [False, True])
def test_the_net_in_numpy_has_the_gradients_that_autograd_finds(normed):
    random = np.random.default_rng(0)
    images, labels = random.random((32, 784)), random.integers(10, size=32)
    ours = numpy_mlp.NumpyMLP(normed)
    logits, caches = ours.forward(images)
    gradients = ours.backward(numpy_mlp.loss_gradient(logits, labels), caches)

    given = {n: torch.tensor(p, requires_grad=True) for n, p in ours.parameters.items()}
    x = torch.tensor(images)
    for i in (1, 2):
        x = x @ given[f"W{i}"] + given[f"b{i}"]
        if normed:
            x = nn.functional.batch_norm(
                x, None, None, given[f"gamma{i}"], given[f"beta{i}"], True, eps=numpy_mlp.EPS
            )
        x = x.relu()
    theirs = x @ given["W3"] + given["b3"]
    nn.functional.cross_entropy(theirs, torch.tensor(labels)).backward()
    assert np.allclose(logits, theirs.detach())
    assert set(gradients) == set(given)
    for name, gradient in gradients.items():
        assert np.allclose(gradient, given[name].grad, atol=1e-10), name


def test_the_optimizer_in_numpy_is_adam():
    net = numpy_mlp.NumpyMLP(normed=False)
    theirs = {n: torch.tensor(p, requires_grad=True) for n, p in net.parameters.items()}
    adam = torch.optim.Adam(theirs.values(), lr=1e-3)
    random = np.random.default_rng(0)
    for _ in range(3):
        gradients = {n: random.normal(size=p.shape) for n, p in net.parameters.items()}
        for name, parameter in theirs.items():
            parameter.grad = torch.tensor(gradients[name])
        net.update(gradients)
        adam.step()
    for name, parameter in theirs.items():
        assert np.allclose(net.parameters[name], parameter.detach(), atol=1e-9), name
