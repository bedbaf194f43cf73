"""The page's engine, in Node, against PyTorch: the same training to the limits of rounding."""

import copy
import dataclasses
import math
import os
import shutil
import subprocess

import engine_jobs
import numpy as np
import pytest
import torch
from engine_jobs import array
from torch.nn import functional

from bnbook import data, models, norms, optimizers, probes, streams, training
from bnbook.lab import images as files
from bnbook.run import Run

STEPS = 50
TRAIN_SIZE = 4000
BATCH = ("batch",) * 4
MIXED = ("batch", "none", "mean", "variance")
#: Where the probe looks, and the edges of its bins.
PLACES = ("before", "after", "activated")
EDGES = np.linspace(-8, 8, 65)
#: Two answers nearer than this may change places by rounding, which training amplifies.
EDGE = 1e-3


@pytest.fixture(scope="module")
def ask(node, tmp_path_factory):
    """Hand a job to the engine; return the results of the calls."""
    folder = tmp_path_factory.mktemp("engine")
    pages = {name: engine_jobs.write_images(folder / name, name) for name in files.FILES}

    def ask(*calls, runs=(), train=TRAIN_SIZE, **options):
        job = {"train": train, "nets": [engine_jobs.net(run) for run in runs], "calls": calls}
        page = pages[runs[0].dataset if runs else "digits"]
        return engine_jobs.ask(node, page, [job], **options)[0]

    return ask


@pytest.fixture(scope="module")
def page():
    """The page's data sets; of the test images, which it lacks, as many as a run has to have."""
    return {name: splits_of(*files.read(name)) for name in files.FILES}


def splits_of(levels, labels):
    pixels, labels = torch.tensor(levels)[:, None] * 17, torch.tensor(labels).long()
    ends = (slice(TRAIN_SIZE), slice(TRAIN_SIZE, None), slice(2))
    return data.Splits(*(data.Images(pixels[part], labels[part]) for part in ends))


@pytest.fixture(scope="module")
def splits(page):
    return page["digits"]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Small batches on many threads take PyTorch longer."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run_of(kinds, batch_size=32, dataset="digits", **fields):
    """Describe a run whose epoch has 50 steps."""
    size = batch_size * STEPS
    return Run(dataset=dataset, norms=kinds, batch_size=batch_size, train_size=size, **fields)


def named_parameters(run):
    return dict(training.build(run).named_parameters())


# The same numbers to start from


@pytest.mark.parametrize(
    "run",
    [
        run_of(("none",) * 4, seed=0),
        run_of(BATCH, seed=1, conv_bias=False),
        run_of(MIXED, seed=2, linear_bias=False, affine="none"),
        run_of(("mean", "variance", "none", "batch"), seed=streams.MAX_SEED),
    ],
    ids=["no norms", "no conv bias", "no linear bias", "last seed"],
)
def test_the_initial_parameters_are_pytorchs(ask, run):
    (found,) = ask([0, "parameters"], runs=[run])
    expected = torch.cat([p.detach().flatten() for p in named_parameters(run).values()]).numpy()
    # Scaling a draw to its bound may round once or, with a fused multiply-add, not at all.
    np.testing.assert_allclose(array(found), expected, rtol=0, atol=3e-8)


@pytest.mark.parametrize("seed", [0, 3, streams.MAX_SEED])
@pytest.mark.parametrize("train", [2500, TRAIN_SIZE])
def test_each_epoch_has_pytorchs_order(ask, seed, train):
    run = Run(dataset="digits", batch_size=500, seed=seed)
    steps = train // 500
    calls = [*[[0, "step", 0.1]] * steps, [0, "order"]]
    found = ask(*calls, *calls, [0, "epochStep"], [0, "steps"], runs=[run], train=train)
    generator = streams.stream(seed, 0, "order")
    for order in (found[steps], found[2 * steps + 1]):
        assert (
            array(order, np.uint32).tolist() == torch.randperm(train, generator=generator).tolist()
        )
    assert found[-2:] == [0, 2 * steps]


def test_an_incomplete_last_batch_is_dropped(ask):
    run = run_of(("none",) * 4, batch_size=384)
    calls = [[0, "stepsPerEpoch"], *[[0, "step", 0.1], [0, "epochStep"]] * 11]
    per_epoch, *rest = ask(*calls, runs=[run])
    assert per_epoch == 10
    assert rest[1::2] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


def test_exp_is_right_to_one_unit_in_the_last_place(ask):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-87, 88, 4000), rng.normal(size=4000), [0, -0.0, -87, 88]])
    x = x.astype(np.float32)
    found = np.array(ask(*[[-1, "exp", float(value)] for value in x]))
    exact = np.exp(x.astype(np.float64))
    assert np.all(np.abs(found - exact) <= np.spacing(exact.astype(np.float32)))


def test_log_is_right_far_beyond_a_float(ask):
    x = np.concatenate([np.linspace(1, 10, 2000), np.geomspace(1e-30, 1e30, 2000)])
    found = np.array(ask(*[[-1, "log", value] for value in x]))
    np.testing.assert_allclose(found, np.log(x), rtol=1e-11, atol=1e-14)


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


def name(run):
    """Say what tells a run from the others here."""
    left_out = ("norms", "train_size", *(["dataset"] if run.dataset == "digits" else []))
    changes = {k: v for k, v in run.changes().items() if k not in left_out}
    kinds = sorted(set(run.norms)) if len(set(run.norms)) == 1 else run.norms
    return " ".join(["-".join(kinds), *(f"{k}={v}" for k, v in changes.items())])


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
def test_training_freely_stays_with_pytorch(ask, page, run):
    """As near to training in double precision as PyTorch's single precision is to it.

    How near that is, is measured here and now, with the images of each batch in several orders: no
    processor's way of rounding decides.
    """
    splits, run = page[run.dataset], dataclasses.replace(run, epochs=1)
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
def test_at_the_highest_rates_training_ends_as_pytorchs_does(ask, splits, run, outcome):
    found = ask(*[[0, "step", run.lr]] * STEPS, runs=[run], train=run.train_size)
    assert ended([float(loss) for loss in found]) == outcome
    assert [ended(freely(run, splits, order)[0]) for order in ("as drawn", "reversed")] == [
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


def test_accuracies_off_chance_are_the_same_number_of_images(ask, splits):
    """With both statistics, where they differ much: after one epoch over all the page's digits."""
    run = Run(dataset="digits", norms=BATCH, lr=1.0, batch_size=64, epochs=1, train_size=TRAIN_SIZE)
    row = training.train(run, splits).rows[-1]
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


def with_parameters(run, values):
    net = training.build(run)
    torch.nn.utils.vector_to_parameters(torch.tensor(values), net.parameters())
    return net


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
def test_a_step_differs_from_pytorchs_as_pytorch_does_from_itself(ask, splits, run):
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
    images, labels = data.to_float(splits.train.images), splits.train.labels
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


# What the page shows of a net


@pytest.mark.parametrize(
    "run",
    [
        run_of(BATCH, lr=1.0),
        run_of(MIXED, lr=0.1, conv_bias=False, affine="beta"),
        run_of(("none",) * 4, lr=0.1, activation="relu", linear_bias=False),
        run_of(BATCH, lr=1.0, trainable="norm"),
        run_of(BATCH, lr=1.0, trainable="head"),
        run_of(("none",) * 4, lr=0.1),
    ],
    ids=name,
)
def test_the_probe_sees_what_pytorch_sees(ask, splits, run):
    _, parameters, probe = ask(
        *[[0, "step", run.lr]] * 20, [0, "parameters"], [0, "probe"], runs=[run]
    )[-3:]
    net = with_parameters(run, array(parameters))
    images = data.to_float(splits.train.images[: probes.PROBE_SIZE])
    labels = splits.train.labels[: probes.PROBE_SIZE]
    row = probes.probe(net, images, labels)
    for ours, theirs in (
        ("squareBefore", "square_before"),
        ("squareNormed", "square_normed"),
        ("squareActivated", "square_activated"),
        ("gradientNorm", "gradient_norm"),
    ):
        np.testing.assert_allclose(probe[ours], row[theirs], rtol=1e-4)
    shares = probes.image_shares(net, images)
    # Where images look all but alike, the rounding of each value shows.
    allowed = 1e-4 * np.array(shares) + 2.0**-22 * np.sqrt(shares)
    assert np.all(np.abs(np.array(probe["imageShare"]) - shares) <= allowed)
    for slot in range(4):
        for place, values in zip(PLACES, seen(net, images, slot), strict=True):
            shares = array(probe[place][slot])
            assert len(shares) == len(EDGES) - 1
            assert shares.sum() == pytest.approx(1, abs=1e-5)
            # Where many values lie on an edge, rounding decides to which side they go.
            values = np.sort(values.clip(-7.99, 7.99))
            below = np.cumsum(shares)[:-1] * values.size
            assert np.all(np.searchsorted(values, EDGES[1:-1] - 1e-5) <= below + 1)
            assert np.all(np.searchsorted(values, EDGES[1:-1] + 1e-5) >= below - 1)


def seen(net, images, slot):
    """Return what goes into a slot's norm, what comes out, and what its activation makes of it."""
    with torch.no_grad():
        index = list(dict(net.named_children())).index(f"norm{slot + 1}")
        before = net[:index](images)
        after = net[index](before)
        return [part.numpy().ravel() for part in (before, after, net[index + 1](after))]


def test_the_probe_shows_gamma_beta_and_the_gradients_of_biases(ask):
    run = run_of(("batch", "none", "mean", "variance"), conv_bias=False, affine="gamma")
    *_, parameters, probe = ask(
        *[[0, "step", 0.1]] * 5, [0, "parameters"], [0, "probe"], runs=[run]
    )
    norms_of = dict(with_parameters(run, array(parameters)).named_parameters())
    for slot in range(4):
        for ours, theirs in (("gamma", "weight"), ("beta", "bias")):
            expected = norms_of.get(f"norm{slot + 1}.{theirs}")
            found = probe[ours][slot]
            if expected is None:
                assert found is None
            else:
                assert array(found).tolist() == expected.tolist()
    assert np.isnan([float(x) for x in probe["biasGradientNorm"]]).tolist() == [1, 1, 0, 0, 0]


def test_the_gradient_of_a_bias_before_batch_norm_is_zero(ask):
    *_, probe = ask(*[[0, "step", 1.0]] * 5, [0, "probe"], runs=[run_of(BATCH, seed=1)])
    *hidden, out = probe["biasGradientNorm"]
    assert max(hidden) < 1e-5 * out


def test_looking_at_a_net_leaves_it_alone(ask):
    run = run_of(BATCH, lr=1.0, momentum=0.5, weight_decay=1e-3)
    look = [[0, "probe"], [0, "evaluate"], [0, "mistakes", 20]]
    steps = [[0, "step", 1.0]] * 5
    plain = ask(*steps, [0, "gradients"], *steps, [0, "hash"], [0, "evaluate"], runs=[run])
    looked = ask(*steps, *look, [0, "gradients"], *steps, [0, "hash"], [0, "evaluate"], runs=[run])
    assert looked[:5] == plain[:5]
    assert looked[8:] == plain[5:]


@pytest.mark.parametrize(
    "run",
    [run_of(BATCH, lr=1.0, dataset="clothes"), run_of(("none",) * 4, activation="relu")],
    ids=name,
)
def test_the_first_mistakes_are_pytorchs(ask, page, run):
    """With re-estimated statistics; two nearly equal answers may change places."""
    *_, parameters, found, few, none = ask(
        *[[0, "step", run.lr]] * STEPS,
        [0, "parameters"],
        *([0, "mistakes", most] for most in (1000, 20, 0)),
        runs=[run],
    )
    part = page[run.dataset].validation
    train = data.to_float(page[run.dataset].train.images)
    net = norms.reestimate(with_parameters(run, array(parameters)), train).eval()
    with torch.no_grad():
        best = net(data.to_float(part.images)).topk(2)
    sure = best.values[:, 0] - best.values[:, 1] > EDGE
    answers = best.indices[:, 0]
    expected = {i for i in range(len(part)) if answers[i] != part.labels[i]}
    assert 20 < len(expected) < 900, "an example that proves nothing"
    assert not [i for i in expected ^ {one["index"] for one in found} if sure[i]]
    for one in found:
        assert one["label"] == part.labels[one["index"]]
        assert one["answer"] == answers[one["index"]] or not sure[one["index"]]
    indices = [one["index"] for one in found]
    assert indices == sorted(indices)
    assert (few, none) == (found[:20], [])


def test_the_pixels_of_a_validation_image_are_handed_out(ask, splits):
    *found, refused, too = ask(
        *([-1, "image", i] for i in (0, 7, 999)), [-1, "image", 1000], [-1, "image", -1]
    )
    for i, pixels in zip((0, 7, 999), found, strict=True):
        expected = splits.validation.images[i].flatten() // 17
        assert array(pixels, np.uint8).tolist() == expected.tolist()
    assert (refused, too) == ({"error": "no image 1000"}, {"error": "no image -1"})


# Several nets, and none


def test_two_nets_side_by_side_do_what_each_does_alone(ask):
    runs = [run_of(BATCH, lr=1.0), run_of(MIXED, 16, lr=0.1, activation="relu", seed=1)]
    alone = [ask(*[[0, "step", 0.5]] * 10, [0, "hash"], [0, "evaluate"], runs=[r]) for r in runs]
    steps = [[which, "step", 0.5] for _ in range(10) for which in (0, 1)]
    *losses, first, second, one, two = ask(
        *steps, [0, "hash"], [1, "hash"], [0, "evaluate"], [1, "evaluate"], runs=runs
    )
    assert [*losses[::2], first, one] == alone[0]
    assert [*losses[1::2], second, two] == alone[1]


def test_loaded_parameters_are_the_nets(ask):
    runs = [run_of(BATCH, seed=1), run_of(BATCH, seed=2)]
    source, before = ask([0, "hash"], [1, "hash"], runs=runs)
    values, _ = ask([0, "parameters"], [1, "hash"], runs=runs)
    _, after = ask([1, "loadParameters", array(values).tolist()], [1, "hash"], runs=runs)
    assert before != source
    assert after == source


def test_a_place_is_free_again_after_its_net(ask):
    description = engine_jobs.net(run_of(BATCH))
    create = [-1, "createNet", description["settings"], 0]
    *made, refused = ask(*[create] * 9)
    assert not any("error" in net for net in made)
    assert refused == {"error": "too many nets: free one first"}
    _, again = ask([0, "free"], create, runs=[run_of(BATCH)] * 8)
    assert "error" not in again


@pytest.mark.parametrize(
    ("changes", "seed", "message"),
    [
        ({"norms": ["batch"] * 3}, 0, "unknown norm"),
        ({"norms": ["batch", "none", "layer", "none"]}, 0, "unknown norm"),
        ({"activation": "tanh"}, 0, "unknown activation"),
        ({"batchSize": 1}, 0, "no batches of 1 images"),
        ({"batchSize": 513}, 0, "no batches of 513 images"),
        ({"momentum": 1}, 0, "no momentum 1"),
        ({"decay": -0.1}, 0, "no weight decay -0.1"),
        ({}, streams.MAX_SEED + 1, f"no seed {streams.MAX_SEED + 1}"),
        ({}, 0.5, "no seed 0.5"),
    ],
)
def test_what_cannot_be_trained_is_refused(ask, changes, seed, message):
    settings = engine_jobs.net(run_of(BATCH))["settings"] | changes
    assert ask([-1, "createNet", settings, seed]) == [{"error": message}]


def test_the_data_cannot_change_under_a_net(ask):
    refused = ask([-1, "setData", [], [], 0], runs=[run_of(BATCH)])
    assert refused == [{"error": "free the nets before the data change"}]


def test_a_loss_that_is_no_number_is_told(ask, splits):
    """All answers are then the first class, as PyTorch's argmax has it."""
    run = run_of(BATCH)
    net = with_parameters(run, np.full(models.parameter_count(training.build(run)), np.inf))
    values = [1e38] * models.parameter_count(net)
    _, loss, found, digits = ask(
        [0, "loadParameters", values], [0, "step", 0.1], [0, "evaluate"], [0, "hash"], runs=[run]
    )
    assert not math.isfinite(float(loss))
    zeros = int((splits.validation.labels == 0).sum())
    assert found["correct"] == found["correctRunning"] == zeros
    assert len(digits) == 16


# The same results from any compiler


def test_the_committed_engine_is_what_its_source_says(ask, tmp_path):
    """Whoever compiles it, it computes the same to the last bit."""
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    built = tmp_path / "engine.wasm"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    root = engine_jobs.ENGINE.parents[3]
    done = subprocess.run(
        ["make", "engine", f"ENGINE={built}"],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
    )
    if "no compiler for WebAssembly" in done.stderr:
        pytest.skip("no compiler for WebAssembly: the engine was not rebuilt from its source")
    assert done.returncode == 0, done.stderr
    runs = [run_of(BATCH, 64, lr=1.0), run_of(MIXED, 18, activation="relu", affine="none", seed=1)]
    calls = [[which, "step", 0.3] for _ in range(10) for which in (0, 1)]
    calls += [[which, what] for what in ("hash", "evaluate", "probe") for which in (0, 1)]
    assert ask(*calls, runs=runs, wasm=built) == ask(*calls, runs=runs)
