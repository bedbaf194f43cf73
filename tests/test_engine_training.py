"""The page's engine trains as PyTorch does: freely, and step by step, to the limits of rounding."""

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
from engine_jobs import BATCH, MIXED, STEPS, TRAIN_SIZE, array, name, run_of, with_parameters
from torch.nn import functional

from bnbook import data, models, norms, optimizers, streams, training
from bnbook.run import Run

#: Two answers nearer than this may change places by rounding, which training amplifies.
EDGE = 1e-3

pytestmark = pytest.mark.usefixtures("one_thread")


# Training freely


def cases():
    """List settings that train without chaos: sigmoid, batch size 16 or more, lr at most 1.

    Not all such settings are free of it. With mean-only norms, lr 1 and batches of 16, reversing
    the batches moves PyTorch's own losses by more than 1e-5, and with variance-only norms it does
    so from lr 0.01 on, with larger batches from 0.1 on: rounding grows where a mean is much larger
    than its standard deviation and is not removed.
    """
    sizes = (16, 32, 64, 18, 37)  # the last two leave a group of four images unfilled
    rates = (0.5, 0.5, 1.0, 0.1, 0.25)
    for kind in ("none", "batch", "mean"):
        for seed in range(5):
            yield run_of((kind,) * 4, sizes[seed], lr=rates[seed], seed=seed)
    for seed, size in enumerate((64, 64, 72, 65, 70)):
        yield run_of(("variance",) * 4, size, lr=0.01, seed=seed)
    yield run_of(BATCH, lr=0.5, affine="none")
    yield run_of(BATCH, lr=1.0, seed=1, affine="gamma", conv_bias=False, linear_bias=False)
    yield run_of(("batch", "none", "batch", "none"), lr=0.5, seed=2, affine="beta")
    yield run_of(("mean", "batch", "none", "mean"), lr=0.5, seed=3, conv_bias=False)
    yield run_of(("none", "variance", "batch", "mean"), 64, lr=0.01, seed=4, linear_bias=False)
    yield run_of(BATCH, lr=1.0, trainable="norm")
    yield run_of(BATCH, 37, lr=1.0, seed=1, trainable="norm", affine="beta", conv_bias=False)
    yield run_of(("batch", "none", "mean", "batch"), lr=0.5, seed=2, trainable="norm+head")
    yield run_of(BATCH, lr=0.1, seed=3, trainable="head")
    yield run_of(("none",) * 4, lr=0.1, seed=4, trainable="head", linear_bias=False)
    usual = {"momentum": 0.9, "weight_decay": 5e-4}
    yield run_of(BATCH, lr=0.1, **usual)
    yield run_of(("none",) * 4, 18, lr=0.05, seed=1, **usual)
    yield run_of(("mean", "batch", "none", "mean"), 64, lr=0.05, seed=2, conv_bias=False, **usual)
    yield run_of(BATCH, lr=0.1, seed=3, affine="gamma", **usual)
    yield run_of(BATCH, lr=0.1, seed=4, trainable="norm+head", **usual)
    yield run_of(("none",) * 4, lr=0.05, momentum=0.9)
    yield run_of(BATCH, lr=0.5, seed=1, weight_decay=0.01)
    yield run_of(BATCH, lr=0.5, dataset="clothes")
    yield run_of(("none",) * 4, 37, lr=0.5, seed=1, dataset="clothes")
    yield run_of(BATCH, 64, lr=0.1, seed=2, dataset="clothes", **usual)


#: Orders of the images in a batch: a sum over them is rounded differently in each.
ORDERS = {
    "as drawn": lambda n: torch.arange(n),
    "reversed": lambda n: torch.arange(n).flip(0),
    "rotated": lambda n: torch.arange(n).roll(n // 2),
    "odd ones first": lambda n: torch.cat([torch.arange(1, n, 2), torch.arange(0, n, 2)]),
}


def freely(run, splits, order="as drawn", dtype=torch.float32):
    """Train `run` for an epoch in PyTorch: the losses of its steps, and the session."""
    images = data.to_float(splits.train.images[: run.train_size]).to(dtype)
    session = training.Session(run, (images, splits.train.labels[: run.train_size]))
    places = ORDERS[order](run.batch_size)
    session.batches = ((x[places], y[places]) for x, y in session.batches)
    return np.array([loss.item() for loss in session.epoch()]), session


def furthest(losses, exact):
    """How far losses have been from the exact ones by each step, relative to these."""
    return np.maximum.accumulate(np.abs(losses / exact - 1))


def judged(net, part):
    """Judge `part`, in double precision: right answers, those on the edge, mean loss.

    On the edge are images whose best two answers are as near to each other as rounding can move
    them.
    """
    with torch.no_grad():
        logits = net.eval()(data.to_float(part.images).double())
    best = logits.topk(2).values
    right = int((logits.argmax(1) == part.labels).sum())
    edge = int((best[:, 0] - best[:, 1] < EDGE).sum())
    return right, edge, functional.cross_entropy(logits, part.labels).item()


@pytest.mark.parametrize("run", list(cases()), ids=name)
def test_training_freely_stays_with_pytorch(ask, page_splits, run):
    """As near to training in double precision as PyTorch's single precision is to it.

    How near that is, is measured here and now, with the images of each batch in several orders: no
    processor's way of rounding decides.
    """
    splits, run = page_splits[run.dataset], dataclasses.replace(run, epochs=1)
    *found, evaluation = ask(
        *[[0, "step", run.lr]] * STEPS, [0, "evaluate"], runs=[run], train=run.train_size
    )
    exact, session = freely(run, splits, dtype=torch.float64)
    theirs = [furthest(freely(run, splits, order)[0], exact) for order in ORDERS]
    # Eight roundings of a float32: no two results can be asked to be nearer than that.
    allowed = np.maximum(3 * np.max(theirs, 0), 8 * 2.0**-23)
    assert allowed[-1] < 1e-3, "an example that proves nothing"
    assert np.all(furthest(np.array(found), exact) <= allowed)
    precise = norms.reestimate(session.net, session.images)
    right, edge, loss = judged(precise, splits.validation)
    assert abs(evaluation["correct"] - right) <= edge
    assert evaluation["loss"] == pytest.approx(loss, rel=10 * allowed[-1])
    right, edge, _ = judged(session.net, splits.validation)
    assert abs(evaluation["correctRunning"] - right) <= edge


@pytest.mark.parametrize(
    "run",
    [
        run_of(BATCH, momentum=0.9, weight_decay=5e-4),
        run_of(MIXED, 16, lr=0.05, seed=1, momentum=0.5, affine="beta"),
        run_of(("none",) * 4, activation="relu", weight_decay=0.1, linear_bias=False),
        run_of(BATCH, momentum=0.9, weight_decay=0.1, trainable="norm", affine="gamma"),
        run_of(BATCH, momentum=0.9, weight_decay=0.1, trainable="head"),
    ],
    ids=name,
)
def test_momentum_and_weight_decay_do_with_gradients_what_pytorchs_sgd_does(ask, run):
    """Fed the engine's own gradients, it takes the same steps, but for rounding."""
    look = [[0, "step", run.lr], [0, "gradients"]]
    before, *rest, after = ask([0, "parameters"], *look * 5, [0, "parameters"], runs=[run])
    net = with_parameters(run, array(before))
    models.freeze(net, run.trainable, run.seed)
    learned = [p for p in net.parameters() if p.requires_grad]
    sizes = [p.numel() for p in net.parameters()]
    sgd = optimizers.build("sgd", learned, run.lr, run.momentum, run.weight_decay)
    for slopes in rest[1::2]:
        parts = torch.tensor(array(slopes)).split(sizes)
        for p, slope in zip(net.parameters(), parts, strict=True):
            p.grad = slope.view_as(p)
        sgd.step()
    expected = torch.nn.utils.parameters_to_vector(net.parameters()).detach().numpy()
    moved = np.abs(expected - array(before)).max()
    np.testing.assert_allclose(array(after), expected, rtol=1e-6, atol=1e-6 * moved)


def ended(losses):
    """Say how an epoch went, from the losses of its steps."""
    if not np.all(np.isfinite(losses)):
        return "non-finite"
    return "at chance" if np.median(losses[-10:]) > math.log(10) else "learning"


@pytest.mark.parametrize(
    ("run", "outcome"),
    [
        (run_of(BATCH, lr=200.0), "at chance"),
        (run_of(BATCH, lr=50.0, activation="relu"), "non-finite"),
        (run_of(("none",) * 4, lr=200.0), "at chance"),
        (run_of(("none",) * 4, lr=100.0, activation="relu"), "at chance"),
        (run_of(("mean",) * 4, lr=200.0, activation="relu"), "non-finite"),
        (run_of(("variance",) * 4, lr=100.0, activation="relu"), "non-finite"),
        (run_of(BATCH, lr=200.0, trainable="norm+head"), "at chance"),
    ],
    ids=lambda value: value if isinstance(value, str) else name(value),
)
def test_at_the_highest_rates_training_ends_as_pytorchs_does(ask, page_digits, run, outcome):
    found = ask(*[[0, "step", run.lr]] * STEPS, runs=[run], train=run.train_size)
    assert ended([float(loss) for loss in found]) == outcome
    assert [ended(freely(run, page_digits, order)[0]) for order in ("as drawn", "reversed")] == [
        outcome
    ] * 2


#: What links gave when there was neither momentum nor weight decay, and rates ended at 30.
OLD = {
    run_of(BATCH, lr=1.0): "00827852d40604d5",
    run_of(MIXED, 18, lr=0.1, activation="relu", affine="none", seed=1): "fcea5dea836a291e",
    run_of(("none",) * 4, 2, lr=30.0, seed=2, linear_bias=False): "ae54eab8872a70c4",
    run_of(("variance",) * 4, 64, lr=3.2, seed=3, trainable="norm+head"): "3107fe717afbb68e",
}


@pytest.mark.parametrize("run", OLD, ids=name)
def test_a_link_of_old_still_gives_the_same_bits(ask, run):
    *_, found = ask(*[[0, "step", run.lr]] * STEPS, [0, "hash"], runs=[run])
    assert found == OLD[run]


def test_accuracies_off_chance_are_the_same_number_of_images(ask, page_digits):
    """With both statistics, where they differ much: after one epoch over all the page's digits."""
    run = Run(dataset="digits", norms=BATCH, lr=1.0, batch_size=64, epochs=1, train_size=TRAIN_SIZE)
    row = training.train(run, page_digits).rows[-1]
    *_, found = ask(*[[0, "step", 1.0]] * (TRAIN_SIZE // 64), [0, "evaluate"], runs=[run])
    assert (found["correct"], found["correctRunning"]) == (
        row["val_correct"],
        row["val_correct_running"],
    )
    assert found["correct"] > 800
    assert found["correct"] - found["correctRunning"] > 20


# Single steps, wherever training leads


@dataclasses.dataclass
class Gradients:
    """A loss and the gradients of all parameters, those of fixed ones 0; float64."""

    loss: float
    all: np.ndarray

    def distance(self, other):
        """Relative differences of the loss and of the gradient as a whole."""
        gap = np.linalg.norm(self.all - other.all) / np.linalg.norm(other.all)
        return abs(self.loss / other.loss - 1), gap


def gradients(net, images, labels):
    net = copy.deepcopy(net)
    loss = functional.cross_entropy(net(images), labels)
    loss.backward()
    parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in net.parameters()]
    return Gradients(loss.item(), torch.cat([p.flatten() for p in parts]).double().numpy())


@pytest.mark.parametrize(
    "run",
    [
        run_of(("none",) * 4, 2, lr=3.2, activation="relu"),
        run_of(BATCH, 2, lr=0.1, activation="relu", seed=1),
        run_of(BATCH, 2, lr=3.2, seed=1, affine="gamma"),
        run_of(BATCH, 3, lr=3.2, seed=3, conv_bias=False),
        run_of(MIXED, 2, lr=3.2, seed=4, affine="none"),
        run_of(("mean",) * 4, 2, lr=10.0, seed=5, linear_bias=False),
        run_of(("variance",) * 4, 16, lr=0.1, activation="relu", affine="beta"),
        run_of(BATCH, 64, lr=10.0, activation="relu"),
        run_of(("variance",) * 4, 64, lr=3.2),
        run_of(("batch", "variance", "none", "mean"), 37, lr=0.5, activation="relu", seed=1),
        run_of(("none",) * 4, 128, lr=30.0, seed=2),
    ],
    ids=name,
)
def test_a_step_differs_from_pytorchs_as_pytorch_does_from_itself(ask, page_digits, run):
    """From the same weights, on the way of a training that is chaotic.

    What PyTorch itself shows: the same batch reversed, or computed in double precision. (Reversed
    alone says nothing where the batch has two images: a + b is b + a.) Medians over the steps:
    here and there a step falls on the kink of a ReLU, or on a batch of two nearly equal images,
    where a difference in the last bit becomes as large as one likes.
    """
    every, steps = (5, 12) if run.batch_size < 16 else (3, 8)
    calls = [[0, "parameters"], [0, "step", run.lr], [0, "gradients"]]
    calls += [[0, "step", run.lr]] * (every - 1)
    results = ask(*calls * steps, runs=[run])
    order = torch.randperm(TRAIN_SIZE, generator=streams.stream(run.seed, 0, "order"))
    images, labels = data.to_float(page_digits.train.images), page_digits.train.labels
    ours, theirs = [], []
    for k in range(steps):
        parameters, loss, found = results[k * len(calls) :][:3]
        assert math.isfinite(loss), "an example that proves nothing"
        net = with_parameters(run, array(parameters))
        batch = order[k * every * run.batch_size :][: run.batch_size]
        expected = gradients(net, images[batch], labels[batch])
        ours.append(Gradients(loss, array(found).astype(np.float64)).distance(expected))
        reversed_ = gradients(net, images[batch.flip(0)], labels[batch.flip(0)])
        double = gradients(net.double(), images[batch].double(), labels[batch])
        theirs.append(np.maximum(reversed_.distance(expected), double.distance(expected)))
    # Four roundings of a float32: no two results can be asked to be nearer than that.
    allowed = np.maximum(3 * np.median(theirs, 0), 4 * 2.0**-23)
    assert np.all(np.median(ours, 0) <= allowed)


@pytest.mark.parametrize(
    "run",
    [
        run_of(BATCH, affine="none"),
        run_of(BATCH, trainable="norm"),
        run_of(("batch", "none", "mean", "batch"), trainable="norm", affine="gamma"),
        run_of(BATCH, trainable="norm+head"),
        run_of(("none",) * 4, trainable="head"),
        run_of(BATCH, trainable="head"),
        run_of(BATCH, affine="none", momentum=0.9, weight_decay=0.1),
        run_of(BATCH, trainable="norm", affine="beta", momentum=0.9, weight_decay=0.1),
    ],
    ids=name,
)
def test_fixed_parameters_stay_to_the_bit_and_have_no_gradient(ask, run):
    steps = [[0, "step", 1.0]] * STEPS
    before, *_, after, slopes = ask(
        [0, "parameters"], *steps, [0, "parameters"], [0, "gradients"], runs=[run]
    )
    net = training.build(run)
    models.freeze(net, run.trainable, run.seed)
    ends = np.cumsum([parameter.numel() for parameter in net.parameters()])
    parts = [np.split(array(text), ends)[:-1] for text in (before, after, slopes)]
    for (key, parameter), old, new, slope in zip(net.named_parameters(), *parts, strict=True):
        if not parameter.requires_grad:
            assert old.tobytes() == new.tobytes(), key
            assert not slope.any(), key
        elif key.endswith("weight"):
            assert (old != new).any(), key
            assert slope.all(), key
