"""The elements without a browser: their data, what is seen without scripts, one call for all."""

import json
import math
import re

import numpy as np
import pytest
import torch
from lab_pages import PRESETS
from tables import arranged, run_rows

from bnbook import chapters, findings, formulas
from bnbook import lab as labs
from bnbook.errors import BookError
from bnbook.lab import check
from bnbook.lab.element import Html, markdown
from bnbook.lab.recorded import grid
from bnbook.lab.sigmoid import straight
from bnbook.run import Run

BATCH = ("batch",) * 4


def small_frame():
    """Two arms over 0.1 and 1 at batch 128, and batch norm alone at batch 32."""
    rows = []
    for seed, final in enumerate((0.95, 0.96, 0.97)):
        for lr in (0.1, 1.0):
            run = Run(norms=BATCH, lr=lr, seed=seed, epochs=2)
            rows += run_rows(run, "batch", [0.1, 0.9, final])
        small = Run(norms=BATCH, lr=0.1, batch_size=32, seed=seed, epochs=2)
        rows += run_rows(small, "batch", [0.1, 0.9, final])
        slow = Run(lr=0.1, seed=seed, epochs=2)
        rows += run_rows(slow, "plain", [0.1, 0.3, 0.6], "not yet trained")
        broken = Run(lr=1.0, seed=seed, epochs=2)
        accuracies = [0.1, 0.8] if seed == 0 else [0.1, 0.8, final]
        rows += run_rows(broken, "plain", accuracies, "trained" if seed else "non-finite")
    return arranged(rows, ["batch", "plain"])


# The recorded lab


def test_each_grid_point_has_the_mean_and_interval_that_findings_computes():
    data = grid(small_frame())
    assert (data["lrs"], data["batch_sizes"]) == ([0.1, 1.0], [32, 128])
    cell = data["cells"][0][1][0]
    expected = findings.interval([0.95, 0.96, 0.97])
    assert [cell["mean"][-1], cell["low"][-1], cell["high"][-1]] == pytest.approx(
        expected, rel=1e-3
    )
    assert [seed[-1] for seed in cell["seeds"]] == [0.95, 0.96, 0.97]


def test_epochs_that_were_not_evaluated_have_no_place_in_the_curves():
    frame = small_frame()
    data = grid(frame[frame["epoch"] != 1])
    assert data["at"] == [0, 2]
    cell = data["cells"][0][1][0]
    assert cell["mean"] == [0.1, 0.96]
    assert cell["seeds"] == [[0.1, 0.95], [0.1, 0.96], [0.1, 0.97]]


def test_a_grid_point_without_runs_stays_empty():
    data = grid(small_frame())
    assert data["cells"][0][0] != [None, None]
    assert data["cells"][0][0][1] is None
    assert data["cells"][1][0] == [None, None]


def test_the_text_counts_seeds_that_trained_and_names_other_endings():
    cells = grid(small_frame())["cells"]
    assert cells[0][1][0]["text"].replace("\xa0", " ") == (
        "3 of 3 seeds trained; final validation accuracy 96.0% [93.5, 98.5]"
    )
    assert cells[1][1][0]["text"].startswith("0 of 3 seeds trained (3 not yet trained); ")
    assert cells[1][1][1]["text"].replace("\xa0", " ") == (
        "2 of 3 seeds trained (1 non-finite); final validation accuracy of those that trained 96.5%"
    )


def test_a_non_finite_run_guesses_to_the_end_and_is_in_no_mean_with_runs_that_train():
    cell = grid(small_frame())["cells"][1][1][1]
    assert cell["seeds"][0] == [0.1, 0.1, 0.1]
    assert cell["mean"][-1] == pytest.approx((0.96 + 0.97) / 2, rel=1e-3)


@pytest.mark.parametrize(("seeds", "mean"), [(1, "95.0"), (2, "95.5")])
def test_one_or_two_seeds_have_no_interval(seeds, mean):
    frame = small_frame()
    cell = grid(frame[frame["seed"] < seeds])["cells"][0][1][0]
    assert set(cell["low"]) == {None}
    assert cell["text"].replace("\xa0", " ").endswith(f"accuracy {mean}%")


def test_runs_with_another_padding_are_left_out_unless_asked_for():
    extra = run_rows(Run(norms=BATCH, padding=2, seed=0, epochs=2), "padded", [0.1, 0.5, 0.91])
    frame = arranged([*small_frame().to_dict("records"), *extra], ["batch", "plain", "padded"])
    assert grid(frame)["cells"] == grid(small_frame())["cells"]
    data = grid(frame, {"Padded": "padded"})
    assert data["arms"][0]["label"] == "Padded"
    assert data["cells"][0][0][0]["final"].startswith("91.0")


@pytest.mark.parametrize(
    ("change", "arms", "message"),
    [
        (lambda f: f.drop(columns="lr"), None, "needs the column 'lr'"),
        (lambda f: f[f["norms"] == "absent"], None, "no recorded runs"),
        (lambda f: f, {"A": "nonsense"}, "unknown arm nonsense; recorded: batch, plain"),
        (lambda f: f, dict.fromkeys("ABCDE", "batch"), "at most 4 arms"),
    ],
)
def test_a_frame_that_the_lab_cannot_show_gets_one_clear_line(change, arms, message):
    with pytest.raises(BookError, match=message):
        grid(change(small_frame()), arms)


def test_two_runs_of_one_seed_at_one_grid_point_are_refused():
    twin = run_rows(Run(norms=BATCH, train_size=5_000, epochs=2), "batch", [0.1, 0.5, 0.9])
    frame = arranged([*small_frame().to_dict("records"), *twin], ["batch", "plain"])
    with pytest.raises(BookError, match="several runs of one seed"):
        grid(frame)


def test_the_lab_of_chapter_two_covers_the_grid_that_the_book_promises():
    data = grid(chapters.RECORDS["learning-rate-map"])
    assert len(data["lrs"]) == 12
    assert {0.05, 0.1, 0.5, 1.0, 2.0, 4.0} <= set(data["lrs"])
    assert data["batch_sizes"] == [16, 32, 128, 512]
    assert [arm["label"] for arm in data["arms"]] == ["With batch norm", "Without"]
    for arm in data["cells"]:
        for row in arm:
            for cell in row:
                assert cell is None or len(cell["seeds"]) == 3


def test_sliders_start_at_the_nearest_recorded_setting():
    assert labs.recorded(small_frame(), lr=0.7, batch_size=500).data["start"] == (1, 1)
    with pytest.raises(BookError, match="learning rate 0; it must be above 0"):
        labs.recorded(small_frame(), lr=0)


def test_without_scripts_the_table_holds_every_recorded_setting():
    fallback = labs.recorded(small_frame()).fallback
    table = fallback[fallback.index("<tbody>") : fallback.index("</tbody>")]
    assert table.count("<tr>") == 5  # batch 32 has runs at one learning rate only, of one net
    assert "96.0% [93.5,\xa098.5]" in table
    assert "96.0%" not in fallback[fallback.index("</tbody>") :]


def test_the_loss_axis_spans_the_finite_losses():
    frame = small_frame()
    low, high = grid(frame)["losses"]
    finite = frame["train_loss"][np.isfinite(frame["train_loss"])]
    assert (low, high) == pytest.approx((finite.min(), finite.max()), rel=1e-3)


# The sigmoid


def test_every_place_of_the_sliders_has_its_line():
    data = labs.sigmoid_sliders().data
    gamma, beta = (data[name].index(value) for name, value in (("gammas", 2.0), ("betas", -1.5)))
    found = straight(2.0, -1.5)
    expected = [found["slope"], found["intercept"], 100 * found["fit"], 100 * found["inside"]]
    for written, exact, step in zip(
        data["fits"][gamma][beta], expected, (1e-4, 1e-4, 0.1, 1), strict=True
    ):
        assert written == pytest.approx(exact, abs=step / 2)


def test_without_scripts_the_sigmoid_is_a_table():
    fallback = labs.sigmoid_sliders().fallback
    assert "98.4% of the variance of the output; 68% of the inputs" in fallback
    assert re.search(r'<th scope="row">1</th><td>68.0%</td><td>86.3%</td><td>98.4%</td>', fallback)


# What every output keeps to


def html(one):
    """What a page has of an element, whether or not it is a widget here."""
    return Html(one.kind, one.data, one.fallback)._repr_html_()


def outputs():
    return (
        labs.recorded(small_frame()),
        labs.sigmoid_sliders(),
        labs.predict("a-b", "Is $x$ `y`?\n\nThink.", ["yes", "no"]),
        labs.revisit("a-b", "no", "First.\n\nSecond: $x^2$."),
    )


def test_an_output_has_nothing_that_markdown_would_take_for_its_own():
    for output in outputs():
        text = html(output)
        assert all(line and not line.startswith(" ") for line in text.splitlines())
        assert "$" not in text
        assert "`" not in text
        assert not re.search(r"(src|href)=.?(https?:)?//", text)


def test_a_page_carries_an_elements_data_and_no_script_of_its_own():
    for output in outputs():
        text = html(output)
        assert re.findall("<script[^>]*>", text) == ['<script type="application/json">']
        assert "<style" not in text
        assert json.loads(re.search(">({.*})</script>", text)[1]) == json.loads(
            json.dumps(output.data)
        )


def test_data_cannot_break_out_of_its_script():
    nasty = {"text": "</script><b>&$x$`"}
    text = Html("predict", nasty, "")._repr_html_()
    embedded = re.search(r'<script type="application/json">(.*?)</script>', text)[1]
    assert not set("<>&$`") & set(embedded)
    assert json.loads(embedded) == nasty


def test_markdown_becomes_html_with_mathml():
    assert markdown("plain & simple") == "plain &amp; simple"
    assert markdown("*very* plain") == "<em>very</em> plain"
    assert "<math" in markdown(r"the mean $\mu$")
    assert markdown("one\n\ntwo").count("<p>") == 2
    assert markdown(r"$\sqrt n$").count("<mspace") == 1


def test_formulas_are_mended_once_however_often_they_are_read():
    once = formulas.mend('<msqrt><mover><mi>x</mi><mo accent="true">\u0302</mo></mover></msqrt>')
    assert once.startswith("<msqrt><mspace ")
    assert "\u02c6" in once
    assert formulas.mend(once) == once


# One call for chapters


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("BNBOOK_RENDER", True),
        ("QUARTO_DOCUMENT_PATH", True),
        ("QUARTO_EXECUTE_INFO", True),
        ("HOME", False),
    ],
)
def test_rendering_is_known_from_the_environment(monkeypatch, variable, expected):
    for name in ("BNBOOK_RENDER", "QUARTO_DOCUMENT_PATH", "QUARTO_EXECUTE_INFO"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "1")
    assert labs.rendering() is expected


@pytest.fixture
def displayed(monkeypatch):
    """Collect what a cell would display, as the kernel would send it."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    for name in ("BNBOOK_RENDER", "QUARTO_DOCUMENT_PATH", "QUARTO_EXECUTE_INFO"):
        monkeypatch.delenv(name, raising=False)
    InteractiveShell.instance()

    def show(**options):
        with capture_output() as captured:
            labs.lab(small_frame(), preset=PRESETS["lite"], **options)
        return [set(output.data) - {"text/plain"} for output in captured.outputs]

    yield show
    InteractiveShell.clear_instance()


def test_a_published_page_gets_both_labs_and_where_the_bands_come_from(displayed, monkeypatch):
    monkeypatch.setenv("BNBOOK_RENDER", "1")
    assert displayed() == [{"text/html"}, {"text/markdown"}, {"text/html"}]


def test_a_live_notebook_gets_both_labs_as_widgets_and_keeps_their_fallbacks(displayed):
    widget = {"application/vnd.jupyter.widget-view+json", "text/html"}
    picture = {"text/html"}  # of the last state, which a saved notebook keeps
    assert displayed() == [widget, picture, widget]


# Predictions


def test_the_question_and_its_choices_can_be_read_without_scripts():
    fallback = labs.predict("bias", "What does $x$ change?", ["Nothing", "Not *all*"]).fallback
    assert "<math" in fallback
    assert fallback.index("Nothing") < fallback.index("Not <em>all</em>")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a", "?", ["one"]), "two or more different choices"),
        (("a", "?", ["one", "one"]), "two or more different choices"),
        (("A b", "?", ["one", "two"]), "small letters, digits and hyphens"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(arguments, message):
    with pytest.raises(BookError, match=message):
        labs.predict(*arguments)


def test_the_evidence_can_be_read_without_scripts():
    fallback = labs.revisit("bias", "Nothing", "Because *why*.").fallback
    assert "<strong>Nothing</strong>" in fallback
    assert "Because <em>why</em>." in fallback


# Self-checks


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (np.bool_(True), True),
        (0.3, 0.1 + 0.2),
        (226, 226),
        (torch.tensor([1.0, 2.0], requires_grad=True), [1.0, 2.0]),
        (np.array([True, False]), [True, False]),
        ("gamma", "gamma"),
        ({"a": 1}, {"a": 1}),
        (math.nan, math.nan),
    ],
)
def test_a_right_answer_of_any_kind_is_recognized(value, expected):
    assert check.complaint(value, expected) == ""


@pytest.mark.parametrize(
    ("value", "expected", "message"),
    [
        (False, True, "False is not the answer"),
        (0.31, 0.3, "0.31 is not the answer"),
        (np.ones(3), np.ones(4), r"the shape should be \(4,\), not \(3,\)"),
        (torch.tensor([1.0, 2.5]), [1.0, 2.0], "1 of 2 values are off"),
        ("beta", "gamma", "'beta' is not the answer"),
        ("beta", 3, "a number was expected"),
        (None, 3, "a number was expected"),
        (math.nan, 3, "nan is not the answer"),
        (np.ones(2), "gamma", "is not the answer"),
    ],
)
def test_what_is_wrong_is_said_without_the_answer(value, expected, message):
    assert re.search(message, check.complaint(value, expected))


@pytest.mark.parametrize("value", [..., None, (1, ...), [[...]]])
def test_dots_and_what_functions_of_dots_return_are_no_answer(value):
    assert check.unanswered(value)


def test_the_tolerance_is_the_exercises_own():
    assert check.complaint(0.31, 0.3, tol=0.05) == ""


def test_values_of_several_shapes_are_compared_one_by_one():
    expected = torch.ones(2), torch.zeros(3)
    assert check.complaint([np.ones(2), np.zeros(3)], expected) == ""
    assert check.complaint((torch.ones(2), torch.ones(3)), expected) == "3 of 3 values are off"
    assert check.complaint(1, expected) == "2 values were expected, not 1"
