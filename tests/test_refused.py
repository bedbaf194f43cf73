"""What no reading of a page shows, browsers refuse to load from elsewhere."""

import contextlib
import http.server
import threading

import pytest

from bnbook.site import offline

#: HOST stands for another host.
UNSEEN = [
    "<script>new Image()['s' + 'rc'] = 'HOST/x.png'</script>",
    "<script>fetch(['HOST'].join(), { mode: 'no-cors' })</script>",
    "<script>document.body.innerHTML = ['<img src=', 'HOST/x.png>'].join('')</script>",
    "<script>navigator.sendBeacon(String('HOST'))</script>",
    '<form action="HOST"></form><script>document.forms[0].submit()</script>',
    "<script>frame = document.body.appendChild(document.createElement('iframe'));"
    "Object.entries({ src: ['HOST'] }).map(([name, value]) => (frame[name] = value))</script>",
    "<script>document.body.append(document.createElement('style'));"
    "document.styleSheets[0].insertRule(['@import \"', 'HOST/x.css\"'].join(''))</script>",
    "<script>new Worker(URL.createObjectURL(new Blob(['importScripts(\"', 'HOST\")'])))</script>",
    "<script>eval(['imp', 'ort(\"HOST/x.js\")'].join(''))</script>",
    "<title><!--</title><img alt='' src='HOST/x.png'><!-- -->",
    "<svg><image href='x.png'><set attributeName='href' to='HOST/x.png'/></image></svg>",
    "<iframe src='data:text/html,<img src=HOST/x.png>'></iframe>",
]


@pytest.fixture(scope="module")
def other_host():
    """Another host than that of a page from disk: its address, and the requests that reach it."""
    asked = []

    class Host(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def do_POST(self):
            self.do_GET()

        def log_message(self, *_args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Host) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.fixture(scope="module")
def refusing(tmp_path_factory, other_host):
    """A mended site with a page for each of them, and beside it the pages as they were."""
    root = tmp_path_factory.mktemp("unseen")
    (root / "x.png").write_bytes(b"")
    pages = [root / f"{number}.html" for number in range(len(UNSEEN))]
    for path, tag in zip(pages, UNSEEN, strict=True):
        path.write_text(f"<!doctype html><html><head></head><body>{tag}</body></html>")
    before = [path.read_text() for path in pages]
    offline.mend(root)
    for path, text in zip(pages, before, strict=True):
        path.write_text(path.read_text().replace("HOST", other_host[0]))
        path.with_suffix(".before.html").write_text(text.replace("HOST", other_host[0]))
    return pages


@pytest.mark.browser
@pytest.mark.parametrize("number", range(len(UNSEEN)))
def test_what_is_not_seen_browsers_refuse(browser, refusing, other_host, number):
    page, (_, asked) = refusing[number], other_host
    for path, does_ask in ((page, False), (page.with_suffix(".before.html"), True)):
        asked.clear()
        with contextlib.closing(browser.new_context()) as context:
            context.new_page().goto(path.as_uri(), wait_until="networkidle")
        assert bool(asked) is does_ask, UNSEEN[number]
