"""A trained run prints itself as a small table and draws itself."""

import re
from dataclasses import replace

import matplotlib.pyplot as plt
import nbformat
from conftest import ROOT
from matplotlib.figure import Figure

import bnbook
from bnbook import theme, training
from bnbook.history import History
from bnbook.run import Run

BATCH = ("batch",) * 4


def history(run, *epochs, outcome="trained"):
    """A history with rows (train_loss, val_loss, val_correct, val_correct_running) of 1,000."""
    keys = ("train_loss", "val_loss", "val_correct", "val_correct_running")
    rows = [
        {"epoch": i, "val_images": 1000, **dict(zip(keys, values, strict=True))}
        for i, values in enumerate(epochs)
    ]
    rows[-1] |= {"test_correct": 9_512, "test_images": 10_000}
    return History(run, rows, outcome, 3.21, [])


NAN = float("nan")
NORMED = history(
    Run(norms=BATCH, lr=0.3, epochs=2),
    (NAN, 2.303, 98, 98),
    (0.5, 0.25, 930, 700),
    (0.1, 0.2, 950, 940),
)
PLAIN = replace(NORMED, run=Run(activation="relu", lr=0.3, epochs=2))


def test_a_history_prints_as_a_small_table():
    head, *table = str(NORMED).splitlines()
    assert head == (
        "Run(norms=('batch', 'batch', 'batch', 'batch'), lr=0.3, epochs=2): "
        "trained in 3.2 s, test accuracy 95.1%"
    )
    cells = [re.split(r"\s{2,}", line.strip()) for line in table]
    assert cells[1:] == [
        ["0", "–", "2.3", "9.8%", "9.8%"],
        ["1", "0.5", "0.25", "93.0%", "70.0%"],
        ["2", "0.1", "0.2", "95.0%", "94.0%"],
    ]
    assert "validation accuracy" in table[0]
    assert table[0].endswith("with running statistics")
    assert repr(NORMED) == str(NORMED)


def test_a_net_without_batch_norm_has_one_accuracy():
    assert "running" not in str(PLAIN)
    assert list(PLAIN.frame()) == ["epoch", "train_loss", "val_loss", "val_accuracy"]


def test_in_jupyter_it_is_a_table_too():
    html = PLAIN._repr_html_()
    assert html.count("<tr") == 4
    assert "<td>95.0%</td>" in html
    assert "lr=0.3, epochs=2): trained" in html


def test_a_history_draws_its_losses_and_accuracies():
    figure = NORMED.plot()
    losses, accuracies = figure.axes
    assert [list(line.get_ydata()) for line in accuracies.lines[:2]] == [
        [0.098, 0.93, 0.95],
        [0.098, 0.7, 0.94],
    ]
    assert list(losses.lines[1].get_ydata()) == [2.303, 0.25, 0.2]
    assert [text.get_text() for text in losses.get_legend().get_texts()] == [
        "training",
        "validation",
    ]
    assert {line.get_color() for line in losses.lines[:2]} == set(theme.PALETTE[:2])
    assert len({line.get_linestyle() for line in losses.lines[:2]}) == 2, "not by color alone"
    figure.canvas.draw()


def test_without_batch_norm_one_curve_needs_no_legend():
    accuracies = PLAIN.plot().axes[1]
    assert accuracies.get_legend() is None
    assert list(accuracies.lines[0].get_ydata()) == [0.098, 0.93, 0.95]


def test_a_run_that_broke_is_drawn_as_far_as_it_came():
    broken = history(Run(lr=30.0), (NAN, 2.3, 98, 98), (NAN, NAN, 98, 98), outcome="non-finite")
    assert ": non-finite in 3.2 s" in str(broken)
    broken.plot().canvas.draw()


def test_drawing_leaves_nothing_open():
    before = plt.get_fignums()
    NORMED.plot()
    assert plt.get_fignums() == before


def documented():
    """The example that stands in README and on the home page, from each."""
    readme = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    home = nbformat.read(ROOT / "index.ipynb", as_version=4).cells
    cells = [c.source for c in home if c.cell_type == "code" and ".plot()" in c.source]
    code = [re.sub(r"(?m)^#\|.*\n", "", source) for source in (*readme, *cells)]
    assert len(code) == 2
    return [source.strip() for source in code]


def test_the_three_documented_lines_train_a_net_and_draw_it():
    readme, home = documented()
    assert readme == home
    *statements, last = readme.splitlines()
    assert len([line for line in (*statements, last) if line and "import" not in line]) == 3
    names = {}
    exec("\n".join(statements), names)
    assert names["run"] == Run(activation="relu", lr=0.3, epochs=2)
    trained = names["history"]
    assert trained.outcome == "trained"
    assert isinstance(eval(last, names), Figure)


def test_run_and_train_come_with_the_package():
    assert bnbook.Run is Run
    assert bnbook.train is training.train
