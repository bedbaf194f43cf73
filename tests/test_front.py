"""The labs' front end: it is what its sources say, light, and knows the norms that there are."""

import gzip
import re
import subprocess
from pathlib import Path
from typing import get_args

import pytest

from bnbook import lab as labs
from bnbook.lab import presets
from bnbook.lab.element import SCRIPT, STYLE, Html, built

LAB = Path(labs.__file__).parent
WEB = LAB / "web"
#: Bytes, as they come over a line.
MOST_SHARED, MOST_ENGINE, MOST_OWN = 45_000, 20_000, 3_000


def weight(text):
    return len(gzip.compress(text.encode(), 9))


# With Node


def test_the_committed_bundle_is_what_the_sources_make(front_end, tmp_path):
    front_end("node", "build.mjs", str(tmp_path))
    fresh = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_bytes() for path in (LAB / "built").iterdir()}
    assert fresh.keys() == committed.keys()
    stale = [name for name in fresh if fresh[name] != committed[name]]
    assert not stale, "the front end has changed; bundle it: make front"


def test_types_and_style_of_the_front_end_are_clean(front_end):
    front_end("npm", "run", "--silent", "check")


def test_the_front_ends_logic_keeps_to_its_claims(front_end):
    front_end("npm", "test", "--silent")


@pytest.fixture(scope="module")
def front_end(npm):
    """Run a command in the front end's folder."""

    def call(*command):
        done = subprocess.run(command, cwd=npm, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    return call


def test_the_lock_is_free_of_addresses():
    assert "://" not in (WEB / "package-lock.json").read_text()


# Weight


def test_what_all_pages_share_is_light():
    assert weight(built(SCRIPT)) + weight(built(STYLE)) <= MOST_SHARED
    assert weight(built("engine.js")) <= MOST_ENGINE  # for who trains


@pytest.mark.parametrize(
    "element",
    [
        labs.sigmoid_sliders(),
        labs.predict("a", "What does $x$ change?", ["All of it", "Nothing"]),
        labs.revisit("a", "Nothing", "The *same* function."),
    ],
    ids=lambda element: element.kind,
)
def test_what_a_page_has_of_an_element_is_light(element):
    assert weight(Html(element.kind, element.data, element.fallback)._repr_html_()) <= MOST_OWN


# One list of each


def alternatives(name, text):
    """The strings of a TypeScript union after `name`."""
    return set(re.findall('"([^"]*)"', re.search(rf"\b{name}\b[:= ]+([^;]+);", text)[1]))


def test_the_front_end_knows_the_choices_that_a_lab_offers():
    types = (WEB / "types.d.ts").read_text()
    assert alternatives("NormName", types) == set(presets.NORMS) == set(presets.NORM_LETTERS)
    assert alternatives("affine", types) == set(presets.AFFINE)
    assert alternatives("activation", types) == set(presets.ACTIVATIONS)
    assert alternatives("trained", types) == set(presets.TRAINED)
    assert alternatives("watch", types) == set(get_args(presets.Watched))
