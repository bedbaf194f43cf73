"""What was asked later: seeds that nobody had used, arms that train, contrasts that can be made."""

from dataclasses import fields, replace

import pandas as pd
import pytest
import torch
from tables import arranged, run_rows
from test_experiments_deep import few

from bnbook import chapters, data, findings, history, training
from bnbook.chapters.dropout import equal_time as dropout
from bnbook.chapters.learning_rates.experiments import LIMIT_LRS
from bnbook.chapters.only_batch_norm import experiments as only_norm
from bnbook.chapters.other_norms import equal_time as other_norms
from bnbook.chapters.why.experiments import WHY_SEEDS
from bnbook.errors import BookError
from bnbook.experiment import (
    LATER_TUNING_SEEDS,
    LR_RULES,
    SEEDS,
    TUNING_FROM,
    TUNING_SEEDS,
    Contrast,
    best_lr,
    steady_lr,
)
from bnbook.findings import equal_time, transfer
from bnbook.lab.bands import PAGE_SEEDS
from bnbook.run import Run

#: These leave out batch sizes that lost.
EQUAL_TIME = (other_norms.NORMS_AT_EQUAL_TIME, dropout.DROPOUT_AT_EQUAL_TIME)
LATER = [
    *transfer.TRANSFER,
    *EQUAL_TIME,
    *(
        chapters.experiment(name)
        for name in (
            *("learning-rate-limits", "learning-rate-map", "per-layer-again"),
            *("own-rates", "lab-session-long"),
            *("statistics-motion", "running-statistics-long"),
            *("equal-loss", "noisy-norm", "noisy-drift", "by-hand-strains"),
        )
    ),
    only_norm.PIXELS,
    only_norm.ONLY_NORM_DEEPER,
    only_norm.ONLY_NORM_DEEP,
]
NAMES = [one.name for one in LATER]
EARLIER_SEEDS = {*SEEDS, *TUNING_SEEDS, *PAGE_SEEDS, *WHY_SEEDS}
NOTHING = arranged(run_rows(Run(), "none", [0.1]), ["none"]).iloc[:0]
SHAPES = {"mnist": (1, 28, 28), "fashion_mnist": (1, 28, 28)}


def tuned(experiment):
    """All runs of `experiment`, its tuning runs having ended alike."""
    rows = []
    for run in experiment.runs(NOTHING):
        if run.seed >= TUNING_FROM:
            rows += run_rows(run, experiment.arm_of(run), [0.1, 0.95])
    return experiment.runs(arranged(rows, experiment.arms) if rows else NOTHING)


@pytest.mark.parametrize("experiment", LATER, ids=NAMES)
def test_no_seed_was_used_before_it_was_asked(experiment):
    assert chapters.experiment(experiment.name) is experiment
    assert not {run.seed for run in tuned(experiment)} & EARLIER_SEEDS


@pytest.mark.parametrize("experiment", LATER, ids=NAMES)
def test_both_sides_of_a_contrast_are_run_with_the_same_seeds(experiment):
    runs = [run for run in tuned(experiment) if run.seed < TUNING_FROM]
    if experiment not in EQUAL_TIME:
        assert {experiment.arm_of(run) for run in runs} == set(experiment.arms)
    for contrast in experiment.contrasts:
        rates = contrast.lr if isinstance(contrast.lr, tuple) else [contrast.lr] * 2
        seeds = [
            sorted(
                run.seed
                for run in runs
                # At equal time a contrast is of nets, each with its own batch size.
                if experiment.arm_of(run).partition(", batches of")[0] == arm
                and rate in (run.lr, *LR_RULES)
            )
            for arm, rate in zip((contrast.a, contrast.b), rates, strict=True)
        ]
        assert seeds[0] == seeds[1]
        assert len(seeds[0]) >= 3
        assert len(set(seeds[0])) == len(seeds[0])


@pytest.mark.parametrize("experiment", LATER, ids=NAMES)
def test_every_arm_trains(experiment):
    for run in experiment.arms.values():
        splits = few(SHAPES.get(run.dataset, (3, 32, 32)))
        short = replace(run, train_size=32, batch_size=16, epochs=1, eval_epochs=())
        if run.depth > 20:
            short = replace(short, depth=20)
        state = next(training.follow(short, [2], splits))
        assert all(torch.isfinite(p).all() for p in state.net.parameters())


def differences(a, b):
    return {f.name for f in fields(Run) if getattr(a, f.name) != getattr(b, f.name)}


def test_a_transfer_changes_what_its_name_says_and_nothing_else():
    by_name = {one.name: one.arms for one in transfer.TRANSFER}
    relu, clothes = by_name["transfer-relu"], by_name["transfer-clothes"]
    for name, run in by_name["transfer-momentum"].items():
        assert differences(run, relu[name]) == {"activation", "momentum", "weight_decay"}
        assert differences(run, clothes[name]) == {"dataset", "momentum", "weight_decay"}
    for name, run in by_name["transfer-clothes-own-rates"].items():
        assert run == clothes[name]
    assert by_name["transfer-rates"]["clothes, with BN"] == clothes["full"]
    assert by_name["transfer-rates"]["ReLU, without BN"] == relu["none"]


def test_the_arms_of_a_transfer_are_those_of_the_chapters():
    arms = transfer.TRANSFER[0].arms
    for chapter, names in (
        ("bias-removal", {"all biases": "full", "no biases": "no biases"}),
        ("lite", {name: name for name in ("full", *transfer.HALVES, *transfer.AFFINE, "none")}),
        ("per-layer", {"1234": "full", "234": "without norm 1", "123": "without norm 4"}),
    ):
        for theirs, ours in names.items():
            other = chapters.experiment(chapter).arms[theirs]
            assert differences(other, arms[ours]) <= {"dataset", "epochs", "eval_epochs"}


def test_the_layers_asked_again_are_the_runs_of_the_first_recording_but_for_their_seeds():
    first, later = (chapters.experiment(name) for name in ("per-layer", "per-layer-again"))
    for run in later.runs(NOTHING):
        assert first.arms[later.arm_of(run)] == replace(run, seed=0, lr=0.1)


def test_the_rates_beyond_continue_the_first_grid_on_both_sides_of_what_it_left_open():
    first, beyond = (
        chapters.experiment(name) for name in ("learning-rate", "learning-rate-limits")
    )
    assert first.arms == beyond.arms
    tried = {run.lr for run in first.runs(NOTHING)}
    assert min(LIMIT_LRS["with BN"]) > max(tried)
    assert all(4 < lr < 8 for lr in LIMIT_LRS["without BN"])


def test_the_long_lab_session_is_the_short_one_for_the_sheets_50_epochs():
    short, long = (chapters.experiment(name) for name in ("lab-session", "lab-session-long"))
    for name, run in long.arms.items():
        assert differences(run, short.arms[name]) == {"epochs", "eval_epochs"}
        assert run.epochs == 50


def test_the_deep_nets_follow_their_source():
    for run in only_norm.ONLY_NORM_DEEP.arms.values():
        assert (run.dataset, run.epochs, run.lr) == ("cifar10", 160, 0.1)
        assert (run.momentum, run.weight_decay, run.schedule) == (0.9, 1e-4, "two drops")
    deepest = only_norm.ONLY_NORM_DEEP.arms[only_norm.deep_arm("only norm", 110)]
    assert (deepest.depth, deepest.trainable) == (110, "norm")


# Equal time

AT_EQUAL_TIME = [
    (other_norms.NORMS_AT_EQUAL_TIME, other_norms.COSTS, other_norms.BUDGET),
    (dropout.DROPOUT_AT_EQUAL_TIME, dropout.COSTS, dropout.BUDGET),
]


@pytest.mark.parametrize(("experiment", "costs", "budget"), AT_EQUAL_TIME)
def test_every_net_has_the_same_time_at_every_batch_size(experiment, costs, budget):
    for net, by_size in costs.items():
        for size, cost in by_size.items():
            run = experiment.arms[equal_time.arm_name(net, size)]
            assert run.batch_size == size
            assert training.last_step(run) * cost == pytest.approx(budget, rel=0.01)


@pytest.mark.parametrize(("experiment", "costs", "budget"), AT_EQUAL_TIME)
def test_fresh_seeds_run_at_the_batch_size_and_the_rate_that_tuning_found(
    experiment, costs, budget
):
    wanted = {net: (list(by_size)[1], 1 + len(net) % 3) for net, by_size in costs.items()}
    rows, rates = [], sorted({run.lr for run in experiment.runs(NOTHING)})
    for run in experiment.runs(NOTHING):
        arm = experiment.arm_of(run)
        net = next(name for name in costs if arm.startswith(f"{name}, "))
        size, rate = wanted[net]
        hit = (run.batch_size == size) + (run.lr == rates[rate])
        rows += run_rows(run, arm, [0.1, 0.93 + 0.01 * hit])
    frame = arranged(rows, experiment.arms)
    later = [run for run in experiment.runs(frame) if run.seed < TUNING_FROM]
    assert len(later) == 10 * len(costs)
    for net, (size, rate) in wanted.items():
        found = (equal_time.arm_name(net, size), rates[rate])
        assert equal_time.best_size(frame, net, costs) == found
        mine = [run for run in later if experiment.arm_of(run) == found[0]]
        assert len({run.seed for run in mine}) == 10
        assert {run.lr for run in mine} == {rates[rate]}


# An arm's own rate, away from the cliff

RATES = (0.3, 1.0, 3.0, 10.0)


def ends(by_rate):
    """Tuning runs, `by_rate` the final accuracies of three seeds at each of `RATES`."""
    rows = []
    for lr, finals in zip(RATES, by_rate, strict=True):
        for seed, final in zip(LATER_TUNING_SEEDS, finals, strict=True):
            outcome = "trained" if final >= 0.9 else "collapsed"
            rows += run_rows(Run(lr=lr, seed=seed, epochs=1), "arm", [0.1, final], outcome)
    return arranged(rows, ["arm"])


@pytest.mark.parametrize(
    ("by_rate", "steady", "best"),
    [
        # All work: neither end of the grid, whose neighbor nobody tried.
        ([[0.99] * 3, [0.97] * 3, [0.98] * 3, [0.995] * 3], 3.0, 10.0),
        # The best one stands at the cliff.
        ([[0.95] * 3, [0.96] * 3, [0.98] * 3, [0.98, 0.98, 0.1]], 1.0, 3.0),
        # None has neighbors that both work: the best that works itself.
        ([[0.1] * 3, [0.97] * 3, [0.98] * 3, [0.98, 0.98, 0.1]], 3.0, 3.0),
        # None works.
        ([[0.1] * 3, [0.2] * 3, [0.3] * 3, [0.2] * 3], 3.0, 3.0),
    ],
)
def test_a_steady_rate_has_neighbors_that_work(by_rate, steady, best):
    frame = ends(by_rate)
    assert steady_lr(frame, "arm") == steady
    assert best_lr(frame, "arm") == best


def test_without_tuning_runs_there_is_no_steady_rate():
    with pytest.raises(BookError, match="no tuning runs of arm 'other'"):
        steady_lr(ends([[0.95] * 3] * 4), "other")


def test_a_contrast_may_have_a_rate_for_each_side():
    rows = []
    for lr, final in ((0.1, 0.97), (1.0, 0.99)):
        for seed in range(3):
            for arm, norms in (("a", ("batch",) * 4), ("b", ("none",) * 4)):
                run = Run(norms=norms, lr=lr, seed=seed, epochs=1)
                rows += run_rows(run, arm, [0.1, final + 0.001 * seed])
    found = findings.contrasts(arranged(rows, ["a", "b"]), [Contrast("a", "b", (1.0, 0.1))])
    assert found["mean"].tolist() == pytest.approx([0.02])
    assert found[["lr_a", "lr_b"]].to_numpy().tolist() == [[1.0, 0.1]]


# What counts as trained


@pytest.mark.parametrize(("dataset", "enough"), [("mnist", 0.9), ("fashion_mnist", 0.8)])
def test_what_counts_as_trained_depends_on_the_images(dataset, enough):
    assert history.enough(dataset) == enough
    rows = [
        row
        for seed, final in ((0, enough + 0.01), (1, enough - 0.01))
        for row in run_rows(Run(dataset=dataset, seed=seed, epochs=1), "arm", [0.1, final])
    ]
    assert findings.final(arranged(rows, ["arm"]))["trained"].tolist() == [True, False]


@pytest.mark.usefixtures("clothes")
def test_a_run_on_clothes_is_judged_by_what_clothes_allow():
    run = Run(dataset="fashion_mnist", model="softmax", lr=0.1, train_size=10_000, epochs=3)
    few_to_see = replace(
        data.splits("fashion_mnist"),
        validation=data.Images(
            *(
                t[:500]
                for t in (
                    data.splits("fashion_mnist").validation.images,
                    data.splits("fashion_mnist").validation.labels,
                )
            )
        ),
    )
    history = training.train(run, few_to_see)
    last = history.rows[-1]
    assert 0.7 < last["val_correct"] / last["val_images"] < 0.9
    assert (history.outcome == "trained") == (last["val_correct"] >= 400)


def test_the_frame_of_no_runs_is_enough_to_name_the_first():
    for experiment in LATER:
        assert experiment.runs(pd.DataFrame())
