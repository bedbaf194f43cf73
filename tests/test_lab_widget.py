"""The widgets of the lab in a live kernel, and how a chapter shows them."""

import dataclasses
import html
import time

import ipywidgets
import pytest
from bnbook.lab.slider import Slider
from lab_pages import PRESETS
from live import PATIENCE, tiny
from traitlets import TraitError

from bnbook import lab as labs
from bnbook import training
from bnbook.errors import BookError
from bnbook.lab import kernel, presets
from bnbook.lab.session import Training

pytestmark = pytest.mark.usefixtures("few_digits")


@pytest.fixture
def make():
    made = []

    def build(preset="learning-rate", **options):
        short = {"train_size": 256, "epochs": 1, **options}
        made.append(labs.TrainingLab(PRESETS[preset], **short))
        made[-1].controls.batch_size.value = 32
        return made[-1]

    yield build
    for lab in made:
        if lab.training:
            lab.training.stop()


def press(lab):
    lab.train.click()
    lab.training.join(PATIENCE)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_trains_its_two_nets_and_shows_what_it_is_for(make, name):
    lab = make(name)
    assert lab.train.description == "Train here"
    press(lab)
    assert lab.training.error is None
    preset = PRESETS[name]
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


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
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
        Slider,
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
    assert net.fields()["norms"] == ("batch",) * 4


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
        ({"device": "abacus"}, "no device 'abacus' here; take one of cpu"),
        ({"device": ""}, "no device '' here; take one of cpu"),
        ({"train_size": 64}, "batch size 128 is above the training size 64"),
        ({"train_size": 0}, "train size is 0; it must be at least 1"),
        ({"train_size": 60_000}, "train size is 60,000; the lab has 50,000 images"),
        ({"train_size": "all"}, "train size is 'all'; it must be a whole number"),
        ({"epochs": 0}, "epochs is 0; it must be at least 1"),
        ({"epochs": -1}, "epochs is -1; it must be at least 1"),
        ({"epochs": 2.5}, "epochs is 2.5; it must be a whole number"),
        ({"seed": -1}, "seed is -1; it must be between 0 and"),
        ({"seed": 2**80}, "seed is 12.*; it must be between 0 and"),
        ({"seed": None}, "seed is None; it must be a whole number"),
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


# Sliders


def test_a_slider_stands_for_a_value_and_shows_it_as_text():
    slider = Slider((0.001, 0.1, 30.0), 0.1, "Learning rate")
    assert (slider.index, slider.value) == (1, 0.1)
    assert slider.texts == ["0.001", "0.1", "30"]
    seen = []
    slider.observe(lambda change: seen.append(change.new), names="value")
    slider.index = 2  # what the front end sets
    assert seen == [30.0]
    slider.value = 0.001
    assert slider.index == 0
    with pytest.raises(TraitError, match=r"0\.2 is none of"):
        slider.value = 0.2
    assert slider.value == 0.001


# A cell that is run again


def running(monkeypatch, cell, execution):
    monkeypatch.setattr(kernel, "running_cell", lambda: (cell, execution))


@pytest.mark.parametrize("cell", ["a-cell", ""])
def test_a_cell_that_is_run_again_ends_its_old_training(make, monkeypatch, cell):
    labs_made = []
    for execution in ("first", "second", "third"):
        running(monkeypatch, cell, execution)
        labs_made.append(make(epochs=50))
        labs_made[-1].train.click()
    first, second, third = (lab.training for lab in labs_made)
    for old in (first, second):
        old.join(PATIENCE)
        assert old.ended
    assert not third.ended


def test_two_labs_of_one_cell_or_of_two_leave_each_other_alone(make, monkeypatch):
    trainings = []
    for cell, execution in (("one", "1"), ("one", "1"), ("two", "2")):
        running(monkeypatch, cell, execution)
        lab = make(epochs=50)
        lab.train.click()
        trainings.append(lab.training)
    assert not any(training.ended for training in trainings)


def test_a_saved_notebook_keeps_words_where_the_lab_was(make, monkeypatch):
    for name in ("BNBOOK_RENDER", "QUARTO_DOCUMENT_PATH", "QUARTO_EXECUTE_INFO"):
        monkeypatch.delenv(name, raising=False)
    bundle = make("lite")._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    for kind in ("text/plain", "text/html"):
        assert "Remove only the mean, or only the scale: run this cell" in bundle[kind]
        assert "VBox" not in bundle[kind]


# A chapter's lab


@pytest.fixture
def shown(monkeypatch):
    displayed = []
    monkeypatch.setattr(labs, "display", displayed.append)
    monkeypatch.setattr(labs, "recorded", lambda _frame, **_options: "recorded")
    return displayed


def test_in_a_kernel_the_lab_trains_there(shown, monkeypatch):
    monkeypatch.setattr(labs, "rendering", lambda: False)
    labs.lab("frame", preset=PRESETS["lite"], epochs=5)
    trains, below = shown
    assert isinstance(trains, labs.TrainingLab)
    assert trains.preset.name == "lite"
    assert trains.controls.epochs.value == 5
    assert below == "recorded"


def test_on_a_rendered_page_the_lab_trains_in_the_browser(shown, monkeypatch):
    monkeypatch.setattr(labs, "rendering", lambda: True)
    labs.lab("frame", preset=PRESETS["lite"])
    trains, records, below = shown
    assert "Train here" in trains._repr_html_()
    assert '"preset":"lite"' in trains._repr_html_()
    assert "`browser-lab`" in records._repr_markdown_()
    assert below == "recorded"


def test_a_lab_without_recorded_runs_of_its_own_stands_alone(shown):
    labs.lab(preset=PRESETS["only-norm"])
    (trains,) = shown
    assert isinstance(trains, labs.TrainingLab)
