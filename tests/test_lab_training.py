"""The lab in a live kernel: nets trained side by side, the widgets, what they say and draw."""

import copy
import dataclasses
import html
import itertools
import math
import re
import threading
import time

import ipywidgets
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bnbook import data as datasets
from bnbook import lab as labs
from bnbook import models, training
from bnbook.errors import BookError
from bnbook.lab import chart, presets, report
from bnbook.lab.session import BINS, Curve, Training, inside
from bnbook.run import Run

BATCH = ("batch",) * 4
VALIDATION = 500
PATIENCE = 120  # seconds for a run that takes one


@pytest.fixture(scope="module", autouse=True)
def fewer_images_to_evaluate():
    """Real digits, but fewer to validate and test on: evaluation is most of a short run."""
    splits = datasets.splits("digits")
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
    settings = {"dataset": "digits", "train_size": 256, "batch_size": 32, "epochs": 1}
    return Run(**{**settings, "norms": BATCH, **changes})


def plain(**changes):
    return tiny(norms=("none",) * 4, **changes)


def trained(*runs, **options):
    one = Training([(f"net {i}", run) for i, run in enumerate(runs)], **options)
    one.start()
    one.join(PATIENCE)
    assert one.ended
    return one


# Training


def test_each_net_side_by_side_trains_as_it_would_alone():
    runs = tiny(epochs=2), plain(epochs=2)
    side_by_side = trained(*runs)
    for curve, run in zip(side_by_side.curves, runs, strict=True):
        losses = []
        history = training.train(run, on_step=lambda _, loss, seen=losses: seen.append(loss))
        assert curve.losses == pytest.approx(losses, rel=1e-4)
        assert [row["step"] for row in curve.rows] == [0, 8, 16]
        for row, expected in zip(curve.rows, history.rows, strict=True):
            for key in ("val_correct", "val_correct_running"):
                assert row[key] == pytest.approx(expected[key], abs=0.01 * VALIDATION)
        assert curve.outcome == history.outcome
        assert curve.rates == [(1, 0.1)]
    assert side_by_side.progress == 1.0
    assert side_by_side.error is None


@pytest.mark.parametrize("subset", ["norm", "norm+head", "head"])
def test_what_is_frozen_stays_as_in_the_recorded_runs(subset):
    run = tiny(epochs=2, lr=0.5, trainable=subset)
    (curve,) = trained(run).curves
    losses = []
    training.train(run, on_step=lambda _, loss: losses.append(loss))
    assert curve.losses == pytest.approx(losses, rel=1e-4)
    first, last = curve.rows[0], curve.rows[-1]
    assert (first["gamma"] == last["gamma"]) == (subset == "head")


def test_evaluations_can_come_more_often_and_the_last_step_always_has_one():
    (curve,) = trained(tiny(epochs=2), every=5).curves
    assert [row["step"] for row in curve.rows] == [0, 5, 10, 15, 16]


def test_the_next_step_takes_a_learning_rate_that_is_set_meanwhile():
    def front():
        if len(changing.curves[0].losses) == 3:
            changing.lr = 1.0

    changing = Training([("A", tiny())], on_change=front)
    changing.start()
    changing.join(PATIENCE)
    (steady,) = trained(tiny()).curves
    (curve,) = changing.curves
    assert curve.rates == [(1, 0.1), (4, 1.0)]
    assert curve.losses[:4] == steady.losses[:4]  # the fourth loss is taken before its step
    assert curve.losses[4:] != steady.losses[4:]


def test_a_pause_holds_the_nets_and_changes_nothing():
    reached = threading.Event()

    def front():
        if len(paused.curves[0].losses) == 3 and not reached.is_set():
            paused.pause()
            reached.set()

    paused = Training([("A", tiny())], on_change=front)
    paused.start()
    assert reached.wait(PATIENCE)
    assert paused.paused
    paused.join(0.3)
    assert len(paused.curves[0].losses) == 3
    paused.resume()
    paused.join(PATIENCE)
    assert not paused.paused
    assert paused.curves[0].losses == trained(tiny()).curves[0].losses


def test_stop_ends_a_run_even_where_it_pauses():
    stepped = threading.Event()
    run = Training([("A", tiny(epochs=1_000))], on_change=stepped.set)
    run.start()
    assert stepped.wait(PATIENCE)
    run.pause()
    run.stop()
    run.join(PATIENCE)
    assert run.ended
    assert run.error is None
    assert run.curves[0].outcome == ""


def test_a_net_whose_loss_is_no_number_ends_and_the_other_goes_on():
    # ReLU without norms does not stand this rate; sigmoids do not leave the finite.
    broken, sound = trained(plain(activation="relu", lr=1e6), plain(lr=1e6)).curves
    assert broken.broken
    assert broken.outcome == "non-finite"
    assert len(broken.losses) < 8
    assert broken.rows[-1]["step"] == len(broken.losses)
    assert len(sound.losses) == 8


def test_an_error_in_the_front_ends_training_and_is_kept():
    failures = iter([ValueError("cannot draw")])

    def front():
        for failure in failures:
            raise failure

    assert repr(trained(tiny(), on_change=front).error) == "ValueError('cannot draw')"


def test_too_many_images_are_an_error_that_says_how_many_there_are():
    one = trained(tiny(train_size=4_001))
    assert isinstance(one.error, BookError)
    assert "4,000 training images, not 4,001" in str(one.error)


@pytest.mark.parametrize("change", [{"batch_size": 64}, {"seed": 1}, {"lr": 1.0}])
def test_nets_that_would_not_see_the_same_batches_are_refused(change):
    with pytest.raises(BookError, match="need the same"):
        Training([("A", tiny()), ("B", tiny(**change))])


def test_the_goal_is_reached_where_the_counts_say_so():
    rows = [{"step": s, "val_correct": c, "val_images": 1000} for s, c in ((0, 100), (5, 949))]
    curve = Curve("", tiny(), rows=rows)
    assert curve.goal() is None
    curve.rows.append({"step": 10, "val_correct": 950, "val_images": 1000})
    assert curve.goal()["step"] == 10


def timed(label, seconds, *evaluations):
    """A curve whose steps took `seconds` each: `(step, images right of 1,000)` per evaluation."""
    steps = evaluations[-1][0]
    return Curve(
        label,
        tiny(),
        losses=[1.0] * steps,
        seconds=seconds * steps,
        rows=[
            {"step": s, "seconds": seconds * s, "val_correct": c, "val_images": 1000}
            for s, c in evaluations
        ],
    )


def test_times_are_told_per_step_and_until_the_goal_with_their_ratios():
    curves = (timed("Slow", 0.03, (10, 900), (50, 960)), timed("Fast", 0.02, (10, 900), (60, 960)))
    said = report.times(
        [report.Named(n, chart.live_look(0), c) for n, c in zip("AB", curves, strict=True)]
    )
    for words in ("30 ms", "1.5 s, 50 steps", "20 ms", "1.2 s, 60 steps"):
        assert f">{words}<" in said
    assert re.search(r">A : B<.*>1\.50<.*>1\.25<", said)


def test_a_goal_not_reached_has_no_time_and_no_ratio():
    curves = (timed("On", 0.03, (50, 960)), timed("Off", 0.02, (50, 400)))
    said = report.times(
        [report.Named(n, chart.live_look(0), c) for n, c in zip("AB", curves, strict=True)]
    )
    assert ">not yet<" in said
    assert re.search(r">A : B<.*>1\.50<.*>–<", said)
    assert report.times([]) == ""


def test_the_seconds_of_a_run_are_those_of_its_steps():
    one = trained(tiny())
    (curve,) = one.curves
    seconds = [row["seconds"] for row in curve.rows]
    assert seconds[0] == 0
    assert seconds == sorted(seconds)
    assert seconds[-1] == curve.seconds > 0
    assert one.speed == pytest.approx(len(curve.losses) * curve.run.batch_size / curve.seconds)


@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=80), st.integers(1, 30))
def test_smoothed_losses_keep_the_mean_and_stay_few(losses, most):
    curve = Curve("", tiny(train_size=2_560), losses=losses)  # 80 steps
    points = curve.smooth_losses(most)
    assert len(points) <= most
    stretch = math.ceil(80 / most)
    weights = [min(stretch, len(losses) - i * stretch) for i in range(len(points))]
    assert np.average([y for _, y in points], weights=weights) == pytest.approx(np.mean(losses))
    assert [x for x, _ in points] == sorted(x for x, _ in points)


# A look inside


def look(run):
    part = datasets.splits("digits").train
    net = training.build(run)
    before = copy.deepcopy(net.state_dict())
    seen = inside(net, datasets.to_float(part.images[:256]), part.labels[:256])
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    return seen


def test_batch_norm_gives_every_layer_values_of_spread_one():
    seen = look(tiny())
    assert seen["spread_after"] == pytest.approx([1] * 4, abs=0.01)
    assert all(spread < 0.7 for spread in seen["spread_before"])
    for shares in [*seen["before"], *seen["after"]]:
        assert len(shares) == BINS
        assert sum(shares) == pytest.approx(1, abs=1e-5)


def test_without_a_norm_nothing_changes_on_the_way_through_its_place():
    seen = look(plain())
    assert seen["before"] == seen["after"]
    assert seen["gamma"] == [[]] * 4


def test_a_bias_before_batch_norm_gets_no_gradient_and_the_output_bias_does():
    seen = look(tiny())
    ratios = np.array(seen["bias_gradient"]) / seen["weight_gradient"]
    assert (ratios[:4] < 1e-4).all()
    assert ratios[4] > 1e-2
    bare = look(tiny(conv_bias=False))["bias_gradient"]
    assert [math.isnan(size) for size in bare] == [True, True, False, False, False]


def test_frozen_weights_show_the_gradients_that_they_would_follow():
    part = datasets.splits("digits").train
    net = training.build(tiny())
    free = inside(net, datasets.to_float(part.images[:256]), part.labels[:256])
    models.freeze(net, "norm", seed=0)
    frozen = inside(net, datasets.to_float(part.images[:256]), part.labels[:256])
    for size in ("weight_gradient", "bias_gradient"):
        assert frozen[size] == free[size]
    assert not any(layer.requires_grad for layer in models.weighted(net)["fc1"].parameters())


def test_values_beyond_the_axis_are_counted_at_its_edge():
    part = datasets.splits("digits").train
    images = 100 * datasets.to_float(part.images[:256])
    seen = inside(training.build(plain()), images, part.labels[:256])
    shares = seen["before"][0]
    assert sum(shares) == pytest.approx(1, abs=1e-5)
    assert shares[0] + shares[-1] > 0.3  # the rest is where a digit's margin is black


# Words


def curve_of(*evaluations, losses=0, last_loss=1.0, train_loss=1.0):
    """A curve of `(step, correct of 1,000)` evaluations."""
    rows = [
        {
            "step": step,
            "val_correct": correct,
            "val_correct_running": correct,
            "val_images": 1000,
            "train_loss": train_loss,
        }
        for step, correct in evaluations
    ]
    return Curve("A", tiny(), losses=[1.0] * (losses - 1) + [last_loss] * (losses > 0), rows=rows)


@pytest.mark.parametrize(
    ("curve", "words"),
    [
        (curve_of(), "Loading the digits"),
        (curve_of((0, 100), losses=3), "Before training: 10.0 %"),
        (curve_of((0, 100), (5, 400), losses=7), "Learning: now 40.0 %"),
        (curve_of((0, 100), (5, 950), losses=7), "Reached 95 % after 5 steps; now 95.0 %"),
        (
            curve_of((0, 100), (5, 960), (10, 120), losses=12),
            "Reached 95 % after 5 steps; collapsed to chance by step 10",
        ),
        (
            curve_of((0, 100), (5, 400), (6, 98), losses=6, last_loss=math.nan),
            "The loss became non-finite at step 6",
        ),
        (
            curve_of((0, 100), (5, 120), losses=7, train_loss=2.303),
            "Still at chance after 5 steps: a plateau, with the loss of a blind guess",
        ),
        (
            curve_of((0, 100), (5, 120), losses=7, train_loss=2.4),
            "Still at chance after 5 steps: the loss is above that of a guess, "
            "the steps are too large",
        ),
    ],
)
def test_what_happened_is_told_from_the_counts(curve, words):
    assert report.happened(curve) == words


def test_running_statistics_are_told_where_they_count_otherwise():
    curve = curve_of((0, 100), (5, 400), losses=5)
    curve.rows[-1]["val_correct_running"] = 250
    assert report.happened(curve) == "Learning: now 40.0 %, with running statistics 25.0 %"


def test_a_curve_tells_every_learning_rate_it_was_trained_with():
    curve = dataclasses.replace(curve_of(losses=9), rates=[(1, 0.5), (7, 2.0)])
    assert "learning rate 0.5, 2 from step 7, batch 32, seed 0" in report.settings(curve)


def test_the_table_has_every_evaluation_of_every_curve():
    look = chart.live_look(0)
    one = report.Named("A", look, curve_of((0, 100), (5, 400), losses=5))
    other = report.Named("B", look, curve_of((0, 90), (8, 950), losses=8))
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", report.numbers([one, other]))[5:]
    assert cells[0:5] == ["0", "10.0 %", "–", "9.0 %", "–"]
    assert cells[5:10] == ["5", "40.0 %", "1", "–", "–"]
    assert cells[10:15] == ["8", "–", "–", "95.0 %", "1"]


# Charts


def line(*points, name="A"):
    return chart.Line(name, chart.live_look(0), points)


def test_a_non_finite_loss_leaves_a_gap_and_no_broken_path():
    svg = chart.loss_chart([line((0.5, 2.3), (1.0, math.nan), (1.5, math.inf))], 2)
    assert "nan" not in svg
    assert "inf" not in svg
    assert chart.loss_ticks([math.nan]) == chart.loss_ticks([])
    assert chart.loss_ticks([0.02, 500.0])[-1] == 10.0


def test_a_perfect_accuracy_still_fits_on_the_axis():
    svg = chart.accuracy_chart([line((0, 0.1), (1, 1.0))], 1)
    heights = [float(y) for _, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", svg)]
    assert min(heights) >= chart.TOP


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_the_names_of_curves_do_not_touch(finals):
    lines = [line((0, 0.1), (1, y), name=f"n{i}") for i, y in enumerate(finals)]
    svg = chart.accuracy_chart(lines, 1)
    heights = sorted(float(y) for y in re.findall(r'y="([\d.]+)" style="font-weight', svg))
    assert len(heights) == len(finals)
    gaps = [b - a for a, b in itertools.pairwise(heights)]
    assert min(gaps) >= chart.LABEL - 0.2


def test_kept_runs_differ_from_each_other_and_from_what_trains():
    kept = [chart.kept_look(run, net) for run in range(6) for net in (0, 1)]
    live = [chart.live_look(net) for net in (0, 1)]
    assert len(set(kept + live)) == len(kept) + len(live)
    assert live[0].dash != live[1].dash


def test_histograms_say_in_words_what_they_show():
    drawn = chart.panels([chart.Panel("fc1", "spread 0.1 → 1", -8, 8, [0, 1], [0.5, 0.5])], "red")
    assert 'aria-label="fc1: spread 0.1 → 1"' in drawn
    assert drawn.count("<path") == 3  # axis, filled, outline


# The widget


@pytest.fixture
def make():
    made = []

    def build(preset="learning-rate", **options):
        made.append(labs.TrainingLab(preset, **{"train_size": 256, "epochs": 1, **options}))
        made[-1].controls.batch_size.value = 32
        return made[-1]

    yield build
    for lab in made:
        if lab.training:
            lab.training.stop()


def press(lab):
    lab.train.click()
    lab.training.join(PATIENCE)


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_preset_trains_its_two_nets_and_shows_what_it_is_for(make, name):
    lab = make(name)
    assert lab.train.description == "Train here"
    press(lab)
    assert lab.training.error is None
    preset = presets.PRESETS[name]
    for net, curve in zip(preset.nets, lab.training.curves, strict=True):
        assert curve.label == net.label
        assert curve.run == dataclasses.replace(
            net.run, lr=preset.lr, batch_size=32, train_size=256, epochs=1
        )
        assert f"{net.label}, learning rate {preset.lr:g}" in html.unescape(lab.message.value)
    assert lab.charts.value.count("<circle") == 4  # the ends of two curves in two charts
    assert lab.inside.value.count("spread") == 8 * 2  # seen and spoken
    assert ("Size of the gradients" in lab.inside.value) == (preset.watch == "bias gradients")
    assert ("Gamma and beta" in lab.inside.value) == (preset.watch == "gamma and beta")
    assert ("How long does training take?" in lab.inside.value) == (preset.watch == "time")
    assert "Every evaluation" in lab.numbers.value
    assert lab.bar.value == 1.0
    assert lab.status.value.startswith("ended at step 8 of 8")
    assert lab.train.description == "Train again"


@pytest.mark.parametrize("preset", presets.PRESETS.values(), ids=lambda preset: preset.name)
def test_the_presets_controls_stand_in_the_open_and_all_others_are_folded(make, preset):
    for net in make(preset.name).nets:
        of = {"norms": [net.norm], "toggles": net.toggles, "biases": [net.biases]}
        of |= {"affine": [net.affine], "activation": [net.activation], "trained": [net.trained]}
        assert list(net.shown.children) == [w for name in preset.controls for w in of[name]]
        settable = {*net.slots, net.biases, net.affine, net.activation, net.trained}
        assert settable <= {*net.shown.children, *net.folded.children}
        assert not {*net.shown.children} & {*net.folded.children}


def test_every_control_has_a_label(make):
    lab = make("per-layer")
    kinds = (
        ipywidgets.Dropdown,
        ipywidgets.Checkbox,
        ipywidgets.SelectionSlider,
        ipywidgets.Button,
    )

    def leaves(widget):
        children = getattr(widget, "children", ())
        return [leaf for child in children for leaf in leaves(child)] or [widget]

    controls = [leaf for leaf in leaves(lab.box) if isinstance(leaf, kinds)]
    assert len(controls) > 20
    assert all(control.description for control in controls)


def test_menus_and_switches_of_the_norms_move_together(make):
    net = make("learning-rate").nets[0]
    net.norm.value = "mean"
    assert net.fields()["norms"] == ("mean",) * 4
    net.slots[3].value = "none"
    assert net.norm.value == ""  # mixed
    assert [toggle.value for toggle in net.toggles] == [True, True, True, False]
    net.toggles[3].value = True
    assert net.fields()["norms"] == ("mean", "mean", "mean", "batch")
    net.toggles[0].value = False
    assert net.fields()["norms"] == ("none", "mean", "mean", "batch")
    net.norm.value = "batch"
    assert net.fields()["norms"] == BATCH


def test_a_net_that_is_no_longer_the_presets_is_named_for_what_it_is(make):
    lab = make("bias-removal")
    lab.nets[1].biases.value = (False, True)
    lab.nets[1].activation.value = "relu"
    assert [label for label, _ in lab.runs()] == [
        "All biases",
        "Batch norm, no biases in convolutions, ReLU",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"norms": ("none",) * 4, "affine": "none"}, "No norm"),
        ({"norms": ("mean",) * 4, "affine": "gamma"}, "Mean-only norm, beta fixed"),
        ({"affine": "none", "conv_bias": False, "linear_bias": False},
         "Batch norm, gamma and beta fixed, no biases"),
        ({"norms": ("batch", "none", "batch", "variance")},
         "Batch norm after conv1, fc1; variance-only norm after fc2"),
        ({"trainable": "norm"}, "Batch norm, only gamma and beta trained"),
        ({"trainable": "norm", "affine": "gamma"}, "Batch norm, only gamma trained"),
        ({"trainable": "norm+head", "linear_bias": False},
         "Batch norm, no biases in linear layers, only gamma, beta and the last layer trained"),
        ({"trainable": "head", "norms": ("none",) * 4, "activation": "relu"},
         "No norm, ReLU, only the last layer trained"),
    ],
)  # fmt: skip
def test_a_net_is_described_by_what_is_unusual(changes, words):
    assert presets.describe(tiny(**changes)) == words


def test_the_second_net_can_be_left_out(make):
    lab = make()
    lab.second.value = False
    assert len(lab.runs()) == 1
    assert lab.nets[1].shown.layout.display == "none"
    lab.second.value = True
    assert len(lab.runs()) == 2
    assert lab.nets[1].shown.layout.display is None


def test_the_slider_reaches_the_training_that_runs(make):
    lab = make(epochs=50)
    lab.train.click()
    lab.controls.lr.value = 0.001
    assert lab.training.lr == 0.001


def test_one_button_pauses_and_resumes(make):
    lab = make(epochs=50)
    lab.train.click()
    first = lab.training
    assert lab.train.description == "Pause"
    lab.train.click()
    assert first.paused
    assert lab.train.description == "Resume"
    assert lab.status.value.startswith("paused")
    lab.train.click()
    assert not first.paused
    assert lab.training is first


def test_reset_forgets_the_run_and_what_it_still_says(make):
    lab = make(epochs=50)
    lab.train.click()
    run = lab.training
    lab.reset.click()
    run.join(PATIENCE)
    assert run.ended
    assert lab.training is None
    assert lab.message.value.count("<b>") == 0
    assert "<circle" not in lab.charts.value
    assert lab.train.description == "Train here"
    assert lab.reset.disabled


def test_kept_runs_stay_beside_the_next_one_until_they_are_forgotten(make):
    lab = make()
    assert lab.keep.disabled
    press(lab)
    lab.keep.click()
    lab.controls.seed.value = 3
    press(lab)
    for name in ("A", "B", "1A", "1B"):
        assert f"<b>{name}</b>" in lab.message.value
    assert "seed 3" in lab.message.value
    assert lab.charts.value.count("<circle") == 8
    for _ in range(5):
        lab.keep.click()
    assert lab.keep.disabled
    lab.forget.click()
    assert "<b>1A</b>" not in lab.message.value
    assert lab.forget.disabled
    assert not lab.keep.disabled


def test_what_cannot_be_trained_is_explained_in_the_widget(make):
    lab = make()
    lab.controls.batch_size.value = 512
    lab.train.click()
    assert "batch size 512 is above the training size 256" in lab.message.value
    assert lab.training is None


def test_a_net_that_could_learn_nothing_is_not_trained_and_says_why(make):
    lab = make()
    lab.nets[1].trained.value = "norm"  # of a net without norms
    lab.train.click()
    assert "norm&#x27;, which needs a norm" in lab.message.value
    assert lab.training is None
    lab.nets[1].norm.value = "mean"
    lab.nets[1].affine.value = "none"
    lab.train.click()
    assert "norm&#x27;, which needs gamma or beta to be learned" in lab.message.value
    assert lab.training is None
    lab.nets[1].affine.value = "gamma"
    press(lab)
    assert lab.training.curves[1].label == "Mean-only norm, only gamma trained"


def test_an_unforeseen_error_shows_in_the_widget_with_its_traceback(make, monkeypatch):
    def fail(*_args, **_options):
        raise RuntimeError("the <disk> melted")

    monkeypatch.setattr(training, "build", fail)
    lab = make()
    press(lab)
    assert "the &lt;disk&gt; melted" in lab.message.value
    assert "Traceback" in lab.message.value
    assert lab.train.description == "Train again"


def test_redraws_are_rare_while_training(make):
    lab = make()
    lab.training = Training(lab.runs())
    drawn = []
    lab.charts.observe(lambda _: drawn.append(time.monotonic()), names="value")
    end = time.monotonic() + 0.6
    while time.monotonic() < end:
        lab.training.curves[0].losses.append(1.0)
        lab._refresh(lab.training)
    assert 1 <= len(drawn) <= 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "dropout"}, "unknown preset 'dropout'; known: "),
        ({"device": "abacus"}, "no device 'abacus' here; take one of cpu"),
        ({"train_size": 64}, "batch size 128 is above the training size 64"),
    ],
)
def test_a_lab_cannot_start_where_its_controls_cannot_go(options, message):
    with pytest.raises(BookError, match=message):
        labs.TrainingLab(**options)


@pytest.mark.parametrize(("size", "dataset"), [(4_000, "digits"), (4_001, "mnist")])
def test_more_images_than_the_page_has_come_from_mnist(size, dataset):
    lab = labs.TrainingLab(train_size=size)
    assert {run.dataset for _, run in lab.runs()} == {dataset}
    assert {run.train_size for _, run in lab.runs()} == {size}


# A chapter's lab


@pytest.fixture
def shown(monkeypatch):
    displayed = []
    monkeypatch.setattr(labs, "display", displayed.append)
    monkeypatch.setattr(labs, "recorded", lambda _frame, **_options: "recorded")
    return displayed


def test_in_a_kernel_the_lab_trains_there(shown, monkeypatch):
    monkeypatch.setattr(labs, "rendering", lambda: False)
    labs.lab("frame", preset="lite", epochs=5)
    trains, below = shown
    assert isinstance(trains, labs.TrainingLab)
    assert trains.preset.name == "lite"
    assert trains.controls.epochs.value == 5
    assert below == "recorded"


def test_on_a_rendered_page_the_lab_trains_in_the_browser(shown, monkeypatch):
    monkeypatch.setattr(labs, "rendering", lambda: True)
    labs.lab("frame", preset="lite")
    trains, records, below = shown
    assert "Train here" in trains._repr_html_()
    assert '"preset":"lite"' in trains._repr_html_()
    assert "`browser-lab`" in records._repr_markdown_()
    assert below == "recorded"


def test_a_lab_without_recorded_runs_of_its_own_stands_alone(shown):
    labs.lab(preset="only-norm")
    (trains,) = shown
    assert isinstance(trains, labs.TrainingLab)
