"""Contributions of layers, and what the probes saw."""

import math
from itertools import chain, combinations, permutations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import arranged, probed, run_rows, subsets

from bnbook import findings
from bnbook.errors import BookError
from bnbook.run import Run

PLAYERS = ("a", "b", "c", "d")
COALITIONS = [frozenset(c) for c in chain.from_iterable(combinations(PLAYERS, n) for n in range(5))]
games = st.lists(st.floats(-10, 10), min_size=16, max_size=16).map(
    lambda worth: dict(zip(COALITIONS, worth, strict=True))
)


def test_shapley_of_the_glove_game_by_hand():
    # A left glove and two right ones; only a pair is worth something: 2/3, 1/6, 1/6.
    gloves = {
        frozenset(c): float("L" in c and len(c) > 1)
        for n in range(4)
        for c in combinations(("L", "R1", "R2"), n)
    }
    found = findings.shapley(gloves, ("L", "R1", "R2"))
    assert found == pytest.approx({"L": 2 / 3, "R1": 1 / 6, "R2": 1 / 6})


@given(games)
def test_shapley_values_sum_to_what_all_gain_together(game):
    total = game[frozenset(PLAYERS)] - game[frozenset()]
    assert sum(findings.shapley(game, PLAYERS).values()) == pytest.approx(total, abs=1e-9)


@given(games)
def test_shapley_is_the_mean_gain_over_all_orders_of_joining(game):
    orders = list(permutations(PLAYERS))
    by_hand = dict.fromkeys(PLAYERS, 0.0)
    for order in orders:
        for i, player in enumerate(order):
            before = frozenset(order[:i])
            by_hand[player] += (game[before | {player}] - game[before]) / len(orders)
    assert findings.shapley(game, PLAYERS) == pytest.approx(by_hand, abs=1e-9)


@given(games)
def test_shapley_treats_interchangeable_players_alike_and_a_useless_one_as_worth_nothing(game):
    size = {c: game[frozenset(PLAYERS[: len(c - {"d"})])] for c in COALITIONS}  # d adds nothing
    found = findings.shapley(size, PLAYERS)
    assert found["a"] == pytest.approx(found["b"], abs=1e-9)
    assert found["b"] == pytest.approx(found["c"], abs=1e-9)
    assert found["d"] == pytest.approx(0, abs=1e-9)


def test_a_perfect_score_has_a_finite_value_half_an_image_away():
    assert findings.value(1.0) == pytest.approx(-math.log(0.5 / 10_000))


WORTH = {0: 0.8, 1: 0.4, 2: 0.2, 3: 0.1}


def test_where_layers_do_not_interact_the_three_measures_agree_with_each_layers_worth():
    found = findings.contributions(subsets(WORTH), lr=0.1)
    assert len(found) == 12
    for i, layer in enumerate(("conv1", "conv2", "fc1", "fc2")):
        mine = found[found["layer"] == layer]
        # Half an image and the seeds' spread of 1% keep it from being exact.
        assert mine["mean"].tolist() == pytest.approx([WORTH[i]] * 3, rel=0.02)
        assert (mine["n"] == 3).all()


def test_the_trend_is_positive_where_later_layers_profit_more():
    down = findings.trend(findings.layer_values(subsets(WORTH), 0.1))
    up = findings.trend(findings.layer_values(subsets({0: 0.1, 1: 0.2, 2: 0.3, 3: 0.4}), 0.1))
    assert down.high < 0 < up.low
    assert up.mean == pytest.approx(0.1, rel=0.02)


def test_a_missing_subset_is_named():
    frame = subsets(WORTH)
    with pytest.raises(BookError, match=r"exactly the layers \['conv1', 'conv2', 'fc1', 'fc2'\]"):
        findings.contributions(frame[frame["norms"] != "batch,batch,batch,batch"], lr=0.1)
    with pytest.raises(BookError, match="no runs at learning rate 3"):
        findings.contributions(frame, lr=3)


@pytest.fixture(scope="module")
def probes():
    full = [row for seed in (0, 1) for row in probed(("batch",) * 4, "full", seed)]
    return arranged(
        full + probed(("none", *["batch"] * 3), "without conv1"), ["full", "without conv1"]
    )


def test_magnitudes_name_layer_and_place(probes):
    long = findings.magnitudes(probes[probes["epoch"] == 1])
    assert len(long) == 3 * 3 * 4
    mine = long[(long["arm"] == "without conv1") & (long["where"] == "after the norm")]
    assert mine.set_index("layer")["value"].to_dict() == {
        "conv1": 0.1,
        "conv2": 1.0,
        "fc1": 1.0,
        "fc2": 1.0,
    }


def test_relative_magnitudes_are_ratios_to_the_same_seed_of_the_reference():
    full = [row for seed in (0, 1) for row in probed(("batch",) * 4, "full", seed)]
    bare = probed(("none", *["batch"] * 3), "without", 1)
    frame = arranged(full + bare, ["full", "without"]).query("epoch == 1")
    found = findings.multiples(findings.magnitudes(frame), "full")
    assert set(found["arm"]) == {"without"}
    assert set(found["seed"]) == {1}
    after = found[found["where"] == "after the norm"].set_index("layer")["value"]
    assert after.to_dict() == {"conv1": 0.1, "conv2": 1.0, "fc1": 1.0, "fc2": 1.0}
    alone = frame[(frame["arm"] != "full") | (frame["seed"] == 0)]
    assert findings.multiples(findings.magnitudes(alone), "full").empty


def test_gradients_have_one_value_per_layer_with_weights(probes):
    found = findings.estimates(
        findings.gradients(probes[probes["epoch"] == 1]), ["arm", "layer"], "value", geometric=True
    )
    full = found[found["arm"] == "full"]
    assert full["layer"].tolist() == ["conv1", "conv2", "fc1", "fc2", "out"]
    assert full["mean"].tolist() == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.05])


def mlp_rows(arm, norms, seed, weights):
    more = {"gradient_norm": [[0.1, 0.2, 0.3]] * 2, "weight_norm": [weights] * 2}
    more |= {"square_activated": [[0.5, 0.6]] * 2}
    more |= {"square_before": [[1.0, 1.0]] * 2, "square_normed": [[1.0, 1.0]] * 2}
    run = Run(model="mlp", norms=norms, seed=seed, epochs=1, record_fit=True)
    return run_rows(run, arm, [0.1, 0.97], **more)


def test_an_mlp_has_its_own_layers():
    frame = arranged(mlp_rows("a", ("none", "none"), 0, [3.0, 2.0, 1.0]), ["a"])
    assert list(findings.magnitudes(frame)["layer"].cat.categories) == ["fc1", "fc2"]
    norms = findings.weight_norms(frame[frame["epoch"] == 1])
    assert dict(zip(norms["layer"], norms["value"], strict=True)) == {
        "fc1": 3.0,
        "fc2": 2.0,
        "out": 1.0,
    }


def test_weights_are_compared_with_those_of_the_same_seed():
    rows = [
        row
        for seed in (0, 1)
        for arm, norms, size in (("a", ("none",) * 2, 1 + seed), ("b", ("batch",) * 2, 4 + seed))
        for row in mlp_rows(arm, norms, seed, [float(size)] * 3)
    ]
    frame = arranged(rows, ["a", "b"]).query("epoch == 1")
    found = findings.multiples(findings.weight_norms(frame), "a").groupby("seed")["value"].mean()
    assert found.to_dict() == {0: 4.0, 1: 2.5}


def test_layers_of_several_kinds_of_nets_are_not_mixed(probes):
    other = arranged(mlp_rows("a", ("none", "none"), 0, [1.0] * 3), ["a"])
    mixed = pd.concat([probes, other], ignore_index=True)
    with pytest.raises(BookError, match="cannot name the layers of lenet, mlp"):
        findings.gradients(mixed)


def test_affine_values_have_a_row_per_feature_and_none_where_there_is_no_norm(probes):
    counts = findings.affine_values(probes).groupby(["arm", "layer", "parameter"], observed=True)
    sizes = counts.size()
    assert sizes["full", "conv1", "gamma"] == 2 * 6
    assert sizes["full", "fc1", "beta"] == 2 * 120
    assert ("without conv1", "conv1", "gamma") not in sizes


def test_departures_are_root_mean_squares_from_one_and_zero(probes):
    found = findings.departures(probes)
    assert found["value"].to_numpy() == pytest.approx(0.5)  # gamma 1.5, beta 0.5
    assert len(found) == (4 + 4 + 3) * 2


def test_records_without_probes_say_so():
    with pytest.raises(BookError, match="without probes"):
        findings.magnitudes(pd.DataFrame({"epoch": [0]}))
