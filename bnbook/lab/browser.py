"""The lab that trains in the reader's browser: its controls, its engine, its recorded bands."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Mapping
from html import escape
from importlib import resources
from typing import Any

import pandas as pd

from bnbook import data, findings, models, streams
from bnbook.lab import digits, presets
from bnbook.lab.chart import ACCURACY_TICKS, LOOKS, LOSS_TICKS, PERFECT, TOP_ACCURACY
from bnbook.lab.page import Html, assemble, joined, slider
from bnbook.lab.presets import Preset
from bnbook.run import Run
from bnbook.theme import PALETTE

#: Modules of the page's script, each after those that it imports.
SCRIPTS = (
    *("svg", "permalink", "story", "bands", "plots", "run", "panels", "tables", "kept", "view"),
    *("settings", "trainer"),
)
#: The page's histograms span so much to both sides of 0, as the engine makes them.
RANGE = 8
EVALUATE = {"epoch": "after each epoch", "5": "every 5 steps"}
#: The site keeps its chapters in a folder: this is where their labs find the digits.
DIGITS = f"../{digits.ADDRESS}"
#: Bands hold accuracies as whole numbers of so many parts: three bytes less for each.
SHARE = 10_000
LAYERS = models.LENET_LAYERS[:-1]
#: What tells one net from another.
NET_FIELDS = ["norms", "affine", "conv_bias", "linear_bias", "activation", "trainable"]


def browser(preset: Preset, band: pd.DataFrame | None = None, address: str = DIGITS) -> Html:
    """Build the lab of `preset` with the recorded runs of `band` beside the reader's.

    `band` is `findings.load("browser-lab")` or a part of it; `address` is that of the digits,
    seen from the page.
    """
    content = {
        "preset": preset.name,
        "digits": address,
        "checksum": digits.CHECKSUM,
        "train_count": data.DIGITS_SIZES[0],
        "wasm": b64encode(_engine()).decode(),
        "worker": joined("engine/engine", "worker"),
        "lrs": presets.LRS,
        "batch_sizes": presets.BATCH_SIZES,
        "epochs": presets.EPOCHS,
        "every": ["epoch", 5],
        "max_seed": streams.MAX_SEED,
        "nets": [{"label": net.label, "code": net_code(net.run)} for net in preset.nets],
        "watch": preset.watch,
        "range": RANGE,
        "looks": [{"colour": c, "dash": d, "marker": m} for c, d, m in LOOKS[:2]],
        "kept_colours": [*PALETTE[2:], PALETTE[0]],
        "accuracy_ticks": ACCURACY_TICKS,
        "loss_ticks": LOSS_TICKS,
        "top": TOP_ACCURACY,
        "perfect": PERFECT,
        "bands": bands(band) if band is not None and len(band) else None,
    }
    return assemble("browser", _body(preset), content, scripts=SCRIPTS)


def net_code(run: Run) -> str:
    """Name the net of `run` as the page's links do.

    "bbbb-gb-cl-s" is batch norm everywhere; a fifth word says what is trained, if not everything:
    gamma and beta ("n"), the last layer ("h"), or both ("nh").
    """
    learned = "".join(
        letter for letter, on in zip("gb", models.AFFINE[run.affine], strict=True) if on
    )
    biases = "c" * run.conv_bias + "l" * run.linear_bias
    code = f"{''.join(norm[0] for norm in run.norms)}-{learned}-{biases}-{run.activation[0]}"
    trained = "".join(part[0] for part in run.trainable.split("+"))
    return code if run.trainable == "all" else f"{code}-{trained}"


def bands(frame: pd.DataFrame) -> dict[str, Any]:
    """Summarize recorded runs by net, batch size and learning rate, JSON-able.

    Each cell has four lists over epochs from 0: mean, lower and upper limit of the validation
    accuracy (in parts of `SHARE`), and mean training loss; None where there is nothing to show.
    """
    cells: dict[str, dict[str, dict[str, list[list[float | None]]]]] = {}
    seeds = set()
    for _, runs in findings.filled(frame).groupby([*NET_FIELDS, "batch_size", "lr"], observed=True):
        net = {name: runs[name].iloc[0] for name in NET_FIELDS}
        biases = {name: bool(net[name]) for name in ("conv_bias", "linear_bias")}
        code = net_code(Run(**{**net, **biases, "norms": net["norms"].split(",")}))
        rates = cells.setdefault(code, {}).setdefault(f"{runs['batch_size'].iloc[0]}", {})
        rates[f"{runs['lr'].iloc[0]:g}"] = _band(runs)
        seeds.add(runs["seed"].nunique())
    return {"seeds": min(seeds), "cells": cells}


def _band(runs: pd.DataFrame) -> list[list[float | None]]:
    by_epoch = runs.groupby("epoch")
    spans = [findings.interval(values) for _, values in by_epoch["val_accuracy"]]
    losses = by_epoch["train_loss"].mean()
    return [
        [_parts(span.mean) for span in spans],
        [_parts(max(span.low, 0.0)) for span in spans],
        [_parts(min(span.high, 1.0)) for span in spans],
        [float(f"{loss:.3g}") if math.isfinite(loss) else None for loss in losses],
    ]


def _parts(share: float) -> int | None:
    return round(share * SHARE) if math.isfinite(share) else None


def _engine() -> bytes:
    return resources.files("bnbook.lab").joinpath("engine/engine.wasm").read_bytes()


def _body(preset: Preset) -> str:
    return (
        f'<div class="intro"><p class="title">{escape(preset.title)}</p>'
        f"<p>{escape(preset.ask)}</p></div>"
        + _settings(preset)
        + _charts()
        + _inside(preset)
        + _tables()
    )


def _settings(preset: Preset) -> str:
    rates = [f"{rate:g}" for rate in presets.LRS]
    sizes = [str(size) for size in presets.BATCH_SIZES]
    lr, batch = presets.LRS.index(preset.lr), presets.BATCH_SIZES.index(preset.batch_size)
    epochs = _select(
        "Epochs", "epochs", {str(n): str(n) for n in presets.EPOCHS}, str(preset.epochs)
    )
    return f"""
<p class="unable" hidden>This browser cannot train here: it lacks WebAssembly with SIMD. The
recorded runs below do without.</p>
<fieldset class="settings"><legend>Settings</legend>
<div class="sliders">
{_slider("lr", "Learning rate", rates, lr, ("0.001", "0.01", "0.1", "1", "10", "30"))}
{_slider("batch", "Batch size", sizes, batch, ("2", "8", "32", "128", "512"))}
</div>
<div class="nets">{_net(preset, 0)}{_net(preset, 1)}</div>
<div class="bar">
<button type="button" name="train" class="primary">Train here</button>
<button type="button" name="reset" aria-disabled="true">Reset</button>
<button type="button" name="keep" aria-disabled="true">Keep this run</button>
<a class="link" href="#">Link to this run</a>
</div>
<div class="numbers">
<p class="pending"><span></span>
<button type="button" name="restart" hidden>Restart now</button></p>
{epochs}
<label class="field"><span>Seed</span> <input type="number" name="seed" value="0" min="0"
max="{streams.MAX_SEED}" step="1" inputmode="numeric"></label>
</div>
<p class="scheduled" hidden><span></span>
<button type="button" name="forget">Forget this</button></p>
<details class="more"><summary>More settings</summary>
<div class="nets">{_folded(preset, 0)}{_folded(preset, 1)}</div>
<div class="bar">{_select("Evaluate", "every", EVALUATE, "epoch")}</div>
</details>
</fieldset>"""


def _slider(name: str, label: str, values: list[str], start: int, ticks: tuple[str, ...]) -> str:
    """Write a slider with `ticks`, some of its `values`, under their places."""
    marks = "".join(
        f'<span style="left:{100 * values.index(tick) / (len(values) - 1):.2f}%">{tick}</span>'
        for tick in ticks
    )
    return slider(name, label, values, start, marks)


def _net(preset: Preset, index: int) -> str:
    """Write the head of a net, with the settings that the preset puts in the open."""
    letter, label = "AB"[index], escape(preset.nets[index].label)
    tag, box = ("label", '<input type="checkbox" name="second" checked> ') if index else ("p", "")
    return f"""
<fieldset class="net" data-net="{index}"><legend>Net {letter}</legend>
<{tag} class="name">{box}<svg class="swatch" width="40" height="16" aria-hidden="true"></svg>
<strong>{letter} · <span class="label">{label}</span></strong></{tag}>
{"".join(_control(name, preset.nets[index].run) for name in preset.controls)}
</fieldset>"""


def _folded(preset: Preset, index: int) -> str:
    """Write what is left of a net's settings: one menu per slot, and what is not in the open."""
    run = preset.nets[index].run
    slots = "".join(
        _select(f"Norm after {layer}", f"slot{slot}", presets.NORMS, run.norms[slot], slot)
        for slot, layer in enumerate(LAYERS)
    )
    others = ("biases", "affine", "activation", "trained")
    menus = "".join(_control(name, run) for name in others if name not in preset.controls)
    return f"""
<fieldset class="net" data-net="{index}"><legend>More of net {"AB"[index]}</legend>
<p class="name"><strong>{"AB"[index]}</strong></p>
{slots}{menus}
</fieldset>"""


def _control(name: str, run: Run) -> str:
    if name == "toggles":
        boxes = "".join(
            f'<label><input type="checkbox" name="toggle{slot}" data-slot="{slot}"'
            f"{' checked' if run.norms[slot] != 'none' else ''}> {layer}</label>"
            for slot, layer in enumerate(LAYERS)
        )
        return (
            '<div class="toggles" role="group" aria-label="Norm after"><span>Norm after</span>'
            f"{boxes}</div>"
        )
    if name == "norms":
        kind = run.norms[0] if len(set(run.norms)) == 1 else ""
        return _select("Norm", "norm", {**presets.NORMS, "": "Mixed"}, kind)
    if name == "biases":
        words = {"c" * conv + "l" * linear: text for (conv, linear), text in presets.BIASES.items()}
        return _select(
            "Hidden biases", "biases", words, "c" * run.conv_bias + "l" * run.linear_bias
        )
    if name == "affine":
        return _select("Gamma and beta", "affine", presets.AFFINE, run.affine)
    if name == "trained":
        return _select("Trained", "trained", presets.TRAINED, run.trainable)
    return _select("Activation", "activation", presets.ACTIVATIONS, run.activation)


def _select(
    label: str, name: str, options: Mapping[str, str], value: str, slot: int | None = None
) -> str:
    """Write a menu. The empty option says what cannot be chosen: a mixture."""
    items = "".join(
        f'<option value="{key}"{" selected" if key == value else ""}'
        f"{' disabled hidden' if text == 'Mixed' else ''}>{text}</option>"
        for key, text in options.items()
    )
    mark = "" if slot is None else f' data-slot="{slot}"'
    return (
        f'<label class="field"><span>{label}</span> '
        f'<select name="{name}"{mark}>{items}</select></label>'
    )


def _charts() -> str:
    return """
<div class="course"><progress max="1" value="0" aria-label="Progress of training"></progress>
<p class="status">Nothing is loaded from elsewhere: the nets train on this machine.</p></div>
<div class="story"><p>This lab needs JavaScript.</p></div>
<div class="charts">
<figure class="accuracy"><figcaption>Validation accuracy</figcaption>
<svg role="img" aria-label="Validation accuracy by epoch; in numbers below"></svg></figure>
<figure class="loss"><figcaption>Training loss</figcaption>
<svg role="img" aria-label="Training loss by epoch; in numbers below"></svg></figure>
</div>
<p class="band-note"><span></span> <button type="button" name="nearest" hidden>Go there</button></p>
<div class="kept" hidden><p>Kept runs: A solid, B dashed</p><ul></ul></div>"""


def _inside(preset: Preset) -> str:
    watched = {
        "": "",
        "bias gradients": """
<figure class="watch"><figcaption>How large is the gradient of the biases?</figcaption>
<svg role="img"
aria-label="Ratio of bias gradient to weight gradient by layer; in numbers below"></svg>
<p class="soft">Around 10<sup>−6</sup> and below, only rounding errors are left.</p></figure>""",
        "gamma and beta": """
<figure class="watch"><figcaption>Gamma and beta</figcaption>
<div class="strip"></div>
<p class="soft">From 3 below their start to 3 above it: gamma starts at 1, beta at 0 (the line in
the middle).</p></figure>""",
        "time": """
<figure class="watch"><figcaption>How long does training take?</figcaption>
<div class="scroll" tabindex="0" role="region" aria-label="Time of training"></div>
<p class="soft">Training alone, on this machine and now; evaluations are left out.</p></figure>""",
    }[preset.watch]
    return f"""
<div class="strips" hidden>
<figure class="inside"><figcaption>Inside the layers: before each norm, and into
each activation</figcaption>
<div class="strip"></div>
<p class="soft">256 training images; each histogram in its own height. Shaded: where the activation
is live. A sigmoid's slope is there at least a tenth of its greatest.</p></figure>{watched}
</div>"""


def _tables() -> str:
    return """
<details class="current"><summary>These curves as a table</summary>
<div class="scroll" tabindex="0" role="region" aria-label="These curves as a table"></div></details>
<details class="layers"><summary>The layers as a table</summary>
<div class="scroll" tabindex="0" role="region" aria-label="The layers as a table"></div></details>
<p class="announcer" role="status" aria-live="polite"></p>
<p class="about">LeNet on 5,000 digits of MNIST, 4,000 to train and 1,000 to validate; plain SGD.
Accuracies with re-estimated statistics, in brackets with running ones. The accuracy axis is
logarithmic in the error.</p>"""
