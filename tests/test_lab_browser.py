"""The recorded lab and the predictions in a real browser, from a file and over http."""

import contextlib

import pytest
from lab_pages import serving, write_page
from tables import arranged, run_rows

from bnbook import lab as labs
from bnbook.run import Run

pytestmark = pytest.mark.browser

NEAREST = "There are no runs at learning rate"


def frame():
    """Batch norm at three learning rates and three batch sizes; without it, not at batch 512."""
    rows = []
    for seed in range(3):
        for batch_size in (32, 128, 512):
            for lr in (0.1, 1.0, 4.0):
                run = Run(norms=("batch",) * 4, lr=lr, batch_size=batch_size, seed=seed, epochs=3)
                top = 0.97 + 0.005 * seed - 0.001 * lr
                rows += run_rows(run, "batch", [0.1, 0.9, 0.95, top])
                if batch_size < 512:
                    plain = Run(lr=lr, batch_size=batch_size, seed=seed, epochs=3)
                    good = lr < 4
                    final = 0.93 + 0.01 * seed if good else 0.1
                    accuracies = [0.1, 0.3, 0.6, final]
                    rows += run_rows(plain, "plain", accuracies, "trained" if good else "collapsed")
    return arranged(rows, ["batch", "plain"])


@pytest.fixture
def opened(page, tmp_path):
    """The recorded lab in a bare file, opened from disk."""
    path = tmp_path / "lab.html"
    write_page(path, labs.recorded(frame(), lr=0.1))
    page.goto(path.as_uri())
    page.wait_for_selector("[data-ready]")
    return page


def curve(page, chart="accuracy", arm="With batch norm"):
    return page.locator(f".{chart} g[data-curve='{arm}'] path").first.get_attribute("d")


def announced(page):
    return page.locator(".announcer").inner_text()


def test_an_arrow_key_moves_the_slider_the_curve_and_the_announcement(opened):
    slider = opened.get_by_role("slider", name="Learning rate")
    before = curve(opened)
    assert slider.get_attribute("aria-valuetext") == "0.1"
    assert announced(opened) == ""
    slider.focus()
    opened.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "1"
    assert curve(opened) != before
    opened.wait_for_function("document.querySelector('.announcer').textContent")
    assert announced(opened).startswith(
        "Learning rate 1 and batch size 128. With batch norm: 3 of 3"
    )
    first = announced(opened)
    opened.keyboard.press("ArrowRight")
    opened.wait_for_function(
        "s => document.querySelector('.announcer').textContent !== s", arg=first
    )
    assert "Without: 0 of 3 seeds trained (3 collapsed)" in announced(opened)


def test_a_dragged_slider_announces_only_where_it_rests(opened):
    opened.evaluate(
        """() => { window.said = []; new MutationObserver(() => window.said.push(
        document.querySelector('.announcer').textContent)).observe(
        document.querySelector('.announcer'), { childList: true }); }"""
    )
    opened.evaluate(
        """() => { const one = document.querySelector("[name=lr]");
        for (const by of [1, 1, -1]) {
          one.valueAsNumber += by;
          one.dispatchEvent(new Event("input", { bubbles: true })); } }"""
    )
    opened.wait_for_function("window.said.length")
    opened.wait_for_timeout(600)
    said = opened.evaluate("window.said")
    assert len(said) == 1
    assert said[0].startswith("Learning rate 1 and")


def test_a_setting_without_runs_shows_the_nearest_and_says_so(opened):
    opened.get_by_role("slider", name="Batch size").focus()
    opened.keyboard.press("End")
    lines = opened.locator(".summary p").all_inner_texts()
    assert NEAREST not in lines[0]
    assert f"{NEAREST} 0.1 and batch size 512" in lines[1]
    assert "the nearest recorded, learning rate 0.1 and batch size 128" in lines[1]


def test_each_curve_can_be_hidden(opened):
    opened.get_by_role("checkbox", name="Without").focus()
    opened.keyboard.press("Space")
    assert opened.locator(".accuracy g[data-curve]").count() == 1
    assert opened.locator(".loss g[data-curve]").count() == 1
    opened.get_by_role("checkbox", name="With batch norm").click()
    assert opened.locator(".accuracy g[data-curve]").count() == 0
    assert "Tick a box" in opened.locator(".summary").inner_text()


def test_the_table_says_in_numbers_what_the_curves_show(opened):
    opened.get_by_text("These curves as a table").click()
    rows = opened.locator(".current tbody tr")
    net, accuracy, loss = rows.nth(rows.count() - 2).locator("td").all_inner_texts()
    assert net == "With batch norm"
    assert accuracy.startswith("97.5% [")
    assert loss == "0.767"
    opened.get_by_text("All recorded settings").click()
    assert opened.locator(".all tbody tr").count() == 9 + 6


def test_curves_differ_by_more_than_color(opened):
    dashes = opened.locator(".accuracy g[data-curve] path:first-child").evaluate_all(
        "nodes => nodes.map((n) => n.getAttribute('stroke-dasharray'))"
    )
    assert len(set(dashes)) == 2
    assert opened.locator(".accuracy .label").all_text_contents() == ["With batch norm", "Without"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(opened, scheme):
    opened.emulate_media(color_scheme=scheme)
    fill = opened.locator(".accuracy .label").first.evaluate("n => getComputedStyle(n).fill")
    assert fill == ("rgb(0, 0, 0)" if scheme == "light" else "rgb(255, 255, 255)")


def test_a_phone_needs_no_sideways_scrolling(opened):
    opened.set_viewport_size({"width": 390, "height": 800})
    opened.get_by_text("All recorded settings").click()
    opened.get_by_text("These curves as a table").click()
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390
    inside = """nodes => nodes.every((n) => {
      const [a, b] = [n.getBoundingClientRect(), n.closest('svg').getBoundingClientRect()];
      return a.left >= b.left - 1 && a.right <= b.right + 1; })"""
    assert opened.locator("figure svg text").evaluate_all(inside)
    heights = opened.locator("input[type=range], label.arm").evaluate_all(
        "nodes => nodes.map((n) => n.getBoundingClientRect().height)"
    )
    assert min(heights) >= 24  # WCAG 2.2, target size


def test_two_labs_on_a_page_do_not_disturb_each_other(page, tmp_path):
    path = tmp_path / "two.html"
    write_page(path, labs.recorded(frame()), labs.recorded(frame()))
    page.goto(path.as_uri())
    second = page.locator(".bn-recorded").nth(1)
    curves = page.locator(".bn-recorded .accuracy g[data-curve] path")
    untouched = curves.first.get_attribute("d")
    second.get_by_role("slider", name="Learning rate").focus()
    page.keyboard.press("End")
    assert curves.first.get_attribute("d") == untouched
    assert second.locator("output").first.inner_text() == "4"


def test_without_scripts_the_numbers_are_still_there(browser, tmp_path):
    path = tmp_path / "lab.html"
    write_page(path, labs.recorded(frame()))
    with contextlib.closing(browser.new_context(java_script_enabled=False)) as context:
        page = context.new_page()
        page.goto(path.as_uri())
        assert page.get_by_text("The sliders need JavaScript").is_visible()
        assert not page.get_by_role("slider").count()
        page.locator("summary", has_text="All recorded settings").click()
        assert page.locator(".all tbody tr").first.is_visible()


def test_a_slider_with_nothing_to_slide_is_hidden(page, tmp_path):
    one = frame()
    write_page(tmp_path / "lab.html", labs.recorded(one[one["batch_size"] == 128]))
    page.goto((tmp_path / "lab.html").as_uri())
    assert page.get_by_role("slider", name="Learning rate").is_visible()
    assert not page.get_by_role("slider", name="Batch size").count()


def test_the_single_seeds_and_their_interval_lie_beneath_the_mean(opened):
    for arm in ("With batch norm", "Without"):
        band = opened.locator(f".accuracy g[data-band='{arm}']")
        assert band.locator(".seed").count() == 3
        assert band.locator("path:not(.seed)").count() == 1
        assert opened.locator(f".loss g[data-band='{arm}'] .seed").count() == 3


# The sigmoid


@pytest.fixture
def sigmoid(page, tmp_path):
    write_page(tmp_path / "sigmoid.html", labs.sigmoid_sliders())
    page.goto((tmp_path / "sigmoid.html").as_uri())
    return page


def test_the_sigmoids_sliders_move_its_inputs_its_line_and_its_words(sigmoid):
    said, line, inputs = (sigmoid.locator(one) for one in (".said", "path.line", "path.inputs"))
    assert said.inner_text().startswith("A straight line explains 98.4% of the variance")
    before = line.get_attribute("d"), inputs.get_attribute("d")
    sigmoid.get_by_role("slider", name="gamma").press("End")
    assert said.inner_text().startswith("A straight line explains 75.2% of the variance")
    assert line.get_attribute("d") != before[0]
    assert inputs.get_attribute("d") != before[1]
    beta = sigmoid.get_by_role("slider", name="beta")
    beta.press("Home")
    assert beta.get_attribute("aria-valuetext") == "\N{MINUS SIGN}4"


def test_what_the_sigmoids_sliders_start_at_is_marked(sigmoid):
    marks = sigmoid.locator(".ticks span").all_inner_texts()
    assert marks == ["0.25", "1", "8", "−4", "−2", "0", "2", "4"]
    assert sigmoid.get_by_role("slider", name="gamma").get_attribute("aria-valuetext") == "1"


# Predict and revisit


@pytest.fixture
def served(tmp_path):
    """The address of a chapter with a question, over http."""
    choices = ["Nothing: $x$ stays", "Accuracy falls."]
    question = labs.predict("bias", "What does removing a bias change?", choices)
    answer = labs.revisit("bias", choices[0], "The *same* function.")
    write_page(tmp_path / "chapter.html", question, answer)
    with serving(tmp_path) as address:
        yield f"{address}/chapter.html"


def test_a_prediction_outlives_a_reload_and_meets_the_evidence(page, served):
    page.goto(served)
    revisit = page.locator(".bn-revisit")
    assert "What did you expect?" in revisit.inner_text()
    page.get_by_role("radio", name="Accuracy falls").focus()
    page.keyboard.press("Space")
    assert "You predicted: Accuracy falls. The evidence says otherwise." in revisit.inner_text()
    page.reload()
    assert page.get_by_role("radio", name="Accuracy falls").is_checked()
    assert "You predicted: Accuracy falls. The evidence says otherwise." in revisit.inner_text()
    assert revisit.get_by_text("The same function.").is_visible()
    page.keyboard.press("Tab")
    page.get_by_role("radio", name="Accuracy falls").focus()
    page.keyboard.press("ArrowUp")
    assert "The evidence agrees." in revisit.inner_text()


def test_a_prediction_works_where_storage_is_forbidden(page, served):
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('denied'); } });"
    )
    page.goto(served)
    page.get_by_role("radio", name="Accuracy falls").check()
    assert "You predicted: Accuracy falls." in page.locator(".bn-revisit").inner_text()
