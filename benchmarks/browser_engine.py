"""The page's engine in Chromium against PyTorch on one thread: milliseconds a training step."""

import statistics
from base64 import b64encode
from dataclasses import replace
from importlib import resources

from benchmarks.browser import chromium
from benchmarks.turns import one_thread
from bnbook import data, models, training
from bnbook.run import Run

BATCH_SIZES = (32, 128, 256)
RUN = Run(dataset="digits", norms=("batch",) * 4, train_size=4000, epochs=1)
TURNS = 7

#: A worker as the page has one: the engine's text, then this. Times one epoch per message.
WORKER = """
let net;
onmessage = async ({ data: { wasm, pixels, labels, settings, lr, steps } }) => {
  if (wasm) {
    const engine = await createEngine(wasm);
    engine.setData(pixels, labels, 4000);
    net = engine.createNet(settings, 0);
  }
  const start = performance.now();
  for (let step = 0; step < steps; step++) net.step(lr);
  postMessage((performance.now() - start) / steps);
};
"""
START = """async ([source, wasm, pixels, labels, settings, lr, steps]) => {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([source.replaceAll("export ", "")]));
  globalThis.worker = new Worker(url);
  globalThis.turn = (message) => new Promise((resolve) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.postMessage({ lr, steps, ...message });
  });
  await turn({ wasm: bytes(wasm), pixels: bytes(pixels), labels: bytes(labels), settings });
}"""


def measure() -> dict[int, tuple[float, float, float]]:
    """Map batch sizes to medians: ms in the browser, ms in PyTorch, and of their ratios.

    Both train LeNet with batch norm on the page's digits, one epoch a turn, in turns, so that a
    busy moment hits both sides; the first turn warms up and is discarded.
    """
    medians = {}
    with chromium() as browser:
        for batch_size in BATCH_SIZES:
            run = replace(RUN, batch_size=batch_size)
            page = browser.new_page()
            page.evaluate(START, _job(run))
            turns = [(page.evaluate("turn({})"), _pytorch(run)) for _ in range(TURNS + 1)][1:]
            page.close()
            ours, theirs = map(statistics.median, zip(*turns, strict=True))
            medians[batch_size] = ours, theirs, statistics.median(b / a for a, b in turns)
    return medians


def _job(run: Run) -> list[object]:
    """Put together what the page needs: the engine, the digits, and what to train."""
    engine = resources.files("bnbook.lab").joinpath("engine")
    splits = data.splits(run.dataset)
    parts = splits.train, splits.validation
    pixels = b"".join((part.images.numpy() // 17).tobytes() for part in parts)
    labels = b"".join(part.labels.numpy().astype("u1").tobytes() for part in parts)
    gamma, beta = models.AFFINE[run.affine]
    settings = {
        "norms": run.norms,
        "learned": {"hidden": True, "head": True, "gamma": gamma, "beta": beta},
        "convBias": run.conv_bias,
        "linearBias": run.linear_bias,
        "activation": run.activation,
        "batchSize": run.batch_size,
    }
    source = engine.joinpath("engine.js").read_text(encoding="utf-8") + WORKER
    binaries = (engine.joinpath("engine.wasm").read_bytes(), pixels, labels)
    packed = [b64encode(binary).decode() for binary in binaries]
    return [source, *packed, settings, run.lr, run.train_size // run.batch_size]


def _pytorch(run: Run) -> float:
    """Train one epoch on one thread; return the milliseconds a step took."""
    splits = data.splits(run.dataset)
    few = data.Images(splits.test.images[:2], splits.test.labels[:2])
    with one_thread():
        history = training.train(run, data.Splits(splits.train, few, few))
    return 1000 * history.seconds / (run.train_size // run.batch_size)
