"""Numbers, lists and tables as Markdown."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnbook import findings
from bnbook.errors import BookError
from bnbook.findings import writing


def text(markdown):
    return markdown._repr_markdown_().replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (findings.percent(0.971, 0.968, 0.974), "97.1% [96.8, 97.4]"),
        (findings.percent(0.98214, digits=2), "98.21%"),
        (findings.points(0.0013, -0.0002, 0.0028), "+0.13 points [−0.02, 0.28]"),
        (findings.points(-0.0000001), "0.00 points"),
        (findings.plain(0.694, 0.61, 0.77), "0.69 [0.61, 0.77]"),
        (findings.percent(float("nan")), "–%"),
        (findings.p_value(0.0004), "< 0.001"),
        (findings.p_value(0.034), "0.034"),
        (findings.p_value(0.5), "0.50"),
        (findings.p_value(0.0498), "< 0.05"),
    ],
)
def test_numbers_are_written_with_unit_and_interval(written, expected):
    assert written.replace("\N{NO-BREAK SPACE}", " ") == expected


@given(st.floats(-1, 1))
def test_written_points_read_back_to_two_decimals(x):
    written = findings.points(x).split("\N{NO-BREAK SPACE}")[0].replace("\N{MINUS SIGN}", "-")
    assert float(written) == pytest.approx(100 * x, abs=0.00501)


def test_table_is_a_pipe_table_that_keeps_pipes_in_their_cells():
    frame = pd.DataFrame({"arm": ["a|b"], "mean": [0.97], "low": [0.96], "high": [0.98]})
    lines = text(findings.table(frame, {"Arm": "arm", "Accuracy": findings.as_percent}))
    assert lines.splitlines() == [
        "| Arm | Accuracy |",
        "| --- | --- |",
        r"| a\|b | 97.0% [96.0, 98.0] |",
    ]


def test_table_names_an_unknown_column():
    with pytest.raises(BookError, match="no column 'men'; there are: mean"):
        findings.table(pd.DataFrame({"mean": [1.0]}), {"Mean": "men"})


def test_what_is_folded_away_folds_and_leaves_blank_lines_for_markdown():
    folded = findings.folded(findings.Markdown("**Yes.**"), "The answer")
    assert text(folded) == ("<details><summary>The answer</summary>\n\n**Yes.**\n\n</details>")


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (2.2e-16, "2·10⁻¹⁶"),
        (9.6e-4, "1·10⁻³"),
        (0.00123, "0.0012"),
        (3.14, "3.1"),
        (4774.4, "4,774"),
        (5.2e7, "5·10⁷"),
        (0.0, "–"),
        (float("nan"), "–"),
    ],
)
def test_numbers_that_span_decades_have_two_digits(x, said):
    assert findings.two_digits(x) == said


def test_the_last_of_a_list_comes_after_an_and():
    assert writing.list_of("abc") == "a, b and c"
    assert writing.list_of("ab") == "a and b"
    assert writing.list_of("a") == "a"


def test_a_missing_number_is_a_dash():
    frame = pd.DataFrame({"x": [np.nan, 0.25]})
    assert text(findings.table(frame)).splitlines()[2:] == ["| – |", "| 0.25 |"]


def test_where_runs_fail_a_gain_is_a_count():
    row = {"mean": 0.01, "low": 0.005, "high": 0.015, "n": 5, "failed": 0, "failed_b": 0}
    assert findings.as_gain(row) == findings.as_points(row)
    lost = row | {"failed": 3, "failed_b": 3}
    assert findings.as_gain(lost) == "2 of 5 train without batch norm"
