"""What the lab in a live kernel says and draws."""

import dataclasses
import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live import tiny

from bnbook.lab import chart, report
from bnbook.lab.session import Curve

# Numbers


def test_the_goal_is_reached_where_the_counts_say_so():
    rows = [{"step": s, "val_correct": c, "val_images": 1000} for s, c in ((0, 100), (5, 949))]
    curve = Curve("", tiny(), rows=rows)
    assert curve.goal() is None
    curve.rows.append({"step": 10, "val_correct": 950, "val_images": 1000})
    assert curve.goal()["step"] == 10


def timed(label, seconds, *evaluations):
    """A curve whose steps took `seconds` each: `(step, images right of 1,000)` per evaluation."""
    steps = evaluations[-1][0]
    return Curve(
        label,
        tiny(),
        losses=[1.0] * steps,
        seconds=seconds * steps,
        rows=[
            {"step": s, "seconds": seconds * s, "val_correct": c, "val_images": 1000}
            for s, c in evaluations
        ],
    )


def test_times_are_told_per_step_and_until_the_goal_with_their_ratios():
    curves = (timed("Slow", 0.03, (10, 900), (50, 960)), timed("Fast", 0.02, (10, 900), (60, 960)))
    said = report.times(
        [report.Named(n, chart.live_look(0), c) for n, c in zip("AB", curves, strict=True)]
    )
    for words in ("30 ms", "1.5 s, 50 steps", "20 ms", "1.2 s, 60 steps"):
        assert f">{words}<" in said
    assert re.search(r">A : B<.*>1\.50<.*>1\.25<", said)


def test_a_goal_not_reached_has_no_time_and_no_ratio():
    curves = (timed("On", 0.03, (50, 960)), timed("Off", 0.02, (50, 400)))
    said = report.times(
        [report.Named(n, chart.live_look(0), c) for n, c in zip("AB", curves, strict=True)]
    )
    assert ">not yet<" in said
    assert re.search(r">A : B<.*>1\.50<.*>–<", said)
    assert report.times([]) == ""


@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=80), st.integers(1, 30))
def test_smoothed_losses_keep_the_mean_and_stay_few(losses, most):
    curve = Curve("", tiny(train_size=2_560), losses=losses)  # 80 steps
    points = curve.smooth_losses(most)
    assert len(points) <= most
    stretch = math.ceil(80 / most)
    weights = [min(stretch, len(losses) - i * stretch) for i in range(len(points))]
    assert np.average([y for _, y in points], weights=weights) == pytest.approx(np.mean(losses))
    assert [x for x, _ in points] == sorted(x for x, _ in points)


# Words


def curve_of(*evaluations, losses=0, last_loss=1.0, train_loss=1.0):
    """A curve of `(step, correct of 1,000)` evaluations."""
    rows = [
        {
            "step": step,
            "val_correct": correct,
            "val_correct_running": correct,
            "val_images": 1000,
            "train_loss": train_loss,
        }
        for step, correct in evaluations
    ]
    return Curve("A", tiny(), losses=[1.0] * (losses - 1) + [last_loss] * (losses > 0), rows=rows)


@pytest.mark.parametrize(
    ("curve", "words"),
    [
        (curve_of(), "Loading the digits"),
        (curve_of((0, 100), losses=3), "Before training: 10.0 %"),
        (curve_of((0, 100), (5, 400), losses=7), "Learning: now 40.0 %"),
        (curve_of((0, 100), (5, 950), losses=7), "Reached 95 % after 5 steps; now 95.0 %"),
        (
            curve_of((0, 100), (5, 960), (10, 120), losses=12),
            "Reached 95 % after 5 steps; collapsed to chance by step 10",
        ),
        (
            curve_of((0, 100), (5, 400), (6, 98), losses=6, last_loss=math.nan),
            "The loss became non-finite at step 6",
        ),
        (
            curve_of((0, 100), (5, 120), losses=7, train_loss=2.303),
            "Still at chance after 5 steps: a plateau, with the loss of a blind guess",
        ),
        (
            curve_of((0, 100), (5, 120), losses=7, train_loss=2.4),
            "Still at chance after 5 steps: the loss is above that of a guess, "
            "the steps are too large",
        ),
    ],
)
def test_what_happened_is_told_from_the_counts(curve, words):
    assert report.happened(curve) == words


def test_running_statistics_are_told_where_they_count_otherwise():
    curve = curve_of((0, 100), (5, 400), losses=5)
    curve.rows[-1]["val_correct_running"] = 250
    assert report.happened(curve) == "Learning: now 40.0 %, with running statistics 25.0 %"


def test_a_curve_tells_every_learning_rate_it_was_trained_with():
    curve = dataclasses.replace(curve_of(losses=9), rates=[(1, 0.5), (7, 2.0)])
    assert "learning rate 0.5, 2 from step 7, batch 32, seed 0" in report.settings(curve)


def test_the_table_has_every_evaluation_of_every_curve():
    look = chart.live_look(0)
    one = report.Named("A", look, curve_of((0, 100), (5, 400), losses=5))
    other = report.Named("B", look, curve_of((0, 90), (8, 950), losses=8))
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", report.numbers([one, other]))[5:]
    assert cells[0:5] == ["0", "10.0 %", "–", "9.0 %", "–"]
    assert cells[5:10] == ["5", "40.0 %", "1", "–", "–"]
    assert cells[10:15] == ["8", "–", "–", "95.0 %", "1"]


# Charts


def line(*points, name="A"):
    return chart.Line(name, chart.live_look(0), points)


def test_a_non_finite_loss_leaves_a_gap_and_no_broken_path():
    svg = chart.loss_chart([line((0.5, 2.3), (1.0, math.nan), (1.5, math.inf))], 2)
    assert "nan" not in svg
    assert "inf" not in svg
    assert chart.loss_ticks([math.nan]) == chart.loss_ticks([])
    assert chart.loss_ticks([0.02, 500.0])[-1] == 10.0


def test_a_perfect_accuracy_still_fits_on_the_axis():
    svg = chart.accuracy_chart([line((0, 0.1), (1, 1.0))], 1)
    heights = [float(y) for _, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", svg)]
    assert min(heights) >= chart.TOP


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_the_names_of_curves_do_not_touch(finals):
    lines = [line((0, 0.1), (1, y), name=f"n{i}") for i, y in enumerate(finals)]
    svg = chart.accuracy_chart(lines, 1)
    heights = sorted(float(y) for y in re.findall(r'y="([\d.]+)" style="font-weight', svg))
    assert len(heights) == len(finals)
    gaps = [b - a for a, b in itertools.pairwise(heights)]
    assert min(gaps) >= chart.LABEL - 0.2


def test_kept_runs_differ_from_each_other_and_from_what_trains():
    kept = [chart.kept_look(run, net) for run in range(6) for net in (0, 1)]
    live = [chart.live_look(net) for net in (0, 1)]
    assert len(set(kept + live)) == len(kept) + len(live)
    assert live[0].dash != live[1].dash


def test_histograms_say_in_words_what_they_show():
    drawn = chart.panels([chart.Panel("fc1", "spread 0.1 → 1", -8, 8, [0, 1], [0.5, 0.5])], "red")
    assert 'aria-label="fc1: spread 0.1 → 1"' in drawn
    assert drawn.count("<path") == 3  # axis, filled, outline
