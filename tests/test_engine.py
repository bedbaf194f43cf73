"""The page's engine, in Node: what it starts from, what it shows, and what it refuses."""

import math
import os
import shutil
import subprocess

import engine_jobs
import numpy as np
import pytest
import torch
from engine_jobs import BATCH, MIXED, STEPS, TRAIN_SIZE, array, name, run_of, with_parameters

from bnbook import data, models, norms, probes, streams, training
from bnbook.run import Run

#: Where the probe looks, and the edges of its bins.
PLACES = ("before", "after", "activated")
EDGES = np.linspace(-8, 8, 65)
#: Two answers nearer than this may change places by rounding, which training amplifies.
EDGE = 1e-3

pytestmark = pytest.mark.usefixtures("one_thread")


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
    expected = torch.cat([p.detach().flatten() for p in training.build(run).parameters()]).numpy()
    # Scaling a draw to its bound may round once or, with a fused multiply-add, not at all.
    np.testing.assert_allclose(array(found), expected, rtol=0, atol=3e-8)


@pytest.mark.parametrize("seed", [0, 3, streams.MAX_SEED])
@pytest.mark.parametrize("train", [2500, TRAIN_SIZE])
def test_each_epoch_has_pytorchs_order(ask, seed, train):
    run = Run(dataset="digits", batch_size=500, seed=seed)
    steps = train // 500
    calls = [*[[0, "step", 0.1]] * steps, [0, "order"]]
    found = ask(*calls, *calls, [0, "steps"], runs=[run], train=train)
    generator = streams.stream(seed, 0, "order")
    for order in (found[steps], found[2 * steps + 1]):
        assert (
            array(order, np.uint32).tolist() == torch.randperm(train, generator=generator).tolist()
        )
    assert found[-1] == 2 * steps


def test_an_incomplete_last_batch_is_dropped(ask):
    run = run_of(("none",) * 4, batch_size=384)
    calls = [[0, "stepsPerEpoch"], *[[0, "step", 0.1], [0, "order"]] * 11]
    per_epoch, *rest = ask(*calls, runs=[run])
    assert per_epoch == 10
    first, last = rest[1], rest[-1]
    assert rest[1::2] == [first] * 10 + [last]
    assert last != first


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
def test_the_probe_sees_what_pytorch_sees(ask, page_digits, run):
    _, parameters, probe = ask(
        *[[0, "step", run.lr]] * 20, [0, "parameters"], [0, "probe"], runs=[run]
    )[-3:]
    net = with_parameters(run, array(parameters))
    images = data.to_float(page_digits.train.images[: probes.PROBE_SIZE])
    labels = page_digits.train.labels[: probes.PROBE_SIZE]
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
def test_the_first_mistakes_are_pytorchs(ask, page_splits, run):
    """With re-estimated statistics; two nearly equal answers may change places."""
    *_, parameters, found, few, none = ask(
        *[[0, "step", run.lr]] * STEPS,
        [0, "parameters"],
        *([0, "mistakes", most] for most in (1000, 20, 0)),
        runs=[run],
    )
    part = page_splits[run.dataset].validation
    train = data.to_float(page_splits[run.dataset].train.images)
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


def test_the_pixels_of_a_validation_image_are_handed_out(ask, page_digits):
    *found, refused, too = ask(
        *([-1, "image", i] for i in (0, 7, 999)), [-1, "image", 1000], [-1, "image", -1]
    )
    for i, pixels in zip((0, 7, 999), found, strict=True):
        expected = page_digits.validation.images[i].flatten() // 17
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


def test_a_loss_that_is_no_number_is_told(ask, page_digits):
    """All answers are then the first class, as PyTorch's argmax has it."""
    run = run_of(BATCH)
    net = with_parameters(run, np.full(models.parameter_count(training.build(run)), np.inf))
    values = [1e38] * models.parameter_count(net)
    _, loss, found, digits = ask(
        [0, "loadParameters", values], [0, "step", 0.1], [0, "evaluate"], [0, "hash"], runs=[run]
    )
    assert not math.isfinite(float(loss))
    zeros = int((page_digits.validation.labels == 0).sum())
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
