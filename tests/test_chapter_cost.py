"""Chapter 12: what is concluded from steps, seconds and both."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tables import arranged, run_rows

from bnbook import findings
from bnbook import timings as kept
from bnbook.chapters.cost import pace
from bnbook.chapters.cost.experiments import NETS, NUMPY, TIME_TO_ACCURACY
from bnbook.chapters.cost.facts import Facts
from bnbook.findings import Interval
from bnbook.findings.decisions import REFINED, REFUTED, REPRODUCED, SUPPORTED, UNDECIDED
from bnbook.findings.reaching import STEPS, arm_name

ARMS = list(TIME_TO_ACCURACY.arms)


def records(reach):
    """Records of every arm: the goal is reached after `reach[net, normed]` epochs, or never.

    A seed of a higher number is a little later, with and without batch norm alike.
    """
    rows = []
    for (net, normed), epochs in reach.items():
        arm = arm_name(net, normed=normed)
        for seed in (100, 101, 10, 11, 12):
            base = TIME_TO_ACCURACY.arms[arm]
            run = replace(base, lr=NETS[net][2][0], seed=seed)
            when = None if epochs is None else epochs + (seed % 10 if seed < 100 else 0)
            path = [0.1, 0.5, 0.98 if when else 0.9]
            counts = {
                "val_correct": [round(10_000 * value) for value in path],
                "val_images": [10_000] * 3,
            }
            found = run_rows(run, arm, path, **counts)
            for row, epoch in zip(found, (0, 1, when or run.epochs), strict=True):
                row |= {"epoch": epoch, "step": STEPS * epoch}
            rows += found
    return arranged(rows, ARMS)


def timings(ratio, numpy_ratio, devices=("cpu",)):
    """Timings in which batch norm takes `ratio` times as long; every other turn is a busy one."""
    rows = []
    for device in devices:
        for net, size in [(net, run.batch_size) for net, (run, *_) in NETS.items()] + [
            (NUMPY, 256)
        ]:
            factor = numpy_ratio if net == NUMPY else ratio
            for norm, seconds in (("none", 1.0), ("batch", factor)):
                for turn in range(8):
                    busy = seconds * (3 if turn % 2 else 1) * (1 if device == "cpu" else 0.1)
                    rows.append(
                        {"net": net, "norm": norm, "batch_size": size, "width": 0, "depth": 0}
                        | {"device": device, "turn": turn, "seconds": busy}
                        | {"forward": busy / 4, "backward": busy / 2, "update": busy / 4}
                    )
    return pd.DataFrame(rows)


def reach(with_norm, without):
    return {
        (net, normed): with_norm if normed else without for net in NETS for normed in (True, False)
    }


# Steps


def test_steps_are_compared_seed_by_seed():
    runs = findings.at_quickest(records(reach(20, 40)))
    found = findings.sooner(runs, "MLP, ReLU", 0.97)
    exact = np.exp(np.mean(np.log([20 / 40, 21 / 41, 22 / 42])))
    assert found.ratio.mean == pytest.approx(exact)
    assert found.ratio.low < exact < found.ratio.high
    assert (found.n, found.late_with, found.late_without) == (3, 0, 0)


def test_a_run_that_does_not_get_there_counts_with_its_budget_and_is_named():
    frame = records(reach(20, None))
    runs = findings.at_quickest(frame)
    found = findings.sooner(runs, "LeNet, ReLU", 0.97)
    budget = NETS["LeNet, ReLU"][0].epochs
    mine = findings.reaching(runs, 0.97)
    late = mine[mine["arm"] == arm_name("LeNet, ReLU", normed=False)]
    assert set(late["reached"]) == {budget * STEPS}
    assert not late["in_time"].any()
    assert found.late_without == 3
    assert found.late_with == 0


def test_limits_are_multiplied_with_limits():
    assert findings.product(Interval(0.5, 0.4, 0.6), Interval(1.2, 1.1, 1.3)) == pytest.approx(
        (0.6, 0.44, 0.78)
    )


# Both


def test_busy_turns_cancel_in_slowdowns_and_devices_stay_apart():
    table = pace.slowdowns(timings(1.5, 1.2, ("cpu", "cuda")))
    ours = table[(table["norm"] == "batch") & (table["net"] != NUMPY)]
    assert np.allclose(ours[["mean", "low", "high"]], 1.5)
    assert set(ours["device"]) == {"cpu", "cuda"}
    assert np.allclose(pace.slowdowns(timings(1.5, 1.2), "backward")["mean"].max(), 1.5)


def test_seconds_of_a_step_are_the_processors():
    found = pace.step_seconds(timings(1.5, 1.2, ("cpu", "cuda")))
    assert set(found) == set(ARMS)
    assert found[arm_name("MLP, ReLU", normed=True)] > 1


def test_runs_that_are_late_count_with_their_budget_on_the_clock():
    runs = findings.at_quickest(records(reach(20, None)))
    table = pace.arrivals(runs, dict.fromkeys(ARMS, 0.5), 0.97).set_index("arm")
    late = table.loc[arm_name("LeNet, ReLU", normed=False)]
    assert late["steps"] == pytest.approx(NETS["LeNet, ReLU"][0].epochs * STEPS)
    assert late["seconds"] == pytest.approx(0.5 * late["steps"])
    assert (late["there"], late["runs"]) == (0, 3)


def test_fewer_steps_can_make_up_for_longer_ones_and_need_not():
    said = {
        case: {
            clock.sooner for clock in pace.clocks(records(reach(*case)), timings(1.5, 1.3)).values()
        }
        for case in ((20, 40), (39, 40), (35, None), (None, 40))
    }
    assert said[20, 40] == {SUPPORTED}
    assert said[39, 40] == {REFUTED}
    # Where nobody knows how long the other side takes, one direction stays open.
    assert REFUTED not in said[35, None]
    assert SUPPORTED not in said[None, 40]


# What the chapter says


@pytest.fixture
def facts_of(monkeypatch):
    """Facts of records of `reach`, with timings in which a step takes `ratio` times as long."""
    sizes = kept.read("bn-sizes")

    def made(case, ratio, numpy_ratio=1.3):
        found = {"bn-steps": timings(ratio, numpy_ratio), "bn-sizes": sizes}
        monkeypatch.setattr(kept, "read", found.__getitem__)
        return Facts({"time-to-accuracy": records(reach(*case))})

    return made


@pytest.mark.parametrize(
    ("case", "decision", "sooner", "later"),
    [
        ((20, 40), SUPPORTED, set(NETS), set()),
        ((39, 40), REFUTED, set(), set(NETS)),
        ((26, 40), UNDECIDED, set(), set()),
    ],
)
def test_batch_norm_pays_if_any_net_is_sooner(facts_of, case, decision, sooner, later):
    found = facts_of(case, 1.5)
    assert found.decision == decision
    assert found.sooner == sooner
    assert found.later == later


@pytest.mark.parametrize(
    ("ratio", "numpy_ratio", "verdict"),
    [(1.3, 1.31, REPRODUCED), (1.1, 1.31, REFINED), (1.05, 1.05, REFUTED), (2.0, 2.0, REFUTED)],
)
def test_thirty_percent_is_judged_in_numpy_and_in_pytorch(facts_of, ratio, numpy_ratio, verdict):
    assert verdict == facts_of((20, 40), ratio, numpy_ratio).B3
