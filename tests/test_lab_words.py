"""The page's lab says and draws what Jupyter and the records do: its functions, one by one."""

import itertools

import numpy as np
import pytest

from bnbook import models, streams
from bnbook.lab import presets
from bnbook.lab.settings import net_code
from bnbook.lab.page import joined
from bnbook.run import Run

pytestmark = pytest.mark.browser

BATCH, NOTHING = ("batch",) * 4, ("none",) * 4


@pytest.fixture(scope="module")
def page(browser):
    """An empty page, to run functions in."""
    tab = browser.new_page()
    yield tab
    tab.close()


def call(page, modules, expression, argument=None):
    """Evaluate an expression with the functions of the lab's modules at hand."""
    script = f"argument => {{ {joined(*modules)}\nreturn {expression}; }}"
    return page.evaluate(script, argument)


def test_nets_have_the_same_names_here_and_in_jupyter(page):
    kinds = ["none", "batch", "mean", "variance"]
    slots = [*itertools.product(["none", "batch"], repeat=4), *((kind,) * 4 for kind in kinds)]
    slots.append(("mean", "batch", "none", "mean"))
    runs = [
        Run(norms=norms, affine=affine, conv_bias=conv, linear_bias=linear, activation=activation)
        for norms, affine, conv, linear, activation in itertools.product(
            slots, models.AFFINE, (True, False), (True, False), presets.ACTIVATIONS
        )
    ]
    runs += [
        Run(norms=norms, affine=affine, linear_bias=linear, trainable=subset)
        for norms, affine, linear, subset in itertools.product(
            slots, ("both", "gamma", "beta"), (True, False), ("norm", "norm+head")
        )
        if set(norms) != {"none"}
    ]
    runs += [Run(norms=norms, activation="relu", trainable="head") for norms in slots]
    names = call(page, ["svg", "story"], "argument.map(nameOf)", [described(run) for run in runs])
    assert names == [presets.describe(run) for run in runs]


def described(run):
    """The net of a `Run` as the page has it."""
    return {
        "norms": run.norms,
        "affine": run.affine,
        "convBias": run.conv_bias,
        "linearBias": run.linear_bias,
        "activation": run.activation,
        "trained": run.trainable,
    }


@pytest.mark.parametrize(
    ("chosen", "meant"),
    [
        ({"norms": NOTHING, "affine": "none"}, Run()),
        ({"norms": NOTHING, "trained": "norm+head", "affine": "beta"}, Run(trainable="head")),
        ({"norms": NOTHING, "trained": "head", "affine": "gamma"}, Run(trainable="head")),
        ({"trained": "head", "affine": "none"}, Run(norms=BATCH, trainable="head")),
        ({"trained": "norm+head", "affine": "none"}, Run(norms=BATCH, trainable="head")),
        ({"trained": "norm", "affine": "beta"}, Run(norms=BATCH, trainable="norm", affine="beta")),
    ],
)
def test_what_means_nothing_beside_the_rest_changes_neither_name_nor_band(page, chosen, meant):
    net = described(Run(norms=BATCH)) | chosen
    asked = "[nameOf(argument), netCode(plainest(argument)), whyStuck(argument)]"
    found = call(page, ["svg", "permalink", "story"], asked, net)
    assert found == [presets.describe(meant), net_code(meant), ""]


def test_a_link_keeps_every_net_and_every_change(page):
    kinds = ["none", "batch", "mean", "variance"]
    nets = [
        {
            "norms": [kinds[(i + slot) % 4] for slot in range(4)],
            "affine": affine,
            "convBias": conv,
            "linearBias": linear,
            "activation": activation,
            "trained": trained,
        }
        for i, (affine, conv, linear, activation, trained) in enumerate(
            itertools.product(
                models.AFFINE, (True, False), (True, False), presets.ACTIVATIONS, presets.TRAINED
            )
        )
    ]
    settings = [
        {
            "lr": 0.16,
            "batch": 64,
            "seed": 12,
            "epochs": 20,
            "every": every,
            "nets": [net, nets[0]][:count],
            "changes": [{"step": 0, "lr": 8}, {"step": 120, "lr": 0.001}],
        }
        for net, every, count in itertools.product(nets, ["epoch", 5], [1, 2])
    ]
    choices = {
        "lrs": presets.LRS,
        "batch_sizes": presets.BATCH_SIZES,
        "epochs": presets.EPOCHS,
        "every": ["epoch", 5],
        "max_seed": streams.MAX_SEED,
    }
    read = call(
        page,
        ["permalink"],
        "argument[0].map((one) => readLink(writeLink('lite', one), 'lite', argument[1]))",
        [settings, choices],
    )
    assert read == settings
    assert call(page, ["permalink"], "readLink('#lab=affine&lr=1', 'lite', {})") is None


def test_a_net_in_a_link_that_does_not_say_what_is_trained_trains_everything(page):
    """Links that readers kept from before there was a choice stay valid."""
    codes = ["bbbb-gb-cl-s", *(f"bbbb-gb-cl-s-{word}" for word in ("n", "nh", "h"))]
    read = call(page, ["permalink"], "argument.map(readNet)", codes)
    assert [net["trained"] for net in read] == list(presets.TRAINED)
    assert call(page, ["permalink"], "argument.map(netCode)", read) == codes
    damaged = ["bbbb-gb-cl-s-", "bbbb-gb-cl-s-x", "bbbb-gb-cl-s-hn", "bbbb-gb-cl-s-n-h"]
    assert call(page, ["permalink"], "argument.map(readNet)", damaged) == [None] * 4


E95 = [{"step": 0, "correct": 100}, {"step": 31, "correct": 949}, {"step": 62, "correct": 950}]
AT_CHANCE = [E95[0], {"step": 1000, "correct": 120}]


@pytest.mark.parametrize(
    ("curve", "kind", "words"),
    [
        ({"evaluations": E95[:1]}, "waiting", "Before training: 10.0 %"),
        ({"evaluations": E95[:2]}, "learning", "Learning: now 94.9 %"),
        ({"evaluations": E95}, "reached", "Reached 95 % after 62 steps; now 95.0 %"),
        (
            {"evaluations": [*E95, {"step": 93, "correct": 199}]},
            "collapsed",
            "Reached 95 % after 62 steps; collapsed to chance by step 93",
        ),
        (
            {"evaluations": AT_CHANCE, "recentLoss": 2.31},
            "plateau",
            "Still at chance after 1,000 steps: a plateau, with the loss of a blind guess",
        ),
        (
            {"evaluations": AT_CHANCE, "recentLoss": 2.5},
            "thrown",
            "Still at chance after 1,000 steps: the loss is above that of a guess, "
            "the steps are too large",
        ),
        (
            {"evaluations": E95[:2], "failedAt": 40},
            "non-finite",
            "The loss became non-finite at step 40",
        ),
    ],
)
def test_what_happened_is_told_from_counts_and_losses(page, curve, kind, words):
    whole = {"failedAt": 0, "recentLoss": 2.3} | curve
    for one in whole["evaluations"]:
        one["correctRunning"] = one["correct"]
    told = call(page, ["svg", "story"], "happened(argument, 1000, false)", whole)
    assert told == {"kind": kind, "text": words}


def test_loss_points_are_means_of_equal_stretches_and_do_not_move(page):
    losses = list(np.random.default_rng(0).uniform(0.1, 2.3, 1000))
    program = """(() => { const curve = createLosses(1000, 100, 50); const seen = [];
      for (const loss of argument) { curve.push(loss); seen.push(curve.points()); }
      return [seen[499], seen[999], curve.recent()]; })()"""
    half, whole, recent = call(page, ["svg", "plots"], program, losses)
    assert [y for _, y in whole] == pytest.approx(np.reshape(losses, (100, 10)).mean(axis=1))
    assert [x for x, _ in whole] == [10 * i + 5 for i in range(100)]
    assert half == whole[:50]
    assert recent == pytest.approx(np.mean(losses[-50:]))


def test_the_live_share_counts_what_lies_where_the_sigmoid_is_steep(page):
    values = np.random.default_rng(0).normal(1.0, 3.0, 200_000)
    counts, _ = np.histogram(np.clip(values, -7.99, 7.99), bins=64, range=(-8, 8))
    slope = 1 / (1 + np.exp(-values)) * (1 - 1 / (1 + np.exp(-values)))
    program = "['sigmoid', 'relu'].map((name) => shareAlive(argument, 8, name))"
    shares = call(page, ["svg", "story", "panels"], program, list(counts / len(values)))
    assert shares == pytest.approx([(slope >= 0.025).mean(), (values > 0).mean()], abs=0.003)
