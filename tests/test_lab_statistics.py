"""The page's statistics say what `bnbook.findings` says of the same runs."""

import itertools
import json
import math
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from tables import shares, table

from bnbook import findings, history
from bnbook.chapters.learning_rates.limits import limits
from bnbook.experiment import MARGIN
from bnbook.findings import adjusted, decisions

HARNESS = Path(__file__).parent / "statistics_harness.mjs"
SHIFT = 0.01  # of `tables.run_rows`: test accuracies are so much below validation's

#: Final accuracies of two nets over the same seeds, as counts over 1,000 images.
PAIRS = {
    "apart": ([0.962, 0.955, 0.971, 0.948, 0.966], [0.931, 0.921, 0.944, 0.925, 0.931]),
    "close": ([0.962, 0.955, 0.971, 0.948, 0.966], [0.962, 0.956, 0.970, 0.949, 0.965]),
    "vague": ([0.962, 0.955, 0.971, 0.948, 0.966], [0.955, 0.962, 0.966, 0.971, 0.948]),
    "small": ([0.962, 0.955, 0.971, 0.948, 0.966], [0.961, 0.954, 0.970, 0.947, 0.9651]),
    "equal": ([0.962, 0.955, 0.971, 0.948, 0.966], [0.962, 0.955, 0.971, 0.948, 0.966]),
    "shifted": ([0.962, 0.955, 0.971], [0.952, 0.945, 0.961]),
    "two": ([0.962, 0.955], [0.931, 0.921]),
    "one": ([0.962], [0.931]),
    "one fails": ([0.962, 0.955, 0.971, 0.948, 0.966], [0.962, 0.1, 0.970, 0.949, 0.965]),
    "only one trains": ([0.962, 0.955, 0.971], [0.1, 0.85, 0.3]),
    "none trains": ([0.1, 0.11, 0.1], [0.12, 0.1, 0.11]),
}


@pytest.fixture(scope="module")
def ask(node):
    """Call the page's functions: [name, ...arguments] each."""

    def call(*calls):
        text = re.sub(r'"?NaN"?', '"NaN"', json.dumps(calls))
        done = subprocess.run([node, HARNESS], input=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return call


def numbers(found, names):
    return [float(found[name]) for name in names]


def runs(accuracies):
    return [{"accuracy": a, "trained": a >= history.enough("digits")} for a in accuracies]


def in_python(*pairs):
    """Compare in Python, all at once; one table for each pair, whose arms are "a" and "b"."""
    return findings.compared(
        [
            findings.paired(
                table({"a": [x + SHIFT for x in a], "b": [x + SHIFT for x in b]}), "a", "b"
            )
            for a, b in pairs
        ]
    )


def test_quantiles_are_those_of_scipy(ask):
    cases = list(itertools.product((0.5, 0.1, 0.05, 0.01, 0.05 / 30), range(1, 51)))
    found = ask(*(["tBeyond", tails, freedom] for tails, freedom in cases))
    expected = [stats.t.isf(tails / 2, freedom) for tails, freedom in cases]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_tails_are_those_of_scipy_down_to_the_smallest(ask):
    cases = list(itertools.product((0.0, 1e-6, 0.3, 2.0, 9.0, 1e3), (1, 2, 4, 9, 19, 50)))
    found = ask(*(["tTails", t, freedom] for t, freedom in cases))
    np.testing.assert_allclose(found, [2 * stats.t.sf(t, n) for t, n in cases], rtol=1e-9)


def test_intervals_are_those_of_findings(ask):
    samples = [[0.1, 0.3], [0.96, 0.94, 0.97, 0.95, 0.96], [5.0, 5.0, 5.0], [1.0]]
    for sample, found in zip(samples, ask(*(["interval", one] for one in samples)), strict=True):
        expected = findings.interval(sample)
        np.testing.assert_allclose(numbers(found, ("mean", "low", "high")), expected, rtol=1e-12)


def test_holm_is_that_of_findings(ask):
    samples = [[0.01, 0.04, 0.03], [0.5], [0.9, math.nan, 0.001], [0.02, 0.02, 0.02, 0.9]]
    for sample, found in zip(samples, ask(*(["holm", one] for one in samples)), strict=True):
        np.testing.assert_allclose(found, adjusted.holm(sample), rtol=1e-12)


@pytest.mark.parametrize(
    "names",
    [*((name,) for name in PAIRS), ("apart", "close", "vague"), ("small", "two", "one"), (*PAIRS,)],
    ids=" and ".join,
)
def test_comparisons_are_those_of_findings(ask, names):
    pairs = [PAIRS[name] for name in names]
    each = ask(*(["paired", runs(a), runs(b), MARGIN] for a, b in pairs))
    found = ask(["compared", each])[0]
    expected = in_python(*pairs)
    assert [row["finding"] for row in found] == list(expected["finding"])
    names = {
        "mean": "mean",
        "low": "low",
        "high": "high",
        "pDifference": "holm_difference",
        "pEquivalence": "holm_equivalence",
        "failedA": "failed_a",
        "failedB": "failed_b",
        "n": "n",
    }
    for row, (_, wanted) in zip(found, expected.iterrows(), strict=True):
        values = [float(wanted[name]) for name in names.values()]
        np.testing.assert_allclose(numbers(row, names), values, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", PAIRS)
def test_decisions_are_those_of_findings(ask, name):
    a, b = PAIRS[name]
    rows = ask(["compared", ask(["paired", runs(a), runs(b), MARGIN])])[0]
    row = in_python((a, b)).to_dict("records")[0]
    found = ask(["decide", rows, "above"], ["decide", rows, "below"])
    assert found == [decisions.above(row), decisions.below(row)]


@pytest.mark.parametrize(
    "trained",
    [
        {0.1: (1, 3), 0.5: (3, 3), 2.0: (2, 3), 8.0: (0, 3)},
        {0.1: (3, 3), 0.5: (3, 3)},
        {0.1: (0, 2), 0.5: (1, 2), 2.0: (0, 2), 8.0: (2, 2)},
    ],
)
def test_limits_are_those_of_chapter_2(ask, trained):
    expected = limits(findings.share_trained(shares(trained), ("lr",)))
    given = [{"lr": lr, "share": good / n} for lr, (good, n) in trained.items()]
    found = ask(["limits", given])[0]
    names = ("below", "first", "last", "above")
    assert numbers(found, names) == [getattr(expected, name) for name in names]


def test_runs_are_judged_as_in_training(ask):
    enough, guess = history.enough("digits"), math.log(10)
    cases = itertools.product((100, 450), (100, 199, 200, 899, 900), (0.2, guess, guess + 0.03))
    calls, expected = [], []
    for before, correct, loss in [*cases, (450, 900, math.nan)]:
        counts, losses = (100, before, correct), (guess, guess, loss)
        rows = [
            {"correct": n, "trainLoss": value, "loss": value}
            for n, value in zip(counts, losses, strict=True)
        ]
        alive = math.isfinite(loss)  # as the worker says
        calls.append(["judge", rows, 1000, alive, enough])
        recorded = [
            {"val_correct": n, "val_images": 1000, "train_loss": value, "val_loss": value}
            for n, value in zip(counts, losses, strict=True)
        ]
        expected.append(history.judge(recorded, enough))
    assert ask(*calls) == expected
    assert set(expected) == {"trained", "not yet trained", "collapsed", "non-finite"}
