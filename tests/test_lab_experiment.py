"""The reader repeats a chapter's experiment on the page."""

import csv
import io

import lab_pages
import pytest
from lab_pages import PRESETS, wait_for_no_worker, write_page

from bnbook.lab import element, images
from bnbook.lab.presets import Recorded
from bnbook.lab.settings import fallback, settings

pytestmark = pytest.mark.browser

PRESET = PRESETS["bias-removal"]
BOOK = Recorded("supported", "In **all** pairs.", seeds=10, images=50_000, steps=3_900)
#: Both nets at the shortest runs there are, with two seeds; the same for the lab's own run.
SHORT = (
    "#experiment=bias-removal&seeds=2&nets=bbbb-gb-cl-s@0.5,bbbb-gb--s@0.5"
    "&batch=512&seed=3&epochs=5"
)
LAB = "#lab=bias-removal&lr=0.5&batch=512&seed=4&epochs=5&every=epoch&a=bbbb-gb-cl-s&b=bbbb-gb--s"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = tmp_path_factory.mktemp("experiment")
    for name in ("chapters", "data"):
        (root / name).mkdir()
    file = images.FILES["digits"]
    (root / file.address).write_bytes(file.path.read_bytes())
    (root / "data/bands.js").write_text("globalThis.bnBands = null;\n")
    trained = element.Html("lab", settings(PRESET, BOOK), fallback(PRESET))
    write_page(root / "chapters/bias-removal.html", trained, root="../")
    return root


@pytest.fixture
def lab(page, site):
    return lab_pages.opened(page, site, "bias-removal", SHORT)


def panel(page):
    return page.locator(".experiment")


def press(page, name):
    panel(page).get_by_role("button", name=name, exact=True).click()


def wait_for(page, state):
    page.wait_for_selector(f".experiment[data-state={state}]")


def opened_anew(page, site, link):
    page.goto("about:blank")  # what comes after the # alone would load no page
    return lab_pages.opened(page, site, "bias-removal", link)


def progress(page):
    return page.locator(".experiment progress").evaluate("node => node.value")


def run(page):
    press(page, "Run it here")
    wait_for(page, "done")


def saved(page):
    with page.expect_download() as download:
        press(page, "Download as CSV")
    text = download.value.path().read_text()
    assert download.value.suggested_filename == "bias-removal.csv"
    return text


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_the_experiment_ends_with_the_readers_verdict_beside_the_books(lab):
    run(lab)
    assert lab.locator(".experiment .dots path").count() == 2 * 2
    said = panel(lab).locator(".verdict").inner_text()
    assert "Your 2 seeds: supported." in said
    assert "The book's 10 seeds: supported. In all pairs." in said
    assert "4,000 images, 35 steps, and 1,000 validation images" in said
    # The same for those who do not see it, without their asking.
    assert "The experiment is over. Your 2 seeds" in panel(lab).locator(".announcer").inner_text()
    panel(lab).get_by_text("The numbers as tables").click()
    pairs, runs = panel(lab).get_by_role("table").all()
    assert "No biases − All biases" in pairs.inner_text()
    assert [row.inner_text().split()[0] for row in runs.locator("tbody tr").all()] == ["3", "4"]
    wait_for_no_worker(lab)


def test_a_link_repeats_it_to_the_last_bit_and_the_lab_trains_the_same_nets(lab, site):
    run(lab)
    first = saved(lab)
    found = rows(first)
    # Before training and after each of five epochs at least, for two nets and two seeds.
    steps = {row["step"] for row in found}
    assert steps >= {"0", "7", "14", "21", "28", "35"}
    assert len(found) == len(steps) * 2 * 2
    assert {row["code"] for row in found} == {"bbbb-gb-cl-s", "bbbb-gb--s"}
    ends = [row for row in found if row["step"] == "35"]
    assert all(int(row["correct"]) > 500 for row in ends)

    link = panel(lab).get_by_role("link", name="Link to this experiment").get_attribute("href")
    again = opened_anew(lab, site, LAB)
    lab_pages.train(again)
    prints = lab_pages.prints(again)
    assert all(row["weights"] in prints for row in ends if row["seed"] == "4")

    again = opened_anew(lab, site, link)
    run(again)
    assert saved(again) == first


def test_it_can_be_paused_and_cancelled_with_the_keyboard_alone(page, site):
    lab = lab_pages.opened(page, site, "bias-removal", LAB)
    summary = panel(lab).locator("> summary")
    summary.focus()
    lab.keyboard.press("Enter")
    assert panel(lab).evaluate("node => node.open")
    assert summary.inner_text() == "Run the experiment here: 2 nets × 5 seeds"
    lab.keyboard.press("Tab")
    assert lab.evaluate("document.activeElement.name") == "seeds"
    lab.keyboard.press("Tab")
    lab.keyboard.press("Space")
    wait_for(lab, "running")
    lab.wait_for_function("document.querySelector('.experiment progress').value > 0")
    lab.keyboard.press("Space")
    wait_for(lab, "paused")
    lab.wait_for_timeout(3000)  # the evaluation that was under way is reported
    before = progress(lab)
    lab.wait_for_timeout(2000)
    assert progress(lab) == before < 1
    lab.keyboard.press("Tab")
    lab.keyboard.press("Enter")
    wait_for(lab, "canceled")
    assert "Canceled after" in panel(lab).locator(".clock").inner_text()
    assert lab.evaluate("document.activeElement.textContent") == "Run again"
    wait_for_no_worker(lab)


def test_the_nets_above_are_another_experiment_than_the_chapters(page, site):
    lab = lab_pages.opened(page, site, "bias-removal", LAB)
    panel(lab).locator("> summary").click()
    lab.locator("select[name=biases]").first.select_option("cl")
    lab.locator("select[name=biases]").nth(1).select_option("l")
    href = panel(lab).locator(".links a").get_attribute("href")
    assert "bbbb-gb-l-s@0.5" in href
    panel(lab).get_by_label("Seeds").fill("99")
    panel(lab).get_by_label("Seeds").blur()
    assert panel(lab).locator("> summary").inner_text().endswith("2 nets × 10 seeds")
    assert panel(lab).locator(".cost").inner_text().startswith("20 runs of 5 epochs at batch size")


def test_a_damaged_link_says_so_and_runs_nothing(page, site):
    lab = lab_pages.opened(page, site, "bias-removal", SHORT.replace("batch=512", "batch=500"))
    assert "damaged (batch)" in panel(lab).locator(".clock").inner_text()


def test_images_that_do_not_load_are_reported_in_words(browser, site, tmp_path):
    """With a browser of its own: a file that is missing is an error on the page."""
    page = browser.new_page()
    page.set_default_timeout(lab_pages.PATIENCE)
    page.route("**/digits.js", lambda route: route.abort())
    page.goto((site / "chapters/bias-removal.html").as_uri() + SHORT)
    page.wait_for_selector("[data-ready]")
    press(page, "Run it here")
    page.wait_for_selector(".experiment[data-state=failed]")
    assert "digits.js did not load" in panel(page).locator(".clock").inner_text()
    page.unroute("**/digits.js")
    press(page, "Try again")
    page.wait_for_selector(".experiment[data-state=running]")
    page.close()


def test_it_fits_a_telephone(browser, site):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.set_default_timeout(lab_pages.PATIENCE)
    page.goto((site / "chapters/bias-removal.html").as_uri() + SHORT)
    page.wait_for_selector("[data-ready]")
    run(page)
    panel(page).get_by_text("The numbers as tables").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()
