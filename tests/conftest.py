"""Fixtures that more than one test module needs."""

import os
import shutil
from pathlib import Path

import pytest

from bnbook import data

ROOT = Path(__file__).parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
NO_BROWSER = "NO BROWSER: the browser tests did not run; install one (Debian: apt install chromium)"
NO_NODE = "NO NODE: the page's engine was not tested; install Node (Debian: apt install nodejs)"


def pytest_terminal_summary(terminalreporter):
    skipped = terminalreporter.stats.get("skipped", [])
    for reason in (NO_BROWSER, NO_NODE):
        if any(reason in str(report.longrepr) for report in skipped):
            terminalreporter.write_line(reason, red=True, bold=True)


def _program(names, missing):
    """Find the first of the programs `names`; without any, skip, or fail where CI is set."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Give the test a data folder of its own, with the real MNIST and no records."""
    (tmp_path / "MNIST").symlink_to(data.bundled_folder() / "MNIST")
    monkeypatch.setenv("BNBOOK_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def node():
    """Return the path of Node, which runs the page's engine outside a browser."""
    return _program(("node", "nodejs"), NO_NODE)


@pytest.fixture(scope="session")
def browser():
    """Start the system's Chromium."""
    executable = _program(BROWSERS, NO_BROWSER)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=list(QUIET))
        yield chromium
        chromium.close()
