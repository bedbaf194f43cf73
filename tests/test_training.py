"""Training: paired, deterministic, watched, and honest about how it ended."""

import dataclasses
import gc
import math
import weakref

import pytest
import torch
from small_data import shortened
from torch.nn import functional

from bnbook import data, models, norms, probes, training
from bnbook.errors import BookError
from bnbook.history import judge
from bnbook.run import Run

BATCH = ("batch",) * 4
#: Small enough for a test, large enough to learn from.
SHORT = Run(norms=BATCH, lr=1.0, batch_size=32, epochs=2, train_size=512)


@pytest.fixture(scope="module")
def splits():
    return shortened(data.splits("mnist"), 500)


@pytest.fixture(scope="module")
def history(splits):
    return training.train(SHORT, splits)


def test_a_short_run_learns_and_records_every_epoch(history):
    assert [row["epoch"] for row in history.rows] == [0, 1, 2]
    assert [row["step"] for row in history.rows] == [0, 16, 32]
    first, last = history.rows[0], history.rows[-1]
    assert last["val_correct"] > 300 > first["val_correct"]
    assert last["test_correct"] > 300
    assert last["train_loss"] < history.rows[1]["train_loss"]
    assert last["seconds"] > history.rows[1]["seconds"] > 0


def test_the_same_run_twice_is_the_same_run(history, splits):
    again = training.train(SHORT, splits)
    assert again.first_losses == history.first_losses
    assert again.rows[-1]["val_correct"] == history.rows[-1]["val_correct"]
    assert again.rows[-1]["gamma"] == history.rows[-1]["gamma"]


def test_first_losses_need_no_evaluation_to_be_the_same(history, splits):
    assert training.first_losses(SHORT, splits) == history.first_losses


def test_double_precision_takes_the_same_steps(history, splits):
    double = training.first_losses(SHORT, splits, torch.float64)
    assert double == pytest.approx(history.first_losses, rel=1e-5)
    assert double != history.first_losses


def test_a_run_shorter_than_the_fingerprint_gives_what_it_has(splits):
    run = dataclasses.replace(SHORT, epochs=1, batch_size=128)
    assert len(training.first_losses(run, splits)) == 4


def test_variants_see_the_same_batches_in_the_same_order(splits, monkeypatch):
    seen = {}
    original = functional.cross_entropy
    for norm in ("batch", "none"):
        labels = seen.setdefault(norm, [])

        def spy(logits, target, labels=labels, **options):
            if "reduction" not in options:
                labels.append(target.clone())
            return original(logits, target, **options)

        monkeypatch.setattr(functional, "cross_entropy", spy)
        training.first_losses(dataclasses.replace(SHORT, norms=(norm,) * 4), splits)
    assert len(seen["batch"]) == 10
    assert all(torch.equal(a, b) for a, b in zip(seen["batch"], seen["none"], strict=True))


def test_evaluating_less_often_does_not_change_the_training(history, splits):
    sparse = training.train(dataclasses.replace(SHORT, eval_epochs=(2,)), splits)
    assert [row["epoch"] for row in sparse.rows] == [0, 2]
    assert sparse.rows[-1]["val_correct"] == history.rows[-1]["val_correct"]


def test_bias_before_batch_norm_gets_no_gradient_and_never_moves():
    net = training.build(SHORT)
    images = data.to_float(data.splits("mnist").train.images[:64])
    functional.cross_entropy(net(images), data.splits("mnist").train.labels[:64]).backward()
    for name in ("conv1", "conv2", "fc1", "fc2"):
        layer = getattr(net, name)
        assert layer.bias.grad.norm() < 1e-5 * layer.weight.grad.norm()
    assert net.out.bias.grad.norm() > 1e-3


@pytest.mark.parametrize(
    ("affine", "gamma_moves", "beta_moves"),
    [(name, *learned) for name, learned in models.AFFINE.items()],
)
def test_exactly_the_learned_affine_parameters_train(splits, affine, gamma_moves, beta_moves):
    run = dataclasses.replace(SHORT, affine=affine, epochs=1, train_size=64)
    last = training.train(run, splits).rows[-1]
    assert any(g != 1 for slot in last["gamma"] for g in slot) == gamma_moves
    assert any(b != 0 for slot in last["beta"] for b in slot) == beta_moves


def test_probes_see_what_batch_norm_makes_of_a_layer(history):
    first = history.rows[0]
    # At the start gamma is 1 and beta 0, so the mean square after the norm is 1 by construction.
    assert first["square_normed"] == pytest.approx([1] * 4, abs=0.01)
    assert all(0 < before < 1 for before in first["square_before"][1:])
    assert all(0 < square < 1 for square in first["square_activated"])
    assert len(first["gradient_norm"]) == 5
    assert [len(slot) for slot in history.rows[-1]["gamma"]] == [6, 16, 120, 84]


def test_probing_leaves_the_net_as_it_was():
    net = training.build(SHORT)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    probes.probe(net, torch.rand(8, 1, 28, 28), torch.arange(8))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


def test_both_evaluations_agree_where_there_is_nothing_to_estimate(splits):
    run = dataclasses.replace(SHORT, norms=("none",) * 4, epochs=1)
    for row in training.train(run, splits).rows:
        assert row["val_correct"] == row["val_correct_running"]


def test_both_evaluations_differ_before_the_running_statistics_have_settled(history):
    row = history.rows[0]
    assert row["val_correct"] != row["val_correct_running"]


def test_accuracy_is_a_count_that_does_not_depend_on_the_batches(monkeypatch):
    net = norms.reestimate(training.build(SHORT), torch.rand(100, 1, 28, 28))
    part = data.splits("mnist").validation
    images, labels = data.to_float(part.images[:700]), part.labels[:700]
    counts = []
    for size in (1, 64, 700):
        monkeypatch.setattr(training, "EVALUATION_BATCH", size)
        counts.append(training.count_correct(net, images, labels)[0])
    with torch.no_grad():
        expected = int((net(images).argmax(1) == labels).sum())
    assert counts == [expected] * 3


def test_a_rate_that_blows_up_is_a_result_and_not_an_error(splits):
    run = Run(activation="relu", lr=1e6, batch_size=32, epochs=3, train_size=512)
    history = training.train(run, splits)
    assert history.outcome == "non-finite"
    assert len(history.rows) < 4
    assert "test_correct" in history.rows[-1]


def test_a_plain_run_records_what_it_always_did(history):
    assert list(history.rows[0]) == [
        *("epoch", "step", "train_loss", "val_loss"),
        *("val_correct", "val_correct_running", "val_images", "seconds"),
        *("square_before", "square_normed", "square_activated", "gradient_norm"),
    ]


def row(val_correct, train_loss=1.0, val_loss=1.0):
    return {
        "val_correct": val_correct,
        "val_images": 1000,
        "train_loss": train_loss,
        "val_loss": val_loss,
    }


@pytest.mark.parametrize(
    ("rows", "outcome"),
    [
        ([row(100), row(900)], "trained"),
        ([row(100), row(899)], "not yet trained"),
        ([row(100), row(950), row(100)], "collapsed"),
        ([row(100), row(113, train_loss=math.log(10))], "not yet trained"),
        ([row(100), row(113, train_loss=4.0)], "collapsed"),
        ([row(100), row(950, train_loss=math.nan)], "non-finite"),
        ([row(100), row(950, val_loss=math.inf)], "non-finite"),
    ],
)
def test_each_end_has_its_name(rows, outcome):
    assert judge(rows) == outcome


def test_watchers_see_every_step_and_row_and_can_stop(splits):
    steps, rows = [], []

    class Stop(Exception):
        pass

    def on_step(step, loss):
        steps.append((step, loss))
        if step == 20:
            raise Stop

    with pytest.raises(Stop):
        training.train(SHORT, splits, on_step=on_step, on_epoch=rows.append)
    assert [step for step, _ in steps] == list(range(1, 21))
    assert [r["epoch"] for r in rows] == [0, 1]


def test_too_few_images_are_named(splits):
    with pytest.raises(BookError, match=r"train size 60,000 is above the 50,000 training images"):
        training.train(Run(train_size=60_000), splits)


def test_what_cannot_be_trained_on_is_named(splits):
    images, labels = splits.validation.images, splits.validation.labels
    for wrong, says in (
        (data.Images(images[:0], labels[:0]), "0 images, 0 labels"),
        (data.Images(images[:9], labels[:8]), "9 images, 8 labels"),
        (data.Images(images, labels + 1), "labels 1 to 10 for 10 classes"),
        (data.Images(data.to_float(images), labels), "torch.float32"),
        (data.Images(images, labels.float()), "torch.float32"),
        (data.Images(images[:, 0], labels), "images of shape"),
    ):
        with pytest.raises(BookError, match=rf"validation images cannot be used \(.*{says}"):
            training.train(SHORT, dataclasses.replace(splits, validation=wrong))
    for run, parts in (({"lr": 1}, splits), (SHORT, (images, labels))):
        with pytest.raises(BookError, match=r"takes a bnbook\.Run, and bnbook\.data\.Splits"):
            training.fit(run, parts)


@pytest.mark.parametrize("device", ["abacus", "", "meta", "cuda:99", 1.5])
def test_a_device_that_is_not_here_is_named(splits, device):
    with pytest.raises(BookError, match=rf"cannot train on device {device!r} .*: name one"):
        training.train(SHORT, splits, device)


def test_a_session_that_nobody_holds_goes_at_once_and_its_images_with_it():
    """In a circle they would stay until Python looks for circles: gigabytes in a long sweep."""
    splits = data.splits("digits")
    images = data.to_float(splits.train.images[:256])
    run = Run(dataset="digits", train_size=256, batch_size=32, epochs=1, norms=("batch",) * 4)
    one = training.Session(run, (images, splits.train.labels[:256]))
    list(one.epoch())
    gone = weakref.ref(one)
    gc.disable()
    try:
        del one
        assert gone() is None
    finally:
        gc.enable()
