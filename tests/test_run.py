"""`Run` describes one training run, and refuses what cannot be one."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnbook.errors import BookError
from bnbook.norms import KINDS
from bnbook.run import Run

BATCH = ("batch",) * 4

runs = st.builds(
    Run,
    norms=st.tuples(*[st.sampled_from(KINDS)] * 4),
    affine=st.sampled_from(["both", "gamma", "beta", "none"]),
    conv_bias=st.booleans(),
    linear_bias=st.booleans(),
    activation=st.sampled_from(["sigmoid", "relu"]),
    padding=st.sampled_from([0, 2]),
    lr=st.floats(1e-4, 100),
    batch_size=st.integers(2, 512),
    epochs=st.integers(1, 50),
    seed=st.integers(0, 1000),
    train_size=st.integers(512, 50_000),
)


@given(runs)
def test_a_run_survives_the_way_to_disk_and_back(run):
    again = Run.from_changes(run.changes())
    assert again == run
    assert again.key == run.key


@given(runs, runs)
def test_two_runs_share_a_key_only_if_they_are_equal(a, b):
    assert (a.key == b.key) == (a == b)


def test_keys_of_recorded_runs_never_change():
    assert Run().key == "44136fa355b3678a"
    assert Run(norms=BATCH, lr=1, seed=3).key == "8739ccece089bf25"


def test_the_way_a_number_is_written_does_not_move_the_key():
    assert Run(lr=1).key == Run(lr=1.0).key
    assert Run(norms=["batch"] * 4).key == Run(norms=BATCH).key


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 0}, "learning rate is 0; it must be a number above 0"),
        ({"lr": -1.0}, "learning rate is -1.0"),
        ({"lr": float("nan")}, "learning rate is nan"),
        ({"lr": float("inf")}, "learning rate is inf"),
        ({"lr": "0.1"}, "learning rate is '0.1'"),
        ({"lr": True}, "learning rate is True"),
        ({"batch_size": 1, "norms": BATCH}, "batch size 1 leaves batch norm nothing"),
        ({"batch_size": 0}, "batch size is 0; it must be at least 1"),
        ({"batch_size": 3.5}, "batch size is 3.5; it must be a whole number"),
        ({"batch_size": 600, "train_size": 500}, "batch size 600 is above the training size 500"),
        ({"dataset": "imagenet"}, "unknown dataset 'imagenet'; known: mnist"),
        ({"model": "vgg"}, "unknown model 'vgg'; known: lenet"),
        ({"norms": ("batch",) * 3}, "norms: 3 given, but lenet has 4 slots"),
        ({"norms": ("weight",) * 4}, "unknown norm 'weight'; known: none, batch, mean, variance"),
        ({"affine": "gama"}, "unknown affine 'gama'"),
        ({"activation": "tanh"}, "unknown activation 'tanh'"),
        ({"conv_bias": 1}, "conv_bias is 1; it must be true or false"),
        ({"epochs": 0}, "epochs is 0; it must be at least 1"),
        ({"seed": -1}, "seed is -1; it must be between 0 and"),
        ({"seed": 10**9}, "seed is 1000000000; it must be between 0 and"),
        ({"padding": -1}, "padding is -1"),
        ({"eval_epochs": (9,)}, "eval epoch is 9; it must be between 1 and 5"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_clear_line(change, message):
    with pytest.raises(BookError) as error:
        Run(**change)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_field_is_named():
    with pytest.raises(BookError, match="unknown field momentun in a run; known: dataset"):
        Run.from_changes({"momentun": 0.9})


def test_a_run_cannot_be_changed_behind_its_key():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Run().lr = 1.0


def test_evaluation_happens_where_asked_and_always_at_the_end():
    assert [e for e in range(1, 6) if Run().evaluates(e)] == [1, 2, 3, 4, 5]
    assert [e for e in range(1, 6) if Run(eval_epochs=(2,)).evaluates(e)] == [2, 5]
