"""The benchmark of folding."""

import json

from benchmarks import folding_speed


def test_everything_is_timed_once_a_turn(monkeypatch):
    monkeypatch.setattr(folding_speed, "PASSES", {1: 2, 4: 1})
    rows = folding_speed.rows(turns=2)
    seen = [(row["turn"], row["net"], row["batch_size"], row["kind"]) for row in rows]
    assert len(set(seen)) == len(seen) == 2 * len(folding_speed.NETS) * 2 * 2
    assert all(row["seconds"] > 0 for row in rows)
    json.dumps(rows)
