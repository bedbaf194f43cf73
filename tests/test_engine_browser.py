"""The page's engine in a browser: the same bits as in Node."""

import base64

import engine_jobs
import pytest

from bnbook.run import Run

pytestmark = pytest.mark.browser

STEPS = 300
LR = 0.5
RUNS = [
    Run(dataset="digits", norms=("batch",) * 4, batch_size=32),
    Run(dataset="digits", norms=("none",) * 4, batch_size=18, seed=1, activation="relu"),
    Run(dataset="digits", norms=("variance", "mean", "batch", "none"), batch_size=2, seed=2),
]

#: Does in a page what engine_harness.mjs does in Node.
TRAIN = """async ([source, wasm, digits, nets, steps, lr]) => {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const { createEngine } = await import(url);
  const engine = await createEngine(bytes(wasm));
  const data = bytes(digits);
  engine.setData(data.subarray(0, 5000 * 784), data.subarray(5000 * 784), 4000);
  return nets.map(({ settings, seed }) => {
    const net = engine.createNet(settings, seed);
    for (let step = 0; step < steps; step++) net.step(lr);
    const { correct, correctRunning, loss } = net.evaluate();
    return [net.hash(), correct, correctRunning, loss];
  });
}"""


def test_chromium_and_node_agree_to_the_last_bit(browser, node, tmp_path):
    digits = engine_jobs.write_images(tmp_path / "digits")
    nets = [engine_jobs.net(run) for run in RUNS]
    calls = [[which, "step", LR] for _ in range(STEPS) for which in range(len(nets))]
    calls += [[which, what] for which in range(len(nets)) for what in ("hash", "evaluate")]
    results = engine_jobs.ask(node, digits, [{"train": 4000, "nets": nets, "calls": calls}])[0]
    *_, a, at_a, b, at_b, c, at_c = results
    in_node = [
        [digest, found["correct"], found["correctRunning"], found["loss"]]
        for digest, found in ((a, at_a), (b, at_b), (c, at_c))
    ]

    files = (engine_jobs.ENGINE, digits)
    wasm, images = (base64.b64encode(file.read_bytes()).decode() for file in files)
    source = engine_jobs.ENGINE.with_suffix(".js").read_text()
    page = browser.new_page()
    in_browser = page.evaluate(TRAIN, [source, wasm, images, nets, STEPS, LR])
    page.close()
    assert in_browser == in_node
    assert len({digest for digest, *_ in in_node}) == len(RUNS)
    # Three nets that learned nothing, or no finite number, would agree easily.
    assert in_node[0][1] > 900
