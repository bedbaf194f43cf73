"""The notebooks in JupyterLab itself, driven in a real browser."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from conftest import ROOT

pytestmark = pytest.mark.browser

TOKEN = "a-token-for-this-test"
CHAPTER = "01-bias-removal.ipynb"
LAB = """from bnbook import chapters, lab
lab.TrainingLab(chapters.find(1).preset, train_size=1_000, epochs=5)"""
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
    cells = [nbformat.v4.new_code_cell(LAB)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    nbformat.write(notebook, folder / "lab.ipynb")
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
    """Open notebooks in JupyterLab, each in a workspace of its own."""
    _, address = jupyter
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)

    def opened(name):
        page = context.new_page()
        workspace = name.partition(".")[0]
        page.goto(f"{address}/lab/workspaces/{workspace}/tree/{name}?reset&token={TOKEN}")
        page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        return page

    yield opened
    context.close()


def test_a_chapter_opens_with_its_plumbing_collapsed(visit, jupyter):
    page = visit(CHAPTER)
    cells = nbformat.read(jupyter[0] / CHAPTER, as_version=4).cells[:4]
    shown = page.locator(".jp-Notebook .jp-Cell")
    shown.nth(1).locator(".jp-Placeholder").wait_for()
    for number, cell in enumerate(cells):
        collapsed = "jupyter" in cell.metadata
        assert shown.nth(number).locator(".jp-Placeholder").count() == collapsed, cell.id
    assert [("jupyter" in cell.metadata) for cell in cells] == [False, True, True, False]


def test_the_lab_is_moved_by_keyboard_trains_and_leaves_words_behind(visit, jupyter):
    page = visit("lab.ipynb")
    page.get_by_text("| Idle").wait_for()  # before its kernel answers, a cell is not run at all
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").click()
    page.keyboard.press("Shift+Enter")
    rate = page.get_by_role("slider", name="Learning rate")
    rate.wait_for()
    assert rate.get_attribute("aria-valuetext") == "0.5"
    rate.focus()
    page.keyboard.press("ArrowRight")
    assert rate.get_attribute("aria-valuetext") == "0.63"
    assert page.get_by_role("slider", name="Batch size").get_attribute("aria-valuetext") == "128"

    page.get_by_role("button", name="Train here").click()
    page.get_by_text("learning rate 0.63").first.wait_for()
    page.get_by_text("ended at step 35 of 35").wait_for()

    page.keyboard.press("Control+s")
    saved = jupyter[0] / "lab.ipynb"
    while not (notebook := nbformat.read(saved, as_version=4)).cells[0].get("outputs"):
        page.wait_for_timeout(200)
    # A notebook with another text has not been run here, and is not trusted.
    notebook.cells.append(nbformat.v4.new_markdown_cell("By someone else."))
    nbformat.write(notebook, jupyter[0] / "untrusted.ipynb")
    output = visit("untrusted.ipynb").locator(".jp-OutputArea-output").first
    output.wait_for()
    assert "run this cell, and a lab that trains" in output.inner_text()
    assert "VBox" not in output.inner_text()
