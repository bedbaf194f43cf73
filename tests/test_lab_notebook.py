"""The lab in a notebook: cells that are run again, what is saved, what a chapter shows."""

import base64
import re

import pytest
from lab_pages import PRESETS
from live import PATIENCE, asks, run_to_the_end, setting

from bnbook import lab as labs
from bnbook.lab import training_lab

pytestmark = pytest.mark.usefixtures("few_digits", "in_jupyter")


# A cell that is run again


def running(monkeypatch, cell, execution):
    monkeypatch.setattr(training_lab, "running_cell", lambda: (cell, execution))


@pytest.mark.parametrize("cell", ["a-cell", ""])
def test_a_cell_that_is_run_again_ends_its_old_training(make_lab, monkeypatch, cell):
    trainings = []
    for execution in ("first", "second", "third"):
        running(monkeypatch, cell, execution)
        lab = make_lab(epochs=50)
        asks(lab, "start", setting=setting(lab))
        trainings.append(lab._training)
    for old in trainings[:2]:
        old.join(PATIENCE)
        assert old.ended
    assert not trainings[2].ended


def test_two_labs_of_one_cell_or_of_two_leave_each_other_alone(make_lab, monkeypatch):
    made = []
    for cell, execution in (("one", "1"), ("one", "1"), ("two", "2")):
        running(monkeypatch, cell, execution)
        made.append(make_lab(epochs=50))
        asks(made[-1], "start", setting=setting(made[-1]))
    assert all(lab.running for lab in made)


# What a notebook shows


@pytest.fixture
def displayed(monkeypatch):
    """What a cell displays: bundles, and what later takes their place."""
    shown = []

    class Handle:
        def update(self, html):
            shown.append(html.data)

    def show(what, **options):
        shown.append(what if isinstance(what, dict) else what.data)
        return Handle() if options.get("display_id") else None

    monkeypatch.setattr(training_lab, "_show", show)
    return shown


def test_a_saved_notebook_keeps_words_and_then_a_picture_of_the_last_training(make_lab, displayed):
    lab = make_lab("lite")
    lab._ipython_display_()
    view, words = displayed
    assert "application/vnd.jupyter.widget-view+json" in view
    assert view["text/html"] == ""
    assert PRESETS["lite"].title in words
    assert "Run this cell" in words
    assert "<img" not in words
    run_to_the_end(lab)
    _, _, picture = displayed
    assert PRESETS["lite"].title in picture
    assert "step 8 of 8" in picture
    for net in (0, 1):
        last = next(row for row in lab.history if row["net"] == net and row["step"] == 8)
        share = f"{last['val_correct'] / 5:.1f}% right"
        assert picture.count(share) >= 2  # read, and spoken
    source = re.search('src="data:image/svg.xml;base64,(.*?)"', picture)[1]
    assert b"<svg" in base64.b64decode(source)


def test_while_rendering_it_says_where_the_lab_is(make_lab, displayed, monkeypatch):
    lab = make_lab()
    monkeypatch.setenv("BNBOOK_RENDER", "1")
    lab._ipython_display_()
    assert displayed == [training_lab.ELSEWHERE]


# A chapter's lab


@pytest.fixture
def shown(monkeypatch):
    displayed = []
    monkeypatch.setattr(labs, "display", displayed.append)
    monkeypatch.setattr(labs, "recorded", lambda _frame, **_options: "recorded")
    return displayed


def test_in_a_kernel_the_lab_is_a_widget(shown, monkeypatch):
    monkeypatch.setattr(labs, "rendering", lambda: False)
    labs.lab("frame", preset=PRESETS["lite"], epochs=5)
    trains, below = shown
    assert isinstance(trains, labs.TrainingLab)
    assert trains.preset.name == "lite"
    assert trains.epochs == 5
    assert below == "recorded"


def test_a_lab_without_recorded_runs_of_its_own_stands_alone(shown):
    labs.lab(preset=PRESETS["only-norm"])
    (trains,) = shown
    assert isinstance(trains, labs.TrainingLab)
