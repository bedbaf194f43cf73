"""The page's lab in a real browser: it trains, and lands where PyTorch lands."""

import dataclasses
import re

import pytest
import torch
from lab_pages import (
    PATIENCE,
    SHORT,
    bands,
    curves,
    opened,
    press,
    prints,
    rested,
    serving,
    slide,
    status,
    step,
    story,
    train,
    wait_for,
    wait_for_no_worker,
    wait_for_step,
)

from bnbook import data, norms, streams, training
from bnbook.lab.images import FILES
from bnbook.lab.settings import net_code
from bnbook.run import Run

pytestmark = pytest.mark.browser
DIGITS = FILES["digits"].address
BATCH = ("batch",) * 4


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


def test_nothing_is_fetched_before_the_reader_asks(page, lab_site):
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    opened(page, lab_site)
    slide(page, "Learning rate", "ArrowRight")
    assert not [url for url in requests if DIGITS in url]
    press(page, "Train here")
    wait_for(page, "training")
    assert len([url for url in requests if DIGITS in url]) == 1


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
    assert lab.locator(".bn-lab > .announcer").inner_text() == f"{words}it has no norm."
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
    for taken in range(1, 10_000):
        if (taken - 1) % (len(labels) // run.batch_size) == 0:
            batches = iter(torch.randperm(len(labels), generator=order).split(run.batch_size))
        batch = next(batches)
        net.train()
        loss = torch.nn.functional.cross_entropy(net(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if taken % every == 0:
            correct, _ = training.count_correct(norms.reestimate(net, images), *validation)
            if correct >= goal:
                return taken
    return None


def test_batch_norm_reaches_95_percent_at_the_step_at_which_pytorch_does(lab):
    slide(lab, "Batch size", "ArrowRight")
    lab.get_by_text("More settings").click()
    lab.get_by_role("combobox", name="Evaluate", exact=True).select_option("every 5 steps")
    train(lab)
    run = Run(dataset="digits", train_size=4000, norms=BATCH, lr=1.0, batch_size=256)
    expected = reference(run, every=5, goal=950)
    normed, plain = story(lab)
    assert f"Reached 95% after {expected} steps" in normed
    assert "Still at chance after 150 steps: a plateau" in plain


def test_a_served_page_trains_as_one_from_disk_does(page, lab_site):
    with serving(lab_site) as address:
        page.goto(f"{address}/chapters/learning-rate.html{SHORT}")
        train(page)
    over_http = prints(page)
    train(opened(page, lab_site, link=SHORT))
    assert prints(page) == over_http


def test_training_draws_curves_layers_and_progress(page, lab_site):
    lab = opened(page, lab_site, link=SHORT)
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
    assert rows.count() == 9
    assert rows.last.locator("th, td").all_inner_texts()[:2] == ["5", "35"]
    lab.get_by_text("The layers as a table").click()
    lab.locator(".layers tbody tr").first.wait_for()
    assert lab.locator(".layers tbody tr").count() == 10


@pytest.mark.parametrize(
    ("preset", "shown"),
    [("bias-removal", "B: no bias"), ("affine", "fixed"), ("time-to-accuracy", "A : B")],
)
def test_a_chapter_shows_what_it_is_about(page, lab_site, preset, shown):
    opened(page, lab_site, preset)
    slide(page, "Batch size", "End")
    page.get_by_role("combobox", name="Epochs", exact=True).select_option("5")
    train(page)
    assert shown in page.locator(".watch").inner_text()


@pytest.mark.parametrize("subsets", [("norm", "norm+head"), ("head", "all")], ids="-".join)
def test_what_is_frozen_on_the_page_is_frozen_in_pytorch(page, lab_site, subsets):
    """And it takes a Run's words for it: the last losses are those of PyTorch."""
    runs = [
        Run(dataset="digits", norms=BATCH, lr=0.5, batch_size=512, train_size=4000, epochs=5,
            trainable=subset)
        for subset in subsets
    ]  # fmt: skip
    nets = "&".join(f"{letter}={net_code(run)}" for letter, run in zip("ab", runs, strict=True))
    link = f"#lab=only-norm&lr=0.5&batch=512&seed=0&epochs=5&every=epoch&{nets}"
    train(opened(page, lab_site, "only-norm", link))
    found = [float(loss) for loss in re.findall(r"last loss ([\d.]+)", prints(page))]
    expected = [losses_of(run)[-1] for run in runs]
    assert found == pytest.approx(expected, rel=1e-3)
    assert expected[1] != pytest.approx(expected[0], rel=0.1)  # so much do the subsets differ


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
    paused = rested(lab)
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


def test_two_runs_lie_over_each_other_with_a_legend(page, lab_site):
    lab = opened(page, lab_site, link=SHORT)
    train(lab)
    press(lab, "Keep this run")
    first = curves(lab)["A"]
    lab.get_by_label("Seed", exact=True).fill("1")
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


def test_a_link_gives_the_same_curve_to_the_last_bit(browser, page, lab_site):
    opened(page, lab_site, link=SHORT)
    press(page, "Train here")
    wait_for_step(page, 8)
    press(page, "Pause")
    slide(page, "Learning rate", *["ArrowRight"] * 6)
    page.wait_for_selector(".accuracy text.mark")
    press(page, "Resume")
    wait_for(page, "done")
    link = page.locator("a.link").get_attribute("href")
    assert link.endswith(":4")
    afresh = browser.new_context()
    afresh.set_default_timeout(PATIENCE)
    try:
        copy = opened(afresh.new_page(), lab_site, link=link)
        assert "the learning rate changes to 4 at step" in copy.locator(".scheduled").inner_text()
        train(copy)
        assert prints(copy) == prints(page)
        assert curves(copy, "loss").keys() == {"A", "B"}
        assert copy.locator("a.link").get_attribute("href") == link
    finally:
        afresh.close()


def test_a_damaged_link_is_refused_in_words(page, lab_site):
    lab = opened(page, lab_site, link=SHORT.replace("batch=512", "batch=500"))
    assert "The link to this lab is damaged (batch)" in status(lab)
    assert lab.get_by_role("slider", name="Batch size").get_attribute("aria-valuetext") == "128"


def test_a_loss_that_is_no_number_ends_the_net_and_is_named(page, lab_site):
    link = SHORT.replace("lr=1&", "lr=10&").replace("nnnn-gb-cl-s", "vvvv-gb-cl-r")
    lab = opened(page, lab_site, link=link)
    train(lab)
    assert story(lab)[1].startswith("The loss became non-finite at step ")
    assert not story(lab)[0].startswith("The loss")
    assert lab.locator(".accuracy g[data-curve=B] path").count() == 3  # line, markers, a cross
