"""Firefox and WebKit, driven by WebDriver: Playwright knows only builds of its own of these two."""

import contextlib
import itertools
import json
import os
import re
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
import websocket

PATIENCE = 240  # seconds: a busy machine is slow, not wrong
#: WebDriver's names for keys.
KEYS = {"ArrowLeft": "\ue012", "ArrowRight": "\ue014", "Space": " "}


def _until(found, failure):
    """Ask until the answer is true; the answer."""
    end = time.monotonic() + PATIENCE
    while not (answer := found()):
        if time.monotonic() > end:
            pytest.fail(failure)
        time.sleep(0.1)
    return answer


class Driver:
    """A window of a browser; its makers say how to `open`, to `_evaluate` and to `_perform`."""

    def ask(self, expression):
        """The value, as JSON has it, of an expression in JavaScript."""
        return json.loads(self._evaluate(f"JSON.stringify(({expression}) ?? null)"))

    def wait(self, expression):
        """Wait until an expression is true; its value."""
        failure = f"{type(self).__name__} waited in vain for {expression}"
        return _until(lambda: self.ask(expression), failure)

    def press(self, key):
        strokes = [{"type": kind, "value": KEYS[key]} for kind in ("keyDown", "keyUp")]
        self._perform([{"type": "key", "id": "keyboard", "actions": strokes}])


class Firefox(Driver):
    """By WebDriver BiDi, which Firefox speaks without a further program."""

    def __init__(self, executable, profile):
        said = Path(profile) / "said.txt"
        self.process = subprocess.Popen(
            [executable, "--headless", "--no-remote", "--profile", profile,
             "--remote-debugging-port", "0", "about:blank"],
            env=os.environ | {"HOME": str(profile)},
            stdout=subprocess.DEVNULL,
            stderr=said.open("w"),
        )  # fmt: skip
        found = _until(
            lambda: re.search(r"BiDi listening on (ws://\S+)\n", said.read_text()),
            "Firefox did not start",
        )
        self.socket = websocket.create_connection(
            f"{found[1]}/session", timeout=PATIENCE, suppress_origin=True
        )
        self.sent = 0
        self._call("session.new", capabilities={})
        # The window it starts with never has the focus, and no key presses a button there.
        self.window = self._call("browsingContext.create", type="tab")["context"]

    def _call(self, method, **params):
        self.sent += 1
        self.socket.send(json.dumps({"id": self.sent, "method": method, "params": params}))
        while (answer := json.loads(self.socket.recv())).get("id") != self.sent:
            pass  # news of what happened meanwhile
        assert answer["type"] == "success", answer
        return answer["result"]

    def open(self, address):
        # What comes after the # alone would load no page.
        for one in ("about:blank", address):
            self._call("browsingContext.navigate", context=self.window, url=one, wait="complete")

    def _evaluate(self, script):
        answer = self._call(
            "script.evaluate", expression=script, target={"context": self.window}, awaitPromise=True
        )
        assert answer["type"] == "success", answer
        return answer["result"]["value"]

    def _perform(self, actions):
        self._call("input.performActions", context=self.window, actions=actions)

    def close(self):
        self._call("browser.close")
        self.process.wait(PATIENCE)
        self.socket.close()


class WebKit(Driver):
    """By WebDriver, in WebKitGTK's own small browser, on a display that nobody sees."""

    def __init__(self, driver, screen):
        self.ends = contextlib.ExitStack()
        listening, telling = os.pipe()
        self._start(screen, "-displayfd", str(telling), "-nolisten", "tcp", pass_fds=[telling])
        os.close(telling)
        with os.fdopen(listening) as said:
            display = f":{said.readline().strip()}"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._start(driver, f"--port={self.port}", env=os.environ | {"DISPLAY": display})
        _until(self._listens, "WebKitWebDriver did not start")
        self.address = f"http://127.0.0.1:{self.port}/session"
        options = {"binary": str(_minibrowser()), "args": ["--automation"]}
        wanted = {"browserName": "MiniBrowser", "webkitgtk:browserOptions": options}
        session = self._call("", capabilities={"alwaysMatch": wanted})
        self.address += f"/{session['sessionId']}"

    def _start(self, *command, **options):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, **options)
        self.ends.callback(process.wait, PATIENCE)
        self.ends.callback(process.terminate)

    def _listens(self):
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True

    def _call(self, command, method="POST", **content):
        request = urllib.request.Request(
            self.address + command, json.dumps(content).encode(), method=method
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)["value"]

    def open(self, address):
        # What comes after the # alone would load no page.
        for one in ("about:blank", address):
            self._call("/url", url=one)

    def _evaluate(self, script):
        return self._call("/execute/sync", script=f"return {script}", args=[])

    def _perform(self, actions):
        self._call("/actions", actions=actions)

    def close(self):
        self._call("", "DELETE")
        self.ends.close()


def _minibrowser():
    folders = ("lib/*", "lib64", "libexec")  # Debian's, and others'
    found = (Path("/usr").glob(f"{one}/webkit2gtk-4*/MiniBrowser") for one in folders)
    return next(itertools.chain(*found))
