"""The verdicts of chapters 6 and 11: each branch is reached by records that call for it."""

from dataclasses import replace

import pytest
from tables import FIVE, arranged, run_rows

from bnbook import experiments
from bnbook.answers import dropout, starts
from bnbook.findings import NOT_REPRODUCED, REFINED, REPRODUCED

RATE = 0.001
BEST = 0.003
SPREAD = tuple(value - 0.972 for value in FIVE)


def ratio_rows(run, arm, course, size=1.0, **more):
    """Rows of an MLP whose probes and weights are all `size`."""
    n = len(course)
    probes = {
        "square_before": [[size**2] * 2] * n,
        "square_normed": [[size**2] * 2] * n,
        "square_activated": [[size**2] * 2] * n,
        "gradient_norm": [[size] * 3] * n,
        "weight_norm": [[size] * 3] * n,
    }
    return run_rows(run, arm, course, **probes, **more)


def recorded(name, finals, running=None, sizes=None, gaps=None):
    """Records of an experiment of chapter 6: `finals` maps arms to test accuracies at best."""
    experiment = experiments.find(name)
    rows = []
    for arm, final in finals.items():
        for lr in (RATE, BEST):
            for seed, noise in [*zip(range(10, 15), SPREAD, strict=True), (100, 0.0), (101, 0.0)]:
                run = replace(experiment.arms[arm], lr=lr, seed=seed, epochs=4, eval_epochs=())
                # A little of each seed's own, so that differences scatter, too.
                own = 1e-4 * ((seed * len(arm)) % 7)
                reached = final + noise + own + 0.01 - (lr == RATE) * 0.02
                rows += ratio_rows(
                    run,
                    arm,
                    [0.1, 0.5, 0.6, 0.7, reached],
                    (sizes or {}).get(arm, 1.0),
                )
    frame = arranged(rows, finals)
    gap = frame["arm"].astype(str).map(gaps or {}).fillna(0.05)
    shift = frame["arm"].astype(str).map(running or {}).fillna(0.0)
    return frame.assign(
        train_accuracy=frame["test_accuracy"] + gap + 1e-4 * (frame["seed"] % 3),
        test_accuracy_running=frame["test_accuracy"] + shift,
    )


ALL = {
    "neither": 0.95,
    "batch norm": 0.97,
    "dropout": 0.96,
    "norm then dropout": 0.97,
    "dropout then norm": 0.96,
}


@pytest.mark.parametrize(
    ("norm", "drop", "neither", "expected"),
    [
        (0.97, 0.96, 0.95, REPRODUCED),
        (0.97, 0.94, 0.95, REFINED),
        (0.95, 0.96, 0.95, REFINED),
        (0.94, 0.94, 0.95, NOT_REPRODUCED),
    ],
)
def test_b2_the_three_nets_are_ranked_at_their_own_best_rates(norm, drop, neither, expected):
    finals = ALL | {"batch norm": norm, "dropout": drop, "neither": neither}
    assert dropout.ranking(recorded("dropout", finals)).status == expected


@pytest.mark.parametrize(
    ("swapped", "running", "expected"),
    [(0.95, 0.0, REPRODUCED), (0.97, -0.02, REFINED), (0.98, 0.0, NOT_REPRODUCED)],
)
def test_d4_dropout_belongs_last_if_the_other_order_is_worse(swapped, running, expected):
    finals = ALL | {"dropout then norm": swapped}
    shift = {"dropout then norm": running}
    full, few = (recorded(name, finals, shift) for name in ("dropout", "dropout-few-images"))
    assert dropout.order(full, few).status == expected


@pytest.mark.parametrize(
    ("gap", "size", "gain", "expected"),
    [
        (0.02, 0.5, 0.02, REPRODUCED),
        (0.02, 2.0, 0.02, REFINED),
        (0.08, 0.5, 0.0, REFINED),
        (0.08, 2.0, -0.02, NOT_REPRODUCED),
    ],
)
def test_d6_it_regularizes_if_gap_and_error_shrink_and_sizes_are_compared(
    gap, size, gain, expected
):
    few = recorded(
        "dropout-few-images",
        ALL | {"batch norm": ALL["neither"] + gain},
        sizes={"batch norm": size},
        gaps={"batch norm": gap},
    )
    found = dropout.mildness(few)
    assert found.status == expected
    assert dropout.relative_sizes(few)["weights"].mean == pytest.approx(size)


def over_sizes(gains):
    """Records of "batch-noise" where batch norm adds `gains` at the four batch sizes."""
    plan = experiments.find("batch-noise")
    rows = []
    for size, gain in gains.items():
        for arm, added in (("neither", 0.0), ("batch norm", gain)):
            for seed, noise in [*zip(range(10, 15), SPREAD, strict=True), (100, 0.0), (101, 0.0)]:
                run = replace(plan.arms[arm], batch_size=size, lr=BEST, seed=seed, epochs=4)
                own = 1e-4 * ((seed * size) % 7) * (arm == "neither")
                rows += run_rows(run, arm, [0.1, 0.5, 0.6, 0.7, 0.94 + added + noise + own])
    return arranged(rows, plan.arms)


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        ((0.0, 0.02, 0.02, 0.0), REPRODUCED),
        ((0.0, 0.02, 0.02, 0.02), REFINED),
        ((0.02, 0.02, 0.02, 0.0), REFINED),
        ((0.02, 0.01, 0.01, 0.02), NOT_REPRODUCED),
    ],
)
def test_c12_noise_helps_if_batch_norm_adds_less_at_either_end(gains, expected):
    noise = over_sizes(dict(zip((8, 32, 64, 256), gains, strict=True)))
    assert dropout.batch_noise(noise).status == expected


def from_bad_starts(normed, plain, gradient=100.0):
    """Records of "bad-starts": final accuracies with and without batch norm."""
    plan = experiments.find("bad-starts")
    rows = []
    for n, (arm, base) in enumerate(plan.arms.items()):
        good = arm.startswith("good")
        final = 0.97 if good else normed if "with BN" in arm else plain
        for seed, noise in zip(range(10, 15), SPREAD, strict=True):
            run = replace(base, seed=seed, epochs=1, eval_epochs=())
            size = 1.0 if good else gradient * (1 + 0.01 * (seed % 3))
            reached = final + noise + 1e-4 * ((seed * (n + 2)) % 5)
            rows += ratio_rows(run, arm, [0.1, reached], size)
    return arranged(rows, plan.arms)


def mapped(normed, plain, gradient=0.001):
    """Records of "start-map": how many of three scales train, with and without batch norm."""
    plan = experiments.find("start-map")
    rows = []
    for arm, base in plan.arms.items():
        good = normed if "with BN" in arm else plain
        for i, scale in enumerate((0.01, 0.1, 1.0)):
            for seed in range(10, 15):
                run = replace(base, init_scale=scale, seed=seed, lr=0.1)
                trains = i < good[arm.partition(",")[0]] or (seed == 10 and i == 2)
                rows += ratio_rows(run, arm, [0.1, 0.95 if trains else 0.5], gradient)
    return arranged(rows, plan.arms)


@pytest.mark.parametrize(
    ("normed", "plain", "expected"),
    [(0.9, 0.13, REPRODUCED), (0.9, 0.8, REFINED), (0.8, 0.9, NOT_REPRODUCED)],
)
def test_b1_the_plain_net_has_to_stay_at_chance(normed, plain, expected):
    assert starts.learning(from_bad_starts(normed, plain)).status == expected


@pytest.mark.parametrize(
    ("gradient", "expected", "words"),
    [(0.01, REPRODUCED, "smaller"), (100.0, NOT_REPRODUCED, "explode")],
)
def test_b4_gradients_vanish_if_they_are_smaller_than_from_a_good_start(gradient, expected, words):
    even = {"Adam": 1, "SGD": 1}
    found = starts.vanishing(from_bad_starts(0.9, 0.8, gradient), mapped(even, even))
    assert found.status == expected
    assert words in found.sentence
    assert "of scale 0.01, that of the first layer is 0.001 " in found.sentence


@pytest.mark.parametrize(
    ("normed", "expected"),
    [
        ({"Adam": 2, "SGD": 2}, REPRODUCED),
        ({"Adam": 2, "SGD": 1}, REFINED),
        ({"Adam": 2, "SGD": 0}, NOT_REPRODUCED),
        ({"Adam": 1, "SGD": 1}, NOT_REPRODUCED),
    ],
)
def test_d5_more_of_the_map_has_to_train_with_batch_norm(normed, expected):
    found = starts.insensitive(mapped(normed, {"Adam": 1, "SGD": 1}))
    assert found.status == expected
