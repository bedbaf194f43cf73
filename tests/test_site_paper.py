"""The built site on A4, from light and from dark; what is folded or scrolls stands in full."""

import re
import subprocess
import unicodedata

import pytest
from site_pages import LABS, Visit

pytestmark = pytest.mark.browser

#: Both labs; the code that is written out by hand; a table of the package.
PRINTED = [LABS, "chapters/08-from-scratch.html", "chapters/api.html"]
WIDTH = 672  # px of A4 between the margins of the sheet

#: Lines of code and cells of tables; formulas have letters of their own in a PDF.
WRITTEN = """[...document.querySelectorAll("main :is(pre, td, th)")]
  .filter((one) => !one.querySelector("math") && one.getClientRects().length)
  .flatMap((one) => (one.tagName === "PRE" ? one.textContent.split("\\n") : [one.textContent]))"""

CUT = """() => [...document.querySelectorAll("main *")].filter((one) => {
  const [box, style] = [one.getBoundingClientRect(), getComputedStyle(one)];
  if (!box.width || one.ownerSVGElement || style.clipPath !== "none") return false;
  const scrolls = style.overflow !== "visible" && one.tagName !== "svg" && one.clientWidth
    && (one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1);
  return scrolls || box.left < -1 || box.right > innerWidth + 1;
}).map((one) => one.outerHTML.slice(0, 120))"""

#: Text whose contrast to white paper is below 4.5, or a lab's label that is not outlined in white.
PALE = """() => {
  const channels = (color) => {
    const [r, g, b, alpha = 1] = color.replace("srgb", "").match(/[\\d.]+/g).map(Number);
    return [...[r, g, b].map((v) => (color.startsWith("color(") ? v : v / 255)), alpha];
  };
  const contrast = (color, opacity) => {
    const [r, g, b, alpha] = channels(color);
    const [x, y, z] = [r, g, b].map((v) => 1 + (v - 1) * alpha * opacity)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 1.05 / (0.2126 * x + 0.7152 * y + 0.0722 * z + 0.05);
  };
  const pale = (one) => {
    const style = getComputedStyle(one);
    if (!one.closest("svg")) return contrast(style.color, 1) < 4.5;
    const outlined = style.stroke !== "none" && contrast(style.stroke, 1) > 1.5;
    return outlined || contrast(style.fill, Number(style.fillOpacity)) < 4.5;
  };
  const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  const found = new Set();
  while (texts.nextNode()) {
    const one = texts.currentNode.parentElement;
    const shown = texts.currentNode.data.trim() && one.getClientRects().length;
    if (shown && pale(one)) found.add(one.outerHTML.slice(0, 120));
  }
  return [...found];
}"""


def squeezed(text):
    """Without blanks, where a line may be broken, and without ligatures."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PRINTED)
def test_all_is_on_paper_in_dark_ink(browser, built, pdftotext, tmp_path, name, scheme):
    with Visit(browser, built, name) as visit:
        visit.show(scheme)
        sheet = tmp_path / "page.pdf"
        visit.page.pdf(path=sheet, format="A4", prefer_css_page_size=True)
        visit.page.emulate_media(media="print")
        visit.page.set_viewport_size({"width": WIDTH, "height": 1000})
        visit.page.wait_for_timeout(300)
        assert visit.page.evaluate(CUT) == []
        assert visit.page.evaluate(PALE) == []
        written = visit.page.evaluate(WRITTEN)
    read = subprocess.run([pdftotext, "-raw", sheet, "-"], capture_output=True, text=True)
    text = squeezed(read.stdout)
    assert written
    assert [words for words in written if squeezed(words) not in text] == []


def test_the_tables_of_the_labs_are_printed_in_full(browser, built, pdftotext, tmp_path):
    with Visit(browser, built, LABS) as visit:
        rows = visit.page.locator(".bn-recorded .all tbody tr").count()
        visit.page.pdf(path=tmp_path / "page.pdf", format="A4", prefer_css_page_size=True)
        tables = visit.page.locator(".bn-lab .current tbody tr").count()
        visit.page.emulate_media(media="print")
        shown = visit.page.locator(".bn-recorded .all tbody tr").last.is_visible()
    assert rows > 20
    assert shown
    assert tables == 11  # epochs 0 to 10
