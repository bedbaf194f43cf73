"""The lab on the page: bytes before anyone trains, and how long it keeps the page's own thread."""

import gzip
import json
import re
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Page

from benchmarks.browser import chromium
from bnbook import site
from bnbook.lab.images import FILES

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = "chapters/02-learning-rates.html"
FIGURE = re.compile(rb'"data:image/[^"]*"')
MOVES = 60
#: A frame begins, the slider moves, the frame is painted: without the wait for the screen.
SLIDE = """async moves => {
  const slider = document.querySelector(".bn-lab input[name=lr]");
  const after = [];
  for (let i = 0; i < moves; i++) {
    after.push(await new Promise((painted) => requestAnimationFrame(() => {
      const start = performance.now();
      slider.value = String((7 * i) % (Number(slider.max) + 1));
      slider.dispatchEvent(new Event("input", { bubbles: true }));
      const next = new MessageChannel();
      next.port1.onmessage = () => painted(performance.now() - start);
      next.port2.postMessage(0);
    })));
  }
  return after;
}"""
TRACED = ["toplevel", "disabled-by-default-devtools.timeline"]


@dataclass(frozen=True)
class Lab:
    """What the lab costs a reader."""

    page: int  # bytes, gzipped: chapter 2 without its figures
    shared: int  # bytes, gzipped: style, scripts and fonts that it loads, as all pages do
    digits: int  # bytes, gzipped: fetched once, at the first run
    slider: float  # milliseconds from a moved slider to the painted curve, median
    longest: float  # milliseconds of the longest task of the page's thread while nets train


def measure() -> Lab:
    """Build the site where need be, and read chapter 2 in Chromium without a network."""
    site.render(ROOT)
    page = ROOT / "_site" / CHAPTER
    loaded: set[Path] = set()
    with chromium() as browser, tempfile.TemporaryDirectory() as folder:
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.on("request", lambda request: loaded.update(_file_of(request.url)))
        tab.goto(page.as_uri())
        tab.wait_for_load_state("networkidle")
        before = {path: path.read_bytes() for path in loaded}
        slider = statistics.median(tab.evaluate(SLIDE, MOVES))
        trace = Path(folder) / "trace.json"
        browser.start_tracing(page=tab, path=trace, categories=TRACED)
        _train(tab)
        browser.stop_tracing()
        longest = _longest_task(json.loads(trace.read_text()))
    document = FIGURE.sub(b"", before.pop(page))
    return Lab(
        len(gzip.compress(document)),
        sum(len(gzip.compress(content)) for content in before.values()),
        len(gzip.compress((ROOT / "_site" / FILES["digits"].address).read_bytes())),
        slider,
        longest,
    )


def _file_of(url: str) -> list[Path]:
    parts = urlsplit(url)
    return [Path(unquote(parts.path))] if parts.scheme == "file" else []


def _train(tab: Page) -> None:
    lab = tab.locator(".bn-lab")
    lab.get_by_role("button", name="Train here").click()
    tab.wait_for_selector(".bn-lab[data-state=done]", timeout=300_000)


def _longest_task(trace: dict[str, list[dict[str, object]]]) -> float:
    """Milliseconds of processor time of the longest task of the renderer's main thread."""
    events = trace["traceEvents"]
    main = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"] == {"name": "CrRendererMain"}
    }
    tasks = (e for e in events if e.get("tdur") and (e["pid"], e["tid"]) in main)
    return max(float(str(task["tdur"])) for task in tasks) / 1000
