"""Training: paired, deterministic, watched, and honest about how it ended."""

import dataclasses
import gc
import math
import weakref

import pytest
import torch
from torch.nn import functional

from bnbook import data, models, norms, probes, streams, training
from bnbook.errors import BookError
from bnbook.run import Run

BATCH = ("batch",) * 4
#: Small enough for a test, large enough to learn from.
SHORT = Run(norms=BATCH, lr=1.0, batch_size=32, epochs=2, train_size=512)


@pytest.fixture(scope="module")
def splits():
    """Real MNIST with 500 images to validate and 500 to test."""
    full = data.splits("mnist")

    def first(part, n):
        return data.Images(part.images[:n], part.labels[:n])

    return data.Splits(full.train, first(full.validation, 500), first(full.test, 500))


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


# Runs beyond the plain LeNet


def test_a_plain_run_records_what_it_always_did(history):
    assert list(history.rows[0]) == [
        *("epoch", "step", "train_loss", "val_loss"),
        *("val_correct", "val_correct_running", "val_images", "seconds"),
        *("square_before", "square_normed", "square_activated", "gradient_norm"),
    ]


MLP = Run(
    model="mlp", norms=("batch",) * 2, activation="relu", dropout=0.5, init="he",
    input_transform="centred", batch_size=32, epochs=2, train_size=512,
)  # fmt: skip
RESNET = Run(
    model="resnet", norms=("batch",), conv_bias=False, activation="relu", init="he",
    input_transform="standardized", augmentation="crop+flip", momentum=0.9, weight_decay=5e-4,
    schedule="cosine", batch_size=16, epochs=1, epoch_steps=2, train_size=64, record_fit=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def few(splits):
    """Little to evaluate: a residual net takes its time."""
    parts = (splits.validation, splits.test)
    return data.Splits(splits.train, *(data.Images(p.images[:50], p.labels[:50]) for p in parts))


def weights(session):
    return {name: value.clone() for name, value in session.net.state_dict().items()}


def session_of(run, splits):
    return training.Session(run, training.to_tensors(run, splits, "cpu").train)


@pytest.mark.parametrize("run", [MLP, RESNET], ids=["mlp", "resnet"])
def test_looking_at_a_net_does_not_change_its_training(run, few):
    run = dataclasses.replace(run, epochs=3, epoch_steps=3)
    often, seldom = (
        training.train(one, few) for one in (run, dataclasses.replace(run, eval_epochs=(3,)))
    )
    assert often.first_losses == seldom.first_losses
    assert often.rows[-1]["gamma"] == seldom.rows[-1]["gamma"]
    assert training.first_losses(run, few) == often.first_losses


def test_the_mlp_learns_and_fills_its_probes(splits):
    last = training.train(MLP, splits).rows[-1]
    assert last["val_correct"] > 300
    assert [len(last[name]) for name in ("square_before", "square_activated")] == [2, 2]
    assert len(last["gradient_norm"]) == 3
    assert [len(slot) for slot in last["gamma"]] == [256, 256]


def test_probes_draw_no_dropout_and_see_frozen_weights_too(splits):
    part = data.to_float(splits.train.images[:64]), splits.train.labels[:64]
    dropped, plain = (
        probes.probe(training.build(dataclasses.replace(MLP, dropout=p)), *part) for p in (0.5, 0)
    )
    assert dropped == plain
    net = training.build(MLP)
    models.freeze(net, "norm", 0)
    assert probes.probe(net, *part)["gradient_norm"] == plain["gradient_norm"]
    assert not net.fc1.weight.requires_grad


def test_a_norm_after_the_activation_is_probed_there(splits):
    part = data.to_float(splits.train.images[:64]), splits.train.labels[:64]
    seen = probes.probe(training.build(dataclasses.replace(SHORT, norm_place="after")), *part)
    assert seen["square_before"] == seen["square_activated"]
    assert seen["square_normed"] == pytest.approx([1] * 4, abs=0.01)


def test_a_residual_net_records_every_norm_and_the_fit(few):
    history = training.train(RESNET, few)
    last = history.rows[-1]
    assert [len(slot) for slot in last["gamma"]] == [16, 16, 16, 32, 32, 64, 64, 32, 64]
    assert len(last["square_normed"]) == 9
    assert len(last["square_activated"]) == 7
    assert len(last["gradient_norm"]) == len(last["weight_norm"]) == 10
    assert last["step"] == 2
    assert last["train_images"] == 64
    assert "train_correct" in history.rows[0]


def test_the_fit_is_counted_on_the_training_images_with_reestimated_statistics(splits):
    run = dataclasses.replace(SHORT, record_fit=True)
    tensors = training.to_tensors(run, splits, "cpu")
    session = training.Session(run, tensors.train)
    list(session.epoch())
    row = training._observe(session, tensors, 1, [0.0], 0.0)
    precise = norms.reestimate(session.net, tensors.train[0])
    assert row["train_correct"] == training.count_correct(precise, *tensors.train)[0]
    assert row["train_images"] == 512
    norm = session.net.conv2.weight.detach().square().sum().sqrt()
    assert row["weight_norm"][1] == pytest.approx(float(norm))


def test_an_epoch_may_have_any_number_of_steps_without_changing_them(splits):
    usual = training.train(dataclasses.replace(SHORT, epochs=3), splits)  # 3 times 16 steps
    fine = dataclasses.replace(SHORT, epochs=8, epoch_steps=6, eval_epochs=(4, 8))
    assert training.first_losses(dataclasses.replace(fine, epoch_steps=3), splits) == (
        usual.first_losses
    )
    history = training.train(fine, splits)
    assert [row["step"] for row in history.rows] == [0, 24, 48]
    assert history.rows[-1]["val_correct"] == usual.rows[-1]["val_correct"]
    assert history.rows[-1]["gamma"] == usual.rows[-1]["gamma"]


@pytest.mark.parametrize(
    ("changes", "make"),
    [
        ({}, lambda p: torch.optim.SGD(p, 0.01)),
        (
            {"momentum": 0.9, "weight_decay": 0.1},
            lambda p: torch.optim.SGD(p, 0.01, momentum=0.9, weight_decay=0.1),
        ),
        ({"optimizer": "adam"}, lambda p: torch.optim.Adam(p, 0.01)),
        (
            {"optimizer": "rmsprop", "weight_decay": 0.1},
            lambda p: torch.optim.RMSprop(p, 0.01, weight_decay=0.1),
        ),
    ],
    ids=["sgd", "momentum and weight decay", "adam", "rmsprop"],
)
def test_steps_are_those_of_pytorchs_optimizer(splits, changes, make):
    run = dataclasses.replace(SHORT, lr=0.01, epochs=1, **changes)
    session = session_of(run, splits)
    net = training.build(run)
    optimizer = make(net.parameters())
    images, labels = session.images, session.labels
    order = torch.randperm(512, generator=streams.stream(run.seed, 0, "order"))
    for batch in order.split(32):
        optimizer.zero_grad()
        functional.cross_entropy(net(images[batch]), labels[batch]).backward()
        optimizer.step()
    list(session.epoch())
    after = weights(session)
    assert all(torch.equal(value, after[name]) for name, value in net.state_dict().items())


def test_the_cosine_leads_the_rate_down_to_nothing_over_all_steps(splits):
    session = session_of(dataclasses.replace(SHORT, lr=0.4, schedule="cosine"), splits)
    rates = []
    for _ in range(2):
        for _ in session.epoch():
            rates.append(session.optimizer.param_groups[0]["lr"])
    # The rate after step t is the one of the next step; there are 32.
    expected = [0.2 * (1 + math.cos(math.pi * t / 32)) for t in range(1, 33)]
    assert rates == pytest.approx(expected, abs=1e-9)


def test_the_rate_drops_to_a_tenth_after_half_of_the_steps_and_again_after_three_quarters(splits):
    session = session_of(dataclasses.replace(SHORT, lr=0.4, schedule="two drops"), splits)
    rates = []
    for _ in range(2):
        for _ in session.epoch():
            rates.append(session.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.4] * 15 + [0.04] * 8 + [0.004] * 9)


FREEZING = dataclasses.replace(SHORT, lr=0.1, momentum=0.9, weight_decay=0.1, epochs=1)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
@pytest.mark.parametrize("subset", models.SUBSETS)
def test_exactly_the_chosen_subset_trains_and_weight_decay_spares_the_rest(
    splits, subset, optimizer
):
    momentum = 0.9 if optimizer == "sgd" else 0.0
    run = dataclasses.replace(FREEZING, trainable=subset, optimizer=optimizer, momentum=momentum)
    session = session_of(run, splits)
    before = weights(session)
    list(session.epoch())
    after = weights(session)
    moved = {
        name: int((after[name] != before[name]).sum())
        for name, _ in session.net.named_parameters()
        if not torch.equal(after[name], before[name])
    }
    of_norms = {f"norm{i}.{name}" for i in range(1, 5) for name in ("weight", "bias")}
    head = {"out.weight", "out.bias"}
    hidden = {f"{name}.weight" for name in ("conv1", "conv2", "fc1", "fc2")}
    if subset == "all":
        assert of_norms | head | hidden <= set(moved)
    elif subset == "random":
        assert set(moved) == hidden
        assert moved == {
            "conv1.weight": 12, "conv2.weight": 32, "fc1.weight": 240, "fc2.weight": 168
        }  # fmt: skip
    else:
        members = {"norm": of_norms, "head": head, "norm+head": of_norms | head}
        assert set(moved) == members[subset]
    assert all("running" not in name for name in moved)


def test_augmentation_and_dropout_leave_the_order_of_the_images_alone(splits):
    labels = []
    for run in (RESNET, dataclasses.replace(RESNET, augmentation="none"), MLP):
        run = dataclasses.replace(run, train_size=512, batch_size=32, epoch_steps=0)
        batches = session_of(run, splits).batches
        labels.append([next(batches)[1] for _ in range(20)])
    assert all(torch.equal(a, b) for two in labels[1:] for a, b in zip(labels[0], two, strict=True))


def test_batches_are_augmented_in_training_and_nowhere_else(splits):
    tensors = training.to_tensors(RESNET, splits, "cpu")
    session = training.Session(RESNET, tensors.train)
    images, _ = next(session.batches)
    plain = dataclasses.replace(RESNET, augmentation="none")
    unchanged, _ = next(training.Session(plain, tensors.train).batches)
    assert images.shape == unchanged.shape
    same = [torch.equal(a, b) for a, b in zip(images, unchanged, strict=True)]
    assert sum(same) < 3
    assert torch.equal(session.images, tensors.train[0])


def test_images_are_transformed_by_what_the_training_images_say(splits):
    run = dataclasses.replace(SHORT, input_transform="centred", train_size=100, epochs=1)
    tensors = training.to_tensors(run, splits, "cpu")
    mean = splits.train.images[:100].float().mean() / 255
    for found, part in ((tensors.train, splits.train), (tensors.test, splits.test)):
        expected = data.to_float(part.images[: len(found[1])]) - mean
        torch.testing.assert_close(found[0], expected, atol=1e-6, rtol=0)


def test_digits_shaped_like_svhn_train_the_lenet_5_of_the_lab_sheet(few):
    run = Run(
        norms=BATCH, activation="relu", pooling="max", input_transform="svhn-like", lr=0.01,
        momentum=0.9, weight_decay=1e-6, batch_size=32, train_size=512, epochs=2,
    )  # fmt: skip
    assert session_of(run, few).net.conv1.in_channels == 3
    assert training.train(run, few).rows[-1]["val_correct"] > 25


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
    assert training.judge(rows) == outcome


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
