"""Fixtures that more than one test module needs."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import engine_jobs
import filelock
import lab_pages
import pytest
import small_data
import tiny_sweep
import torch
from drivers import Firefox, WebKit

from bnbook import data, origin, store, training
from bnbook.data import catalog
from bnbook.lab import images, training_lab

ROOT = Path(__file__).parents[1]
SITE = ROOT / "_site"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # The network is cut here: to stop every request on its way takes a page twice as long.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
NO_BROWSER = "NO BROWSER: the browser tests did not run; install one (Debian: apt install chromium)"
NO_CLOTHES = (
    "NO FASHION-MNIST: its files were not read; install them (Debian: apt install "
    "dataset-fashion-mnist)"
)
NO_NODE = "NO NODE: the page's engine was not tested; install Node (Debian: apt install nodejs)"
NO_NPM = (
    "NO NPM: the labs' front end was neither checked nor bundled again; install Node and npm "
    "(Debian: apt install npm), and let it fetch its tools once"
)
NO_FIREFOX = (
    "NO FIREFOX: the site was not tried there; install it (Debian: apt install firefox-esr)"
)
NO_WEBKIT = (
    "NO WEBKIT: the site was not tried there; install it, and a display that needs no screen "
    "(Debian: apt install webkit2gtk-driver xvfb)"
)
NO_POPPLER = "NO PDFTOTEXT: paper was not read; install it (Debian: apt install poppler-utils)"
NO_SITE = "NO SITE: nothing is rendered in _site/, so that its tests did not run; run: make book"
MISSING = (NO_BROWSER, NO_NODE, NO_NPM, NO_CLOTHES, NO_FIREFOX, NO_WEBKIT, NO_POPPLER, NO_SITE)


@pytest.fixture(autouse=True)
def one_chance():
    """Let every test draw the same numbers each time."""
    torch.manual_seed(0)


@pytest.hookimpl(tryfirst=True)  # before `-m site` chooses
def pytest_collection_modifyitems(items):
    for item in items:
        if "built" in item.fixturenames:
            item.add_marker(pytest.mark.site)


def pytest_terminal_summary(terminalreporter):
    skipped = terminalreporter.stats.get("skipped", [])
    for reason in MISSING:
        if any(reason in str(report.longrepr) for report in skipped):
            terminalreporter.write_line(reason, red=True, bold=True)


def _program(names, missing):
    """Find the first of the programs `names`; without any, skip, or fail where CI is set."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        _go_without(missing)
    return found


def _go_without(missing):
    if os.environ.get("CI") == "true":
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Give the test a data folder of its own, with the real MNIST and no records."""
    (tmp_path / "MNIST").symlink_to(data.bundled_folder() / "MNIST")
    monkeypatch.setenv("BNBOOK_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def record():
    """One real record."""
    return store.record(training.train(tiny_sweep.ARMS["with BN"]), origin.environment())


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Give the test an empty cache of its own."""
    monkeypatch.setenv("BNBOOK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def offline(monkeypatch):
    """Make every attempt to reach the network fail at once, as without one."""

    def refuse(*_args, **_kwargs):
        raise OSError("network is unreachable")

    monkeypatch.setattr("socket.getaddrinfo", refuse)


@pytest.fixture(scope="session")
def clothes():
    """Return the folder where Debian's package puts Fashion-MNIST."""
    if not catalog.FASHION_MNIST_SYSTEM.is_dir():
        _go_without(NO_CLOTHES)
    return catalog.FASHION_MNIST_SYSTEM


@pytest.fixture(scope="module")
def one_thread():
    """As sweeps train. Beside other test workers, more threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def few_digits(one_thread):
    """Real digits, but fewer to validate and test on."""
    few = small_data.shortened(data.splits("digits"), 500)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "splits", lambda _name: few)
        yield


@pytest.fixture(scope="session")
def node():
    """Return the path of Node, which runs the page's engine outside a browser."""
    return _program(("node", "nodejs"), NO_NODE)


@pytest.fixture(scope="session")
def ask(node, tmp_path_factory):
    """Hand a job to the page's engine; return the results of the calls."""
    folder = tmp_path_factory.mktemp("engine")
    pages = {name: engine_jobs.write_images(folder / name, name) for name in images.FILES}

    def ask(*calls, runs=(), train=engine_jobs.TRAIN_SIZE, **options):
        job = {"train": train, "nets": [engine_jobs.net(run) for run in runs], "calls": calls}
        page = pages[runs[0].dataset if runs else "digits"]
        return engine_jobs.ask(node, page, [job], **options)[0]

    return ask


@pytest.fixture(scope="session")
def page_splits():
    """Return the data sets of the page, by name."""
    return {name: engine_jobs.splits(name) for name in images.FILES}


@pytest.fixture(scope="session")
def page_digits(page_splits):
    return page_splits["digits"]


@pytest.fixture(scope="session")
def npm(tmp_path_factory):
    """Return the folder of the front end, with its tools in it."""
    program, web = _program(("npm",), NO_NPM), ROOT / "bnbook/lab/web"
    with filelock.FileLock(tmp_path_factory.getbasetemp().parent / "npm.lock"):  # of all workers
        if not (web / "node_modules/.package-lock.json").is_file():
            fetched = subprocess.run([program, "ci", "--no-audit", "--no-fund"], cwd=web)
            if fetched.returncode:
                _go_without(NO_NPM)
    return web


@pytest.fixture(scope="session")
def browser():
    """Start the system's Chromium, for which there is no other machine."""
    executable = _program(BROWSERS, NO_BROWSER)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=list(QUIET))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def firefox(tmp_path_factory):
    """Start the system's Firefox."""
    executable = _program(("firefox-esr", "firefox"), NO_FIREFOX)
    with contextlib.closing(Firefox(executable, tmp_path_factory.mktemp("firefox"))) as started:
        yield started


@pytest.fixture(scope="session")
def webkit():
    """Start the system's WebKit, in the bare window that its makers test it with."""
    driver, screen = (_program((name,), NO_WEBKIT) for name in ("WebKitWebDriver", "Xvfb"))
    with contextlib.closing(WebKit(driver, screen)) as started:
        yield started


@pytest.fixture(scope="session")
def pdftotext():
    """Return the path of the program that reads what is printed."""
    return _program(("pdftotext",), NO_POPPLER)


@pytest.fixture(scope="session")
def built():
    """Return the folder of the site that `make book` has left, by whichever renderer."""
    if not (SITE / "index.html").is_file():
        _go_without(NO_SITE)
    return SITE


@pytest.fixture
def page(browser):
    """A page; errors on it fail the test, and so do requests that get no answer."""
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    context.set_default_timeout(lab_pages.PATIENCE)
    tab = context.new_page()
    problems = []
    tab.on("console", lambda message: problems.append(message.text))
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("requestfailed", lambda request: problems.append(request.url))
    yield tab
    context.close()
    assert problems == []


@pytest.fixture(scope="session")
def lab_site(tmp_path_factory):
    """The folder of a site in small, a page with a lab for every preset."""
    root = tmp_path_factory.mktemp("site")
    lab_pages.write_site(root)
    return root


@pytest.fixture
def lab(page, lab_site):
    """The first of those pages, opened from disk."""
    return lab_pages.opened(page, lab_site)


@pytest.fixture
def in_jupyter(monkeypatch):
    """Be in a kernel that renders nothing."""
    for name in ("BNBOOK_RENDER", "QUARTO_DOCUMENT_PATH", "QUARTO_EXECUTE_INFO"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(training_lab, "_bands", lambda: None)  # they take a while


@pytest.fixture
def make_lab(monkeypatch):
    """Make short labs that keep in `said` what they send, and stop them after the test."""
    made = []

    def build(preset="learning-rate", **options):
        small = {"train_size": 512, "epochs": 1, "device": "cpu", **options}
        lab = training_lab.TrainingLab(lab_pages.PRESETS.get(preset, preset), **small)
        lab.said = []
        monkeypatch.setattr(lab, "send", lambda content, buffers=None: lab.said.append(content))
        lab.batch_size = 64
        made.append(lab)
        return lab

    yield build
    for lab in made:
        lab.stop()
