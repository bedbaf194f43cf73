"""Chapter 8's study: the right code is batch norm, each other one is wrong, and strains tell."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from torch import nn

from bnbook import chapters, data
from bnbook.experiment import SEEDS
from bnbook.studies import by_hand

STUDY = chapters.experiment("by-hand-strains")
RUN = replace(STUDY.arms["every code"], train_size=1_000, epochs=2)


@pytest.fixture(scope="module")
def rows():
    return pd.DataFrame(by_hand.measure(RUN, data.splits("mnist"))).set_index("code")


def after_training(layer, momentum=0.1):
    """Outputs in training and in evaluation, and the running statistics between them."""
    torch.manual_seed(0)
    batches = [3 * torch.randn(10, 4) + 1 for _ in range(3)]
    trained = torch.cat([layer(x) for x in batches])
    return trained, layer.eval()(batches[0]), layer.running_mean, layer.running_var


def test_the_correct_code_is_pytorchs():
    ours, theirs = (after_training(make(4)) for make in (by_hand.Correct, nn.BatchNorm1d))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


#: Right in what a layer returns and keeps; the strains and the gradients below are for these.
ELSEWHERE = ("moves in evaluation", "plain attributes", "wrong order", "wrong layer", "by hand")


@pytest.mark.parametrize(
    "name", [n for n in by_hand.CODES if n not in ("correct", "no epsilon", *ELSEWHERE)]
)
def test_every_other_code_does_something_else(name):
    right = after_training(by_hand.Correct(4))
    wrong = after_training(by_hand.CODES[name](4))
    assert not all(torch.allclose(a, b, rtol=1e-3) for a, b in zip(right, wrong, strict=True))


def test_no_epsilon_makes_a_constant_feature_no_number():
    x = torch.ones(5, 2)
    assert by_hand.CODES["no epsilon"](2)(x).isnan().all()
    assert by_hand.Correct(2)(x).isfinite().all()


def test_every_code_is_trained_once_and_put_under_every_strain(rows):
    assert list(rows.index) == list(by_hand.CODES)
    assert ((rows[["val_accuracy", "loaded", "sorted", "small"]] >= 0).all()).all()
    assert rows.loc["correct", "val_accuracy"] > 0.6


def test_strains_show_what_the_end_of_training_does_not(rows):
    at_end = rows["val_accuracy"]
    assert rows.loc["correct", "loaded"] == at_end["correct"]
    assert rows.loc["correct", "sorted"] == at_end["correct"]
    assert rows.loc["plain attributes", "loaded"] < at_end["plain attributes"] - 0.1
    assert rows.loc["moves in evaluation", "sorted"] < at_end["moves in evaluation"]
    assert at_end["plain attributes"] == at_end["correct"]


def test_twenty_fresh_seeds_are_put_under_strain():
    runs = STUDY.runs(pd.DataFrame())
    assert len(runs) == 20
    assert not {run.seed for run in runs} & set(SEEDS)


def step_gradients(name):
    """Each parameter's gradient for one batch of the code's net."""
    part = data.splits("mnist").train
    images, labels = data.to_float(part.images[:1_000]), part.labels[:1_000]
    session = by_hand._session(RUN, (images, labels), by_hand.CODES[name])
    torch.nn.functional.cross_entropy(session.net(images[:50]), labels[:50]).backward()
    return {name: p.grad for name, p in session.net.named_parameters()}


def test_gradients_by_hand_are_autograds_but_where_the_code_is_wrong():
    right, by_steps, order, layer = map(
        step_gradients, ("correct", "by hand", "wrong order", "wrong layer")
    )
    for name, gradient in right.items():
        torch.testing.assert_close(by_steps[name], gradient, rtol=1e-3, atol=1e-6)
        # What is above a mistake has its gradient still; what is below has not.
        far = (layer[name] - gradient).norm() > 0.1 * gradient.norm()
        assert far == (name in ("fc1.weight", "norm1.weight", "norm1.bias")), name
    assert (order["fc2.weight"] - right["fc2.weight"]).norm() > 0.1 * right["fc2.weight"].norm()


def test_the_lab_session_has_all_of_its_departures(rows):
    x = torch.randn(7, 4)
    layer = by_hand.CODES["lab session"](4)
    torch.testing.assert_close(layer(x).std(0), torch.ones(4))
    wanted = (0.9 + 0.1 * x.std(0)) ** 2
    torch.testing.assert_close(layer.running_var, wanted)
    assert layer(torch.ones(7, 4)).isnan().all()


def test_losses_are_recorded_epoch_by_epoch_and_fall(rows):
    assert (rows["losses"].str.len() == RUN.epochs).all()
    assert (rows["losses"].str[0] > rows["losses"].str[-1]).all()
    by_steps, right = rows["losses"]["by hand"], rows["losses"]["correct"]
    assert by_steps == pytest.approx(right, rel=1e-3)
