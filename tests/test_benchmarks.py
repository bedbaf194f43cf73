"""What the benchmarks compare does the same work, and README quotes what they found."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import matrix_limit
from bnbook import timings, training

ROOT = Path(matrix_limit.__file__).parents[1]
#: A measured figure in prose: a number with its unit.
FIGURE = re.compile(r"\d[\d.,]*(?:%| (?:ms|s|kB|GFLOP/s)(?!\w)|×(?!\d))")


@pytest.fixture
def compared():
    """Skip where there is nothing to compare with."""
    for framework in ("skorch", "lightning"):
        pytest.importorskip(framework, reason="benchmarks/requirements.txt is not installed")


@pytest.fixture
def trained(compared, monkeypatch):
    """Return the nets that were built to be trained."""
    from benchmarks import training_loop

    nets, build = [], training_loop.training.build

    def keep(run, *shape):
        nets.append(build(run, *shape))
        return nets[-1]

    monkeypatch.setattr(training_loop.training, "build", keep)
    return nets


@pytest.mark.parametrize("way", ["tutorial", "in_skorch", "in_lightning"])
def test_every_way_takes_as_many_steps_and_looks_as_the_run_says(way, trained, one_thread):
    from benchmarks import frameworks, training_loop

    run = replace(training_loop.RUN, train_size=512, epochs=1)
    train = getattr(training_loop, way, None) or getattr(frameworks, way)
    seconds, evaluations = train(run)
    assert seconds > 0
    assert evaluations.seconds > 0
    assert int(trained[0].norm1.num_batches_tracked) == 4
    start, end = training.train(run).rows
    ours = [start["val_correct"], start["val_correct_running"], end["val_correct"]]
    ours += [end["test_correct"], end["test_correct_running"]]
    assert len(evaluations.accuracies) == len(ours)
    # The same initial net, which guesses; the tutorial sets other images aside.
    assert evaluations.accuracies[1] == pytest.approx(ours[1] / start["val_images"], abs=0.02)


def test_a_step_is_no_faster_than_its_products_at_the_limit():
    found = matrix_limit.measure()
    assert 0 < found.share < 1
    # conv1 without the gradient of the images, the others in full: forward and twice that back.
    macs = [(2, 576 * 6 * 25), (3, 64 * 16 * 150), (3, 256 * 120), (3, 120 * 84), (3, 84 * 10)]
    assert found.flops == 2 * 128 * sum(times * one for times, one in macs)
    assert set(found.parts) == {
        "convolutions and linear layers",
        "norms",
        "activations",
        "pooling",
    }


def test_the_report_says_what_the_turns_say(compared):
    from benchmarks.__main__ import REPORT, training_table

    assert training_table(timings.read("training-loops")) in REPORT.read_text(encoding="utf-8")


def test_readme_quotes_what_the_benchmarks_reported():
    report, readme = (
        (ROOT / name).read_text(encoding="utf-8") for name in ("benchmarks/report.md", "README.md")
    )
    said = readme.partition("\n## How fast\n")[2].partition("\n## ")[0]
    rows = [line for line in said.splitlines() if line.startswith("|")]
    assert sum("×" in row for row in rows) >= 7
    assert set(rows) <= set(report.splitlines())
    figures, found = (set(FIGURE.findall(" ".join(text.split()))) for text in (said, report))
    assert figures <= found, f"not in the report: {figures - found}"
