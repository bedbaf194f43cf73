"""The lab in a live kernel: its traits, what it asks and answers, and how a chapter shows it."""

import base64
import dataclasses
import json
import time

import ipywidgets
import pytest
import traitlets
from lab_pages import PRESETS
from live import PATIENCE, asks, run_to_the_end, setting
from traitlets import TraitError

from bnbook import lab as labs
from bnbook import training
from bnbook.errors import BookError
from bnbook.lab import images, presets, training_lab
from bnbook.lab.presets import Net

pytestmark = pytest.mark.usefixtures("few_digits", "in_jupyter")


def kinds(lab):
    return [one["type"] for one in lab.said]


def wait_until(holds):
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


# Training


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_trains_its_two_nets_as_they_would_train_elsewhere(make_lab, name):
    preset = PRESETS[name]
    lab = run_to_the_end(make_lab(name))
    assert kinds(lab)[0] == "ready"
    assert kinds(lab)[-1] == "done"
    shared = {"lr": preset.lr, "batch_size": 64, "train_size": 512, "epochs": 1}
    expected = [dataclasses.replace(net.run, **shared) for net in preset.nets]
    assert lab.runs() == expected
    last = training.train(expected[1]).rows[-1]
    row = next(row for row in lab.history if row["net"] == 1 and row["step"] == 8)
    for key in ("val_correct", "val_correct_running", "val_images", "val_loss"):
        assert row[key] == last[key]


def test_what_a_preset_says_beyond_the_controls_trains_too(make_lab):
    plain = dataclasses.replace(presets.WITH_OR_WITHOUT, trial=None)
    both = {"momentum": 0.9, "weight_decay": 0.001, "schedule": "cosine"}
    nets = [
        Net("Dropout", dataclasses.replace(plain.nets[0].run, dropout=0.5, **both)),
        Net("He", dataclasses.replace(plain.nets[0].run, init="he", **both)),
    ]
    lab = run_to_the_end(make_lab(dataclasses.replace(plain, nets=tuple(nets))))
    for net, run in enumerate(lab.runs()):
        assert nets[net].run.changes().keys() <= run.changes().keys()
        ends = [row for row in lab.history if row["net"] == net and row["step"] in (0, 8)]
        counts = [row["val_correct"] for row in ends]
        assert counts == [row["val_correct"] for row in training.train(run).rows]


def test_history_has_a_row_for_each_evaluation_and_net_json_able(make_lab):
    lab = run_to_the_end(make_lab(epochs=2))
    assert [(row["net"], row["step"]) for row in lab.history] == [
        *((net, step) for step in (0, 1, 2, 5, 8, 16) for net in (0, 1))
    ]
    first, last = lab.history[0], lab.history[-1]
    assert first["train_loss"] is None
    assert last["epoch"] == 2
    assert last["lr"] == lab.lr
    assert json.loads(json.dumps(lab.history, allow_nan=False)) == lab.history


def test_momentum_decay_and_the_data_are_the_readers_to_set(make_lab):
    lab = make_lab()
    first = lab.runs(setting(lab, momentum=0.9, decay=0.001, data="clothes"))[0]
    assert (first.momentum, first.weight_decay, first.dataset) == (0.9, 0.001, "clothes")


def test_the_second_net_can_be_left_out(make_lab):
    lab = make_lab()
    asked = setting(lab)
    asks(lab, "start", setting={**asked, "nets": asked["nets"][:1]})
    lab.join(PATIENCE)
    assert {row["net"] for row in lab.history} == {0}


# Traits


def test_traits_begin_as_the_preset_and_the_options_say(make_lab):
    lab = make_lab("per-layer", seed=3, epochs=7)
    preset = PRESETS["per-layer"]
    assert (lab.lr, lab.seed, lab.epochs, lab.train_size) == (preset.lr, 3, 7, 512)
    assert lab.norms == [list(net.run.norms) for net in preset.nets]
    assert lab.data["epochs"] == (5, 7, 10, 20, 50)
    assert list(lab.data["train_sizes"]) == ["512", "4000", "10000", "50000"]
    assert list(lab.data["trainers"])[:2] == ["browser", "cpu"]
    assert lab.trainer == "cpu"
    assert not lab.running


@pytest.mark.parametrize(
    ("trait", "value", "words"),
    [
        ("lr", 0.3, "lr 0.3 is none of 0.001, .*, 30.0"),
        ("batch_size", 48, "batch_size 48 is none of 2, 4"),
        ("epochs", 6, "epochs 6 is none of 1, 5, 10"),
        ("train_size", 999, "train_size 999 is none of 512, 4000"),
        ("trainer", "abacus", "trainer 'abacus' is none of browser, cpu"),
        ("seed", -1, "seed -1 is not between 0 and"),
        ("norms", [["batch"] * 4], "are not 4 names for each of two nets"),
        ("norms", [["batch"] * 3] * 2, "are not 4 names for each of two nets"),
        ("norms", [["batch"] * 4, ["layer"] * 4], "norm 'layer' is none of batch, mean"),
        ("lr", "fast", "expected a float"),
    ],
)
def test_a_value_that_no_control_has_is_refused_with_the_choices(make_lab, trait, value, words):
    lab = make_lab()
    before = getattr(lab, trait)
    with pytest.raises(TraitError, match=words):
        setattr(lab, trait, value)
    assert getattr(lab, trait) == before


def test_other_widgets_can_be_linked(make_lab):
    lab = make_lab()
    slider = ipywidgets.SelectionSlider(options=presets.LRS, value=0.5)
    ipywidgets.link((slider, "value"), (lab, "lr"))
    assert lab.lr == 0.5
    lab.lr = 2.0
    assert slider.value == 2.0
    toggle = ipywidgets.ToggleButton()
    ipywidgets.link((toggle, "value"), (lab, "running"))
    seen = []
    lab.observe(lambda change: seen.append(len(change.new)), "history")
    toggle.value = True
    lab.join(PATIENCE)
    wait_until(lambda: not toggle.value)
    assert seen[-5:] == [2, 4, 6, 8, 10]


def test_running_starts_pauses_and_resumes(make_lab):
    lab = make_lab(epochs=50)
    lab.running = True
    wait_until(lambda: "progress" in kinds(lab))
    lab.running = False
    assert {"type": "paused", "on": True} in lab.said
    trainer = lab._training
    wait_until(lambda: trainer._paused)  # after the step that was being taken
    step = trainer._step
    time.sleep(0.5)
    assert trainer._step == step
    lab.running = True
    wait_until(lambda: lab.log_of_run.step > step)
    assert kinds(lab).count("ready") == 1


def test_the_front_ends_pause_is_told_to_whoever_watches_running(make_lab):
    lab = make_lab(epochs=50)
    asks(lab, "start", setting=setting(lab))
    assert lab.running
    asks(lab, "pause", on=True)
    assert not lab.running
    asks(lab, "pause", on=False)
    assert lab.running
    asks(lab, "stop")
    assert not lab.running


def test_a_rate_that_is_set_meanwhile_reaches_the_training(make_lab):
    lab = make_lab(epochs=50)
    asks(lab, "start", setting=setting(lab))
    lab.lr = 0.001
    wait_until(lambda: [c for one in lab.said for c in one.get("changes", ())])
    asks(lab, "rate", lr=2.0)
    wait_until(lambda: [c["lr"] for m in lab.said for c in m.get("changes", ())] == [0.001, 2.0])


def test_where_the_browser_trains_running_is_the_front_ends_to_act_on(make_lab):
    lab = make_lab()
    lab.trainer = "browser"
    lab.running = True
    assert lab.said == []
    assert lab.runs()


def test_a_history_comes_from_the_browser_too(make_lab):
    lab = make_lab()
    lab.trainer = "browser"
    one = {"net": 0, "step": 0, "seconds": 0, "correct": 90, "correctRunning": 80, "loss": None}
    ready = {"type": "ready", "perEpoch": 2, "total": 4, "images": 1000, "setting": setting(lab)}
    nets = [{"alive": True, "losses": []}]
    report = {"type": "progress", "step": 0, "speed": 0, "changes": [], "nets": nets}
    asks(lab, "heard", message=ready)
    asks(lab, "heard", message={**report, "evaluations": [one]})
    later = {**report, "step": 2, "nets": [{"alive": True, "losses": [2.0, 3.0]}]}
    asks(lab, "heard", message={**later, "evaluations": [{**one, "step": 2, "loss": 2.3}]})
    asks(lab, "heard", message={"type": "done"})
    assert [row["val_correct"] for row in lab.history] == [90, 90]
    assert [row["train_loss"] for row in lab.history] == [None, 2.5]
    assert lab.said == []
    asks(lab, "attach")  # what a browser trains, another one does not show
    assert lab.said == []


# What it is asked


@pytest.mark.parametrize("name", ["digits", "clothes"])
def test_the_images_of_the_page_are_handed_over(make_lab, name):
    lab = make_lab()
    asks(lab, "images", name=name)
    (said,) = lab.said
    assert said == {"type": "images", "name": name, "text": images.read_text(name)}
    assert base64.b64decode(said["text"])[:2] == b"\x1f\x8b"  # gzip


def test_a_view_that_comes_later_hears_it_all_again(make_lab):
    lab = run_to_the_end(make_lab(epochs=2))
    told = list(lab.said)
    lab.said.clear()
    asks(lab, "attach")
    ready, progress, done = lab.said
    assert ready == told[0]
    assert done == told[-1]
    reports = [one for one in told if one["type"] == "progress"]
    for net in (0, 1):
        losses = [x for one in reports for x in one["nets"][net]["losses"]]
        assert progress["nets"][net]["losses"] == losses
    evaluations = [one for report in reports for one in report["evaluations"]]
    assert progress["evaluations"][-2:] == evaluations[-2:]
    assert [one["probe"] is None for one in progress["evaluations"]] == [True] * 10 + [False] * 2


def test_a_view_that_comes_before_hears_nothing(make_lab):
    lab = make_lab()
    asks(lab, "attach")
    assert lab.said == []


def test_what_cannot_be_trained_is_said_in_words(make_lab):
    lab = make_lab()
    asks(lab, "start", setting=setting(lab, batch=1024))
    (said,) = lab.said
    assert said["type"] == "error"
    assert "batch size 1024 is above the training size 512" in said["text"]
    assert not lab.running
    lab.batch_size = 512
    lab.setting = {**lab.setting, "nets": [{**n, "trained": "norm"} for n in lab.setting["nets"]]}
    with pytest.raises(BookError, match="which needs a norm"):
        lab.running = True
    assert not lab.running


def test_an_unforeseen_error_is_kept_to_be_looked_at(make_lab, monkeypatch):
    def fail(*_args, **_options):
        raise RuntimeError("the disk melted")

    monkeypatch.setattr(training, "validate", fail)
    lab = run_to_the_end(make_lab())
    assert lab.said[-1] == {"type": "error", "text": "RuntimeError: the disk melted"}
    assert isinstance(lab.error, RuntimeError)
    assert not lab.running


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "mlp", "norms": ("batch",) * 2}, "no control for model 'mlp'; it has lenet"),
        ({"norms": ("layer",) * 4}, "no control for norm 'layer'; it has batch, mean"),
        ({"trainable": "random"}, "no control for trainable 'random'; it has all, norm"),
        ({"momentum": 0.8}, "no control for momentum 0.8; it has 0.0, 0.5"),
        ({"dataset": "mnist"}, "no control for dataset 'mnist'; it has digits, clothes"),
    ],
)
def test_a_net_that_no_control_can_show_is_refused(changes, message):
    run = presets.WITH_OR_WITHOUT.nets[0].run
    with pytest.raises(BookError, match=message):
        Net("Another", dataclasses.replace(run, **changes))


def test_nets_that_differ_in_what_has_one_control_are_refused():
    plain = dataclasses.replace(presets.WITH_OR_WITHOUT, trial=None)
    net = Net("Momentum", dataclasses.replace(plain.nets[0].run, momentum=0.9))
    with pytest.raises(BookError, match="need the same momentum"):
        dataclasses.replace(plain, nets=(net, plain.nets[1]))


def test_what_only_the_kernel_can_train_is_not_offered_to_the_browser_nor_to_a_page(
    make_lab, monkeypatch
):
    plain = dataclasses.replace(presets.WITH_OR_WITHOUT, trial=None)
    net = Net("Adam", dataclasses.replace(plain.nets[0].run, optimizer="adam"))
    preset = dataclasses.replace(plain, nets=(net, plain.nets[1]))
    lab = make_lab(preset)
    assert "browser" not in lab.data["trainers"]
    with pytest.raises(TraitError, match="trainer 'browser' is none of cpu"):
        lab.trainer = "browser"
    monkeypatch.setattr(labs, "rendering", lambda: True)
    with pytest.raises(BookError, match="Adam sets optimizer, of which the page's engine knows"):
        labs.lab(preset=preset)


@pytest.mark.parametrize(("size", "dataset"), [(4_000, "digits"), (4_001, "mnist")])
def test_more_images_than_the_page_has_come_from_mnist(size, dataset):
    lab = labs.TrainingLab(train_size=size)
    assert {run.dataset for run in lab.runs()} == {dataset}
    assert {run.train_size for run in lab.runs()} == {size}


def test_only_traits_with_controls_are_synced(make_lab):
    synced = {name for name in make_lab().keys if not name.startswith("_")}
    assert {"lr", "batch_size", "norms", "seed", "epochs", "running", "trainer"} <= synced
    assert isinstance(training_lab.TrainingLab.history, traitlets.List)
    assert "history" not in synced  # rows upon rows, which the front end has anyway
