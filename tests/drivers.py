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


class Driver:
    """A window of a browser; its makers say how to `open`, to `_evaluate` and to `_perform`."""

    def ask(self, expression):
        """The value, as JSON has it, of an expression in JavaScript."""
        return json.loads(self._evaluate(f"JSON.stringify({expression} ?? null)"))

    def wait(self, expression):
        """Wait until an expression is true; its value."""
        end = time.monotonic() + PATIENCE
        while not (found := self.ask(expression)):
            if time.monotonic() > end:
                pytest.fail(f"{type(self).__name__} waited in vain for {expression}")
            time.sleep(0.2)
        return found

    def press(self, key):
        strokes = [{"type": kind, "value": KEYS[key]} for kind in ("keyDown", "keyUp")]
        self._perform([{"type": "key", "id": "keyboard", "actions": strokes}])


class Firefox(Driver):
    """By WebDriver BiDi, which Firefox speaks without a further program."""

    def __init__(self, executable, profile):
        self.process = subprocess.Popen(
            [executable, "--headless", "--no-remote", "--profile", profile,
             "--remote-debugging-port", "0", "about:blank"],
            env=os.environ | {"HOME": str(profile)},
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        said = (re.search(r"BiDi listening on (ws://\S+)", line) for line in self.process.stderr)
        address = next(filter(None, said))[1]
        self.socket = websocket.create_connection(
            f"{address}/session", timeout=PATIENCE, suppress_origin=True
        )
        self.sent = 0
        self._call("session.new", capabilities={})
        self.window = self._call("browsingContext.getTree")["contexts"][0]["context"]

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
            port = free.getsockname()[1]
        self._start(driver, f"--port={port}", env=os.environ | {"DISPLAY": display})
        self.address = f"http://127.0.0.1:{port}/session"
        options = {"binary": str(_minibrowser()), "args": ["--automation"]}
        wanted = {"browserName": "MiniBrowser", "webkitgtk:browserOptions": options}
        self._wait_for(port)
        session = self._call("", capabilities={"alwaysMatch": wanted})
        self.address += f"/{session['sessionId']}"

    def _start(self, *command, **options):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, **options)
        self.ends.callback(process.wait, PATIENCE)
        self.ends.callback(process.terminate)

    def _wait_for(self, port):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with contextlib.suppress(ConnectionRefusedError):
                return socket.create_connection(("127.0.0.1", port)).close()
            time.sleep(0.1)
        pytest.fail("WebKitWebDriver did not start")

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
