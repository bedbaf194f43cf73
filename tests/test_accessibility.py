"""Every page as axe-core, keyboards and screen readers find it."""

import pytest
from site_pages import OPEN_ALL, Visit, faults

from bnbook.site import accessible
from bnbook.site.pages import edit, tags


def mended(page):
    return edit(page, accessible.edits(page, tags(page)))


def test_the_navigations_of_a_page_have_names_of_their_own():
    page = mended(
        '<body><nav id="quarto-sidebar" class="sidebar"></nav><nav class="page-navigation"></nav>'
        '<nav class="toc" aria-label="Contents"></nav></body>'
    )
    assert [tag.attrs["aria-label"] for tag in tags(page) if tag.name == "nav"] == [
        "Chapters",
        "Previous and next page",
        "Contents",
    ]


def test_what_folds_a_list_is_a_button_that_the_keyboard_reaches():
    page = mended('<body><a class="x" data-bs-target="#part" role="navigation">Part</a></body>')
    assert tags(page)[1].attrs == {
        "class": "x",
        "data-bs-target": "#part",
        "href": "#part",
        "role": "button",
    }


@pytest.mark.parametrize(
    ("attributes", "more"),
    [
        ({"href": "part.html"}, {}),
        ({"data-bs-target": ".sidebar", "aria-expanded": "false"}, {"aria-hidden": "true"}),
    ],
)
def test_what_folds_nothing_of_its_own_is_no_button(attributes, more):
    written = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    page = mended(f'<body><a {written} role="navigation">Part</a></body>')
    assert tags(page)[1].attrs == attributes | more


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault_in_a_lab_that_trains(browser, built, scheme):
    with Visit(browser, built, "chapters/05-fixed-affine.html", 390, scheme) as visit:
        visit.page.get_by_role("button", name="Train here").click()
        visit.page.get_by_role("button", name="Pause").click()
        visit.page.get_by_role("button", name="Keep this run").click()
        visit.page.wait_for_selector(".strips:not([hidden])")
        visit.page.evaluate(OPEN_ALL)
        for fold in ("current", "layers"):
            visit.page.wait_for_selector(f".{fold} tbody tr")
        assert faults(visit.page) == []


@pytest.mark.browser
def test_axe_would_find_a_fault(browser, built):
    with Visit(browser, built, "index.html") as visit:
        visit.page.evaluate(
            "document.querySelector('main').append(document.createElement('button'))"
        )
        assert [rule for rule, _, _ in faults(visit.page)] == ["button-name"]


@pytest.mark.browser
def test_a_box_that_is_cut_off_is_a_stop_of_the_tab_key_and_others_are_none(browser, built):
    script = """() => [...document.querySelectorAll("main pre")].map((one) =>
      [one.scrollWidth > one.clientWidth, one.tabIndex === 0])"""
    boxes = []
    for width in (1280, 390):
        with Visit(browser, built, "chapters/02-learning-rates.html", width) as visit:
            visit.page.evaluate(OPEN_ALL)
            visit.page.wait_for_timeout(200)
            boxes += visit.page.evaluate(script)
    assert {cut for cut, _ in boxes} == {True, False}
    assert all(cut == stop for cut, stop in boxes)


@pytest.mark.browser
def test_nothing_moves_for_those_who_asked_for_rest(browser, built):
    moving = """[...document.querySelectorAll("*")].filter((one) => {
      const style = getComputedStyle(one);
      return parseFloat(style.transitionDuration) > 0 || style.animationName !== "none"
        || style.scrollBehavior === "smooth"; }).length"""
    with Visit(browser, built, "chapters/02-learning-rates.html") as visit:
        assert visit.page.evaluate(moving) > 0
        visit.page.emulate_media(reduced_motion="reduce")
        assert visit.page.evaluate(moving) == 0
