"""Figures are drawn from findings, read on light and dark, and leave nothing behind."""

import io
import itertools
import re
from xml.etree import ElementTree

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from tables import arranged, probed, shares, subsets, table

from bnbook import figures, findings, screens
from bnbook.history import History
from bnbook.run import Run
from bnbook.theme import canvas

OWN = History(
    Run(),
    [
        {"epoch": i, "train_loss": 1, "val_loss": 1, "val_correct": 9, "val_correct_running": 9}
        | {"val_images": 10}
        for i in (0, 1)
    ],
    "trained",
    1.0,
    [],
)
GAPS = pd.DataFrame({"arm": list("aabb"), "cause": ["lag", "noise"] * 2, "lr": 0.1}).assign(
    mean=[0.02, 0.001] * 2, low=[0.01, -0.001] * 2, high=[0.03, 0.003] * 2
)
GAPS["cause"] = GAPS["cause"].astype("category")


@pytest.fixture(scope="module")
def arms():
    return table({"a": [0.95, 0.96, 0.97], "b": [0.94, 0.1, 0.95]})


@pytest.fixture(scope="module")
def probes():
    rows = [r for seed in (0, 1) for r in probed(("batch",) * 4, "full", seed)]
    rows += [r for seed in (0, 1) for r in probed(("none", *["batch"] * 3), "without", seed)]
    return arranged(rows, ["full", "without"]).query("epoch == 1")


def draw_all(arms, probes):
    rates = shares({0.1: (3, 3), 1.0: (2, 3), 10.0: (0, 3)})
    cube = subsets({0: 0.8, 1: 0.4, 2: 0.2, 3: 0.1})
    levels = findings.estimates(
        findings.magnitudes(probes), ["arm", "where", "layer"], "value", geometric=True
    )
    ends, last = findings.summary(arms), findings.final(arms)
    along = findings.summary(arms, ["arm", "epoch"])
    pairs = findings.compared([findings.paired(arms, "a", "b")])
    by_rate = findings.summary(rates, ["arm", "lr"])
    best = {"with BN": 0.1}
    costs = pd.DataFrame({"arm": ["a", "b"], "mean": [1.0, 2], "low": [0.9, 1.9], "high": [1.1, 2]})
    fit = findings.fit(arms.assign(train_accuracy=0.99))
    sizes = findings.estimates(last.assign(batch_size=64), ["arm", "batch_size"], "val_accuracy")
    positive = findings.estimates(last, ["arm", "lr"], "val_accuracy", geometric=True)
    spans = pd.DataFrame({"arm": [f"net, {w} BN" for w in ("with", "without")] * 2})
    spans = spans.assign(layer=list("ccff"), quantity="q", level=[2.0, 2.0, 1.0, 1.0])
    spans = spans.assign(mean=0.5, low=0.4, high=0.6, layer=spans["layer"].astype("category"))
    worth = findings.contributions(cube, 0.1).assign(rate="")
    by_norms = findings.summary(cube, "norms").assign(rate="")
    return {
        "two_courses": figures.two_courses([10, 20], {"running": [0.8, 0.9], "true": [0.9, 0.9]}),
        "gap_sizes": figures.gap_sizes(GAPS, "lr", "learning rate", "cause"),
        "causes": figures.causes(GAPS),
        "gradient_ranges": figures.gradient_ranges(spans, ["net"]),
        "over_losses": figures.over_losses(spans, ["net"], {"q": "size"}),
        "over_rates": figures.over_rates({"one": positive, "other": positive}, ["other"]),
        "cost_map": figures.cost_map(ends, costs, {"one": ["a"], "other": ["b"]}, "cost"),
        "sizes": figures.sizes(by_rate, "lr", "size", "value", accuracy=True, reference=1),
        "ratios": figures.ratios(
            costs.assign(row=["one", "two"], series=["x", "y"]), "ratio", reference=1.3
        ),
        "blocks": figures.blocks([["x", "batch norm"], ["y"]], marked=["batch norm"]),
        "beside": figures.beside(OWN, arms),
        "clock": figures.clock(arms.assign(seconds=arms["epoch"] + 1.0, panel="net"), [0.5]),
        "curves": figures.curves(along, runs=findings.filled(arms), stretch=True),
        "lr_curves": figures.lr_curves(by_rate, best=best, shared=1, runs=findings.final(rates)),
        "share_map": figures.share_map(findings.share_trained(rates, ("arm", "lr", "batch_size"))),
        "dots": figures.dots(last, ends, "val_accuracy", stretch=True),
        "forest": figures.forest(pairs),
        "forests": figures.forests({"one": pairs, "other": pairs}, lambda row: row["a"]),
        "two_rates": figures.two_rates(pairs.assign(lr="0.1")),
        "contributions": figures.contributions(worth, "rate"),
        "magnitudes": figures.magnitudes(levels, "where", "mean square"),
        "gaps": figures.gaps({"few images": fit[fit["of"] != "gap"]}),
        "batch_sizes": figures.batch_sizes(sizes, {"a difference": sizes}),
        "affine_histograms": figures.affine_histograms(findings.affine_values(probes)),
        "subsets": figures.subsets(by_norms, "accuracy", by="rate"),
    }


@pytest.fixture(scope="module")
def drawn(arms, probes):
    return draw_all(arms, probes)


def svg(figure):
    held = io.StringIO()
    figure.savefig(held, format="svg", metadata={"Date": None})
    return held.getvalue()


def test_every_public_figure_is_drawn_here(drawn):
    functions = {n for n in figures.__all__ if n.islower()}
    assert set(drawn) == functions


def test_figures_are_as_wide_as_the_page_and_transparent(drawn):
    for figure in drawn.values():
        assert isinstance(figure, Figure)
        assert figure.get_figwidth() == screens.WIDTH
        assert figure.get_facecolor()[3] == 0
        assert all(ax.get_facecolor()[3] == 0 for ax in figure.axes)


def test_figures_stay_out_of_pyplot_so_that_a_notebook_shows_each_once(drawn):
    assert drawn
    assert plt.get_fignums() == []


@pytest.fixture(scope="module")
def narrow(arms, probes):
    """The same figures, as a phone shows them."""
    figures = draw_all(arms, probes)
    for figure in figures.values():
        screens.narrow(figure)
    return figures


def letters(figure):
    return [t for t in figure.findobj(mpl.text.Text) if t.get_text() and t.get_visible()]


def test_type_is_legible_on_a_phone(narrow):
    pixels = 358 / (72 * screens.NARROW)  # of a point, in the column of a phone of 390
    for name, figure in narrow.items():
        sizes = [pixels * text.get_fontsize() for text in letters(figure)]
        assert min(sizes) >= 11, name


def test_labels_of_a_narrow_axis_do_not_run_into_each_other(narrow):
    for name, figure in narrow.items():
        for ax in figure.axes:
            low, high = sorted(ax.get_xlim())
            ticks = [t for t in ax.xaxis.get_major_ticks() if low <= t.get_loc() <= high]
            labels = [t.label1 for t in ticks if t.label1.get_visible() and t.label1.get_text()]
            boxes = [label.get_window_extent() for label in labels]
            assert all(one.x1 <= two.x0 for one, two in itertools.pairwise(boxes)), name


def test_panels_side_by_side_are_stacked_and_each_says_what_it_shows(arms):
    figure = figures.gap_sizes(GAPS, "lr", "learning rate", "cause")
    before = [ax.get_position() for ax in figure.axes]
    screens.narrow(figure)
    first, second = figure.axes
    assert before[0].y0 == before[1].y0
    assert first.get_position().y0 > second.get_position().y1
    assert first.get_ylabel() == second.get_ylabel() != ""
    assert all(ax.yaxis.get_tick_params()["labelleft"] for ax in (first, second))


def test_names_of_rows_take_as_many_lines_as_there_is_room_for():
    long = "a net with a name that is long against another one"
    for height, lines in ((1.0, 1), (2.0, 2), (3.0, 3)):
        figure, (ax,) = canvas(height)
        ax.set_yticks([0, 1, 2], [long, "short", "b"])
        screens.narrow(figure)
        names = [tick.get_text() for tick in ax.get_yticklabels()]
        assert [name.replace("\n", " ") for name in names] == [long, "short", "b"]
        assert 1 + names[0].count("\n") == lines


def test_rows_and_columns_that_mean_something_stay(narrow):
    gamma, beta, *_ = narrow["affine_histograms"].axes
    assert gamma.get_position().y0 == beta.get_position().y0


def test_both_forms_travel_in_one_file_and_come_apart_again(arms):
    along = findings.summary(arms, ["arm", "epoch"])
    alone = svg(figures.curves(along))
    text = screens.both(figures.curves(along))
    wide, small = screens.split(text)
    sizes = [ElementTree.fromstring(one).get("width") for one in (text, wide, small)]
    assert sizes == ["504pt", "504pt", "331.2pt"]
    assert len(wide) == pytest.approx(len(alone), rel=0.01)
    assert screens.split(wide) is screens.split(small) is screens.split(alone) is None
    marks = [set(re.findall(r'id="(m[0-9a-f]{10})"', one)) for one in (wide, small)]
    assert marks[0]
    assert not marks[0] & marks[1]


def test_svg_needs_no_font_and_is_the_same_each_time(arms):
    along = findings.summary(arms, ["arm", "epoch"])
    first, again = (svg(figures.curves(along, stretch=True)) for _ in range(2))
    assert "<text" not in first
    assert first == again


def test_seeds_stand_in_place_of_intervals_where_runs_are_given(arms):
    along = findings.summary(arms, ["arm", "epoch"])
    (bands,) = figures.curves(along).axes
    (seeds,) = figures.curves(along, runs=findings.filled(arms)).axes
    assert (len(bands.collections), len(seeds.collections)) == (2, 0)
    assert len(seeds.lines) == len(bands.lines) + 6


@pytest.mark.parametrize("form", ["drawn", "narrow"])
def test_all_that_is_drawn_stays_inside_the_figure(form, request):
    for name, figure in request.getfixturevalue(form).items():
        figure.draw_without_rendering()
        box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        edges = (box.x0, box.y0, width - box.x1, height - box.y1)
        assert min(edges) >= -0.01, (name, edges)


def test_every_seed_is_a_dot_and_a_failed_one_a_cross(arms):
    (ax,) = figures.dots(findings.final(arms), findings.summary(arms), "val_accuracy").axes
    crosses = [line for line in ax.lines if line.get_marker() == "X" and len(line.get_xdata())]
    assert sum(len(line.get_xdata()) for line in crosses) == 1
    assert crosses[0].get_xdata() == [0.1]


def test_forest_shades_the_margin_and_puts_the_interval_in_points(arms):
    pair = findings.paired(arms, "a", "b", "val_accuracy", margin=0.005)
    (ax,) = figures.forest(findings.compared([pair])).axes
    shade = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert (shade.x0, shade.x1) == pytest.approx((-0.5, 0.5))
    interval = next(line for line in ax.lines if line.get_linewidth() == 2.5)
    assert list(interval.get_xdata()) == pytest.approx([100 * pair.low, 100 * pair.high])


def test_the_filled_part_of_a_ring_is_the_share_that_trains():
    rates = shares({0.1: (4, 4), 1.0: (1, 4)})
    (ax,) = figures.share_map(findings.share_trained(rates, ("arm", "lr", "batch_size"))).axes
    rings, filled = (np.broadcast_to(c.get_sizes(), 2) for c in ax.collections)
    assert list(filled / rings) == [1, 0.25]


def test_the_rows_of_a_map_may_be_the_scales_of_the_weights():
    rates = shares({0.1: (4, 4)}).assign(init_scale=10.0)
    (ax,) = figures.share_map(
        findings.share_trained(rates, ("arm", "lr", "init_scale")), y="init_scale"
    ).axes
    assert ax.get_ylabel() == "scale of the weights"
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["10"]


def test_a_gap_goes_from_the_hollow_mark_of_training_to_the_filled_one_of_test_images(arms):
    fit = findings.fit(arms.assign(train_accuracy=0.99))
    (ax,) = figures.gaps({"": fit[fit["of"] != "gap"]}).axes
    marks = [line for line in ax.lines if line.get_marker() == "o"]
    at = {line.get_markerfacecolor() != "none": float(line.get_xdata()[0]) for line in marks}
    assert at == {False: pytest.approx(0.99), True: pytest.approx(0.95)}


def test_differences_over_batch_sizes_show_zero_and_points():
    sizes = pd.DataFrame(
        {"arm": "a", "batch_size": [8, 64], "mean": [0.02, 0.04], "low": 0.01, "high": 0.05}
    )
    accuracy, difference = figures.batch_sizes(sizes, {"lead": sizes}).axes
    assert any(list(line.get_ydata()) == [0, 0] for line in difference.lines)
    assert not any(list(line.get_ydata()) == [0, 0] for line in accuracy.lines)
    assert difference.yaxis.get_major_formatter()(0.02) == "2"
    assert accuracy.yaxis.get_major_formatter()(0.02) == "2%"


@pytest.mark.parametrize(
    "draw",
    [figures.two_rates, figures.forest, lambda t: figures.forests({"": t}, lambda row: row["a"])],
    ids=["two rates", "forest", "forests"],
)
def test_a_difference_is_filled_where_it_is_clear_and_hollow_where_not(draw):
    clear = findings.paired(table({"a": [0.95, 0.96, 0.97], "b": [0.90, 0.91, 0.92]}), "a", "b")
    open_ = findings.paired(table({"a": [0.95, 0.96, 0.97], "b": [0.95, 0.97, 0.96]}), "a", "b")
    both = findings.compared([clear, open_]).assign(lr=["0.1", "own best"])
    (ax,) = draw(both).axes
    fills = [line.get_markerfacecolor() for line in ax.lines if line.get_marker() != "None"]
    assert fills == [figures.PALETTE[0], "none"]


def test_rows_of_two_rates_name_what_is_compared():
    pair = findings.paired(table({"a": [0.95, 0.96, 0.97], "b": [0.90, 0.91, 0.92]}), "a", "b")
    (ax,) = figures.two_rates(findings.compared([pair]).assign(lr="0.1")).axes
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a\nagainst b"]


def test_stretched_axis_gives_the_last_percents_room(arms):
    summary = findings.summary(arms, ["arm", "epoch"])
    (ax,) = figures.curves(summary, stretch=True).axes
    at = ax.transData.transform
    low, middle, high = (at((0, y))[1] for y in (0.1, 0.9, 0.95))
    assert (high - middle) > 0.25 * (middle - low)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert "90%" in labels
    assert all(re.fullmatch(r"[\d.]+%", label) for label in labels)


def test_a_second_series_of_subsets_stands_in_the_order_of_the_first():
    worth = {0: 0.8, 1: 0.4, 2: 0.2, 3: 0.1}
    rising = findings.summary(subsets(worth), "norms").assign(rate="low")
    falling = rising.assign(rate="high", mean=1 - rising["mean"], low=0.0, high=1.0)
    axes = figures.subsets(pd.concat([rising, falling]), "accuracy", by="rate").axes[0]
    low, high = (sorted(zip(*line.get_data(), strict=True)) for line in axes.lines[::3])
    assert [y for _, y in low] == sorted(rising["mean"])
    assert [y for _, y in high] == sorted(falling["mean"], reverse=True)


def test_contributions_have_one_panel_per_learning_rate():
    table = findings.contributions(subsets({0: 0.8, 1: 0.4, 2: 0.2, 3: 0.1}), 0.1)
    both = pd.concat([table.assign(rate="low"), table.assign(rate="high")])
    titles = [ax.get_title(loc="left") for ax in figures.contributions(both, "rate").axes]
    assert titles == ["low", "high"]


def test_subsets_are_in_rising_order_over_the_matrix_of_what_is_on():
    table = findings.summary(subsets({0: 0.8, 1: 0.4, 2: 0.2, 3: 0.1}), "norms")
    top, matrix = figures.subsets(table.assign(rate=""), "accuracy", by="rate").axes
    heights = top.lines[0].get_ydata()
    assert (np.diff(heights) >= 0).all()
    filled = [line for line in matrix.lines if line.get_markerfacecolor() != "none"]
    assert sum(len(line.get_xdata()) for line in filled) == 16 * 4 / 2


def test_missing_limits_are_drawn_as_a_mean_alone():
    one = table({"a": [0.95], "b": [0.96]})
    assert pd.isna(findings.summary(one)["low"]).all()
    assert svg(figures.dots(findings.final(one), findings.summary(one), "val_accuracy"))
    assert svg(figures.curves(findings.summary(one, ["arm", "epoch"])))


@pytest.mark.parametrize(("count", "narrow"), [(15, False), (9, True)])
def test_names_on_the_map_stay_apart_where_points_are_close(count, narrow):
    arms = [f"a norm of number {i}" for i in range(count)]
    spread = np.linspace(0, 0.02, count)
    accuracies = pd.DataFrame({"arm": arms, "mean": 0.95 + spread})
    accuracies = accuracies.assign(low=accuracies["mean"] - 0.002, high=accuracies["mean"] + 0.002)
    costs = pd.DataFrame({"arm": arms, "mean": 1.3 + (7 * spread) % 0.05 * 20})
    costs = costs.assign(low=costs["mean"] - 0.02, high=costs["mean"] + 0.02)
    figure = figures.cost_map(accuracies, costs, {"all": arms}, "cost")
    figure.draw_without_rendering()
    if narrow:
        screens.narrow(figure)
    (ax,) = figure.axes
    boxes = [text.get_window_extent() for text in ax.texts]
    assert [text.get_text() for text in ax.texts] == arms
    room = ax.get_tightbbox()
    for i, box in enumerate(boxes):
        assert room.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert not any(box.overlaps(other) for other in boxes[:i])


def test_panels_that_share_an_axis_show_all_of_each():
    low, high = (
        pd.DataFrame({"arm": "net", "size": [1, 2], "mean": 2.0 * m, "low": m, "high": 3.0 * m})
        for m in (1.0, 0.1)
    )
    both = pd.concat([low.assign(panel="first"), high.assign(panel="second")])
    figure = figures.sizes(both, "size", "size", "value", panel="panel")
    for ax in figure.axes:
        bottom, top = ax.get_ylim()
        assert bottom <= 0.1
        assert top >= 3
