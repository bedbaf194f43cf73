"""All that holds of every page of the built site; each opened once for a width and a scheme."""

import itertools

import pytest
from site_pages import MATH_FONT, NUMBERED, OPEN_ALL, PAGES, Visit, faults

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def window(browser, built):
    with Visit(browser, built) as opened:
        yield opened


@pytest.fixture(scope="module")
def visit(window, request):
    """A page that all tests of its width and scheme see one after the other, in their order here.

    The first finds it as it comes up; from a certain one on, all is unfolded.
    """
    window.open(*request.param)
    yield window
    window.forget()


EVERYWHERE = {"widths": (1280, 390), "schemes": ("light", "dark")}


def on(names, widths=(1280,), schemes=("light",)):
    # In one parameter, so that pytest brings together the tests that see one page.
    places = [*itertools.product(names, widths, schemes)]
    ids = ["-".join(map(str, place)) for place in places]
    return pytest.mark.parametrize("visit", places, indirect=True, ids=ids)


@on(PAGES, **EVERYWHERE)
def test_a_page_runs_without_errors_and_without_a_network(visit):
    assert visit.complaints == []
    assert visit.requests == []


@on(PAGES)
def test_every_picture_is_described_and_shown(visit):
    images = visit.page.evaluate(
        "Promise.all([...document.images].map(async (image) => {"
        " await image.decode(); return [image.alt.trim(), image.naturalWidth]; }))"
    )
    assert all(alt and width for alt, width in images)


SHOWN = """Promise.all([...document.querySelectorAll("main figure img")].map(async (image) => {
  await image.decode();
  return [image.currentSrc, image.clientWidth / image.naturalWidth];
}))"""


@on(NUMBERED, widths=(390,))
def test_a_telephone_shows_figures_drawn_for_it(visit):
    shown = visit.page.evaluate(SHOWN)
    narrow = [scale for source, scale in shown if "_files/narrow-" in source]
    assert len(narrow) >= len(shown) - 1  # one keeps names among its data that need the room
    assert min(narrow) > 0.75


@on(NUMBERED)
def test_a_desk_shows_no_figure_drawn_for_a_telephone(visit):
    assert not [source for source, _ in visit.page.evaluate(SHOWN) if "narrow" in source]


CUT = """boxes => boxes.filter((box) => box.scrollWidth > box.clientWidth + 1)
  .map((box) => box.innerText)"""


@on(NUMBERED)
def test_no_line_of_code_is_cut_on_a_small_desktop(visit):
    boxes = visit.page.locator("main :is(div.sourceCode, .bn-exercise) pre")
    assert boxes.evaluate_all(CUT) == []


@on(NUMBERED)
def test_math_is_typeset_in_the_math_font(visit):
    formula = visit.page.locator("main math").first
    assert formula.count()
    assert formula.bounding_box()["width"] > 0
    visit.page.wait_for_function(MATH_FONT)
    texts = visit.page.locator("main p").all_inner_texts()
    assert not any("\\(" in text for text in texts)


CONTRAST = """() => {
  // "rgb(27, 29, 33)", or what color-mix gives: "color(srgb 0.86 0.87 0.89 / 0.72)"
  const parse = (c) => c.replace("srgb", "").match(/[\\d.]+/g).slice(0, 3)
    .map((v) => Number(v) / (c.startsWith("color(") ? 1 : 255));
  const light = (c) => parse(c)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const paper = light(getComputedStyle(document.body).backgroundColor);
  return [...document.querySelectorAll("main p, main li, main a, main h1, main h2, main td, math")]
    .map((e) => light(getComputedStyle(e).color))
    .map((ink) => (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05));
}"""


@on(PAGES, widths=(1280, 390))
def test_text_reads_in_both_modes_and_the_toggle_switches_them(visit):
    papers = []
    for _ in range(2):
        papers.append(visit.page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert min(visit.page.evaluate(CONTRAST)) >= 4.5
        visit.switch()
    assert papers[0] != papers[1]


# From here on, all is unfolded


@on(PAGES, widths=(390,), schemes=("light", "dark"))
def test_a_telephone_needs_no_sideways_scrolling(visit):
    visit.page.evaluate(OPEN_ALL)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390


@on(PAGES, **EVERYWHERE)
def test_axe_finds_no_fault(visit):
    visit.page.evaluate(OPEN_ALL)
    visit.page.wait_for_timeout(200)
    assert faults(visit.page) == []
