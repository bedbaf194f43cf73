"""Recorded timings and what is concluded from them."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks import norm_costs
from bnbook import data, findings, timings
from bnbook.errors import BookError
from bnbook.run import Run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "bundled_folder", lambda: tmp_path)
    return tmp_path


def test_timings_survive_the_way_to_disk_and_back_with_their_provenance(folder):
    rows = [{"kind": "batch", "turn": 0, "seconds": 0.25}]
    timings.write("norm-steps", rows, "python -m benchmarks.norm_costs")
    assert timings.read("norm-steps").to_dict("records") == rows
    found = timings.provenance("norm-steps")
    assert found["command"] == "python -m benchmarks.norm_costs"
    assert {"machine", "date", "threads", "packages", "code"} <= set(found)
    assert "rows" not in found


def test_missing_and_damaged_timings_are_named(folder):
    with pytest.raises(BookError, match=r"no timings of norm-steps: .*norm-steps.json is missing"):
        timings.read("norm-steps")


def another(text):
    timings.write("norm-widths", [], "")
    return timings.path("norm-widths").read_text()


@pytest.mark.parametrize(
    "harm",
    [
        lambda text: text[:-9],
        lambda text: text.replace("0.25", "0.26"),
        lambda text: text.replace('"kind"', '"king"'),
        lambda text: text.replace('"threads":', '"threads":1'),
        lambda text: text.replace("sha256", "sha"),
        lambda text: json.dumps(list(json.loads(text))),
        lambda text: "null",
        lambda text: "[" * 100_000,
        lambda text: text.encode("utf-16"),
        another,
    ],
)
def test_timings_that_are_not_what_was_written_are_named(folder, harm):
    timings.write("norm-steps", [{"kind": "batch", "turn": 0, "seconds": 0.25}], "")
    harmed = harm(timings.path("norm-steps").read_text())
    content = harmed if isinstance(harmed, bytes) else harmed.encode()
    timings.path("norm-steps").write_bytes(content)
    with pytest.raises(BookError, match=r"norm-steps.json is damaged \(.*git checkout"):
        timings.read("norm-steps")


def test_a_busy_turn_cancels_in_ratios():
    quiet = {"none": 1.0, "batch": 1.5}
    rows = pd.DataFrame(
        {"kind": kind, "turn": turn, "seconds": seconds * (10 if turn == 3 else 1)}
        for turn in range(9)
        for kind, seconds in quiet.items()
    )
    table = findings.medians(findings.relative(rows, "none"), "kind", "ratio")
    assert table.set_index("kind")["mean"].to_dict() == {"none": 1.0, "batch": 1.5}
    assert (table["low"] == table["high"]).all()
    with pytest.raises(BookError, match="'mean' was not timed; there are: none, batch"):
        findings.relative(rows, "mean")


def test_ratios_are_taken_within_all_that_is_named():
    rows = pd.DataFrame(
        {"kind": kind, "width": width, "turn": 0, "seconds": seconds * width}
        for width in (16, 32)
        for kind, seconds in {"batch": 1, "zca": 4}.items()
    )
    found = findings.relative(rows, "batch", within=("width", "turn"))
    assert found["ratio"].tolist() == [1, 4, 1, 4]


def test_the_interval_of_a_median_covers_it_as_often_as_it_says():
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(2000):
        found = findings.median_interval(generator.lognormal(size=15))
        hits += found.low <= 1 <= found.high
    assert 0.95 <= hits / 2000 <= 0.98
    assert np.isnan(findings.median_interval([1.0] * 5).low)
    assert findings.median_interval(range(1, 7)) == (3.5, 1, 6)


def test_everything_is_timed_once_a_turn():
    arms = {kind: Run(norms=(kind,) * 4) for kind in ("none", "zca")}
    steps = norm_costs.step_rows(arms, turns=2, steps=1)
    assert sorted((r["turn"], r["arm"]) for r in steps) == [
        (turn, arm) for turn in (0, 1) for arm in arms
    ]
    widths = norm_costs.width_rows(["batch", "monarch"], [16, 32], turns=1)
    assert {(r["kind"], r["width"]) for r in widths} == {
        (kind, width) for kind in ("batch", "monarch") for width in (16, 32)
    }
    assert all(r["seconds"] > 0 for r in [*steps, *widths])
    json.dumps([*steps, *widths])
