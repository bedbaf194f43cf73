"""Nets trained side by side in the kernel: as anywhere else, and told as by the page's worker."""

import copy
import json
import math
import threading
import time

import numpy as np
import pytest
import torch
from live import PATIENCE, Heard, plain, tiny, trained

from bnbook import data as datasets
from bnbook import models, probes, training
from bnbook.errors import BookError
from bnbook.lab import kernel_trainer
from bnbook.lab.kernel_trainer import BINS, KernelTrainer, probe
from bnbook.session import Session

pytestmark = pytest.mark.usefixtures("few_digits")

# As anywhere else


def same_as_alone(heard, run, net=0):
    losses = []
    history = training.train(run, on_step=lambda _, loss: losses.append(loss))
    assert heard.losses(net) == losses
    steps = [row["step"] for row in history.rows]
    found = [one for one in heard.evaluations(net) if one["step"] in steps]
    assert [one["step"] for one in found] == [row["step"] for row in history.rows]
    for ours, theirs in (
        ("correct", "val_correct"),
        ("correctRunning", "val_correct_running"),
        ("loss", "val_loss"),
    ):
        assert [one[ours] for one in found] == [row[theirs] for row in history.rows]
    return history


def test_each_net_side_by_side_trains_as_it_would_alone_to_the_bit():
    runs = tiny(epochs=2, lr=1.0), plain(epochs=2, lr=1.0)
    heard = trained(*runs)
    for net, run in enumerate(runs):
        same_as_alone(heard, run, net)


@pytest.mark.parametrize(
    "changes",
    [
        {"momentum": 0.9, "weight_decay": 1e-3, "schedule": "cosine", "epochs": 2},
        {"optimizer": "adam", "lr": 0.01, "dropout": 0.5},
        {"trainable": "norm+head", "lr": 0.5},
        {"trainable": "random", "weight_decay": 0.01},
        {"input_transform": "standardized", "epoch_steps": 3, "norm_noise": True},
        {"norms": ("layer", "group", "pca", "sphere"), "activation": "relu", "norm_place": "after"},
        {"model": "mlp", "norms": ("batch", "none"), "affine": "gamma"},
        {"init": "he", "augmentation": "crop+flip", "train_size": 100},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_whatever_a_run_describes_trains_as_it_would_alone(changes):
    run = tiny(**changes)
    same_as_alone(trained(run), run)


def test_the_first_epoch_is_looked_at_more_often_as_on_the_page():
    assert [one["step"] for one in trained(tiny(epochs=2)).evaluations()] == [0, 1, 2, 5, 8, 16]
    due = [step for step in range(1, 63) if kernel_trainer.is_evaluated(step, 62, None)]
    assert due == [10, 20, 50, 62]


def test_evaluations_can_come_more_often_and_change_nothing():
    heard = trained(tiny(epochs=2), every=5)
    assert [one["step"] for one in heard.evaluations()] == [0, 5, 10, 15, 16]
    assert heard.losses() == trained(tiny(epochs=2)).losses()


@pytest.mark.parametrize("schedule", ["constant", "cosine", "two drops"])
def test_a_rate_that_is_set_before_the_first_step_is_that_of_the_run(schedule):
    run, other = (tiny(schedule=schedule, lr=lr) for lr in (0.1, 1.0))
    tensors = training.to_tensors(run, datasets.splits("digits"), "cpu")
    changed, begun = Session(run, tensors.train), Session(other, tensors.train)
    changed.set_lr(1.0)
    assert [float(loss) for loss in changed.steps()] == [float(loss) for loss in begun.steps()]


# What it says


def test_messages_come_in_the_order_of_the_pages_worker():
    heard = trained(tiny(), plain())
    assert heard[0] == {"type": "ready", "perEpoch": 8, "total": 8, "images": 500}
    assert set(heard.kinds[1:-1]) == {"progress"}
    assert heard.reports[0]["step"] == 0
    assert [one["net"] for one in heard.reports[0]["evaluations"]] == [0, 1]
    assert heard.reports[-1]["step"] == 8
    assert heard[-1]["type"] == "done"
    steps = [one["step"] for one in heard.reports]
    assert steps == sorted(steps)
    assert json.loads(json.dumps(heard, allow_nan=False)) == heard


def test_reports_between_evaluations_are_rare(monkeypatch):
    monkeypatch.setattr(kernel_trainer, "REPORT_AFTER", 1e9)
    assert len(trained(tiny(epochs=2), every=8).reports) == 3  # before training, and each epoch


def test_the_seconds_and_the_speed_are_those_of_the_steps():
    heard = trained(tiny())
    seconds = [one["seconds"] for one in heard.evaluations()]
    assert seconds[0] == 0 < seconds[1] < seconds[-1]
    assert heard.reports[0]["speed"] == 0
    assert heard.reports[-1]["speed"] == pytest.approx(8 * 32 / seconds[-1])


def test_equal_weights_have_equal_hashes_and_others_have_not():
    (first, other), again = trained(tiny(), plain())[-1]["hashes"], trained(tiny())[-1]["hashes"]
    assert [first] == again
    assert first != other
    assert len(first) == 16


def test_the_first_mistakes_are_the_validation_images_that_are_not_counted_right():
    heard = trained(tiny(lr=1.0))
    (mistakes,) = heard[-1]["mistakes"]
    assert len(mistakes) == kernel_trainer.MOST_MISTAKES
    validation = datasets.splits("digits").validation
    assert all(one["label"] != one["answer"] for one in mistakes)
    levels = (validation.images.flatten(1) // 17).tolist()
    found = [levels.index(one["pixels"]) for one in mistakes]
    assert found == sorted(found)
    assert [int(validation.labels[i]) for i in found] == [one["label"] for one in mistakes]


def test_a_net_whose_loss_is_no_number_ends_and_the_other_goes_on():
    # ReLU without norms does not stand this rate; sigmoids do not leave the finite.
    heard = trained(plain(activation="relu", lr=1e6), plain(lr=1e6), every=8)
    assert [one["alive"] for one in heard.reports[-1]["nets"]] == [False, True]
    assert None in heard.losses(0)
    assert len(heard.losses(0)) < 8 == len(heard.losses(1))
    assert heard.kinds[-1] == "done"


# What it is told meanwhile


class Hand(Heard):
    """Does something when a training has reported a step."""

    def __init__(self, step, act):
        super().__init__()
        self.step, self.act = step, act

    def append(self, message):
        super().append(message)
        if message["type"] == "progress" and message["step"] == self.step and self.act:
            act, self.act = self.act, None
            act(self.trainer)


def handled(step, act, *runs, **options):
    hand = Hand(step, act)
    hand.trainer = KernelTrainer(runs or [tiny()], hand.append, every=1, **options)
    hand.trainer.start()
    return hand


def test_the_next_step_takes_a_learning_rate_that_is_set_meanwhile():
    heard = handled(3, lambda trainer: trainer.set_lr(1.0))
    heard.trainer.join(PATIENCE)
    steady = trained(tiny()).losses()
    assert heard.changes == [{"step": 3, "lr": 1.0, "linked": False}]
    assert heard.losses()[:4] == steady[:4]  # the fourth loss is taken before its step
    assert heard.losses()[4] != steady[4]


def test_scheduled_rates_come_by_themselves_until_a_hand_overrules_them():
    changes = [(2, 0.5), (4, 2.0)]
    assert trained(tiny(), changes=changes).changes == [
        {"step": 2, "lr": 0.5, "linked": True},
        {"step": 4, "lr": 2.0, "linked": True},
    ]
    heard = handled(3, lambda trainer: trainer.set_lr(1.0), changes=changes)
    heard.trainer.join(PATIENCE)
    assert [change["lr"] for change in heard.changes] == [0.5, 1.0]


def test_a_pause_holds_the_nets_and_changes_nothing():
    paused = threading.Event()

    def pause(trainer):
        trainer.pause(True)
        paused.set()

    heard = handled(3, pause)
    assert paused.wait(PATIENCE)
    heard.trainer.join(0.3)
    assert len(heard.losses()) == 3
    heard.trainer.set_lr(0.2)  # is told at once, as the page shows it
    heard.trainer.set_lr(0.1)
    end = time.monotonic() + PATIENCE
    while len(heard.changes) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    assert [change["step"] for change in heard.changes] == [3, 3]
    heard.trainer.pause(False)
    heard.trainer.join(PATIENCE)
    assert heard.losses() == trained(tiny()).losses()


def test_stop_ends_a_run_even_where_it_pauses_and_without_a_word():
    heard = handled(2, lambda trainer: (trainer.pause(True), trainer.stop()), tiny(epochs=1_000))
    heard.trainer.join(PATIENCE)
    assert heard.trainer.ended
    assert heard.trainer.error is None
    assert set(heard.kinds) == {"ready", "progress"}


# What cannot be


@pytest.mark.parametrize(
    "change", [{"batch_size": 64}, {"seed": 1}, {"lr": 1.0}, {"input_transform": "standardized"}]
)
def test_nets_that_would_not_see_the_same_batches_are_refused(change):
    with pytest.raises(BookError, match="need the same"):
        KernelTrainer([tiny(), tiny(**change)], print)


def test_too_many_images_are_an_error_that_says_how_many_there_are():
    (said,) = trained(tiny(train_size=4_001))
    assert said["type"] == "error"
    assert "above the 4,000 training images" in said["text"]


def test_an_unforeseen_error_is_said_and_kept(monkeypatch):
    def fail(*_args, **_options):
        raise RuntimeError("the disk melted")

    monkeypatch.setattr(training, "validate", fail)
    heard = Heard()
    trainer = KernelTrainer([tiny()], heard.append)
    trainer.start()
    trainer.join(PATIENCE)
    assert heard[-1] == {"type": "error", "text": "RuntimeError: the disk melted"}
    assert isinstance(trainer.error, RuntimeError)


# A look inside


def part():
    train = datasets.splits("digits").train
    return datasets.to_float(train.images[:256]), train.labels[:256]


def look(run):
    net = training.build(run)
    before = copy.deepcopy(net.state_dict())
    seen = probe(net, *part())
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    return seen


def test_the_probe_shows_what_the_recorded_one_measures():
    run = tiny(norms=("batch", "none", "mean", "variance"))
    seen, row = look(run), probes.probe(training.build(run), *part())
    for ours, theirs in (
        ("squareBefore", "square_before"),
        ("squareNormed", "square_normed"),
        ("squareActivated", "square_activated"),
        ("gradientNorm", "gradient_norm"),
    ):
        assert seen[ours] == row[theirs]


def test_batch_norm_gives_every_layer_values_of_spread_one():
    seen = look(tiny())
    assert seen["squareNormed"] == pytest.approx([1] * 4, abs=0.01)
    for shares in [*seen["before"], *seen["after"]]:
        assert len(shares) == BINS
        assert sum(shares) == pytest.approx(1, abs=1e-5)
    middles = (np.arange(BINS) + 0.5) / BINS * 16 - 8
    for shares in seen["after"]:
        assert np.dot(shares, middles**2) == pytest.approx(1, abs=0.03)


def test_without_a_norm_nothing_changes_on_the_way_through_its_place():
    seen = look(plain())
    assert seen["before"] == seen["after"]
    assert seen["gamma"] == seen["beta"] == [None] * 4


def test_a_bias_before_batch_norm_gets_no_gradient_and_the_output_bias_does():
    seen = look(tiny())
    ratios = np.array(seen["biasGradientNorm"]) / seen["gradientNorm"]
    assert (ratios[:4] < 1e-4).all()
    assert ratios[4] > 1e-2
    bare = look(tiny(conv_bias=False))["biasGradientNorm"]
    assert [size is None for size in bare] == [True, True, False, False, False]


def test_frozen_weights_show_the_gradients_that_they_would_follow():
    net = training.build(tiny())
    free = probe(net, *part())
    models.freeze(net, "norm", seed=0)
    frozen = probe(net, *part())
    for size in ("gradientNorm", "biasGradientNorm"):
        assert frozen[size] == free[size]
    assert not any(layer.requires_grad for layer in models.weighted(net)["fc1"].parameters())


def test_values_beyond_the_axis_are_counted_at_its_edge():
    images, labels = part()
    seen = probe(training.build(plain()), 100 * images, labels)
    shares = seen["before"][0]
    assert sum(shares) == pytest.approx(1, abs=1e-5)
    assert shares[0] + shares[-1] > 0.3  # the rest is where a digit's margin is black


def test_values_that_are_no_numbers_are_none():
    images, labels = part()
    seen = probe(training.build(plain()), math.nan * images, labels)
    assert json.dumps(seen, allow_nan=False)
    assert seen["squareBefore"] == [None] * 4
