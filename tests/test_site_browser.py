"""The built site in a real browser, from its files and without a network."""

import subprocess
import sys
from urllib.parse import unquote, urlsplit

import pytest
from site_pages import LABS, NUMBERED, PAGES, Visit

pytestmark = pytest.mark.browser


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


def test_the_list_of_chapters_shows_where_one_is(browser, built):
    with Visit(browser, built, NUMBERED[-1]) as visit:
        place = visit.page.locator("#quarto-sidebar .active").bounding_box()
        assert 0 <= place["y"] < visit.page.viewport_size["height"] - place["height"]
        assert visit.page.evaluate("scrollY") == 0


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
