"""The pages to look things up: advice, how the results were made, the package's functions."""

import inspect
import re
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT

import bnbook.run
from bnbook import chapters, findings, norms, reference, store
from bnbook.chapters import advice, methods
from bnbook.findings import ledger, sentences

EXPERIMENTS = chapters.EXPERIMENTS.values()

# Advice


def test_the_page_of_advice_has_every_line_that_a_chapter_gives_and_leads_to_it():
    said = str(advice.advice())
    lines = [
        (chapter, name.removeprefix("advice · "))
        for chapter in chapters.CHAPTERS
        for name in chapter.sentences
        if name.startswith("advice · ")
    ]
    assert said.count("## ") == len(lines)
    for chapter, topic in lines:
        (part,) = re.findall(rf"^## {re.escape(topic)}\n\n(?:(?!^## ).*\n?)+", said, re.MULTILINE)
        assert f"({chapter.link()})" in part


# How the results were made


@pytest.fixture
def records(monkeypatch, tmp_path):
    """Two experiments with three runs each, of which they share two: a real one, with new names."""
    full = chapters.EXPERIMENTS["lite"].arms["full"]
    known = store.recorded("lite").values()
    real = next(one for one in known if one["run"] == replace(full, seed=100).changes())
    monkeypatch.setenv("BNBOOK_DATA", str(tmp_path))
    provenance = {"python": "3.11", "packages": {"torch": "2.15.0"}}

    def record(seed):
        run = replace(full, seed=seed)
        where = {"machine": "Abacus", "torch": "2.15.0", "date": f"2026-01-0{seed + 1}"}
        return real | {"key": run.key, "run": run.changes()} | where

    store.merge("lite", map(record, (0, 1, 2)), provenance)
    store.merge("affine", map(record, (1, 2, 3)), provenance | {"python": "3.12"})


def test_a_run_that_two_experiments_share_is_counted_once_in_the_total(records):
    runs = ledger.recorded(EXPERIMENTS)
    assert len(runs) == 6
    said = str(ledger.total(runs))
    assert said.startswith("4 networks were trained")
    assert "2 runs serve more than one experiment" in said
    assert "| trained | 4 |" in str(ledger.endings(runs))


def test_the_ledger_names_what_is_recorded_and_what_is_not(records):
    said = str(ledger.by_experiment(EXPERIMENTS, ledger.recorded(EXPERIMENTS)))
    for name, experiment in chapters.EXPERIMENTS.items():
        planned = len(experiment.contrasts) or "–"
        assert f"| `{name}` | {experiment.question} | {planned} |" in said
    assert said.count("not recorded yet") == len(chapters.EXPERIMENTS) - 2
    assert len(re.findall(r"\| 3, \d+ to come \|", said)) == 2


def test_the_ledger_has_machines_days_and_versions(records):
    runs = ledger.recorded(EXPERIMENTS)
    assert "| Abacus | 2.15.0 | 2026-01-01 to 2026-01-04 | 4 |" in str(ledger.machines(runs))
    assert str(ledger.packages(runs)) == "Recorded with Python 3.11 and 3.12, torch 2.15.0."


def test_every_sentence_on_how_the_results_were_made_is_shown_and_true():
    page = nbformat.read(ROOT / "chapters" / "results.ipynb", as_version=4)
    code = "\n".join(cell.source for cell in page.cells if cell.cell_type == "code")
    asked = re.findall(r'methods\.say\("(.+?)"\)', code)
    assert set(asked) == {*sentences.read(Path(methods.__file__).with_suffix(".md"))}
    for name in asked:
        assert str(methods.say(name))


# The package's functions


def test_a_functions_page_has_its_signature_and_its_docstring():
    said = str(reference.floor(1))
    assert "### bnbook.run" in said
    assert 'class Run\n    dataset: str = "mnist"  # a name in data.NAMES' in said
    assert inspect.getdoc(bnbook.run.Run.evaluates) in said
    assert "_check_choice" not in said


def test_names_of_a_package_come_from_its_list():
    said = str(reference.floor(3))
    for name in findings.__all__:
        if inspect.isroutine(getattr(findings, name)):
            assert f"\n{name}(" in said, name


def test_markup_in_a_docstring_stays_text():
    said = reference._prose("y_1 * x_2 < `a_b`\n\nmore $")
    assert said == "y\\_1 \\* x\\_2 \\< `a_b`\n\nmore \\$"


def test_every_documented_name_has_a_docstring():
    for number in reference.FLOORS:
        if number < 5:
            blocks = str(reference.floor(number)).split("```")
            for code, text in zip(blocks[1::2], blocks[2::2], strict=True):
                assert text.strip(), code


def test_a_long_signature_has_a_line_for_each_argument():
    said = str(reference.floor(1))
    assert "train(\n    run: Run,\n    splits: data.Splits | None = None,\n" in said


def test_layers_that_a_net_is_made_of_are_documented():
    assert f"class {norms.MeanNorm.__name__}" in str(reference.floor(0))
