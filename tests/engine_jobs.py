"""Hand jobs to the page's engine in Node (see engine_harness.mjs)."""

import base64
import gzip
import json
import subprocess
from pathlib import Path

import numpy as np
import torch

from bnbook import data, models, training
from bnbook.lab import images
from bnbook.run import Run

HARNESS = Path(__file__).parent / "engine_harness.mjs"
ENGINE = Path(__file__).parents[1] / "bnbook/lab/engine/engine.wasm"
STEPS = 50
TRAIN_SIZE = 4000
BATCH = ("batch",) * 4
MIXED = ("batch", "none", "mean", "variance")


def unpack(packed):
    """Return the gray levels and the labels that `images.pack` was given."""
    content = np.frombuffer(packed, np.uint8)
    n = len(content) // (1 + 28 * 28 // 2)
    pairs = content[n:].reshape(n, 14, 28)
    return np.stack([pairs >> 4, pairs & 15], axis=2).reshape(n, 28, 28), content[:n]


def read_images(name):
    """Return gray levels `(n, 28, 28)` in 0..15 and labels `(n,)` as the page has them."""
    return unpack(gzip.decompress(base64.b64decode(images.read_text(name))))


def write_images(path, name="digits"):
    """Write the images and labels that the page has: 4,000 to train on, 1,000 to validate with."""
    path.write_bytes(b"".join(array.tobytes() for array in read_images(name)))
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


def run_of(kinds, batch_size=32, dataset="digits", **fields):
    """Describe a run whose epoch has 50 steps."""
    size = batch_size * STEPS
    return Run(dataset=dataset, norms=kinds, batch_size=batch_size, train_size=size, **fields)


def name(run):
    """Say what tells a run from the others here."""
    left_out = ("norms", "train_size", *(["dataset"] if run.dataset == "digits" else []))
    changes = {k: v for k, v in run.changes().items() if k not in left_out}
    kinds = sorted(set(run.norms)) if len(set(run.norms)) == 1 else run.norms
    return " ".join(["-".join(kinds), *(f"{k}={v}" for k, v in changes.items())])


def with_parameters(run, values):
    """Build the net of a run with these parameters."""
    net = training.build(run)
    torch.nn.utils.vector_to_parameters(torch.tensor(values), net.parameters())
    return net


def splits(name):
    """Return a data set of the page; of test images, which it lacks, as many as a run must have."""
    levels, labels = read_images(name)
    pixels, labels = torch.tensor(levels)[:, None] * 17, torch.tensor(labels).long()
    ends = (slice(TRAIN_SIZE), slice(TRAIN_SIZE, None), slice(2))
    return data.Splits(*(data.Images(pixels[part], labels[part]) for part in ends))
