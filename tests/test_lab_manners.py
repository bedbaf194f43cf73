"""The page's lab as a guest in the browser: workers, keyboard, small screens and devices."""

import re

import pytest
from lab_pages import (
    PATIENCE,
    PRESETS,
    SHORT,
    opened,
    press,
    rested,
    slide,
    status,
    step,
    train,
    training_lab,
    wait_for,
    wait_for_no_worker,
    wait_for_step,
    write_page,
)

pytestmark = pytest.mark.browser


def test_twenty_labs_started_and_closed_leave_no_worker(page, lab_site):
    write_page(lab_site / "chapters/twenty.html", *[training_lab()] * 20, root="../")
    page.goto((lab_site / "chapters/twenty.html").as_uri())
    page.wait_for_selector("[data-ready]")
    click = "name => document.querySelectorAll(name).forEach((button) => button.click())"
    page.evaluate(click, "button[name=train]")
    page.wait_for_function("document.querySelectorAll('[data-state=training]').length > 9")
    assert page.workers
    page.evaluate(click, "button[name=reset]")
    wait_for_no_worker(page)


def test_a_run_that_is_over_needs_no_worker(page, lab_site):
    lab = opened(page, lab_site, link=SHORT)
    train(lab)
    wait_for_no_worker(lab)


def test_a_hidden_tab_pauses(lab):
    hide = """hidden => {
      Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }"""
    press(lab, "Train here")
    wait_for_step(lab, 3)
    lab.evaluate(hide, True)
    wait_for(lab, "hidden")
    before = rested(lab)
    lab.wait_for_timeout(600)
    assert step(lab) == before
    lab.evaluate(hide, False)
    wait_for_step(lab, before + 3)


def test_a_small_device_starts_with_small_batches(page, lab_site):
    page.add_init_script("Object.defineProperty(navigator, 'deviceMemory', { get: () => 1 })")
    lab = opened(page, lab_site)
    assert lab.get_by_role("slider", name="Batch size").get_attribute("aria-valuetext") == "32"
    assert "starts at 32" in status(lab)
    linked = opened(page, lab_site, "both", SHORT)
    assert "batch=512" in linked.locator("a.link").get_attribute("href")


def test_without_simd_the_lab_says_so_and_the_recorded_lab_stays(page, lab_site):
    page.add_init_script("WebAssembly.validate = () => false")
    lab = opened(page, lab_site, "both")
    assert lab.get_by_text("This browser cannot train here").is_visible()
    assert lab.locator(".bn-lab input, .bn-lab select").first.is_disabled()
    assert not lab.get_by_role("button", name="Train here").is_visible()
    slider = lab.locator(".bn-recorded").get_by_role("slider", name="Learning rate")
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "1"


def test_milestones_are_announced_and_steps_are_not(page, lab_site):
    lab = opened(page, lab_site, link=SHORT.replace("epochs=5", "epochs=10"))
    lab.evaluate(
        """() => {
          window.said = [];
          const node = document.querySelector('.bn-lab > .announcer');
          const note = () => window.said.push(node.textContent);
          new MutationObserver(note).observe(node, { childList: true });
        }"""
    )
    train(lab)
    said = lab.evaluate("window.said")
    assert said[0] == "Training starts."
    assert any("B, No norm: Still at chance" in text for text in said)
    assert said[-1].startswith("Training is over. A, Batch norm: ")
    assert len(said) <= 8  # of 70 steps and 22 evaluations


def test_where_the_reader_wants_no_motion_the_pictures_follow_evaluations_only(page, lab_site):
    page.emulate_media(reduced_motion="reduce")
    lab = opened(page, lab_site, link=SHORT.replace("epochs=5", "epochs=10"))
    lab.evaluate(
        """() => { window.drawn = 0; new MutationObserver(() => { window.drawn += 1; }).observe(
        document.querySelector('.loss svg'), { childList: true }); }"""
    )
    train(lab)
    assert lab.evaluate("window.drawn") <= 20


@pytest.mark.parametrize("preset", PRESETS)
def test_a_phone_needs_no_sideways_scrolling(page, lab_site, preset):
    page.set_viewport_size({"width": 390, "height": 800})
    lab = opened(page, lab_site, preset)
    slide(lab, "Batch size", "End")
    lab.get_by_role("combobox", name="Epochs", exact=True).select_option("5")
    train(lab)
    press(lab, "Keep this run")
    lab.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    for fold in ("current", "layers"):
        lab.wait_for_selector(f".{fold} tbody tr")
    assert lab.evaluate("document.documentElement.scrollWidth") <= 390
    inside = """nodes => nodes.every((n) => {
      const [a, b] = [n.getBoundingClientRect(), n.closest('svg').getBoundingClientRect()];
      return a.left >= b.left - 1 && a.right <= b.right + 1; })"""
    assert lab.locator("figure svg text").evaluate_all(inside)
    controls = "input[type=range], select, button, .name:has(input), .toggles label"
    heights = lab.locator(f".bn-lab :is({controls})").evaluate_all(
        "nodes => nodes.filter((n) => n.offsetParent).map((n) => n.getBoundingClientRect().height)"
    )
    assert min(heights) >= 24  # WCAG 2.2, target size


@pytest.mark.parametrize("width", [320, 420, 560, 640, 900])
def test_settings_stand_beside_their_names_however_wide_the_lab_is(lab, width):
    lab.locator(".more > summary").click()
    lab.evaluate("width => { document.querySelector('.bn-lab').style.width = `${width}px` }", width)
    crowded = lab.evaluate(
        """() => [...document.querySelectorAll(".net .field")].filter((field) => {
          const [name, choice] = [...field.children].map((box) => box.getBoundingClientRect());
          const net = field.closest(".net").getBoundingClientRect();
          return name.right > choice.left || choice.right > net.right;
        }).map((field) => field.textContent)"""
    )
    assert crowded == []


FOCUSED = "document.activeElement.name || document.activeElement.textContent"
PLACE = "[scrollX, scrollY]"


def test_the_focus_stays_through_a_training_and_space_pauses(page, lab_site):
    held = []
    # Before the page is there: afterwards, nothing that comes from disk is stopped any more.
    page.route("**/digits.js", lambda route: held.append(route))
    lab = opened(page, lab_site, link=SHORT.replace("epochs=5", "epochs=10"))
    lab.get_by_role("button", name="Train here").focus()
    place = lab.evaluate(PLACE)
    lab.keyboard.press("Space")
    lab.keyboard.press("Space")  # too early to mean anything; it must not scroll the page
    for _ in range(PATIENCE // 50):
        if held:
            break
        lab.wait_for_timeout(50)
    held[0].continue_()
    for state in ("training", "paused", "training"):
        wait_for(lab, state)
        assert (lab.evaluate(FOCUSED), lab.evaluate(PLACE)) == ("train", place)
        lab.keyboard.press("Space")
    wait_for(lab, "paused")
    lab.keyboard.press("Space")
    wait_for(lab, "done")
    assert (lab.evaluate(FOCUSED), lab.evaluate(PLACE)) == ("train", place)


@pytest.mark.parametrize("name", ["Reset", "Keep this run"])
def test_the_focus_stays_on_a_button_that_has_nothing_left_to_do(page, lab_site, name):
    lab = opened(page, lab_site, link=SHORT)
    train(lab)
    button = lab.get_by_role("button", name=name)
    button.focus()
    before = lab.evaluate(FOCUSED)
    for _ in range(7):  # six runs are kept
        lab.keyboard.press("Space")
    assert button.is_disabled()
    lab.wait_for_timeout(200)
    assert lab.evaluate(FOCUSED) == before
    assert lab.locator(".kept li").count() == (6 if name == "Keep this run" else 0)


def test_where_a_button_goes_another_takes_the_focus(page, lab_site):
    lab = opened(page, lab_site, link=SHORT)
    slide(lab, "Learning rate", "End")
    lab.get_by_role("button", name="Go to learning rate 1").focus()
    lab.keyboard.press("Space")
    lab.wait_for_timeout(200)
    assert lab.evaluate(FOCUSED) == "train"
    train(lab)
    press(lab, "Keep this run")
    lab.get_by_role("button", name="Remove run 1").focus()
    lab.keyboard.press("Space")
    lab.wait_for_timeout(200)
    assert lab.evaluate(FOCUSED) == "keep"


def test_what_was_recorded_for_longer_ends_at_the_axis(page, lab_site):
    lab = opened(page, lab_site)
    lab.get_by_role("combobox", name="Epochs", exact=True).select_option("5")
    for chart in ("accuracy", "loss"):
        axis = lab.locator(f".{chart} line.axis").get_attribute("x2")
        paths = lab.locator(f".{chart} g[data-band] path").evaluate_all(
            "nodes => nodes.map((n) => n.getAttribute('d')).filter(Boolean)"
        )
        assert paths
        for path in paths:
            across = [float(x) for x in re.findall(r"[ML]([\d.]+) ", path)]
            assert max(across) == float(axis)
            assert across.count(float(axis)) <= 2  # a band has an upper and a lower edge


def test_everything_can_be_reached_by_keyboard(lab):
    lab.evaluate("document.addEventListener('focusin', (e) => { e.target.dataset.seen = true; })")
    wanted = lab.locator(".bn-lab :is(input, select, button, summary, a)")
    for _ in range(wanted.count() + 5):
        lab.keyboard.press("Tab")
    missed = wanted.evaluate_all(
        """nodes => nodes.filter((n) => !n.disabled && n.offsetParent && n.checkVisibility())
        .filter((n) => !n.dataset.seen).map((n) => n.name || n.textContent)"""
    )
    assert missed == []
