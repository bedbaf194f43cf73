"""The lab in a live kernel: nets trained side by side, and a look inside them."""

import copy
import math
import threading

import numpy as np
import pytest
import torch
from live import PATIENCE, plain, tiny, trained

from bnbook import data as datasets
from bnbook import models, training
from bnbook.errors import BookError
from bnbook.lab.session import BINS, Training, inside

pytestmark = pytest.mark.usefixtures("few_digits")


# Training


def test_each_net_side_by_side_trains_as_it_would_alone():
    runs = tiny(epochs=2), plain(epochs=2)
    side_by_side = trained(*runs)
    for curve, run in zip(side_by_side.curves, runs, strict=True):
        losses = []
        history = training.train(run, on_step=lambda _, loss, seen=losses: seen.append(loss))
        assert curve.losses == pytest.approx(losses, rel=1e-4)
        assert [row["step"] for row in curve.rows] == [0, 8, 16]
        for row, expected in zip(curve.rows, history.rows, strict=True):
            for key in ("val_correct", "val_correct_running"):
                assert row[key] == pytest.approx(expected[key], abs=0.01 * row["val_images"])
        assert curve.outcome == history.outcome
        assert curve.rates == [(1, 0.1)]
    assert side_by_side.progress == 1.0
    assert side_by_side.error is None


@pytest.mark.parametrize("subset", ["norm", "norm+head", "head"])
def test_what_is_frozen_stays_as_in_the_recorded_runs(subset):
    run = tiny(epochs=2, lr=0.5, trainable=subset)
    (curve,) = trained(run).curves
    losses = []
    training.train(run, on_step=lambda _, loss: losses.append(loss))
    assert curve.losses == pytest.approx(losses, rel=1e-4)
    first, last = curve.rows[0], curve.rows[-1]
    assert (first["gamma"] == last["gamma"]) == (subset == "head")


def test_evaluations_can_come_more_often_and_the_last_step_always_has_one():
    (curve,) = trained(tiny(epochs=2), every=5).curves
    assert [row["step"] for row in curve.rows] == [0, 5, 10, 15, 16]


def test_the_next_step_takes_a_learning_rate_that_is_set_meanwhile():
    def front():
        if len(changing.curves[0].losses) == 3:
            changing.lr = 1.0

    changing = Training([("A", tiny())], on_change=front)
    changing.start()
    changing.join(PATIENCE)
    (steady,) = trained(tiny()).curves
    (curve,) = changing.curves
    assert curve.rates == [(1, 0.1), (4, 1.0)]
    assert curve.losses[:4] == steady.losses[:4]  # the fourth loss is taken before its step
    assert curve.losses[4:] != steady.losses[4:]


def test_a_pause_holds_the_nets_and_changes_nothing():
    reached = threading.Event()

    def front():
        if len(paused.curves[0].losses) == 3 and not reached.is_set():
            paused.pause()
            reached.set()

    paused = Training([("A", tiny())], on_change=front)
    paused.start()
    assert reached.wait(PATIENCE)
    assert paused.paused
    paused.join(0.3)
    assert len(paused.curves[0].losses) == 3
    paused.resume()
    paused.join(PATIENCE)
    assert not paused.paused
    assert paused.curves[0].losses == trained(tiny()).curves[0].losses


def test_stop_ends_a_run_even_where_it_pauses():
    stepped = threading.Event()
    run = Training([("A", tiny(epochs=1_000))], on_change=stepped.set)
    run.start()
    assert stepped.wait(PATIENCE)
    run.pause()
    run.stop()
    run.join(PATIENCE)
    assert run.ended
    assert run.error is None
    assert run.curves[0].outcome == ""


def test_a_net_whose_loss_is_no_number_ends_and_the_other_goes_on():
    # ReLU without norms does not stand this rate; sigmoids do not leave the finite.
    broken, sound = trained(plain(activation="relu", lr=1e6), plain(lr=1e6)).curves
    assert broken.broken
    assert broken.outcome == "non-finite"
    assert len(broken.losses) < 8
    assert broken.rows[-1]["step"] == len(broken.losses)
    assert len(sound.losses) == 8


def test_an_error_in_the_front_ends_training_and_is_kept():
    failures = iter([ValueError("cannot draw")])

    def front():
        for failure in failures:
            raise failure

    assert repr(trained(tiny(), on_change=front).error) == "ValueError('cannot draw')"


def test_too_many_images_are_an_error_that_says_how_many_there_are():
    one = trained(tiny(train_size=4_001))
    assert isinstance(one.error, BookError)
    assert "4,000 training images, not 4,001" in str(one.error)


@pytest.mark.parametrize("change", [{"batch_size": 64}, {"seed": 1}, {"lr": 1.0}])
def test_nets_that_would_not_see_the_same_batches_are_refused(change):
    with pytest.raises(BookError, match="need the same"):
        Training([("A", tiny()), ("B", tiny(**change))])


def test_the_seconds_of_a_run_are_those_of_its_steps():
    one = trained(tiny())
    (curve,) = one.curves
    seconds = [row["seconds"] for row in curve.rows]
    assert seconds[0] == 0
    assert seconds == sorted(seconds)
    assert seconds[-1] == curve.seconds > 0
    assert one.speed == pytest.approx(len(curve.losses) * curve.run.batch_size / curve.seconds)


# A look inside


def look(run):
    part = datasets.splits("digits").train
    net = training.build(run)
    before = copy.deepcopy(net.state_dict())
    seen = inside(net, datasets.to_float(part.images[:256]), part.labels[:256])
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    return seen


def test_batch_norm_gives_every_layer_values_of_spread_one():
    seen = look(tiny())
    assert seen["spread_after"] == pytest.approx([1] * 4, abs=0.01)
    assert all(spread < 0.7 for spread in seen["spread_before"])
    for shares in [*seen["before"], *seen["after"]]:
        assert len(shares) == BINS
        assert sum(shares) == pytest.approx(1, abs=1e-5)


def test_without_a_norm_nothing_changes_on_the_way_through_its_place():
    seen = look(plain())
    assert seen["before"] == seen["after"]
    assert seen["gamma"] == [[]] * 4


def test_a_bias_before_batch_norm_gets_no_gradient_and_the_output_bias_does():
    seen = look(tiny())
    ratios = np.array(seen["bias_gradient"]) / seen["weight_gradient"]
    assert (ratios[:4] < 1e-4).all()
    assert ratios[4] > 1e-2
    bare = look(tiny(conv_bias=False))["bias_gradient"]
    assert [math.isnan(size) for size in bare] == [True, True, False, False, False]


def test_frozen_weights_show_the_gradients_that_they_would_follow():
    part = datasets.splits("digits").train
    net = training.build(tiny())
    free = inside(net, datasets.to_float(part.images[:256]), part.labels[:256])
    models.freeze(net, "norm", seed=0)
    frozen = inside(net, datasets.to_float(part.images[:256]), part.labels[:256])
    for size in ("weight_gradient", "bias_gradient"):
        assert frozen[size] == free[size]
    assert not any(layer.requires_grad for layer in models.weighted(net)["fc1"].parameters())


def test_values_beyond_the_axis_are_counted_at_its_edge():
    part = datasets.splits("digits").train
    images = 100 * datasets.to_float(part.images[:256])
    seen = inside(training.build(plain()), images, part.labels[:256])
    shares = seen["before"][0]
    assert sum(shares) == pytest.approx(1, abs=1e-5)
    assert shares[0] + shares[-1] > 0.3  # the rest is where a digit's margin is black
