"""`Run` describes one training run, and refuses what cannot be one."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnbook import inputs, models
from bnbook.errors import BookError
from bnbook.norms import KINDS
from bnbook.run import Run

BATCH = ("batch",) * 4
#: What a slot after a linear layer may hold.
LINEAR = [kind for kind in KINDS if kind != "instance"]

AFFINE = st.sampled_from(["both", "gamma", "beta", "none"])
training = {
    "activation": st.sampled_from(["sigmoid", "relu"]),
    "lr": st.floats(1e-4, 100),
    "batch_size": st.integers(2, 512),
    "epochs": st.integers(1, 50),
    "epoch_steps": st.integers(0, 500),
    "seed": st.integers(0, 1000),
    "train_size": st.integers(512, 50_000),
    "optimizer": st.sampled_from(["sgd", "adam", "rmsprop"]),
    "weight_decay": st.sampled_from([0, 1e-6, 5e-4]),
    "schedule": st.sampled_from(["constant", "cosine", "two drops"]),
    "init": st.sampled_from(["xavier", "he", "normal"]),
    "input_transform": st.sampled_from(inputs.TRANSFORMS),
    "augmentation": st.sampled_from(inputs.AUGMENTATIONS),
    "record_fit": st.booleans(),
}
runs = st.one_of(
    st.builds(
        Run,
        norms=st.tuples(*[st.sampled_from(KINDS)] * 2, *[st.sampled_from(LINEAR)] * 2),
        conv_bias=st.booleans(),
        linear_bias=st.booleans(),
        padding=st.sampled_from([0, 2]),
        pooling=st.sampled_from(["average", "max"]),
        dropout=st.sampled_from([0, 0.2, 0.5]),
        **training,
    ),
    st.builds(
        Run,
        model=st.just("mlp"),
        norms=st.tuples(*[st.sampled_from(["batch", "mean"])] * 2),
        affine=AFFINE,
        norm_place=st.sampled_from(["before", "after"]),
        norm_momentum=st.floats(0.001, 1),
        dropout=st.just(0.5),
        dropout_place=st.sampled_from(["last", "before norm"]),
        **training,
    ),
    st.builds(
        Run,
        model=st.just("resnet"),
        norms=st.tuples(st.sampled_from(["batch", "mean"])),
        affine=AFFINE,
        depth=st.sampled_from([8, 14, 110]),
        width=st.integers(1, 4),
        shortcuts=st.booleans(),
        **training,
    ),
    st.builds(
        Run,
        norms=st.just(BATCH),
        momentum=st.floats(0, 0.99),
        init=st.just("normal"),
        init_scale=st.floats(0.01, 10),
        trainable=st.sampled_from(models.SUBSETS),
    ),
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
    assert Run(weight_decay=0).key == Run().key


def test_numbers_of_numpy_are_numbers():
    run = Run(lr=np.float32(0.5), seed=np.int64(3), epochs=np.uint8(2), eval_epochs=[np.int32(1)])
    assert run == Run(lr=0.5, seed=3, epochs=2, eval_epochs=(1,))
    assert run.key == Run(lr=0.5, seed=3, epochs=2, eval_epochs=(1,)).key


def test_epochs_to_evaluate_are_a_set():
    assert Run(eval_epochs=(3, 1, 3)) == Run(eval_epochs=(1, 3))


def test_left_out_norms_are_none_in_every_slot_of_every_model():
    for model, slots in models.SLOTS.items():
        left_out, spelled_out = Run(model=model), Run(model=model, norms=("none",) * slots)
        assert left_out.norms == ("none",) * slots
        assert left_out == spelled_out
        assert left_out.key == spelled_out.key


def test_fields_that_came_later_leave_old_keys_alone():
    assert Run(norms=BATCH, lr=1, seed=3).changes() == {
        "norms": ["batch"] * 4,
        "lr": 1.0,
        "seed": 3,
    }
    old = {"norms": ["batch"] * 4, "padding": 2, "eval_epochs": [1, 2], "train_size": 60_000}
    assert Run.from_changes(old).changes() == old


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 0}, "learning rate is 0; it must be a number above 0"),
        ({"lr": -1.0}, "learning rate is -1.0"),
        ({"lr": float("nan")}, "learning rate is nan"),
        ({"lr": float("inf")}, "learning rate is inf"),
        ({"lr": "0.1"}, "learning rate is '0.1'"),
        ({"lr": True}, "learning rate is True"),
        ({"batch_size": 1, "norms": BATCH}, "batch size 1 leaves a norm of the batch nothing"),
        ({"batch_size": 1, "norms": ("layer", "zca", "none", "none")}, "or norms that see one"),
        ({"batch_size": 0}, "batch size is 0; it must be at least 1"),
        ({"batch_size": 3.5}, "batch size is 3.5; it must be a whole number"),
        ({"lr": 1e300}, "learning rate is 1e+300; it must be a number above 0 and at most 1e30"),
        ({"weight_decay": 10**400}, "weight decay is a number of many digits; it must be a number"),
        ({"batch_size": 600, "train_size": 500}, "batch size 600 is above the training size 500"),
        ({"dataset": "imagenet"}, "unknown dataset 'imagenet'; known: mnist"),
        ({"model": "vgg"}, "unknown model 'vgg'; known: lenet"),
        ({"norms": ("batch",) * 3}, "norms: 3 given, but lenet has 4 slots"),
        ({"norms": ("weight",) * 4}, "unknown norm 'weight'; known: none, batch, mean, variance"),
        ({"affine": "gama"}, "unknown affine 'gama'"),
        ({"affine": "gamma"}, "affine is 'gamma', which needs a norm"),
        ({"activation": "tanh"}, "unknown activation 'tanh'"),
        ({"conv_bias": 1}, "conv_bias is 1; it must be true or false"),
        ({"epochs": 0}, "epochs is 0; it must be at least 1"),
        ({"seed": -1}, "seed is -1; it must be between 0 and"),
        ({"seed": 10**9}, "seed is 1000000000; it must be between 0 and"),
        ({"padding": -1}, "padding is -1"),
        ({"eval_epochs": (9,)}, "eval epoch is 9; it must be between 1 and 5"),
        ({"model": "mlp", "norms": BATCH}, "norms: 4 given, but mlp has 2 slots"),
        ({"model": "softmax", "norms": ("batch",)}, "softmax has no slot for one"),
        ({"model": "softmax", "activation": "relu"}, "which needs another model than softmax"),
        ({"model": "softmax", "trainable": "norm"}, "which needs a norm"),
        ({"model": "resnet", "norms": BATCH}, "but resnet takes one norm for all its slots"),
        ({"optimizer": "lion"}, "unknown optimizer 'lion'; known: sgd, adam, rmsprop"),
        ({"optimizer": "adam", "momentum": 0.9}, "momentum is 0.9, which needs optimizer 'sgd'"),
        ({"momentum": 1}, "momentum is 1; it must be a number from 0 to below 1"),
        ({"momentum": -0.5}, "momentum is -0.5; it must be"),
        ({"weight_decay": -1}, "weight decay is -1; it must be a number from 0"),
        ({"weight_decay": float("inf")}, "weight decay is inf; it must be"),
        ({"schedule": "linear"}, "unknown schedule 'linear'; known: constant, cosine, two drops"),
        ({"init": "lecun"}, "unknown init 'lecun'; known: xavier, he, normal"),
        ({"init_scale": 2}, "init_scale is 2.0, which needs init 'normal'"),
        ({"init": "normal", "init_scale": 0}, "init scale is 0; it must be a number above 0"),
        ({"input_transform": "whitened"}, "unknown input_transform 'whitened'; known: none"),
        ({"augmentation": "cutout"}, "unknown augmentation 'cutout'; known: none, crop+flip"),
        ({"epoch_steps": -1}, "epoch steps is -1; it must be at least 0"),
        ({"norm_place": "after"}, "norm_place is 'after', which needs a norm"),
        ({"norm_place": "inside"}, "unknown norm_place 'inside'; known: before, after"),
        ({"norm_momentum": 0.5}, "norm_momentum is 0.5, which needs a norm"),
        ({"norms": ("sphere",) * 4, "norm_momentum": 0.5}, "needs a norm with running statistics"),
        ({"norms": ("instance",) * 4}, "'instance' would see a single number after a linear"),
        ({"model": "mlp", "norms": ("none", "instance")}, "'instance' would see a single number"),
        ({"norm_noise": True}, "norm_noise is True, which needs a norm"),
        ({"norms": BATCH, "norm_noise": 1}, "norm_noise is 1; it must be true or false"),
        (
            {"model": "resnet", "norms": ("batch",), "norm_noise": True},
            "norm_noise is True, which needs another model than resnet",
        ),
        ({"norms": BATCH, "norm_momentum": 0}, "norm momentum is 0; it must be a number above 0"),
        ({"norms": BATCH, "norm_momentum": 1.1}, "norm momentum is 1.1; it must be"),
        ({"dropout": 1.0}, "dropout is 1.0; it must be a number from 0 to below 1"),
        ({"dropout": "half"}, "dropout is 'half'; it must be a number"),
        ({"model": "resnet", "dropout": 0.5}, "dropout is 0.5, which needs another model"),
        ({"norms": BATCH, "dropout_place": "before norm"}, "which needs dropout above 0"),
        ({"dropout": 0.5, "dropout_place": "before norm"}, "which needs a norm"),
        ({"dropout_place": "first"}, "unknown dropout_place 'first'; known: last, before norm"),
        ({"pooling": "median"}, "unknown pooling 'median'; known: average, max"),
        ({"model": "mlp", "pooling": "max"}, "which needs another model than mlp"),
        ({"model": "mlp", "padding": 2}, "padding is 2, which needs another model than mlp"),
        ({"model": "mlp", "conv_bias": False}, "conv_bias is False, which needs another model"),
        ({"model": "resnet", "linear_bias": False}, "linear_bias is False, which needs another"),
        ({"model": "resnet", "depth": 10}, "depth is 10; it must be 6n + 2: 8, 14, 20"),
        ({"model": "resnet", "depth": 2}, "depth is 2; it must be between 8 and 992"),
        ({"depth": 14}, "depth is 14, which needs another model than lenet"),
        ({"width": 2}, "width is 2, which needs another model than lenet"),
        ({"shortcuts": False}, "shortcuts is False, which needs another model than lenet"),
        ({"shortcuts": None}, "shortcuts is None; it must be true or false"),
        ({"record_fit": 1}, "record_fit is 1; it must be true or false"),
        ({"trainable": "bias"}, "unknown trainable 'bias'; known: all, norm"),
        ({"trainable": "norm"}, "trainable is 'norm', which needs a norm"),
        ({"trainable": "random"}, "trainable is 'random', which needs a norm"),
        (
            {"norms": BATCH, "trainable": "norm", "affine": "none"},
            "trainable is 'norm', which needs gamma or beta to be learned",
        ),
        (
            {"norms": BATCH, "trainable": "head", "affine": "beta"},
            "affine is 'beta', which needs trainable gamma and beta",
        ),
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
