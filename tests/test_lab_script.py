"""What "Copy as PyTorch" copies: a script that needs nothing of the book, and trains the same."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

from bnbook import data, training
from bnbook.lab import presets
from bnbook.run import Run

WEB = ROOT / "bnbook" / "lab" / "web"
# Node writes the script as the page does.
pytestmark = pytest.mark.usefixtures("node")
WRITE = """import { pytorchScript } from "./src/pytorch.js";
const { setting, names } = JSON.parse(process.argv[1]);
process.stdout.write(pytorchScript(setting, names, "https://example.org/#lab"));"""

BATCH = ("batch",) * 4
#: Each pair covers what one run leaves out: norms, what is fixed, biases, activation.
PAIRS = {
    "with and without batch norm": (Run(norms=BATCH), Run()),
    "half norms, no biases": (
        Run(norms=("mean",) * 4, conv_bias=False, linear_bias=False),
        Run(norms=("variance", "batch", "none", "variance"), affine="gamma"),
    ),
    "frozen, ReLU": (
        Run(norms=BATCH, trainable="norm", activation="relu"),
        Run(norms=BATCH, trainable="norm+head", affine="beta"),
    ),
}


def script(runs, **changes):
    nets = [
        {
            "norms": run.norms,
            "affine": run.affine,
            "convBias": run.conv_bias,
            "linearBias": run.linear_bias,
            "activation": run.activation,
            "trained": run.trainable,
        }
        for run in runs
    ]
    setting = {"lr": 0.5, "batch": 512, "seed": 3, "epochs": 2, "every": "epoch", "nets": nets}
    setting |= {"momentum": 0, "decay": 0, "data": "digits", "changes": []} | changes
    names = ["First", "Second"][: len(nets)]
    asked = json.dumps({"setting": setting, "names": names})
    done = subprocess.run(
        [shutil.which("node") or "nodejs", "--input-type=module", "-e", WRITE, asked],
        cwd=WEB, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def printed(text, folder):
    """Run the script as a reader would; losses and accuracies by net."""
    (folder / "run.py").write_text(text, encoding="utf-8")
    raw = folder / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    data.load("mnist")
    for file in (data.cache_folder() / "mnist").rglob("*-ubyte"):
        shutil.copy(file, raw)
    done = subprocess.run(
        [sys.executable, "run.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found, name = {}, ""
    for line in done.stdout.splitlines():
        if line.startswith("  "):
            loss, accuracy = re.search(r"loss ([\d.]+), accuracy ([\d.]+)", line).groups()
            found[name].append((float(loss), float(accuracy)))
        else:
            name = line
            found[name] = []
    return found


@pytest.mark.parametrize("runs", PAIRS.values(), ids=PAIRS)
def test_the_script_trains_what_the_book_trains(runs, tmp_path):
    found = printed(script(runs), tmp_path)
    for name, run in zip(("A: First", "B: Second"), runs, strict=True):
        same = {"lr": 0.5, "batch_size": 512, "seed": 3, "epochs": 2, "train_size": 4_000}
        losses = []
        whole = dataclasses.replace(run, **same, dataset="digits")
        history = training.train(whole, on_step=lambda _, loss, seen=losses: seen.append(loss))
        per_epoch = len(losses) // 2
        assert [loss for loss, _ in found[name]] == pytest.approx(
            [losses[per_epoch - 1], losses[-1]], rel=2e-3, abs=2e-4
        )
        shares = [row["val_correct"] / row["val_images"] for row in history.rows[1:]]
        assert [share for _, share in found[name]] == pytest.approx(shares, abs=0.003)


def test_momentum_decay_and_changes_of_the_rate_are_in_the_script(tmp_path):
    plain = (Run(norms=BATCH),)
    text = script(plain, momentum=0.9, decay=0.0005, changes=[{"step": 7, "lr": 0.01}])
    assert "MOMENTUM, DECAY = 0.9, 0.0005" in text
    assert "CHANGES = {7: 0.01}" in text
    first, second = printed(text, tmp_path)["A: First"]
    usual, without = printed(script(plain), tmp_path)["A: First"]
    assert first[0] != pytest.approx(usual[0], rel=1e-3)
    assert second[0] != pytest.approx(without[0], rel=1e-3)


def test_every_menu_of_the_lab_has_its_line_in_the_script():
    """A norm or an activation that is added to the menus fails here until the script knows it."""
    for norm in presets.NORMS:
        for activation in presets.ACTIVATIONS:
            text = script((Run(norms=(norm,) * 4, activation=activation),))
            assert "undefined" not in text
            compile(text, "run.py", "exec")
