"""What chapter 10 measures of nets, against cases where the answer is known."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional

from bnbook import (
    data,
    figures,
    findings,
    models,
    training,
)
from bnbook.chapters.why.experiments import SHARPNESS_RATES
from bnbook.experiment import Contrast
from bnbook.findings import landscape as told
from bnbook.lab.sigmoid import GAMMAS, straight
from bnbook.run import Run
from bnbook.studies import curvature, landscape

NET = Run(norms=("batch",) * 4, activation="relu", epochs=1, train_size=2_560)
ARMS = ["ReLU, with BN", "ReLU, without BN", "sigmoid, with BN", "sigmoid, without BN"]


@pytest.fixture(scope="module")
def states():
    return list(training.follow(NET, [10, 11]))


@pytest.fixture(scope="module")
def batch(states):
    return states[0].train[0][:100], states[0].train[1][:100]


def loss_of(net, batch):
    return functional.cross_entropy(net(batch[0]), batch[1])


# Sharpness


class Bowl(nn.Module):
    """A net whose logits are those of two classes, apart by its weight times the input."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(2, 2, bias=False)

    def forward(self, x):
        return self.out(x)


def test_sharpness_is_the_largest_eigenvalue_of_the_whole_hessian():
    torch.manual_seed(0)
    net, x, y = Bowl(), torch.randn(50, 2), torch.randint(2, (50,))
    hessian = torch.autograd.functional.hessian(
        lambda w: functional.cross_entropy(x @ w.view(2, 2).T, y), net.out.weight.detach().flatten()
    )
    sizes = net.out.weight.detach().norm(dim=1).repeat_interleave(2)
    for found, matrix in (
        (curvature.sharpness(net, x, y), hessian),
        (curvature.relative_sharpness(net, x, y), sizes[:, None] * hessian * sizes),
    ):
        assert found == pytest.approx(float(torch.linalg.eigvalsh(matrix)[-1]), rel=2e-2)


def test_relative_sharpness_does_not_move_when_weights_before_a_norm_are_rescaled(states, batch):
    net = states[0].net
    before = [f(net, *batch) for f in (curvature.sharpness, curvature.relative_sharpness)]
    stretched = training.build(NET)
    stretched.load_state_dict(net.state_dict())
    for name in ("conv1", "conv2", "fc1", "fc2"):
        getattr(stretched, name).weight.data *= 3
        getattr(stretched, name).bias.data *= 3
    after = [f(stretched, *batch) for f in (curvature.sharpness, curvature.relative_sharpness)]
    assert after[1] == pytest.approx(before[1], rel=0.05)
    assert after[0] < 0.8 * before[0]


def test_sharpness_of_a_net_that_broke_is_no_number(states, batch):
    broken = training.build(NET)
    broken.out.weight.data.fill_(math.inf)
    assert math.isnan(curvature.sharpness(broken, *batch))


# Looks


def test_a_look_at_every_step_has_the_same_columns_and_the_last_the_accuracy(monkeypatch):
    monkeypatch.setattr(landscape, "STEPS", (0, 5, 19))
    rows = landscape.measure(NET, data.splits("mnist"))
    assert [row["after"] for row in rows] == [0, 5, 19]
    assert rows[0].keys() == rows[1].keys() == rows[2].keys() - {"val_accuracy"}
    assert rows[2]["val_accuracy"] == training.train(NET).rows[-1]["val_correct"] / 10_000


def test_the_walk_starts_like_a_bowl_and_ends_where_its_steps_lead(states, batch):
    net = states[0].net
    _, gradient = landscape.loss_and_gradient(net, batch)
    found = landscape.along_gradient(net, gradient, 0.1, batch)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter -= 0.1 * gradient[name]
    loss, there = landscape.loss_and_gradient(net, batch)
    at_one = landscape.LENGTHS.index(1.0)
    assert found["line_loss"][at_one] == pytest.approx(loss, rel=1e-5)
    distance = math.sqrt(sum(float((there[n] - g).square().sum()) for n, g in gradient.items()))
    size = math.sqrt(sum(float(g.square().sum()) for g in gradient.values()))
    assert found["line_change"][at_one] == pytest.approx(distance / size, rel=1e-4)
    assert found["smoothness"] >= distance / size / 0.1 * 0.9999


def test_nothing_shifts_where_nothing_moves(states, batch):
    net, later = states[0].net, states[1].net
    still = landscape.shift(net, net, batch)
    assert still["shift_distance"] == pytest.approx([0] * 4, abs=1e-5)
    assert still["shift_cosine"] == pytest.approx([1] * 4, abs=1e-5)
    moved = landscape.shift(net, later, batch)
    assert min(moved["shift_distance"]) > 1e-3


def test_a_layer_shifts_only_by_what_lies_below_it(batch):
    net, above, below = (training.build(NET) for _ in range(3))
    above.out.weight.data += 1
    below.conv1.weight.data += 1
    assert landscape.shift(net, above, batch)["shift_distance"] == pytest.approx([0] * 4, abs=1e-5)
    assert min(landscape.shift(net, below, batch)["shift_distance"]) > 0.01


def test_drift_is_the_distance_in_units_of_the_spread():
    x = torch.randn(3, 10_000, generator=torch.Generator().manual_seed(0)).double()
    assert landscape.drift(x, x) == 0
    assert landscape.drift(x, x + 2) == pytest.approx(2, rel=0.02)
    assert landscape.drift(10 * x, 10 * x + 20) == pytest.approx(2, rel=0.02)
    assert landscape.drift(x, 3 * x) == pytest.approx(2, rel=0.02)


def test_a_sigmoid_is_straight_in_the_middle_and_bent_over_a_wide_range():
    x = torch.linspace(-1, 1, 1001).double()
    assert landscape.linear_fit(x) > 0.998
    assert 0.5 < landscape.linear_fit(10 * x) < 0.95


def test_histograms_count_every_entry_but_zeros():
    net = training.build(NET)
    gradient = {f"{name}.weight": torch.zeros(8) for name in models.weighted(net)}
    gradient["out.weight"] = torch.tensor([0.0, 1e-20, 1e-3, -1e-3, 0.1, 100.0])
    found = landscape.gradients(net, gradient)
    assert sum(found["gradient_histogram"][-1]) == 5
    assert found["gradient_histogram"][-1][0] == found["gradient_histogram"][-1][-1] == 1
    assert sum(found["gradient_histogram"][0]) == 0
    assert found["gradient_median"][-1] == pytest.approx(1e-3)


# Findings and figures


def way(**factors):
    """Study "landscape" made up: quantities of nets with BN as multiples of those without."""
    rows = []
    for arm in ARMS:
        for seed in range(5):
            random = np.random.default_rng([seed, ARMS.index(arm)])
            for after in landscape.STEPS:

                def value(name, base=1.0, arm=arm, random=random):
                    factor = factors.get(name, 1.0) if arm.endswith("with BN") else 1.0
                    return base * factor * math.exp(0.02 * random.normal())

                spread = np.linspace(-1, 1, 5) * factors.get("unevenness", 1.0) ** arm.endswith(
                    "with BN"
                )
                rows.append(
                    {
                        "key": f"{arm} {seed}",
                        "arm": arm,
                        "seed": seed,
                        "after": after,
                        "drift": [value("drift")] * 4,
                        "drift_before": [value("drift_before")] * 4,
                        "shift_distance": [value("shift")] * 4,
                        "line_loss": [1.0, 1.0 + value("variation"), 1.2, 1.3, 1.4],
                        "line_change": [0.1, value("unpredictability"), 1.0, 1.0, 1.0],
                        "smoothness": value("roughness", 20),
                        "gradient_median": list(10 ** (spread * value(""))),
                        "gradient_histogram": [[10, 20, 10] + [0] * 33] * 5,
                        "gradient_size": [value("gradients")] * 5,
                        "weight_size": [value("weights")] * 5,
                        "entering_square": [value("outputs") ** 2] * 4,
                        "linear_fit": [
                            (0.98 if arm.endswith("with BN") else factors.get("plain_fit", 0.9))
                            - factors.get("bend", 0.0) * after / 389 * (1 + 0.1 * random.random())
                        ]
                        * 4,
                        "val_accuracy": 0.9 if after == landscape.STEPS[-1] else math.nan,
                    }
                )
    return pd.DataFrame(rows).assign(arm=lambda x: pd.Categorical(x["arm"], ARMS))


def arrived(sharper=-0.5, wider=0.0):
    """Study "sharpness" made up: what goes with the tenfold rate, in the exponent and in shares."""
    rows = [
        {
            "arm": arm,
            "seed": seed,
            "lr": lr,
            "sharpness": 10 * lr ** (sharper + 0.01 * seed),
            "relative_sharpness": 5 * lr ** (sharper - 0.01 * seed),
            "train_accuracy": 0.99,
            "test_accuracy": 0.97 - wider * math.log10(lr) * (1 + 0.01 * seed),
            "val_accuracy": 0.97,
        }
        for arm in ARMS[:3]
        for seed in range(5)
        for lr in SHARPNESS_RATES
    ]
    return pd.DataFrame(rows).assign(arm=lambda x: pd.Categorical(x["arm"], ARMS[:3]))


def test_ratios_are_paired_and_point_the_right_way():
    runs = findings.on_the_way(way(drift=0.5, roughness=3.0))
    planned = [
        Contrast(ARMS[0], ARMS[1], 0.1, name) for name in ("drift", "roughness", "gradients")
    ]
    found = findings.ratios(runs, planned)
    assert list(found["finding"]) == [told.SMALLER, told.LARGER, told.OPEN]
    assert found["mean"].to_list() == pytest.approx([0.5, 3.0, 1.0], rel=0.05)
    assert ((found["low"] < found["mean"]) & (found["mean"] < found["high"])).all()


def test_a_run_is_summed_up_after_its_start():
    frame = way()
    frame.loc[frame["after"] == 0, "smoothness"] = 1e9
    assert (findings.on_the_way(frame)["roughness"] < 100).all()


def test_unevenness_is_in_decades_and_breadth_too():
    looks = findings.looks(way())
    assert looks["unevenness"].mean() == pytest.approx(np.std(np.linspace(-1, 1, 5)), rel=0.05)
    # 10 of 40 entries in each outer bin of a quarter of a decade: from 40% of the first bin on.
    assert looks["breadth"].to_numpy() == pytest.approx(0.25 * (3 - 2 * 0.4), rel=1e-6)


def test_slopes_are_per_tenfold_rate_and_of_runs_that_trained():
    runs = findings.arrivals(arrived(sharper=-0.5, wider=0.01))
    found = findings.slope(runs, ARMS[0], "sharpness", log=True)
    assert found.mean == pytest.approx(-0.48, abs=1e-6)
    assert findings.slope(runs, ARMS[0], "gap", log=False).mean == pytest.approx(0.0102)
    failed = runs.assign(trained=runs["lr"] < 1, sharpness=runs["sharpness"].where(runs["lr"] < 1))
    assert findings.slope(failed, ARMS[0], "sharpness", log=True).mean == pytest.approx(-0.48)
    none = findings.slope(runs.assign(trained=False), ARMS[0], "sharpness", log=True)
    assert math.isnan(none.mean)


def test_a_few_digits_tell_on_which_side_of_one_a_ratio_is():
    assert findings.significant(0.0312, 0.02, 0.05) == "0.031 [0.020, 0.050]"
    assert findings.significant(1.004, 0.998, 1.01) == "1.004 [0.998, 1.010]"
    assert findings.significant(190.3) == "190"
    assert findings.significant(math.nan) == "–"


def test_the_figures_show_every_arm():
    frame = way()
    ranges = findings.gradient_ranges(frame, 100)
    assert len(ranges) == len(ARMS) * 5
    figure = figures.gradient_ranges(ranges, ["ReLU", "sigmoid"])
    assert [len(ax.lines) for ax in figure.axes] == [2, 2]
    runs = findings.arrivals(arrived())
    table = findings.estimates(runs, ["arm", "lr"], "sharpness", geometric=True)
    figure = figures.over_rates({"a": table, "b": table})
    assert [len(ax.containers) for ax in figure.axes] == [3, 3]


def test_differences_of_accuracies_are_drawn_in_points():
    table = pd.DataFrame({"arm": ["x", "x"], "lr": [0.1, 1.0], "mean": [0.01, 0.02]})
    table = table.assign(low=table["mean"] - 0.001, high=table["mean"] + 0.001)
    (ax,) = figures.over_rates({"gap": table}, gaps=["gap"]).axes
    assert ax.get_ylabel() == "points"
    assert ax.yaxis.get_major_formatter()(0.015, None) == "1.5"


def test_ranges_lie_where_the_histogram_does():
    ranges = findings.gradient_ranges(way(), 100)
    # 10, 20 and 10 entries in the first three bins of a quarter of a decade, from 1e-8.
    assert np.log10(ranges["mean"]).to_numpy() == pytest.approx(-8 + 0.25 * 1.5)
    assert np.log10(ranges["low"]).to_numpy() == pytest.approx(-8 + 0.25 * 0.4)
    assert np.log10(ranges["high"]).to_numpy() == pytest.approx(-8 + 0.25 * 2.6)


def test_intervals_of_ratios_exclude_one_where_the_finding_is_clear():
    runs = findings.on_the_way(way(drift=0.98, roughness=1.03, shift=1.3))
    planned = [
        Contrast(ARMS[0], ARMS[1], 0.1, name)
        for name in ("drift", "roughness", "shift", "outputs", "gradients")
    ]
    for row in findings.ratios(runs, planned).to_dict("records"):
        assert (row["low"] > 1 or row["high"] < 1) == (row["finding"] != told.OPEN), row


# The sliders


def test_the_straight_line_is_the_best_one():
    found = straight(2.0, 1.0)
    x = 1 + 2 * torch.randn(200_000, generator=torch.Generator().manual_seed(0)).double()
    slope, intercept = np.polyfit(x, torch.sigmoid(x), 1)
    assert found["slope"] == pytest.approx(slope, rel=0.01)
    assert found["intercept"] == pytest.approx(intercept, rel=0.01)
    assert found["fit"] == pytest.approx(landscape.linear_fit(x), rel=0.005)
    assert found["inside"] == pytest.approx(float((x.abs() <= 1).double().mean()), abs=0.005)


def test_the_line_fits_the_worse_the_wider_the_inputs():
    fits = [straight(gamma, 0.0)["fit"] for gamma in GAMMAS]
    assert fits == sorted(fits, reverse=True)
    assert fits[0] > 0.99
