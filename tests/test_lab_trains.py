"""The page's lab in a real browser: it trains, and lands where PyTorch lands."""

import dataclasses
import functools
import http.server
import itertools
import re
import shutil
import threading

import pytest
import torch
from tables import arranged, run_rows

from bnbook import data, norms, streams, training
from bnbook import lab as labs
from bnbook.lab import digits, presets
from bnbook.lab.browser import browser, net_code
from bnbook.run import Run

pytestmark = pytest.mark.browser

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Lab</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>:root {{ color-scheme: light dark }} body {{ font-family: sans-serif; margin: 1rem }}</style>
<main>{}</main></html>"""
LEARNING_RATE = presets.find("learning-rate")
BATCH = ("batch",) * 4
#: Seven steps to the epoch: the shortest run there is.
SHORT = (
    "#lab=learning-rate&lr=1&batch=512&seed=0&epochs=5&every=epoch&a=bbbb-gb-cl-s&b=nnnn-gb-cl-s"
)
PATIENCE = 180_000  # ms: a busy machine is slow, not wrong


def recorded():
    """Bands of the two nets at learning rates 0.5 and 1, and of batch norm alone at 2."""
    rows = []
    for seed, (lr, kind) in itertools.product(
        range(3), [(0.5, "batch"), (0.5, "none"), (1.0, "batch"), (1.0, "none"), (2.0, "batch")]
    ):
        run = Run(norms=(kind,) * 4, lr=lr, seed=seed, epochs=10)
        top = 0.97 - 0.01 * lr + 0.005 * seed if kind == "batch" else 0.1
        rows += run_rows(run, kind, [0.1, *(top - 0.1 / epoch for epoch in range(1, 11))])
    return arranged(rows, ["batch", "none"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A site in small: chapters beside the folder with the digits."""
    root = tmp_path_factory.mktemp("site")
    for name in ("chapters", "data"):
        (root / name).mkdir()
    shutil.copy(digits.path(), root / digits.ADDRESS)
    for preset in presets.PRESETS.values():
        text = PAGE.format(browser(preset, recorded()).html)
        (root / f"chapters/{preset.name}.html").write_text(text, encoding="utf-8")
    both = browser(LEARNING_RATE, recorded()).html + labs.recorded(recorded()).html
    (root / "chapters/both.html").write_text(PAGE.format(both), encoding="utf-8")
    return root


@pytest.fixture
def page(browser):
    """A page of a browser whose network is cut; errors on it fail the test."""
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    context.set_default_timeout(PATIENCE)
    context.route("**/*", _only_local)
    tab = context.new_page()
    problems = []
    tab.on("console", lambda message: problems.append(message.text))
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("requestfailed", lambda request: problems.append(request.url))
    yield tab
    context.close()
    assert problems == []


def _only_local(route):
    if route.request.url.startswith(("file:", "data:", "blob:", "http://127.0.0.1:")):
        route.continue_()
    else:
        route.abort()


@pytest.fixture
def lab(page, folder):
    return opened(page, folder)


def opened(page, folder, preset="learning-rate", link=""):
    page.goto((folder / f"chapters/{preset}.html").as_uri() + link)
    page.wait_for_selector("[data-ready]")
    return page


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def wait_for(page, state):
    page.wait_for_selector(f".bn-browser[data-state={state}]")


def train(page):
    press(page, "Train here")
    wait_for(page, "done")


def story(page):
    texts = page.locator(".story p span").all_inner_texts()
    return [text.replace("\N{NO-BREAK SPACE}", " ") for text in texts]


def status(page):
    return page.locator(".status").inner_text()


def step(page):
    words = status(page).split()
    return int(words[1].replace(",", "")) if words and words[0] == "Step" else 0


def wait_for_step(page, least):
    page.wait_for_function(
        "least => parseInt(document.querySelector('.status').textContent.slice(5)) >= least",
        arg=least,
    )


def wait_for_no_worker(page):
    """A worker in the midst of an evaluation takes a moment to end."""
    for _ in range(200):
        if not page.workers:
            return
        page.wait_for_timeout(100)
    pytest.fail(f"{len(page.workers)} workers are left")


def curves(page, chart="accuracy"):
    """Paths of the curves by label: A and B, and 1A, 1B … of kept runs."""
    return page.locator(f".{chart} g[data-curve]").evaluate_all(
        "nodes => Object.fromEntries(nodes.map((n) =>"
        " [n.dataset.curve, n.querySelector('path').getAttribute('d')]))"
    )


def bands(page):
    return page.locator(".accuracy g[data-band]").evaluate_all(
        "nodes => Object.fromEntries(nodes.map((n) =>"
        " [n.dataset.band, n.querySelector('path').getAttribute('d')]))"
    )


def slide(page, name, *keys):
    page.get_by_role("slider", name=name).focus()
    for key in keys:
        page.keyboard.press(key)


def prints(page):
    """What is shown to compare two machines by: last losses and the bits of all weights."""
    details = page.locator("details.current")
    if not details.get_attribute("open"):
        details.locator("summary").click()
    return page.locator(".prints").inner_text()


# Before training


def test_an_arrow_key_moves_the_slider_and_the_recorded_curve(lab):
    before = bands(lab)
    slide(lab, "Learning rate", *["ArrowRight"] * 3)
    assert lab.get_by_role("slider", name="Learning rate").get_attribute("aria-valuetext") == "2"
    assert set(before) == {"A", "B"}
    assert set(bands(lab)) == {"A"}
    assert bands(lab)["A"] != before["A"]
    assert "the other net is not recorded there" in lab.locator(".band-note").inner_text()


def test_where_nothing_is_recorded_a_button_leads_to_the_nearest_setting(lab):
    slide(lab, "Learning rate", "End")
    assert bands(lab) == {}
    assert story(lab) == ["Not recorded at this setting."] * 2
    press(lab, "Go to learning rate 1")
    assert set(bands(lab)) == {"A", "B"}
    slide(lab, "Batch size", "ArrowLeft")
    press(lab, "Go to batch size 128")
    assert set(bands(lab)) == {"A", "B"}


def test_nothing_is_fetched_before_the_reader_asks(page, folder):
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    opened(page, folder)
    slide(page, "Learning rate", "ArrowRight")
    assert not [url for url in requests if digits.ADDRESS in url]
    press(page, "Train here")
    wait_for(page, "training")
    assert len([url for url in requests if digits.ADDRESS in url]) == 1


def test_a_net_is_called_by_what_is_chosen_for_it(lab):
    net = lab.get_by_role("group", name="Net B", exact=True)
    assert "No norm" in net.inner_text()
    net.get_by_role("combobox", name="Norm", exact=True).select_option("Mean only")
    assert "Mean-only norm" in net.inner_text()
    lab.get_by_text("More settings").click()
    more = lab.get_by_role("group", name="More of net B", exact=True)
    more.get_by_role("combobox", name="Norm after fc2").select_option("Batch norm")
    more.get_by_role("combobox", name="Activation").select_option("ReLU")
    name = "Mean-only norm after conv1, conv2, fc1; batch norm after fc2, ReLU"
    assert name in net.inner_text()
    assert lab.locator(".story strong").all_inner_texts()[1] == f"B · {name}"


def test_a_net_that_could_learn_nothing_is_not_trained_and_says_why(lab):
    net = lab.get_by_role("group", name="Net B", exact=True)
    lab.get_by_text("More settings").click()
    more = lab.get_by_role("group", name="More of net B", exact=True)
    more.get_by_role("combobox", name="Trained").select_option("Gamma and beta")
    start = lab.get_by_role("button", name="Train here")
    words = "Net B would learn nothing: only gamma and beta are trained, and "
    assert "No norm, nothing trained" in net.inner_text()
    assert lab.locator(".pending").inner_text() == f"{words}it has no norm."
    assert lab.locator(".announcer").inner_text() == f"{words}it has no norm."
    assert start.is_disabled()
    net.get_by_role("combobox", name="Norm", exact=True).select_option("Mean only")
    assert "Mean-only norm, only gamma and beta trained" in net.inner_text()
    assert start.is_enabled()
    more.get_by_role("combobox", name="Gamma and beta").select_option("Both fixed")
    assert lab.locator(".pending").inner_text() == f"{words}both are fixed."
    assert start.is_disabled()
    lab.get_by_role("checkbox", name="B · ").uncheck()
    assert start.is_enabled()


def test_a_run_is_not_restarted_with_a_net_that_could_learn_nothing(lab):
    press(lab, "Train here")
    wait_for(lab, "training")
    lab.get_by_text("More settings").click()
    more = lab.get_by_role("group", name="More of net A", exact=True)
    more.get_by_role("combobox", name="Activation").select_option("ReLU")
    assert lab.get_by_role("button", name="Restart now").is_visible()
    more.get_by_role("combobox", name="Gamma and beta").select_option("Both fixed")
    more.get_by_role("combobox", name="Trained").select_option("Gamma and beta")
    assert not lab.get_by_role("button", name="Restart now").is_visible()
    assert "Net A would learn nothing" in lab.locator(".pending").inner_text()
    assert lab.get_by_role("button", name="Pause").is_enabled()


def test_the_second_net_can_be_left_out(lab):
    lab.get_by_role("checkbox", name="B · No norm").uncheck()
    assert set(bands(lab)) == {"A"}
    assert len(story(lab)) == 1
    assert "&b=" not in lab.get_by_role("link", name="Link to this run").get_attribute("href")


# Training


def reference(run, every, goal):
    """Train `run` in PyTorch; the first evaluated step with `goal` images right."""
    splits = data.splits("digits")
    images, labels = data.to_float(splits.train.images), splits.train.labels
    validation = data.to_float(splits.validation.images), splits.validation.labels
    net = training.build(run)
    optimizer = torch.optim.SGD(net.parameters(), lr=run.lr)
    order = streams.stream(run.seed, 0, "order")
    for step in range(1, 10_000):
        if (step - 1) % (len(labels) // run.batch_size) == 0:
            batches = iter(torch.randperm(len(labels), generator=order).split(run.batch_size))
        batch = next(batches)
        net.train()
        loss = torch.nn.functional.cross_entropy(net(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % every == 0:
            correct, _ = training.count_correct(norms.reestimate(net, images), *validation)
            if correct >= goal:
                return step
    return None


def test_batch_norm_reaches_95_percent_at_the_step_at_which_pytorch_does(lab):
    lab.get_by_text("More settings").click()
    lab.get_by_role("combobox", name="Evaluate", exact=True).select_option("every 5 steps")
    train(lab)
    run = Run(dataset="digits", train_size=4000, norms=("batch",) * 4, lr=1.0)
    expected = reference(run, every=5, goal=950)
    normed, plain = story(lab)
    assert f"Reached 95 % after {expected} steps" in normed
    assert "Still at chance after 310 steps: a plateau" in plain


@pytest.fixture
def served(folder):
    """The site's address on a server of this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_args):
            pass

    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_served_page_trains_as_one_from_disk_does(page, folder, served):
    page.goto(f"{served}/chapters/learning-rate.html{SHORT}")
    train(page)
    over_http = prints(page)
    train(opened(page, folder, link=SHORT))
    assert prints(page) == over_http


def test_training_draws_curves_layers_and_progress(page, folder):
    lab = opened(page, folder, link=SHORT)
    train(lab)
    assert status(lab).startswith("Step 35 of 35 · epoch 5.0 of 5 · ")
    assert status(lab).endswith("images per second")
    for chart in ("accuracy", "loss"):
        assert set(curves(lab, chart)) == {"A", "B"}
        assert all(path.count("L") >= 5 for path in curves(lab, chart).values())
    cells = lab.locator(".inside .slot")
    assert cells.count() == 8
    assert all("% live" in text for text in cells.all_inner_texts())
    assert ["no norm" in text for text in cells.all_inner_texts()] == [False] * 4 + [True] * 4
    lab.get_by_text("These curves as a table").click()
    rows = lab.locator(".current tbody tr")
    rows.first.wait_for()
    assert rows.count() == 6
    assert rows.last.locator("th, td").all_inner_texts()[:2] == ["5", "35"]
    lab.get_by_text("The layers as a table").click()
    lab.locator(".layers tbody tr").first.wait_for()
    assert lab.locator(".layers tbody tr").count() == 10


@pytest.mark.parametrize(
    ("preset", "shown"),
    [("bias-removal", "B: no bias"), ("affine", "fixed"), ("time-to-accuracy", "A : B")],
)
def test_a_chapter_shows_what_it_is_about(page, folder, preset, shown):
    opened(page, folder, preset)
    slide(page, "Batch size", "End")
    page.get_by_role("combobox", name="Epochs", exact=True).select_option("5")
    train(page)
    assert shown in page.locator(".watch").inner_text()


@pytest.mark.parametrize("subsets", [("norm", "norm+head"), ("head", "all")], ids="-".join)
def test_what_is_frozen_on_the_page_is_frozen_in_pytorch(page, folder, subsets):
    """And it takes a Run's words for it: the last losses are those of PyTorch."""
    runs = [
        Run(dataset="digits", norms=BATCH, lr=0.5, batch_size=512, train_size=4000, epochs=5,
            trainable=subset)
        for subset in subsets
    ]  # fmt: skip
    nets = "&".join(f"{letter}={net_code(run)}" for letter, run in zip("ab", runs, strict=True))
    link = f"#lab=only-norm&lr=0.5&batch=512&seed=0&epochs=5&every=epoch&{nets}"
    train(opened(page, folder, "only-norm", link))
    found = re.findall(r"last loss ([\d.]+)", prints(page))
    assert [float(loss) for loss in found] == pytest.approx(
        [losses_of(run)[-1] for run in runs], rel=1e-5
    )


def losses_of(run):
    """Train `run` in PyTorch; the losses of all steps."""
    full = data.splits("digits")
    losses = []
    training.train(
        run,
        dataclasses.replace(full, test=full.validation),  # ten times fewer than there are
        on_step=lambda _, loss: losses.append(loss),
    )
    return losses


def test_pause_stands_still_and_resume_goes_on(lab):
    press(lab, "Train here")
    wait_for_step(lab, 5)
    press(lab, "Pause")
    lab.wait_for_timeout(600)
    paused = step(lab)
    lab.wait_for_timeout(600)
    assert step(lab) == paused
    press(lab, "Resume")
    wait_for_step(lab, paused + 5)


def test_reset_clears_the_run_and_ends_its_worker(lab):
    press(lab, "Train here")
    wait_for_step(lab, 5)
    assert len(lab.workers) == 1
    press(lab, "Reset")
    assert (curves(lab), status(lab)) == ({}, "")
    wait_for_no_worker(lab)
    assert lab.get_by_role("progressbar").get_attribute("value") == "0"
    press(lab, "Train here")
    wait_for_step(lab, 1)


def test_two_runs_lie_over_each_other_with_a_legend(page, folder):
    lab = opened(page, folder, link=SHORT)
    train(lab)
    press(lab, "Keep this run")
    first = curves(lab)["A"]
    lab.get_by_label("Seed").fill("1")
    lab.keyboard.press("Tab")
    press(lab, "Train again")
    wait_for(lab, "done")
    found = curves(lab)
    assert set(found) == {"1A", "1B", "A", "B"}
    assert found["1A"] == first != found["A"]
    kept = lab.locator(".kept li")
    assert "learning rate 1, batch size 512, seed 0, 5 of 5 epochs" in kept.inner_text()
    press(lab, "Remove run 1")
    assert (kept.count(), set(curves(lab))) == (0, {"A", "B"})


def test_six_runs_are_kept_and_no_more(page, folder):
    lab = opened(page, folder, link=SHORT)
    train(lab)
    for _ in range(6):
        press(lab, "Keep this run")
    assert lab.locator(".kept li").count() == 6
    assert lab.get_by_role("button", name="Keep this run").is_disabled()


def test_the_learning_rate_changes_in_mid_run_and_leaves_a_mark(lab):
    press(lab, "Train here")
    wait_for_step(lab, 10)
    slide(lab, "Learning rate", *["ArrowRight"] * 3)
    lab.wait_for_selector(".accuracy text.mark")
    assert lab.locator("text.mark").all_text_contents() == ["lr 2", "lr 2"]  # one in each chart
    assert "lr=1&" in (link := lab.locator("a.link").get_attribute("href"))
    assert link.endswith(":2")


def test_other_settings_wait_for_the_next_start(lab):
    press(lab, "Train here")
    wait_for_step(lab, 1)
    slide(lab, "Batch size", "End")
    assert "of 310 " in status(lab)
    assert "apply at the next start" in lab.locator(".pending").inner_text()
    press(lab, "Restart now")
    lab.wait_for_function("document.querySelector('.status').textContent.includes('of 70 ')")


def test_a_link_gives_the_same_curve_to_the_last_bit(browser, page, folder):
    opened(page, folder, link=SHORT)
    press(page, "Train here")
    wait_for_step(page, 8)
    slide(page, "Learning rate", *["ArrowRight"] * 6)
    wait_for(page, "done")
    link = page.locator("a.link").get_attribute("href")
    assert link.endswith(":4")
    afresh = browser.new_context()
    try:
        copy = opened(afresh.new_page(), folder, link=link)
        assert "the learning rate changes to 4 at step" in copy.locator(".scheduled").inner_text()
        train(copy)
        assert prints(copy) == prints(page)
        assert curves(copy, "loss").keys() == {"A", "B"}
        assert copy.locator("a.link").get_attribute("href") == link
    finally:
        afresh.close()


def test_a_damaged_link_is_refused_in_words(page, folder):
    lab = opened(page, folder, link=SHORT.replace("batch=512", "batch=500"))
    assert "The link to this lab is damaged (batch)" in status(lab)
    assert lab.get_by_role("slider", name="Batch size").get_attribute("aria-valuetext") == "128"


def test_a_loss_that_is_no_number_ends_the_net_and_is_named(page, folder):
    link = SHORT.replace("lr=1&", "lr=10&").replace("nnnn-gb-cl-s", "vvvv-gb-cl-r")
    lab = opened(page, folder, link=link)
    train(lab)
    assert story(lab)[1].startswith("The loss became non-finite at step ")
    assert not story(lab)[0].startswith("The loss")
    assert lab.locator(".accuracy g[data-curve=B] path").count() == 3  # line, markers, a cross


# Manners


def test_twenty_labs_started_and_closed_leave_no_worker(page, folder):
    text = "".join(browser(LEARNING_RATE).html for _ in range(20))
    (folder / "chapters/twenty.html").write_text(PAGE.format(text), encoding="utf-8")
    page.goto((folder / "chapters/twenty.html").as_uri())
    page.wait_for_selector("[data-ready]")
    click = "name => document.querySelectorAll(name).forEach((button) => button.click())"
    page.evaluate(click, "button[name=train]")
    page.wait_for_function("document.querySelectorAll('[data-state=training]').length > 9")
    page.evaluate(click, ".bn-browser:nth-child(-n + 15) button[name=reset]")
    page.wait_for_function("document.querySelectorAll('[data-state=idle]').length > 0")
    assert page.workers
    page.evaluate("document.querySelector('main').remove()")
    wait_for_no_worker(page)


def test_a_run_that_is_over_needs_no_worker(page, folder):
    lab = opened(page, folder, link=SHORT)
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
    lab.wait_for_timeout(600)
    before = step(lab)
    lab.wait_for_timeout(600)
    assert step(lab) == before
    lab.evaluate(hide, False)
    wait_for_step(lab, before + 3)


def test_a_small_device_starts_with_small_batches(page, folder):
    page.add_init_script("Object.defineProperty(navigator, 'deviceMemory', { get: () => 1 })")
    lab = opened(page, folder)
    assert lab.get_by_role("slider", name="Batch size").get_attribute("aria-valuetext") == "32"
    assert "starts at 32" in status(lab)
    assert "batch=512" in opened(page, folder, "both", SHORT).locator("a.link").get_attribute(
        "href"
    )


def test_without_simd_the_lab_says_so_and_the_recorded_lab_stays(page, folder):
    page.add_init_script("WebAssembly.validate = () => false")
    lab = opened(page, folder, "both")
    assert lab.get_by_text("This browser cannot train here").is_visible()
    assert lab.locator(".bn-browser input, .bn-browser select").first.is_disabled()
    assert not lab.get_by_role("button", name="Train here").is_visible()
    slider = lab.locator(".bn-recorded").get_by_role("slider", name="Learning rate")
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "1"


def test_milestones_are_announced_and_steps_are_not(page, folder):
    lab = opened(page, folder, link=SHORT.replace("epochs=5", "epochs=10"))
    lab.evaluate(
        """() => {
          window.said = [];
          const node = document.querySelector('.announcer');
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


def test_where_the_reader_wants_no_motion_the_pictures_follow_evaluations_only(page, folder):
    page.emulate_media(reduced_motion="reduce")
    lab = opened(page, folder, link=SHORT.replace("epochs=5", "epochs=10"))
    lab.evaluate(
        """() => { window.drawn = 0; new MutationObserver(() => { window.drawn += 1; }).observe(
        document.querySelector('.loss svg'), { childList: true }); }"""
    )
    train(lab)
    assert lab.evaluate("window.drawn") <= 20


@pytest.mark.parametrize("preset", presets.PRESETS)
def test_a_phone_needs_no_sideways_scrolling(page, folder, preset):
    page.set_viewport_size({"width": 390, "height": 800})
    lab = opened(page, folder, preset)
    slide(lab, "Batch size", "End")
    lab.get_by_role("combobox", name="Epochs", exact=True).select_option("5")
    train(lab)
    press(lab, "Keep this run")
    lab.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    lab.wait_for_timeout(300)
    assert lab.evaluate("document.documentElement.scrollWidth") <= 390
    inside = """nodes => nodes.every((n) => {
      const [a, b] = [n.getBoundingClientRect(), n.closest('svg').getBoundingClientRect()];
      return a.left >= b.left - 1 && a.right <= b.right + 1; })"""
    assert lab.locator("figure svg text").evaluate_all(inside)
    controls = "input[type=range], select, button, .name:has(input), .toggles label"
    heights = lab.locator(f".bn-browser :is({controls})").evaluate_all(
        "nodes => nodes.filter((n) => n.offsetParent).map((n) => n.getBoundingClientRect().height)"
    )
    assert min(heights) >= 24  # WCAG 2.2, target size


def test_everything_can_be_reached_by_keyboard(lab):
    wanted = lab.locator(".bn-browser :is(input, select, button, summary, a)").evaluate_all(
        """nodes => nodes.filter((n) => !n.disabled && n.offsetParent && n.checkVisibility())
        .map((n) => n.name || n.textContent)"""
    )
    reached = []
    for _ in range(len(wanted) + 5):
        lab.keyboard.press("Tab")
        reached.append(
            lab.evaluate("document.activeElement.name || document.activeElement.textContent")
        )
    assert [name for name in wanted if name not in reached] == []
