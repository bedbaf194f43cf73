"""A chapter's lab as the front end wants it: what it starts with, and the words of its controls."""

from dataclasses import asdict
from typing import Any

from bnbook import data, history, models, streams
from bnbook.experiment import MARGIN
from bnbook.lab import images, presets
from bnbook.lab.element import markdown
from bnbook.lab.looks import ACCURACY_TICKS, LOOKS, LOSS_TICKS, PERFECT, TOP_ACCURACY
from bnbook.lab.presets import Preset, Recorded, Trial
from bnbook.run import Run
from bnbook.theme import PALETTE

#: Histograms of the layers span so much to both sides of 0, as both trainers make them.
RANGE = 8
#: How often the nets are evaluated: after so many steps, or after each epoch.
EVERY = {"epoch": "after each epoch", "5": "every 5 steps"}


def settings(preset: Preset, recorded: Recorded | None = None) -> dict[str, Any]:
    """Describe the lab of `preset`, JSON-able; `LabSettings` in `web/types.d.ts` names the parts.

    `recorded` is what the book's runs say about the preset's claim.
    """
    return {
        "preset": preset.name,
        "title": preset.title,
        "ask": preset.ask,
        "start": _start(preset),
        "nets": [{"label": net.label, "code": net_code(net.run)} for net in preset.nets],
        "controls": preset.controls,
        "watch": preset.watch,
        "lrs": presets.LRS,
        "batch_sizes": presets.BATCH_SIZES,
        "epochs": presets.EPOCHS,
        "every": EVERY,
        "momenta": presets.MOMENTA,
        "decays": presets.DECAYS,
        "max_seed": streams.MAX_SEED,
        "layers": models.LENET_SLOTS,
        "words": {
            "norms": presets.NORMS,
            "phrases": presets.NORM_PHRASES,
            "letters": presets.NORM_LETTERS,
            "affine": presets.AFFINE,
            "biases": {_biases(*where): text for where, text in presets.BIASES.items()},
            "activation": presets.ACTIVATIONS,
            "trained": presets.TRAINED,
            "data": presets.DATA,
        },
        "data": {name: asdict(file) for name, file in images.FILES.items()},
        "train_count": data.EXCERPT_SIZES[0],
        "range": RANGE,
        "looks": LOOKS[:2],
        "kept_colors": [*PALETTE[2:], PALETTE[0]],
        "accuracy_ticks": ACCURACY_TICKS,
        "loss_ticks": LOSS_TICKS,
        "top": TOP_ACCURACY,
        "perfect": PERFECT,
        "trial": preset.trial and _trial(preset, preset.trial, recorded),
    }


def _trial(preset: Preset, trial: Trial, recorded: Recorded | None) -> dict[str, Any]:
    nets = [net for net, _ in trial.nets] or list(preset.nets)
    places = {net.label: place for place, net in enumerate(nets)}
    return {
        "claim": trial.claim,
        "direction": trial.direction,
        "contrasts": [[places[a], places[b]] for a, b in trial.contrasts],
        "nets": [
            {"label": net.label, "code": net_code(net.run), "lr": lr} for net, lr in trial.nets
        ],
        "lrs": trial.lrs,
        "seeds": trial.seeds,
        "margin": MARGIN,
        "factor": presets.FACTOR,
        "enough": {name: history.enough(whole) for name, whole in data.EXCERPTS.items()},
        "note": trial.note,
        "book": recorded
        and {
            "decision": recorded.decision,
            "evidence_html": markdown(recorded.evidence),
            "seeds": recorded.seeds,
            "images": recorded.images,
            "steps": recorded.steps,
        },
    }


def _start(preset: Preset) -> dict[str, Any]:
    """Say what the lab begins with; what both nets share is the first one's."""
    run = preset.nets[0].run
    return {
        "lr": preset.lr,
        "batch": presets.PLAIN.batch_size,
        "epochs": presets.PLAIN.epochs,
        "momentum": run.momentum,
        "decay": run.weight_decay,
        "data": run.dataset,
    }


def fallback(preset: Preset) -> str:
    """Say what stands there where no script runs, as HTML."""
    return (
        f"<p><strong>{preset.title}.</strong> {preset.ask}</p>"
        "<p>This lab trains two small nets in your browser. It needs JavaScript.</p>"
    )


def net_code(run: Run) -> str:
    """Name the net of `run` as the page's links do.

    "bbbb-gb-cl-s" is batch norm everywhere; a fifth word says what is trained, if not everything:
    gamma and beta ("n"), the last layer ("h"), or both ("nh").
    """
    learned = "".join(
        letter for letter, on in zip("gb", models.AFFINE[run.affine], strict=True) if on
    )
    norms = "".join(presets.NORM_LETTERS[norm] for norm in run.norms)
    code = f"{norms}-{learned}-{_biases(run.conv_bias, run.linear_bias)}-{run.activation[0]}"
    trained = "".join(part[0] for part in run.trainable.split("+"))
    return code if run.trainable == "all" else f"{code}-{trained}"


def _biases(conv: bool, linear: bool) -> str:
    return "c" * conv + "l" * linear
