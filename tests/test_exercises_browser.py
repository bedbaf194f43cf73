"""Exercises as a reader answers them in a browser: wrong, nearly right and right."""

import json

import lab_pages
import pytest

from bnbook import chapters
from bnbook.chapters import contents
from bnbook.chapters.from_scratch.bugs import BUGS, hunt
from bnbook.lab import element
from bnbook.lab.exercises import Line, Numbers

pytestmark = pytest.mark.browser

EVERY = {one.id: one for chapter in chapters.CHAPTERS for one in chapter.exercises.values()}


@pytest.fixture(scope="session")
def exercise_site(tmp_path_factory):
    """A page with the exercises of all chapters, and one for each chapter, beside a map of them."""
    root = tmp_path_factory.mktemp("exercises")
    (root / "chapters").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BNBOOK_RENDER", "1")
        found = {
            chapter.file: [chapter.exercise(name) for name in chapter.exercises]
            for chapter in chapters.CHAPTERS
        }
        for file, some in found.items():
            path = root / "chapters" / file.replace(".ipynb", ".html")
            lab_pages.write_page(path, *some, root="../")
        lab_pages.write_page(root / "all.html", *(one for some in found.values() for one in some))
        eighth = chapters.find(8)
        bugs = hunt(eighth.facts, eighth.records("by-hand-strains"))
        lab_pages.write_page(root / "bugs.html", bugs)
        lab_pages.write_page(root / "index.html", contents.progress())
    links = "".join(
        f'<li><a href="chapters/{one.file.replace(".ipynb", ".html")}">{one.name}</a></li>'
        for one in chapters.CHAPTERS
    )
    index = root / "index.html"
    text = index.read_text(encoding="utf-8")
    book_map = f'<main><div class="book-map"><ul>{links}</ul></div>'
    index.write_text(text.replace("<main>", book_map), encoding="utf-8")
    return root


def opened(page, site, name="all"):
    page.goto((site / f"{name}.html").as_uri())
    page.wait_for_selector("[data-bn]:last-of-type[data-ready]")
    return page


def box(page, name):
    return page.locator(f".bn-exercise:has(#exercise-{name})")


def press(root, name):
    root.get_by_role("button", name=name, exact=True).click()


def replied(root):
    return root.locator(".reply").inner_text()


def check(root):
    press(root, "Check")
    return replied(root)


def fill(root, texts):
    for place, text in enumerate(texts):
        root.get_by_role("textbox").nth(place).fill(text)


def options(exercise):
    return exercise.options if isinstance(exercise, Line) else [*exercise.choices]


def right_one(exercise):
    return exercise.right if isinstance(exercise, Line) else exercise.expected


def answer_wrong(root, exercise):
    """Give every wrong choice, or numbers that are far off."""
    if isinstance(exercise, Numbers):
        fill(root, ["98765.4321"] * len(exercise.numbers))
        assert "Not yet." in check(root), exercise.id
        return
    for place, one in enumerate(options(exercise)):
        if one != right_one(exercise):
            root.get_by_role("radio").nth(place).check()
            assert check(root) not in ("", "Right."), (exercise.id, one)


def answer_nearly(root, exercise):
    """Give a number that it knows, or one that is ten times too large, among right ones."""
    first, *others = exercise.numbers
    near = next(iter(first.near), 10 * first.value or 7)
    fill(root, [f"{near:.12g}", *(f"{one.value:.12g}" for one in others)])
    said = check(root).splitlines()[0].removeprefix(f"{first.label}: ")
    assert said not in ("Right.", "Not yet."), exercise.id
    assert root.get_attribute("data-state") == "near" or not first.near, exercise.id


def answer_right(root, exercise):
    if isinstance(exercise, Numbers):
        fill(root, [f"{one.value:.12g}" for one in exercise.numbers])
    else:
        root.get_by_role("radio").nth(options(exercise).index(right_one(exercise))).check()
    assert check(root) == "Right.", exercise.id


def test_each_exercise_is_answered_wrong_nearly_and_right_and_remembered(page, exercise_site):
    opened(page, exercise_site)
    for name, exercise in EVERY.items():
        root = box(page, name)
        assert check(root).endswith("first."), name
        answer_wrong(root, exercise)
        assert root.get_attribute("data-solved") is None, name
        if isinstance(exercise, Numbers):
            answer_nearly(root, exercise)
        answer_right(root, exercise)
        assert root.get_attribute("data-solved") is not None, name
        assert root.locator(".answer").is_visible(), name
    page.reload()
    page.wait_for_selector("[data-bn]:last-of-type[data-ready]")
    assert page.locator(".bn-exercise[data-solved]").count() == len(EVERY) == 43
    index = opened(page, exercise_site, "index")
    assert index.locator(".tally").inner_text().startswith("43 of 43 solved.")
    assert index.locator(".bn-count").first.inner_text() == "3 of 3 solved"


def test_what_is_solved_is_counted_saved_and_forgotten_on_demand(page, exercise_site):
    opened(page, exercise_site, "chapters/01-bias-removal")
    tally = page.locator(".tally")
    assert tally.inner_text().startswith("0 of 3 solved.")
    answer_right(box(page, "redundant"), EVERY["redundant"])
    answer_wrong(box(page, "before-layer-norm"), EVERY["before-layer-norm"])
    assert tally.inner_text().startswith("1 of 3 solved.")
    with page.expect_download() as download:
        press(tally, "Save my answers")
    saved = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert download.value.suggested_filename == "bias-removal.json"
    assert saved["exercises"]["redundant"] == {"solved": True, "answer": ["226"]}
    assert saved["exercises"]["before-layer-norm"]["solved"] is False
    press(tally, "Start over")
    assert tally.inner_text().startswith("1 of 3 solved."), "the first press only asks"
    press(tally, "Forget all answers?")
    assert tally.inner_text().startswith("0 of 3 solved.")
    assert box(page, "redundant").get_by_role("textbox").input_value() == ""
    assert box(page, "redundant").get_attribute("data-solved") is None


def test_answering_one_exercise_leaves_the_others_alone(page, exercise_site):
    opened(page, exercise_site, "chapters/01-bias-removal")
    other = box(page, "redundant")
    fill(other, ["12"])
    press(other, "Show the answer")
    answer_wrong(box(page, "before-layer-norm"), EVERY["before-layer-norm"])
    assert other.get_by_role("textbox").input_value() == "12"
    assert other.locator(".answer").is_visible()


def test_a_wrong_answer_after_the_right_one_is_not_kept(page, exercise_site):
    opened(page, exercise_site, "chapters/01-bias-removal")
    answer_right(box(page, "redundant"), EVERY["redundant"])
    fill(box(page, "redundant"), ["12"])
    assert "Right." not in check(box(page, "redundant"))
    page.reload()
    page.wait_for_selector("[data-bn]:last-of-type[data-ready]")
    assert replied(box(page, "redundant")) == "Solved."
    assert box(page, "redundant").get_by_role("textbox").input_value() == "226"


def test_hints_come_one_by_one_and_the_answer_on_request(page, exercise_site):
    opened(page, exercise_site, "chapters/01-bias-removal")
    root = box(page, "redundant")
    hints = root.locator(".hints li")
    root.get_by_role("button", name="Hint", exact=True).focus()
    page.keyboard.press("Space")
    assert hints.count() == 1
    page.keyboard.press("Space")
    assert hints.count() == 2
    assert page.evaluate("document.activeElement.textContent") == "Show the answer"
    assert root.get_by_role("button", name="hint").count() == 0
    assert "226" not in root.inner_text()
    press(root, "Show the answer")
    assert "226" in root.locator(".answer").inner_text()
    press(root, "Hide the answer")
    assert not root.locator(".answer").is_visible()
    assert root.get_attribute("data-solved") is None, "looking is not solving"


def test_a_picked_line_is_shown_in_its_place(page, exercise_site):
    opened(page, exercise_site, "chapters/08-from-scratch")
    root = box(page, "forward")
    assert root.locator("mark").inner_text() == "..."
    place = options(EVERY["forward"]).index(EVERY["forward"].right)
    root.get_by_role("radio").nth(place).check()
    assert root.locator("mark").inner_text() == EVERY["forward"].right


def test_exercises_are_answered_by_keyboard_alone(page, exercise_site):
    opened(page, exercise_site, "chapters/01-bias-removal")
    box(page, "redundant").get_by_role("textbox", name="Your answer").focus()
    page.keyboard.type("6+16+120+84")
    page.keyboard.press("Enter")
    assert replied(box(page, "redundant")) == "Right."
    box(page, "before-layer-norm").get_by_role("radio", name="True").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert replied(box(page, "before-layer-norm")) == "Right."


@pytest.mark.parametrize("name", ["all", "bugs"])
def test_nothing_scrolls_sideways_on_a_telephone_and_axe_finds_no_fault(
    browser, exercise_site, name
):
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(viewport={"width": 390, "height": 800})
    page = opened(context.new_page(), exercise_site, name)
    for root in page.locator(".bn-exercise, .bn-bug").all():
        press(root, "Show the answer")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    found = Axe().run(page, options=rules).response["violations"]
    context.close()
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []


def test_without_storage_the_page_itself_remembers(browser, exercise_site):
    context = browser.new_context()
    context.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } })"
    )
    page = opened(context.new_page(), exercise_site, "chapters/01-bias-removal")
    answer_right(box(page, "redundant"), EVERY["redundant"])
    assert page.locator(".tally").inner_text().startswith("1 of 3 solved.")
    context.close()


def test_in_jupyter_numbers_are_asked_for_and_code_is_left_to_the_cell_below(page, exercise_site):
    (exercise_site / "widget.js").write_text(element.built("widget.js"), encoding="utf-8")
    chapter = chapters.find(1)
    with lab_pages.serving(exercise_site) as address:
        page.goto(f"{address}/chapters/01-bias-removal.html")
        page.evaluate(
            """async (all) => {
              const { default: widget } = await import("/widget.js");
              document.querySelector("main").replaceChildren();
              for (const data of all) {
                const model = { get: (name) => ({ kind: "exercise", data })[name] };
                widget.render({ model, el: document.querySelector("main") });
              }
            }""",
            [chapter.exercise(name).data for name in ("folded-bias", "redundant")],
        )
        code = box(page, "folded-bias")
        assert "in the cell below" in code.inner_text()
        assert code.get_by_role("radio").count() == 0
        assert code.get_by_role("button", name="Check").count() == 0
        press(code, "Hint")
        assert page.locator(".tally").inner_text().startswith("0 of 2 solved.")
        answer_right(box(page, "redundant"), EVERY["redundant"])
        assert page.locator(".tally").inner_text().startswith("1 of 2 solved.")


# Find the bug


def test_every_bug_is_found_by_pointing_at_its_line(page, exercise_site):
    opened(page, exercise_site, "bugs")
    root = page.locator(".bn-bug")
    for bug in BUGS:
        fine = next(
            n for n, line in enumerate(bug.code.split("\n")) if line and n not in bug.places
        )
        root.get_by_role("button", name=f"Line {fine + 1}: ").click()
        assert replied(root) == f"Line {fine + 1} is right. Look again."
        press(root, "Hint")
        assert replied(root) == bug.hint
        root.get_by_role("button", name=f"Line {bug.places[0] + 1}: ").click()
        assert replied(root).startswith("Found: line ")
        after = root.locator(".answer")
        assert after.inner_text().lower().startswith(bug.name)
        assert after.locator("svg").count() == (0 if bug.test else 1)
        press(root, "Next")
    assert root.locator(".tally").inner_text().startswith("14 of 14 solved.")


def test_lines_are_walked_with_the_arrow_keys(page, exercise_site):
    opened(page, exercise_site, "bugs")
    page.locator(".listing button").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert replied(page.locator(".bn-bug")) == "Line 2 is right. Look again."


# The real site


@pytest.mark.parametrize("chapter", chapters.CHAPTERS, ids=lambda one: one.slug)
def test_the_rendered_chapter_asks_its_exercises(page, built, chapter):
    page.goto((built / "chapters" / chapter.file.replace(".ipynb", ".html")).as_uri())
    page.wait_for_selector(".bn-exercise[data-ready]")
    for name, exercise in chapter.exercises.items():
        answer_right(box(page, name), exercise)
    assert (
        page.locator(".bn-exercise .tally")
        .inner_text()
        .startswith(f"{len(chapter.exercises)} of {len(chapter.exercises)} solved.")
    )


def test_what_has_no_script_still_asks(exercise_site):
    text = (exercise_site / "chapters/01-bias-removal.html").read_text(encoding="utf-8")
    assert text.count('<div class="fallback"><h3>') == 3
