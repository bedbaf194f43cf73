"""Hand jobs to the page's engine in Node (see engine_harness.mjs)."""

import base64
import json
import subprocess
from pathlib import Path

import numpy as np

from bnbook import models
from bnbook.lab import images

HARNESS = Path(__file__).parent / "engine_harness.mjs"
ENGINE = Path(__file__).parents[1] / "bnbook/lab/engine/engine.wasm"


def write_images(path, name="digits"):
    """Write the images and labels that the page has: 4,000 to train on, 1,000 to validate with."""
    path.write_bytes(b"".join(array.tobytes() for array in images.read(name)))
    return path


def net(run):
    """Describe the net of a `Run` as the engine's createNet wants it."""
    gamma, beta = (on and run.trainable != "head" for on in models.AFFINE[run.affine])
    hidden, head = run.trainable == "all", run.trainable != "norm"
    settings = {
        "norms": run.norms,
        "learned": {"hidden": hidden, "head": head, "gamma": gamma, "beta": beta},
        "convBias": run.conv_bias,
        "linearBias": run.linear_bias,
        "activation": run.activation,
        "batchSize": run.batch_size,
        "momentum": run.momentum,
        "decay": run.weight_decay,
    }
    return {"settings": settings, "seed": run.seed}


def ask(node, page, jobs, wasm=ENGINE):
    """Let the engine do `jobs` on the images of `page`; return the results of each job's calls."""
    done = subprocess.run(
        [node, HARNESS, wasm, page], input=json.dumps(jobs), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def array(text, kind=np.float32):
    """Read an array as the harness writes it."""
    return np.frombuffer(base64.b64decode(text), kind)
