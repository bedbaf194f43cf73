"""The labs' presets: each begins where it can train and where a band is recorded."""

import dataclasses
import itertools
import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest
from lab_pages import PRESETS

import bnbook
from bnbook import chapters, lab, models, norms
from bnbook.errors import BookError
from bnbook.lab import presets
from bnbook.lab.settings import settings
from bnbook.run import Run

PACKAGE = Path(bnbook.__file__).parent
each = pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)


def start(preset, net, **changes):
    settings = {"batch_size": presets.PLAIN.batch_size, "epochs": presets.PLAIN.epochs}
    return dataclasses.replace(net.run, lr=preset.lr, **settings, **changes)


def test_each_chapter_with_a_lab_has_a_preset_under_its_experiments_name():
    with_a_lab = [chapter for chapter in chapters.CHAPTERS if chapter.preset]
    assert {1, 2, 3, 4, 5, 12, 13} <= {chapter.number for chapter in with_a_lab}
    for chapter in with_a_lab:
        if chapter.preset is not presets.WITH_OR_WITHOUT or chapter.number == 2:
            assert chapter.preset.name in [one.name for one in chapter.experiments]
    assert len(PRESETS) == len({chapter.preset for chapter in with_a_lab})


@each
def test_a_lab_begins_where_a_band_is_recorded_for_both_nets(preset):
    band = chapters.experiment("browser-lab").runs(pd.DataFrame())
    for net in preset.nets:
        seeds = {run.seed for run in band if run == start(preset, net, seed=run.seed)}
        assert len(seeds) >= 3, net.label


@each
def test_the_nets_of_a_lab_differ_in_what_its_open_controls_set(preset):
    fields = {
        "norms": {"norms"},
        "toggles": {"norms"},
        "biases": {"conv_bias", "linear_bias"},
        "affine": {"affine"},
        "activation": {"activation"},
        "trained": {"trainable"},
    }
    first, second = (net.run for net in preset.nets)
    differ = {
        f.name for f in dataclasses.fields(Run) if getattr(first, f.name) != getattr(second, f.name)
    }
    assert differ
    assert differ <= set().union(*(fields[control] for control in preset.controls))
    assert preset.nets[0].label != preset.nets[1].label


@each
def test_a_lab_begins_where_its_controls_can_stand(preset):
    assert preset.lr in presets.LRS
    assert presets.PLAIN.batch_size in presets.BATCH_SIZES
    assert presets.PLAIN.epochs in presets.EPOCHS
    if "norms" in preset.controls:  # one kind for all four
        assert all(len(set(net.run.norms)) == 1 for net in preset.nets)
    if "toggles" in preset.controls:
        assert all(set(net.run.norms) <= {"batch", "none"} for net in preset.nets)


def test_the_word_lists_name_everything_that_a_lab_can_train():
    engine = (PACKAGE / "lab/engine/engine.js").read_text()
    trained_on_the_page = re.search(r"^const NORMS = (\[.*\]);$", engine, re.MULTILINE)[1]
    assert set(presets.NORMS) == set(json.loads(trained_on_the_page))
    assert set(presets.NORMS) <= set(norms.KINDS)
    assert set(presets.AFFINE) == set(models.AFFINE)
    assert set(presets.ACTIVATIONS) == set(models.ACTIVATIONS)
    assert {*presets.TRAINED, "random"} == set(models.SUBSETS)
    assert len(set(presets.BIASES)) == len(set(presets.BIASES.values())) == 4


def test_a_named_freezing_is_the_one_the_model_makes():
    for name, (learns_gamma, learns_beta) in models.AFFINE.items():
        words = presets.AFFINE[name]
        assert (
            words
            == {
                (True, True): "Both learned",
                (True, False): "Beta fixed",
                (False, True): "Gamma fixed",
                (False, False): "Both fixed",
            }[learns_gamma, learns_beta]
        )


def test_the_learning_rates_rise_by_about_a_quarter_and_hold_every_recorded_one():
    assert (presets.LRS[0], presets.LRS[-1]) == (0.001, 200)
    steps = [math.log10(b / a) for a, b in zip(presets.LRS, presets.LRS[1:], strict=False)]
    assert all(0.075 < step < 0.125 for step in steps)
    recorded = {run.lr for run in chapters.experiment("browser-lab").runs(pd.DataFrame())}
    assert recorded <= set(presets.LRS)


def test_no_rate_that_a_link_may_name_has_gone():
    """The slider's values before it went beyond 30."""
    decades = [f"{step}e{power}" for power in range(-3, 2) for step in presets._R10]
    assert {30.0, *(float(x) for x in decades if float(x) < 30)} <= set(presets.LRS)


def test_a_chapter_without_a_preset_says_that_it_has_no_lab():
    with pytest.raises(BookError, match="Exercise 6 has no lab"):
        chapters.find(6).lab()


@pytest.mark.parametrize("chapter", chapters.CHAPTERS[:5], ids=lambda chapter: chapter.slug)
def test_a_trial_compares_nets_that_it_has_at_rates_of_the_slider(chapter):
    preset, trial = chapter.preset, chapter.preset.trial
    nets = [net.label for net, _ in trial.nets] or [net.label for net in preset.nets]
    assert set(itertools.chain(*trial.contrasts)) <= set(nets)
    assert {lr for _, lr in trial.nets if lr} | set(trial.lrs) <= set(presets.LRS)
    assert bool(trial.lrs) == (trial.direction == "limits")


@pytest.mark.parametrize("chapter", chapters.CHAPTERS[:5], ids=lambda chapter: chapter.slug)
def test_the_lab_sets_the_books_own_decision_beside_the_readers(chapter, monkeypatch):
    given = {}
    monkeypatch.setattr(lab, "lab", lambda _frame, **options: given.update(options))
    chapter.lab()
    book = settings(chapter.preset, given["book"])["trial"]["book"]
    assert book["decision"] == chapter.facts.decision
    assert book["seeds"] == chapter.facts.seeds
    assert book["images"] == 50_000
    words = str(chapter.say(chapter.preset.trial.evidence)).split()
    assert book["evidence_html"].split() == words
