"""The built site in Firefox and in WebKit, from disk and served: a smoke test of each."""

import pytest
from lab_pages import SHORT, prints, serving, train
from site_pages import LABS, MATH_FONT, Visit

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def in_chromium(browser, built):
    """The last losses and the bits of all weights after a short run."""
    with Visit(browser, built, LABS, link=SHORT) as visit:
        train(visit.page)
        return prints(visit.page)


@pytest.fixture(params=["from disk", "served"])
def address(request, built):
    if request.param == "from disk":
        yield built.as_uri()
    else:
        with serving(built) as served:
            yield served


FOCUSED = "document.activeElement.name"
STATE = "document.querySelector('.bn-lab').dataset.state"
RATE = "document.querySelector('.bn-lab [name=lr]').getAttribute('aria-valuetext')"


@pytest.mark.parametrize("name", ["firefox", "webkit"])
def test_a_lab_trains_by_keyboard_to_the_same_bits(request, name, in_chromium, address):
    one = request.getfixturevalue(name)
    one.open(f"{address}/{LABS}{SHORT}")
    one.wait("document.querySelector('.bn-lab[data-ready]') !== null")
    assert one.ask(RATE) == "1"

    one.ask("document.querySelector('.bn-lab [name=lr]').focus()")
    one.press("ArrowRight")
    assert one.wait(f"{RATE} !== '1' && {RATE}") == "1.25"
    one.press("ArrowLeft")
    one.wait(f"{RATE} === '1'")

    one.ask("document.querySelector('[name=train]').focus()")
    one.press("Space")
    assert one.wait(f"['done', 'failed'].includes({STATE}) && {STATE}") == "done"
    assert one.ask(FOCUSED) == "train"
    one.ask("document.querySelector('.bn-lab .current').open = true")
    assert one.wait("document.querySelector('.prints')?.textContent") == in_chromium


@pytest.mark.parametrize("name", ["firefox", "webkit"])
def test_pictures_math_and_the_dark_mode_work(request, name, built):
    one = request.getfixturevalue(name)
    one.open(f"{built.as_uri()}/chapters/08-from-scratch.html")
    one.wait("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    one.wait(MATH_FONT)
    paper = "getComputedStyle(document.body).backgroundColor"
    before = one.ask(paper)
    one.ask("document.querySelector('.quarto-color-scheme-toggle').click()")
    one.wait(f"{paper} !== {before!r}")


@pytest.mark.parametrize("name", ["firefox", "webkit"])
def test_a_hat_sits_on_its_letter(request, name, built):
    """A floating one has a box that reaches more than a letter's height above its letter."""
    one = request.getfixturevalue(name)
    one.open(f"{built.as_uri()}/chapters/08-from-scratch.html")
    heights = one.ask(
        """[...document.querySelectorAll('mover[accent=true]')].map((over) => {
          const [letter, hat] = [...over.children].map((part) => part.getBoundingClientRect());
          return (letter.top - hat.top) / letter.height; })"""
    )
    assert heights
    assert max(heights) < 0.9
