"""The experiments of chapters 13 and 14 ask what their chapters say that they ask."""

from dataclasses import replace

import pandas as pd
import pytest
import torch

from bnbook import chapters, data, models, training

NOTHING = pd.DataFrame()
ONLY_NORM = chapters.experiment("only-norm").arms


def few(shape, n=32):
    """Make splits of random images of `shape`, too few to learn from."""
    draw = torch.Generator().manual_seed(0)
    parts = [
        data.Images(
            torch.randint(256, (n, *shape), generator=draw, dtype=torch.uint8),
            torch.randint(10, (n,), generator=draw),
        )
        for _ in range(3)
    ]
    return data.Splits(*parts)


def trained_numbers(run):
    """Count the numbers that training moves, after some steps."""
    short = replace(run, train_size=32, batch_size=16, epochs=3, eval_epochs=())
    images = torch.randn(32, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    session = training.Session(short, (images, torch.arange(32) % 10))
    before = [p.detach().clone() for p in session.net.parameters()]
    for _ in range(short.epochs):
        list(session.epoch())
    moved = zip(session.net.parameters(), before, strict=True)
    return sum(int((now != then).sum()) for now, then in moved)


@pytest.mark.parametrize("name", ["lab-session", "lab-session-svhn", "only-norm"])
def test_every_run_belongs_to_its_arm_and_every_arm_has_all_seeds(name):
    experiment = chapters.experiment(name)
    runs = experiment.runs(NOTHING)
    seeds = {run.seed for run in runs}
    assert len(seeds) == (3 if name == "only-norm" else 5)
    for contrast in experiment.contrasts:
        for arm in (contrast.a, contrast.b):
            mine = {r.seed for r in runs if experiment.arm_of(r) == arm and r.lr == contrast.lr}
            assert mine == seeds


@pytest.mark.parametrize("arm", ["with BN", "without BN"])
@pytest.mark.parametrize(
    ("name", "shape"), [("lab-session", (1, 28, 28)), ("lab-session-svhn", (3, 32, 32))]
)
def test_the_lab_session_trains_lenet_5_on_images_of_either_data_set(name, shape, arm):
    run = replace(chapters.experiment(name).arms[arm], train_size=32, batch_size=16, epochs=1)
    session = training.Session(run, training.to_tensors(run, few(shape), "cpu").train)
    assert session.images.shape[1:] == (3, 32, 32)
    assert session.images.min() >= -1
    assert session.net.conv1.in_channels == 3
    assert session.net.fc1.in_features == 400  # 16 channels of 5x5, as on the sheet
    assert all(torch.isfinite(loss) for loss in session.epoch())


def test_the_lab_session_takes_the_sheets_number_of_images_and_steps():
    run = chapters.experiment("lab-session").arms["with BN"]
    assert run.train_size == int(60_000 * 0.8 + 1)
    assert run.train_size // run.batch_size == 375
    assert chapters.experiment("lab-session-svhn").arms["with BN"].train_size == int(
        73_257 * 0.8 + 1
    )


@pytest.mark.parametrize(
    ("arm", "numbers"),
    [
        ("only norm", 672),  # two for each of the 336 channels that leave a convolution
        ("random weights", 672),
        ("only head", 650),
        ("norm and head", 672 + 650),
        ("only norm, depth 14", 1_120),
        ("only norm, twice as wide", 2 * 672),
        # Without shortcuts there are none with a convolution, whose norms are missing.
        ("only norm, no shortcuts", 672 - 2 * (32 + 64)),
    ],
)
def test_an_arm_trains_what_its_name_says_and_nothing_else(arm, numbers):
    assert trained_numbers(ONLY_NORM[arm]) == numbers


def test_the_arms_that_train_everything_leave_nothing_out():
    for arm in ("everything", "everything, depth 14", "everything, no shortcuts"):
        net = training.build(ONLY_NORM[arm], (3, 32, 32))
        models.freeze(net, ONLY_NORM[arm].trainable, 0)
        assert all(p.requires_grad for p in net.parameters())
