"""The notebooks in JupyterLab and in Jupyter Notebook, driven in a real browser."""

import ast
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import numpy as np
import pytest
from conftest import ROOT
from playwright.sync_api import expect

from bnbook import training
from bnbook.run import Run

pytestmark = pytest.mark.browser

TOKEN = "a-token-for-this-test"
CHAPTER = "01-bias-removal.ipynb"
#: One epoch of the digits with a calm rate: both trainers count the same images.
LAB = """from bnbook import lab
one = lab.TrainingLab(epochs=1, device="cpu")
one.batch_size = 64
one"""
COUNTS = """\
keys = ("step", "net", "val_correct", "val_correct_running")
print("counts", [tuple(row[key] for key in keys) for row in one.history])
print("traits", one.lr, one.batch_size, one.trainer, one.running)
print("runs", [run.changes() for run in one.runs()])"""
#: Further calm settings, of the norms that the page's engine knows; each run of the cell takes one.
CALM = """\
calm = globals().get("calm") or iter(
    [(0.5, ["batch", "mean"]), (0.1, ["batch", "variance"]), (0.05, ["none", "batch"])]
)
one.lr, norms = next(calm)
one.norms = [[name] * 4 for name in norms]"""
#: Where each of them opens a notebook.
HOSTS = {"lab": "/lab/workspaces/{0}/tree/{0}.ipynb?reset&", "notebook": "/notebooks/{0}.ipynb?"}
#: An image is on the edge where two logits are as near to each other as that.
EDGE = 1e-3
PATIENCE = 120_000  # milliseconds: a busy machine is slow, not wrong


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory):
    """Serve a folder with chapter 1 and a notebook with a lab; yield the folder and the address."""
    home = tmp_path_factory.mktemp("jupyter")
    folder = home / "notebooks"
    folder.mkdir()
    shutil.copy(ROOT / "chapters" / CHAPTER, folder)
    metadata = nbformat.read(folder / CHAPTER, as_version=4).metadata  # which kernel to start
    cells = [nbformat.v4.new_code_cell(source) for source in (LAB, COUNTS, CALM)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    for host in HOSTS:
        nbformat.write(notebook, folder / f"in-{host}.ipynb")
    port = free_port()
    settings = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": folder,
        "ServerApp.allow_root": True,
        "ServerApp.open_browser": False,
        "IdentityProvider.token": TOKEN,
        "LabApp.news_url": None,
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    }
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    environment = os.environ | {name: str(home / name) for name in names}
    environment |= {"PYTHONPATH": str(ROOT), "HOME": str(home)}
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *(f"--{k}={v}" for k, v in settings.items())],
        env={k: v for k, v in environment.items() if not k.startswith("BNBOOK_RENDER")},
        stdout=(home / "log").open("w"),
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            assert server.poll() is None, (home / "log").read_text()
            try:
                urllib.request.urlopen(f"{address}/api?token={TOKEN}").close()
                break
            except OSError:
                time.sleep(0.2)
        yield folder, address
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture
def visit(browser, jupyter):
    """Open notebooks, in JupyterLab each in a workspace of its own."""
    _, address = jupyter
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)

    def opened(name, host="lab"):
        page = context.new_page()
        page.goto(f"{address}{HOSTS[host].format(name)}token={TOKEN}")
        page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        return page

    yield opened
    context.close()


def run_cell(page, number):
    """Run a cell to its end; as long as its kernel does not answer, it is not run at all."""
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(number)
    prompt = cell.locator(".jp-InputPrompt")
    before = prompt.inner_text()
    cell.locator(".cm-content").click()
    while prompt.inner_text() in (before, "[ ]:"):
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(1_000)
    while prompt.inner_text() == "[*]:":
        page.wait_for_timeout(100)
    return cell


def press(page, control, key):
    """Press a key on a control; a cell that was just run may take the focus back once."""
    for _ in range(2):
        control.focus()
        page.wait_for_timeout(500)
    assert control.evaluate("one => one === document.activeElement")
    page.keyboard.press(key)


def told(page):
    """What the second cell prints: the counts of the last training, and some traits."""
    text = run_cell(page, 1).locator(".jp-OutputArea-output").inner_text()
    return text.strip().splitlines()


def test_a_chapter_opens_with_its_plumbing_collapsed(visit, jupyter):
    page = visit(CHAPTER.removesuffix(".ipynb"))
    cells = nbformat.read(jupyter[0] / CHAPTER, as_version=4).cells[:4]
    shown = page.locator(".jp-Notebook .jp-Cell")
    shown.nth(3).locator(".jp-InputArea").wait_for()
    for number, cell in enumerate(cells):
        placeholder = shown.nth(number).locator(".jp-Placeholder")
        # JupyterLab collapses one cell after the other.
        expect(placeholder, cell.id).to_have_count(
            int("jupyter" in cell.metadata), timeout=PATIENCE
        )
    assert [("jupyter" in cell.metadata) for cell in cells] == [False, True, True, False]


def edges(runs, counts):
    """Count the images that rounding, which processors do differently, may decide: as `counts`."""
    found = []
    for number, run in enumerate(map(Run.from_changes, runs)):
        for state in training.follow(run, [step for step, net, *_ in counts if net == number]):
            images, _ = state.validation
            nets = training.reestimated(state.net, state).eval(), state.net.eval()
            gaps = [net(images).detach().topk(2).values.diff().abs() for net in nets]
            found.append((state.step, number, *(int((gap < EDGE).sum()) for gap in gaps)))
    return np.array(sorted(found))


def in_both(page, lab, lr):
    """Train with the kernel and in the browser: both count the same at the same steps.

    All but images on the edge, which a net that still guesses has.
    """
    found = []
    for trainer in ("cpu", "browser"):
        lab.get_by_label("Train in").select_option(trainer)
        page.get_by_role("button", name="Train", exact=False).first.click()
        page.locator(".bn-lab[data-state=loading], .bn-lab[data-state=training]").wait_for()
        page.locator(".bn-lab[data-state=done]").wait_for()
        wanted = f"traits {lr} 64 {trainer} False"
        for _ in range(5):  # the kernel hears of the end after the page has shown it
            counts, traits, runs = told(page)
            if traits == wanted:
                break
        assert traits == wanted
        assert counts.count("(62, ") == 2
        found.append(np.array(ast.literal_eval(counts.removeprefix("counts "))))
    kernel, browser = found
    assert (kernel[:, :2] == browser[:, :2]).all()
    uncertain = edges(ast.literal_eval(runs.removeprefix("runs ")), kernel)
    assert (kernel[:, :2] == uncertain[:, :2]).all()
    assert (np.abs(kernel - browser) <= uncertain)[:, 2:].all(), (kernel, browser, uncertain)


def test_both_trainers_count_the_same_with_every_norm(visit):
    page = visit("in-lab")
    run_cell(page, 0)
    lab = page.locator(".bn-lab[data-ready]")
    lab.wait_for()
    lab.get_by_text("More settings").click()
    for lr in (0.5, 0.1, 0.05):
        run_cell(page, 2)
        in_both(page, lab, lr)


@pytest.mark.parametrize("host", HOSTS)
def test_both_trainers_count_the_same_images_and_leave_a_picture_behind(visit, jupyter, host):
    page = visit(f"in-{host}", host)
    run_cell(page, 0)
    lab = page.locator(".bn-lab[data-ready]")
    lab.wait_for()
    rate = page.get_by_role("slider", name="Learning rate")
    assert rate.get_attribute("aria-valuetext") == "1"
    assert page.get_by_role("slider", name="Batch size").get_attribute("aria-valuetext") == "64"
    press(page, rate, "ArrowRight")
    assert rate.get_attribute("aria-valuetext") == "1.25"
    assert told(page)[1] == "traits 1.25 64 cpu False"
    press(page, rate, "ArrowLeft")
    assert rate.get_attribute("aria-valuetext") == "1"

    lab.get_by_text("More settings").click()
    in_both(page, lab, lr=1.0)
    assert not page.locator(".bn-last").is_visible()  # where the lab itself is

    page.keyboard.press("Control+s")
    saved = jupyter[0] / f"in-{host}.ipynb"
    while not (notebook := nbformat.read(saved, as_version=4)).cells[0].get("outputs"):
        page.wait_for_timeout(200)
    # A notebook with another text has not been run here, and is not trusted.
    notebook.cells.append(nbformat.v4.new_markdown_cell("By someone else."))
    nbformat.write(notebook, jupyter[0] / f"untrusted-{host}.ipynb")
    left = visit(f"untrusted-{host}", host).locator(".bn-last")
    left.wait_for()
    assert "Run this cell to get a lab that trains." in left.inner_text()
    assert "step 62 of 62" in left.inner_text()
    assert left.locator("img").evaluate("one => one.decode().then(() => one.naturalWidth)") > 300
