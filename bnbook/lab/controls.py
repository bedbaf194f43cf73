"""The live lab's controls, as Jupyter widgets: those of one net, and those of the training."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ipywidgets as widgets
import torch

from bnbook import data, models, streams
from bnbook.errors import BookError
from bnbook.lab import presets
from bnbook.lab.presets import Net, Preset
from bnbook.lab.slider import Slider
from bnbook.run import Run

LAYOUT = {"width": "min(26em, 98%)"}
NARROW = {"width": "min(19.5em, 98%)"}
STYLE = {"description_width": "9.5em"}
ROW = {"flex_flow": "row wrap", "align_items": "flex-start"}
SHARED = {"style": STYLE, "layout": LAYOUT}
TRAIN_SIZES = (data.DIGITS_SIZES[0], 10_000, 50_000)
EVALUATE = {"after each epoch": 0, "every 5 steps": 5}  # 0: the steps of an epoch
MIXED = ""  # the one kind of norms that are not of one kind


class NetControls:
    """Settings of one net: what the preset shows stands in `shown`, the rest in `folded`."""

    def __init__(self, net: Net, controls: Sequence[str]) -> None:
        self._net = net
        run = net.run
        kinds = [(label, kind) for kind, label in presets.NORMS.items()]
        hidden = models.LENET_LAYERS[:-1]
        self.slots = [
            _dropdown(f"Norm after {layer}", kinds, kind)
            for layer, kind in zip(hidden, run.norms, strict=True)
        ]
        self.norm = _dropdown("Norm", [*kinds, ("Mixed", MIXED)], _common(run.norms))
        self.toggles = [
            widgets.Checkbox(kind != "none", description=f"Norm after {layer}", indent=False)
            for layer, kind in zip(hidden, run.norms, strict=True)
        ]
        biases = (run.conv_bias, run.linear_bias)
        self.biases = _dropdown("Hidden biases", _choices(presets.BIASES), biases)
        self.affine = _dropdown("Gamma and beta", _choices(presets.AFFINE), run.affine)
        self.activation = _dropdown("Activation", _choices(presets.ACTIVATIONS), run.activation)
        self.trained = _dropdown("Trained", _choices(presets.TRAINED), run.trainable)
        self._keep_in_step()
        widgets_of = {
            "norms": [self.norm],
            "toggles": self.toggles,
            "biases": [self.biases],
            "affine": [self.affine],
            "activation": [self.activation],
            "trained": [self.trained],
        }
        open_ones = [w for name in controls for w in widgets_of.pop(name)]
        # Four switches do what one menu for all norms does, and the menus of the slots do both.
        widgets_of.pop("toggles" if "toggles" in widgets_of else "norms", None)
        self.shown = widgets.VBox(open_ones)
        self.folded = widgets.VBox(
            [*self.slots, *(w for some in widgets_of.values() for w in some)]
        )

    def fields(self) -> dict[str, Any]:
        """Return the fields of `Run` that these controls set."""
        conv_bias, linear_bias = self.biases.value
        return {
            "norms": tuple(slot.value for slot in self.slots),
            "conv_bias": conv_bias,
            "linear_bias": linear_bias,
            "affine": self.affine.value,
            "activation": self.activation.value,
            "trainable": self.trained.value,
        }

    def label(self) -> str:
        """Name the net: by the preset's name for it, as long as it is that net."""
        run = replace(self._net.run, **self.fields())
        return self._net.label if run == self._net.run else presets.describe(run)

    def _keep_in_step(self) -> None:
        """One menu, four switches and four menus all set the four slots, and show them."""

        def all_slots(change: Any) -> None:
            for slot in self.slots if change.new != MIXED else ():
                slot.value = change.new

        def show(_change: Any) -> None:
            self.norm.value = _common([slot.value for slot in self.slots])
            for slot, toggle in zip(self.slots, self.toggles, strict=True):
                toggle.value = slot.value != "none"

        self.norm.observe(all_slots, names="value")
        for slot, toggle in zip(self.slots, self.toggles, strict=True):
            slot.observe(show, names="value")
            toggle.observe(lambda change, slot=slot: _switch(slot, change.new), names="value")


class TrainingControls:
    """Settings that both nets share, with the preset's values to begin with."""

    def __init__(
        self, preset: Preset, train_size: int, epochs: int | None, seed: int, device: str | None
    ) -> None:
        epochs = preset.epochs if epochs is None else epochs
        _check(preset, train_size, epochs, seed)
        self.lr = Slider(presets.LRS, preset.lr, "Learning rate")
        self.batch_size = Slider(presets.BATCH_SIZES, preset.batch_size, "Batch size")
        self.epochs = _dropdown("Epochs", sorted({*presets.EPOCHS, epochs}), epochs)
        self.seed = widgets.BoundedIntText(
            seed, min=0, max=streams.MAX_SEED, description="Seed", **SHARED
        )
        sizes = [(_size(n), n) for n in sorted({*TRAIN_SIZES, train_size})]
        self.train_size = _dropdown("Training images", sizes, train_size)
        self.every = _dropdown("Evaluate", list(EVALUATE.items()), 0)
        devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
        if device is not None and device not in devices:
            raise BookError(f"no device {device!r} here; take one of {', '.join(devices)}")
        self.device = _dropdown("Device", devices, device or devices[-1])
        self.shown = widgets.HBox([self.lr, self.batch_size], layout=ROW)
        self.folded = widgets.VBox(
            [self.epochs, self.seed, self.train_size, self.every, self.device]
        )

    def fields(self) -> dict[str, Any]:
        """Return the fields of `Run` that these controls set."""
        size = self.train_size.value
        return {
            "dataset": dataset_of(size),
            "train_size": size,
            "lr": self.lr.value,
            "batch_size": self.batch_size.value,
            "epochs": self.epochs.value,
            "seed": self.seed.value,
        }


def _check(preset: Preset, train_size: int, epochs: int, seed: int) -> None:
    """Refuse a start that the controls would silently take for another one."""
    Run(batch_size=preset.batch_size, train_size=train_size, epochs=epochs, seed=seed)
    if train_size > TRAIN_SIZES[-1]:
        raise BookError(f"train size is {train_size:,}; the lab has {TRAIN_SIZES[-1]:,} images")


def dataset_of(train_size: int) -> str:
    """Name the data set that so many training images are taken from: the page's, if they do."""
    return "digits" if train_size <= data.DIGITS_SIZES[0] else "mnist"


def _size(n: int) -> str:
    return f"{n:,}" + (" (the page's digits)" if n == data.DIGITS_SIZES[0] else "")


def _common(kinds: Sequence[str]) -> str:
    return kinds[0] if len(set(kinds)) == 1 else MIXED


def _switch(slot: widgets.Dropdown, on: bool) -> None:
    if on != (slot.value != "none"):
        slot.value = "batch" if on else "none"


def _choices(words: dict[Any, str]) -> list[tuple[str, Any]]:
    return [(label, value) for value, label in words.items()]


def _dropdown(description: str, options: Sequence[Any], value: Any) -> widgets.Dropdown:
    return widgets.Dropdown(options=options, value=value, description=description, **SHARED)
