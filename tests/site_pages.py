"""What the tests of the built site share: where it is, its pages, and a reader's visit to one."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from conftest import ROOT


def _pages(entries):
    """List the pages in the order of `_quarto.yml`."""
    for entry in entries:
        if isinstance(entry, dict):
            yield from _pages(entry["chapters"])
        else:
            yield str(Path(entry).with_suffix(".html"))


PAGES = list(_pages(yaml.safe_load((ROOT / "_quarto.yml").read_text())["book"]["chapters"]))
NUMBERED = [page for page in PAGES if re.match(r"chapters/\d", page)]
#: The chapter with both labs, the one that trains here and the recorded one.
LABS = "chapters/02-learning-rates.html"
#: True once the font that formulas are set in is there; one that nobody declared counts as not.
MATH_FONT = (
    "[...document.fonts].some((one) => one.family.includes('Book Math') && one.status === 'loaded')"
)
#: Opens what is folded.
OPEN_ALL = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"


def faults(page):
    """What axe-core finds: the rule, where, and why."""
    from axe_playwright_python.sync_playwright import Axe

    # To write down all that passes would take as long again.
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        (violation["id"], node["target"], node["failureSummary"])
        for violation in found
        for node in violation["nodes"]
    ]


class Visit:
    """A page in a window of its own that notes what goes wrong."""

    def __init__(self, browser, built, *page, **options):
        self.built, self.complaints, self.requests = built, [], []
        self.context = browser.new_context()
        self.page = self.context.new_page()
        self.page.set_default_timeout(180_000)  # a busy machine is slow, not wrong
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.page.on("console", self._note)
        self.page.on("request", self._ask)
        if page:
            self.open(*page, **options)

    def open(self, name, width=1280, scheme="light", link=""):
        """Come to a page; a window that has seen others is quicker at it than a new one."""
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.emulate_media(color_scheme=scheme)
        self.page.goto((self.built / name).as_uri() + link)
        self.page.wait_for_timeout(200)

    def forget(self):
        """Leave the page, and keep nothing that it has stored or complained of."""
        self.page.evaluate("localStorage.clear(), sessionStorage.clear()")
        self.page.goto("about:blank")
        self.complaints.clear()
        self.requests.clear()

    def _note(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _ask(self, request):
        if urlsplit(request.url).scheme not in ("file", "data", "blob"):
            self.requests.append(request.url)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.context.close()

    def switch(self):
        """Press the button for light and dark, wherever the renderer has put it."""
        self.page.evaluate("document.querySelector('.quarto-color-scheme-toggle').click()")
        self.page.wait_for_timeout(400)

    def show(self, scheme):
        """Turn to "light" or "dark", whichever the page has come up in."""
        paper = self.page.evaluate("getComputedStyle(document.body).backgroundColor")
        if (int(re.search(r"\d+", paper)[0]) > 127) != (scheme == "light"):
            self.switch()
