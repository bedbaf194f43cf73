"""Runs of other nets, optimizers, schedules and data train as the plain LeNet does."""

import dataclasses
import math

import pytest
import torch
from small_data import shortened
from torch.nn import functional

from bnbook import data, models, norms, probes, streams, training
from bnbook.run import Run

BATCH = ("batch",) * 4
SHORT = Run(norms=BATCH, lr=1.0, batch_size=32, epochs=2, train_size=512)
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
def splits():
    return shortened(data.splits("mnist"), 500)


@pytest.fixture(scope="module")
def few(splits):
    """Little to evaluate: a residual net takes its time."""
    return shortened(splits, 50)


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


def rates_after_each_step(schedule, splits):
    """List the 32 rates of two epochs from 0.4 on; that after a step is the next step's."""
    session = session_of(dataclasses.replace(SHORT, lr=0.4, schedule=schedule), splits)
    epochs = (session.epoch() for _ in range(2))
    return [session.optimizer.param_groups[0]["lr"] for epoch in epochs for _ in epoch]


def test_the_cosine_leads_the_rate_down_to_nothing_over_all_steps(splits):
    expected = [0.2 * (1 + math.cos(math.pi * t / 32)) for t in range(1, 33)]
    assert rates_after_each_step("cosine", splits) == pytest.approx(expected, abs=1e-9)


def test_the_rate_drops_to_a_tenth_after_half_of_the_steps_and_again_after_three_quarters(splits):
    expected = [0.4] * 15 + [0.04] * 8 + [0.004] * 9
    assert rates_after_each_step("two drops", splits) == pytest.approx(expected)


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
