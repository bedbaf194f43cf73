"""What stays of the lab in a saved notebook: words, and a picture of the last training."""

import io
from base64 import b64encode
from html import escape

from bnbook import theme
from bnbook.history import Row
from bnbook.lab.presets import NORM_PHRASES, Preset
from bnbook.lab.training_log import TrainingLog

ELSEWHERE = "<p><em>In Jupyter, a lab that trains in your own kernel appears here.</em></p>"
AGAIN = "Run this cell to get a lab that trains."


def last_state(preset: Preset, log: TrainingLog | None = None) -> str:
    """Write HTML that is readable without scripts and sheets of style."""
    parts = [f"<p><strong>{escape(preset.title)}.</strong> {escape(preset.ask)} {AGAIN}</p>"]
    rows = log.rows() if log else []
    if log and rows:
        names = [f"Net {'AB'[i]} ({name})" for i, name in enumerate(_names(preset, log))]
        found = [_found(name, [r for r in rows if r["net"] == i]) for i, name in enumerate(names)]
        words = f"{_settings(log)} {' '.join(found)}"
        parts.append(f"<p>{escape(words)}</p>")
        parts.append(f'<img alt="{escape(words)}" src="{_picture(names, rows)}">')
    return f'<div class="bn-last">{"".join(parts)}</div>'


def _names(preset: Preset, log: TrainingLog) -> list[str]:
    """Name the nets by their norms, and as the preset does where these are as it has them."""
    names = []
    for net, trained in zip(preset.nets, log.setting["nets"], strict=False):
        norms = list(trained["norms"])
        words = NORM_PHRASES[norms[0]] if len(set(norms)) == 1 else ", ".join(norms)
        names.append(net.label if norms == list(net.run.norms) else words)
    return names


def _settings(log: TrainingLog) -> str:
    setting = log.setting
    return (
        f"Learning rate {setting['lr']:g}, batch size {setting['batch']}, seed {setting['seed']}, "
        f"step {log.step:,} of {log.ready['total']:,}."
    )


def _found(name: str, rows: list[Row]) -> str:
    last = rows[-1]
    return f"{name}: {100 * last['val_correct'] / last['val_images']:.1f}% right."


def _picture(names: list[str], rows: list[Row]) -> str:
    """Draw the validation accuracies as an image's address."""
    figure, (ax,) = theme.canvas(3.4)
    styles = {name: theme.style(i) for i, name in enumerate(names)}
    for i, style in enumerate(styles.values()):
        points = [(r["epoch"], r["val_correct"] / r["val_images"]) for r in rows if r["net"] == i]
        look = {"color": style.color, "linestyle": style.dash, "marker": style.marker}
        ax.plot(*zip(*points, strict=True), **look)
    theme.legend(figure, styles)
    theme.label(ax, "epoch", "", "Validation accuracy")
    theme.accuracy_axis(ax)
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{b64encode(file.getvalue()).decode()}"
