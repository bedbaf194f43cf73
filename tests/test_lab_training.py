"""The lab in a live kernel: runs in the background, the widget, its charts."""

import dataclasses
import math
import re
import threading
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bnbook import data as datasets
from bnbook import lab as labs
from bnbook import training
from bnbook.errors import BookError
from bnbook.lab import chart
from bnbook.lab.session import Curve, Session
from bnbook.run import Run

BATCH = ("batch",) * 4
VALIDATION = 500


@pytest.fixture(scope="module", autouse=True)
def fewer_images_to_evaluate():
    """Real digits, but fewer to validate and test on: evaluation is most of a short run."""
    splits = datasets.splits("mnist")
    few = dataclasses.replace(
        splits,
        validation=_first(splits.validation, VALIDATION),
        test=_first(splits.test, VALIDATION),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "splits", lambda _name: few)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # beside other test workers, more threads only wait for each other
        yield
        torch.set_num_threads(threads)


def _first(part, n):
    return datasets.Images(part.images[:n], part.labels[:n])


def tiny(**changes):
    return Run(**{"train_size": 256, "batch_size": 32, "epochs": 1, "norms": BATCH, **changes})


@pytest.fixture(scope="module")
def trained():
    session = Session()
    assert session.start(tiny(epochs=2))
    session.join(120)
    return session


def test_a_run_in_the_background_is_the_run_that_train_would_do(trained):
    (curve,) = trained.curves
    losses = []
    history = training.train(curve.run, on_step=lambda _, loss: losses.append(loss))
    assert curve.losses == pytest.approx(losses, rel=1e-4)
    assert [epoch for epoch, _ in curve.accuracies] == [0, 1, 2]
    correct = history.rows[-1]["val_correct"]
    assert curve.accuracies[-1][1] == pytest.approx(correct / VALIDATION, abs=0.01)
    assert curve.outcome == history.outcome
    assert curve.progress == 1.0


def test_a_second_start_changes_nothing_while_a_run_is_training():
    session = Session()
    assert session.start(tiny(epochs=50))
    assert not session.start(tiny())
    assert len(session.curves) == 1
    session.stop()
    session.join(60)


def test_stop_ends_the_run_and_the_next_one_starts_afresh():
    stepped = threading.Event()
    session = Session(lambda: stepped.set() if session.curves[-1].losses else None)
    session.start(tiny(epochs=1_000))
    assert stepped.wait(60)
    session.stop()
    session.join(60)
    assert not session.training
    assert session.curves[0].outcome == "stopped"
    assert session.error is None
    assert session.start(tiny())
    session.join(60)
    assert [curve.number for curve in session.curves] == [1, 2]
    assert session.curves[1].outcome not in ("stopped", "failed", "training")


def test_an_error_in_the_front_ends_the_run_and_is_kept():
    failures = iter([ValueError("cannot draw")])

    def front():
        for failure in failures:
            raise failure

    session = Session(front)
    session.start(tiny())
    session.join(60)
    assert session.curves[0].outcome == "failed"
    assert repr(session.error) == "ValueError('cannot draw')"


def test_clear_keeps_the_run_that_is_training():
    session = Session()
    session.curves = [Curve(tiny(), 1, outcome="trained"), Curve(tiny(), 2)]
    session.clear()
    assert [curve.number for curve in session.curves] == [2]


@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=80), st.integers(1, 30))
def test_smoothed_losses_keep_the_mean_and_stay_few(losses, most):
    curve = Curve(tiny(train_size=2_560), 1, losses=losses)  # 80 steps
    points = curve.smooth_losses(most)
    assert len(points) <= most
    stretch = math.ceil(80 / most)
    weights = [min(stretch, len(losses) - i * stretch) for i in range(len(points))]
    assert np.average([y for _, y in points], weights=weights) == pytest.approx(np.mean(losses))
    assert [x for x, _ in points] == sorted(x for x, _ in points)


# The widget


def test_the_widget_trains_what_its_controls_say_and_shows_it():
    lab = labs.TrainingLab(lr=1.0, batch_size=64, train_size=256, epochs=1)
    lab.norm.value, lab.seed.value = "mean", 3
    assert lab.run() == tiny(norms=("mean",) * 4, seed=3, lr=1.0, batch_size=64)
    lab.train.click()
    assert (lab.train.disabled, lab.stop.disabled) == (True, False)
    lab.train.click()
    lab.session.join(60)
    assert (lab.train.disabled, lab.stop.disabled) == (False, True)
    assert len(lab.session.curves) == 1
    assert lab.bar.value == 1.0
    assert "norm: mean only, seed 3" in lab.message.value
    assert "validation accuracy" in lab.message.value
    assert lab.charts.value.count("<circle") == 2  # the ends of two curves
    lab.clear.click()
    assert lab.session.curves == []
    assert "<circle" not in lab.charts.value


def test_a_configuration_that_cannot_be_trained_is_explained_in_the_widget():
    lab = labs.TrainingLab(batch_size=512, train_size=256)
    lab.train.click()
    assert "batch size 512 is above the training size 256" in lab.message.value
    assert not lab.session.training
    assert lab.session.curves == []


def test_an_unforeseen_error_shows_in_the_widget_with_its_traceback(monkeypatch):
    def fail(*_args, **_options):
        raise RuntimeError("the <disk> melted")

    monkeypatch.setattr(training, "train", fail)
    lab = labs.TrainingLab(train_size=256, epochs=1)
    lab.train.click()
    lab.session.join(60)
    assert "the &lt;disk&gt; melted" in lab.message.value
    assert "Traceback" in lab.message.value
    assert not lab.train.disabled


def test_redraws_are_rare_while_training():
    lab = labs.TrainingLab(train_size=256, epochs=1)
    drawn = []
    lab.charts.observe(lambda _: drawn.append(time.monotonic()), names="value")
    lab.session.training = True
    lab.session.curves = [Curve(lab.run(), 1)]
    end = time.monotonic() + 0.6
    while time.monotonic() < end:
        lab.session.curves[0].losses.append(1.0)
        lab._refresh()
    assert 1 <= len(drawn) <= 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, "off the slider"),
        ({"lr": 31}, "off the slider"),
        ({"norm": "layer"}, "known: "),
    ],
)
def test_controls_cannot_start_where_they_cannot_go(options, message):
    with pytest.raises(BookError, match=message):
        labs.TrainingLab(**options)


def test_a_non_finite_loss_leaves_a_gap_and_no_broken_path():
    svg = chart.loss_chart([chart.Line("1", 0, [(0.5, 2.3), (1.0, math.nan), (1.5, math.inf)])], 2)
    assert "nan" not in svg
    assert "inf" not in svg
    assert chart.loss_ticks([math.nan]) == chart.loss_ticks([])
    assert chart.loss_ticks([0.02, 500.0])[-1] == 10.0


def test_a_perfect_accuracy_still_fits_on_the_axis():
    svg = chart.accuracy_chart([chart.Line("1", 0, [(0, 0.1), (1, 1.0)])], 1)
    heights = [float(y) for _, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", svg)]
    assert min(heights) >= chart.TOP
