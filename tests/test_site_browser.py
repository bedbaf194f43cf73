"""The built site in a real browser, from its files and without a network."""

import subprocess
import sys
from urllib.parse import unquote, urlsplit

import pytest
from site_pages import LABS, MATH_FONT, NUMBERED, PAGES, Visit

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("name", PAGES)
def test_a_page_runs_without_errors_and_without_a_network(browser, built, name):
    with Visit(browser, built, name) as visit:
        assert visit.complaints == []
        assert visit.requests == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_telephone_needs_no_sideways_scrolling(browser, built, name, scheme):
    with Visit(browser, built, name, width=390, scheme=scheme) as visit:
        visit.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("name", [PAGES[0], LABS, PAGES[-1]])
def test_text_of_twice_the_size_leaves_the_header_small(browser, built, name):
    with Visit(browser, built, name, width=390) as visit:
        visit.page.evaluate("document.documentElement.style.fontSize = '200%'")
        visit.page.wait_for_timeout(300)
        for height in (0, 2000):
            visit.page.evaluate("height => scrollTo(0, height)", height)
            visit.page.wait_for_timeout(300)
            assert visit.page.locator("#quarto-header").bounding_box()["height"] <= 90


@pytest.mark.parametrize("width", [768, 992, 1199, 1200])
def test_columns_beside_the_text_leave_it_room(browser, built, width):
    with Visit(browser, built, NUMBERED[0], width=width) as visit:
        assert visit.page.locator("main").bounding_box()["width"] >= 440


@pytest.mark.parametrize("name", PAGES)
def test_every_picture_is_described_and_shown(browser, built, name):
    with Visit(browser, built, name) as visit:
        images = visit.page.evaluate(
            "Promise.all([...document.images].map(async (image) => {"
            " await image.decode(); return [image.alt.trim(), image.naturalWidth]; }))"
        )
        assert all(alt and width for alt, width in images)


SHOWN = """Promise.all([...document.querySelectorAll("main figure img")].map(async (image) => {
  await image.decode();
  return [image.currentSrc, image.clientWidth / image.naturalWidth];
}))"""


@pytest.mark.parametrize("name", NUMBERED)
def test_a_telephone_shows_figures_drawn_for_it(browser, built, name):
    with Visit(browser, built, name, width=390) as visit:
        shown = visit.page.evaluate(SHOWN)
    narrow = [scale for source, scale in shown if "_files/narrow-" in source]
    assert len(narrow) >= len(shown) - 1  # one keeps names among its data that need the room
    assert min(narrow) > 0.75
    with Visit(browser, built, name) as visit:
        assert not [source for source, _ in visit.page.evaluate(SHOWN) if "narrow" in source]


def test_the_list_of_chapters_shows_where_one_is(browser, built):
    with Visit(browser, built, NUMBERED[-1]) as visit:
        place = visit.page.locator("#quarto-sidebar .active").bounding_box()
        assert 0 <= place["y"] < visit.page.viewport_size["height"] - place["height"]
        assert visit.page.evaluate("scrollY") == 0


CUT = "box => box.scrollWidth > box.clientWidth + 1"


@pytest.mark.parametrize("name", NUMBERED)
def test_no_line_of_code_is_cut_on_a_small_desktop(browser, built, name):
    with Visit(browser, built, name) as visit:
        boxes = visit.page.locator("main :is(div.sourceCode, .bn-exercise) pre")
        cut = [box.inner_text() for box in boxes.all() if box.evaluate(CUT)]
        assert cut == []


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


@pytest.mark.parametrize("name", PAGES)
def test_text_reads_in_both_modes_and_the_toggle_switches_them(browser, built, name):
    with Visit(browser, built, name) as visit:
        papers = []
        for _ in range(2):
            papers.append(visit.page.evaluate("getComputedStyle(document.body).backgroundColor"))
            assert min(visit.page.evaluate(CONTRAST)) >= 4.5
            visit.switch()
        assert papers[0] != papers[1]


def test_previous_and_next_lead_through_the_whole_book(browser, built):
    with Visit(browser, built, PAGES[0]) as visit:
        seen = [PAGES[0]]
        while (link := visit.page.locator(".nav-page-next a")).count():
            with visit.page.expect_navigation():
                link.first.click()
            path = unquote(urlsplit(visit.page.url).path)
            seen.append(path.removeprefix(f"{built}/"))
        assert seen == PAGES
        with visit.page.expect_navigation():
            visit.page.locator(".nav-page-previous a").first.click()
        assert visit.page.url.endswith(PAGES[-2])


#: From the end of a root that ends its formula to the end of the formula, in pixels.
ROOM = """[...document.querySelectorAll("main math")].flatMap((math) => {
  const leaves = math.querySelectorAll("mi, mn");
  const last = leaves[leaves.length - 1];
  const root = last.closest("msqrt");
  if (!root || root.querySelector("mfrac, munder, munderover")) return [];
  return [math.getBoundingClientRect().right - last.getBoundingClientRect().right];
})"""


def test_nothing_but_a_formula_ends_it(browser, built):
    with Visit(browser, built, "chapters/06-dropout.html") as visit:
        room = visit.page.evaluate(ROOM)
        assert room
        assert max(room) < 3


@pytest.mark.parametrize("name", NUMBERED)
def test_math_is_typeset_in_the_math_font(browser, built, name):
    with Visit(browser, built, name) as visit:
        formula = visit.page.locator("main math").first
        assert formula.count()
        assert formula.bounding_box()["width"] > 0
        visit.page.wait_for_function(MATH_FONT)
        texts = visit.page.locator("main p").all_inner_texts()
        assert not any("\\(" in text for text in texts)


def test_search_finds_a_chapter_when_the_site_is_served(browser, built):
    code = f"from pathlib import Path; from bnbook import site; site.serve(Path({str(built)!r}), 0)"
    server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().split()[0]
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        page.locator("input[type=search], .aa-Input, .smalldocs-search input").first.fill("dropout")
        found = page.locator(".search-result, .aa-Item").first
        found.wait_for()
        assert "Exercise 6" in found.inner_text()
        page.close()
    finally:
        server.terminate()
        server.wait()
