"""What stands between the page's lab and its training: damaged files, and servers that forbid."""

import shutil
from pathlib import Path

import pytest
from lab_pages import PATIENCE, SHORT, press, serving, status, train, wait_for

from bnbook.lab import bands, element
from bnbook.lab.images import FILES

pytestmark = pytest.mark.browser

DIGITS = FILES["digits"].address
PAGE = f"chapters/learning-rate.html{SHORT}"


@pytest.fixture
def tab(browser):
    """A tab that may complain."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


@pytest.fixture
def copy(lab_site, tmp_path):
    """A site of the test's own, whose digits it may damage."""
    return Path(shutil.copytree(lab_site, tmp_path / "site"))


def failed(tab):
    press(tab, "Train here")
    wait_for(tab, "failed")
    assert status(tab).endswith(" The recorded runs below need no training.")
    return status(tab)


def flipped(text, place):
    return text[:place] + ("B" if text[place] == "A" else "A") + text[place + 1 :]


@pytest.mark.parametrize("where", [4, 25, 60, 300_000, -5, None])
def test_damaged_digits_are_named_and_a_second_try_takes_mended_ones(tab, copy, where):
    """In the name, the head of the archive, its first and middle bytes, its end; or cut short."""
    file = copy / DIGITS
    whole = file.read_text()
    file.write_text(whole[:100_000] if where is None else flipped(whole, where % len(whole)))
    tab.goto((copy / "chapters/learning-rate.html").as_uri() + SHORT)
    assert f"{DIGITS}, is damaged" in failed(tab)
    if where is None:
        file.write_text(whole)
        press(tab, "Try again")
        wait_for(tab, "done")


@pytest.mark.parametrize("where", [12_000, -400, None])
def test_a_damaged_engine_is_named(tab, copy, where):
    """In the bytes of the engine, in the worker that runs it; or cut short."""
    file = copy / element.ENGINE
    whole = file.read_text(encoding="utf-8")
    text = whole[: len(whole) // 2] if where is None else flipped(whole, where % len(whole))
    file.write_text(text, encoding="utf-8")
    tab.goto((copy / "chapters/learning-rate.html").as_uri() + SHORT)
    assert f"{element.ENGINE}, is damaged" in failed(tab)


def test_damaged_bands_are_named_and_the_lab_trains_without(tab, copy):
    file = copy / bands.ADDRESS
    file.write_text(file.read_text().replace("[[", "[[1", 1))
    tab.goto((copy / "chapters/learning-rate.html").as_uri())
    tab.wait_for_function("document.querySelector('.status').textContent.includes('damaged')")
    assert status(tab).startswith("Nothing is shaded: the file with the recorded runs, ")
    tab.goto("about:blank")
    tab.goto((copy / "chapters/learning-rate.html").as_uri() + SHORT)
    train(tab)


def test_missing_digits_are_named(tab, copy):
    (copy / DIGITS).unlink()
    tab.goto((copy / "chapters/learning-rate.html").as_uri() + SHORT)
    assert f"{DIGITS} did not load" in failed(tab)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("worker-src 'self'", "the server of this page may forbid it"),
        ("script-src 'self' blob: 'unsafe-inline'", "content security policy"),
    ],
    ids=["no worker", "no engine"],
)
def test_what_a_server_forbids_is_said(tab, lab_site, rule, reason):
    with serving(lab_site, Content_Security_Policy=rule) as address:
        tab.goto(f"{address}/{PAGE}")
        assert reason in failed(tab).lower()


def test_a_server_that_allows_workers_from_blobs_may_forbid_much_else(tab, lab_site):
    rule = "default-src 'self'; style-src 'unsafe-inline'; worker-src blob:; "
    rule += "script-src 'self' blob: 'unsafe-inline' 'wasm-unsafe-eval'"
    with serving(lab_site, Content_Security_Policy=rule) as address:
        tab.goto(f"{address}/{PAGE}")
        train(tab)
