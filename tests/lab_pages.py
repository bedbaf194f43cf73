"""What the browser tests of the labs share: bare pages, and the reader's hands and eyes."""

import contextlib
import functools
import http.server
import itertools
import shutil
import threading

import pytest
from tables import arranged, run_rows

from bnbook import chapters
from bnbook import lab as labs
from bnbook.lab import bands as recorded_bands
from bnbook.lab import element, images
from bnbook.lab.settings import fallback, settings
from bnbook.run import Run

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Lab</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="{0}lab.css"><script defer src="{0}lab.js"></script>
<style>:root {{ color-scheme: light dark }} body {{ font-family: sans-serif; margin: 1rem }}</style>
<main>{1}</main></html>"""
#: Every chapter's, by its name.
PRESETS = {one.preset.name: one.preset for one in chapters.CHAPTERS if one.preset}
LEARNING_RATE = PRESETS["learning-rate"]
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


def write_page(path, *elements, root=""):
    """A page with these elements and, in the folder that `root` leads to, the front end."""
    pieces = (element.Html(one.kind, one.data, one.fallback) for one in elements)
    text = "".join(one._repr_html_() for one in pieces)
    path.write_text(PAGE.format(root, text), encoding="utf-8")
    for name in (element.SCRIPT, element.STYLE, element.ENGINE):
        (path.parent / root / name).write_text(element.built(name), encoding="utf-8")


def training_lab(preset=LEARNING_RATE):
    """A preset's lab as a page has it."""
    return element.Html("lab", settings(preset), fallback(preset))


def write_site(root):
    """A site in small: a chapter for every preset, beside the folder with the data."""
    for name in ("chapters", "data"):
        (root / name).mkdir()
    for file in images.FILES.values():
        shutil.copy(file.path, root / file.address)
    text = recorded_bands.script(recorded())
    (root / recorded_bands.ADDRESS).write_text(text, encoding="utf-8")
    for preset in PRESETS.values():
        write_page(root / f"chapters/{preset.name}.html", training_lab(preset), root="../")
    both = training_lab(), labs.recorded(recorded())
    write_page(root / "chapters/both.html", *both, root="../")


@contextlib.contextmanager
def serving(folder, **headers):
    """The folder over http on this machine, with further headers; yields its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_args):
            pass

        def end_headers(self):
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            super().end_headers()

    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def opened(page, site, preset="learning-rate", link=""):
    page.goto((site / f"chapters/{preset}.html").as_uri() + link)
    page.wait_for_selector("[data-ready]")
    return page


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def wait_for(page, state):
    page.wait_for_selector(f".bn-lab[data-state={state}]")


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


def rested(page):
    """The step where a halted run stands, once the evaluation under way is reported."""
    page.wait_for_function(
        """() => {
          const now = document.querySelector(".status").textContent;
          if (now !== window.seen) [window.seen, window.since] = [now, performance.now()];
          return performance.now() - window.since > 3000; }"""
    )
    return step(page)


def wait_for_no_worker(page):
    """A worker in the midst of an evaluation takes a moment to end."""
    for _ in range(PATIENCE // 100):
        if not page.workers:
            return
        page.wait_for_timeout(100)
    pytest.fail(f"{len(page.workers)} workers are left")


def curves(page, chart="accuracy", kind="curve"):
    """Paths of the curves by label: A and B, and 1A, 1B … of kept runs."""
    return page.locator(f".{chart} g[data-{kind}]").evaluate_all(
        "(nodes, kind) => Object.fromEntries(nodes.map((n) =>"
        " [n.dataset[kind], n.querySelector('path').getAttribute('d')]))",
        kind,
    )


bands = functools.partial(curves, kind="band")


def slide(page, name, *keys):
    page.get_by_role("slider", name=name).focus()
    for key in keys:
        page.keyboard.press(key)


def prints(page):
    """What is shown to compare two machines by: last losses and the bits of all weights."""
    details = page.locator(".bn-lab details.current")
    if not details.get_attribute("open"):
        details.locator("summary").click()
    return page.locator(".prints").inner_text()
