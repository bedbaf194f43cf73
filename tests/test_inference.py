"""Chapter 9's findings and figures, on tables with a chosen outcome."""

import pandas as pd
import pytest
from tables import arranged, run_rows

from bnbook import chapters, figures, findings
from bnbook.experiment import SHARED_LR
from bnbook.run import Run

ARMS = ("sigmoid", "ReLU")
PLACE_ARMS = chapters.experiment("norm-place").arms


def study(shuffled=0.001, by_label=0.04, moving=0.08, sizes=(128,)):
    """Five seeds of both nets; every difference is a little larger with each seed."""
    causes = dict.fromkeys(findings.CAUSES, 0.0)
    causes |= {
        "last batch, in training": 2 * moving,
        "running, in training": moving,
        "last batch, weights fixed": 2 * shuffled,
        "running, weights fixed": shuffled,
        "running, weights fixed, sorted by label": by_label,
    }
    rows = [
        {
            "arm": arm,
            "seed": seed,
            "lr": SHARED_LR,
            "batch_size": size,
            "after": after,
            "weights": weights,
            "order": order,
            "rate": rate,
            "draw": 0,
            "correct": 9000 + sign * round(10_000 * causes[name] * (1 + seed / 50)),
            "correct_precise": 9000,
            "images": 10_000,
            "offset": [] if order == "own batch" else [causes[name], 2 * causes[name]],
        }
        for arm in ARMS
        for seed in range(5)
        for size in sizes
        for name, (weights, order, rate) in findings.CAUSES.items()
        for after, sign in ((295, 1), (300, -1))
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(arm=frame["arm"].astype(pd.CategoricalDtype(list(ARMS))))


def test_a_typical_difference_counts_both_directions():
    table = findings.statistics_gaps(study()).set_index(["arm", "cause"])
    row = table.loc[("ReLU", findings.USUAL)]
    assert row["mean"] == pytest.approx(0.08 * 1.04)
    assert row["low"] < row["mean"] < row["high"]
    assert row["n"] == 5, "the seed is the unit, not the look"


def test_update_rates_that_stand_for_no_cause_have_none():
    other = study().query("weights == 'moving'").assign(rate=0.03)
    assert findings.with_gaps(other)["cause"].isna().all()
    assert findings.statistics_gaps(other, ["arm", "rate"])["mean"].gt(0).all()


def test_offsets_are_told_apart_by_layer():
    table = findings.offsets(study()).set_index(["arm", "cause", "layer"])
    first, second = (table.loc[("sigmoid", findings.USUAL, layer), "mean"] for layer in (1, 2))
    assert (first, second) == (pytest.approx(0.08), pytest.approx(0.16))
    assert "each batch its own" not in table.index.get_level_values("cause")


def test_both_statistics_show_the_same_runs_twice():
    rows = run_rows(Run(norms=("batch",) * 4, epochs=1), "with BN", [0.1, 0.97])
    twice = findings.both_statistics(arranged(rows, ["with BN"])).set_index(["arm", "epoch"])
    assert twice.loc[("re-estimated", 1), "val_accuracy"] == 0.97
    assert twice.loc[("running", 1), "val_accuracy"] == pytest.approx(0.92)


def test_figures_show_every_cause_and_both_nets():
    figure = figures.causes(findings.statistics_gaps(study()))
    (ax,) = figure.axes
    assert len(ax.get_yticklabels()) == len(findings.CAUSES)
    assert len(ax.containers) == len(ARMS)
    assert ax.get_xlabel().endswith("(points)")


def test_gaps_against_a_size_have_a_panel_for_each_net():
    table = findings.statistics_gaps(study(sizes=(16, 128)), ("arm", "cause", "batch_size"))
    figure = figures.gap_sizes(table, "batch_size", "batch size", "cause")
    assert [ax.get_title(loc="left") for ax in figure.axes] == list(ARMS)
    ticks = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert ticks == ["16", "128"]


def test_courses_are_drawn_over_their_steps():
    figure = figures.two_courses([1, 2], {"a": [0.9, 0.8], "b": [0.9, 0.9]})
    (ax,) = figure.axes
    assert [list(line.get_ydata()) for line in ax.lines] == [[0.9, 0.8], [0.9, 0.9]]
