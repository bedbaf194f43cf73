"""The live lab: the recorded lab's controls, training in the reader's own kernel."""

import threading
import time
import traceback
from html import escape
from typing import Any

import ipywidgets as widgets

from bnbook import streams
from bnbook.errors import BookError
from bnbook.lab.chart import Line, accuracy_chart, loss_chart, swatch
from bnbook.lab.page import rendering
from bnbook.lab.session import Curve, Session
from bnbook.run import Run

BATCH_SIZES = (16, 32, 64, 128, 256, 512)
LR_DECADES = (-3.0, 1.4771213)  # 0.001 to 30
NORMS = {
    "Batch norm": "batch",
    "Mean only": "mean",
    "Variance only": "variance",
    "None": "none",
}
REDRAW_AFTER = 0.25  # seconds: more often would only slow training down
ELSEWHERE = "<p><em>In Jupyter, a lab that trains in your own kernel stands here.</em></p>"


class TrainingLab:
    """Sliders, Train and Stop, and live curves of real training in a background thread.

    `train_size` images for `epochs` epochs a run; `lr` (0.001 to 30), `batch_size`, `norm`
    ("batch", "mean", "variance" or "none") and `seed` say where the controls start. Raises
    BookError for a start that no control can take.
    """

    def __init__(
        self,
        lr: float = 0.1,
        batch_size: int = 128,
        norm: str = "batch",
        seed: int = 0,
        *,
        train_size: int = 10_000,
        epochs: int = 3,
    ) -> None:
        if not 10 ** LR_DECADES[0] <= lr <= 30:
            raise BookError(f"learning rate {lr:g} is off the slider; take one from 0.001 to 30")
        if norm not in NORMS.values():
            raise BookError(f"unknown norm {norm!r}; known: {', '.join(NORMS.values())}")
        self.session = Session(self._refresh)
        self._train_size, self._epochs = train_size, epochs
        self._drawn = 0.0
        self._drawing = threading.RLock()
        self._build(lr, batch_size, norm, seed)
        self._refresh()

    def run(self) -> Run:
        """Describe the run that the controls are set to. Raises BookError if there is none."""
        return Run(
            norms=(self.norm.value,) * 4,
            lr=float(f"{self.lr.value:.3g}"),
            batch_size=self.batch_size.value,
            seed=self.seed.value,
            train_size=self._train_size,
            epochs=self._epochs,
        )

    def _build(self, lr: float, batch_size: int, norm: str, seed: int) -> None:
        style = {"description_width": "7.5em"}
        wide = widgets.Layout(width="min(26em, 98%)")
        shared = {"style": style, "layout": wide}
        low, high = LR_DECADES
        self.lr = widgets.FloatLogSlider(
            lr, base=10, min=low, max=high, step=0.01, description="Learning rate",
            readout_format=".3g", continuous_update=False, **shared,
        )  # fmt: skip
        sizes = sorted({*BATCH_SIZES, batch_size})
        self.batch_size = widgets.SelectionSlider(
            options=sizes, value=batch_size, description="Batch size", **shared
        )
        self.norm = widgets.Dropdown(
            options=list(NORMS.items()), value=norm, description="Norm", **shared
        )
        self.seed = widgets.BoundedIntText(
            seed, min=0, max=streams.MAX_SEED, description="Seed", **shared
        )
        self.train = widgets.Button(description="Train", icon="play", button_style="primary")
        self.stop = widgets.Button(description="Stop", icon="stop")
        self.clear = widgets.Button(description="Clear")
        self.bar = widgets.FloatProgress(0, min=0, max=1, layout=wide)
        self.message = widgets.HTML()
        self.charts = widgets.HTML(layout=widgets.Layout(width="100%"))
        self.train.on_click(self._train)
        self.stop.on_click(lambda _: self.session.stop())
        self.clear.on_click(self._clear)
        row = widgets.Layout(flex_flow="row wrap")
        self.box = widgets.VBox(
            [
                widgets.HBox([self.lr, self.batch_size], layout=row),
                widgets.HBox([self.norm, self.seed], layout=row),
                widgets.HBox([self.train, self.stop, self.clear, self.bar], layout=row),
                self.message,
                self.charts,
            ]
        )

    def _train(self, _button: object) -> None:
        try:
            self.session.start(self.run())
        except BookError as error:
            self.message.value = _alert(error)
            return
        self._refresh(at_once=True)

    def _clear(self, _button: object) -> None:
        self.session.clear()
        self._refresh(at_once=True)

    def _refresh(self, at_once: bool = False) -> None:
        """Show the session as it is; during training at most every `REDRAW_AFTER` seconds."""
        with self._drawing:
            session = self.session
            now = time.monotonic()
            early = now - self._drawn < REDRAW_AFTER
            if session.training and early and not at_once:
                return
            self._drawn = now
            self.train.disabled, self.stop.disabled = session.training, not session.training
            self.bar.value = session.curves[-1].progress if session.curves else 0.0
            self.message.value = _alert(session.error) if session.error else _legend(session.curves)
            self.charts.value = _charts(session.curves, self._epochs)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        if rendering():
            return {"text/html": ELSEWHERE}
        return self.box._repr_mimebundle_(**kwargs)


def _alert(error: Exception) -> str:
    """Show an error; one that nobody foresaw comes with its traceback, folded."""
    style = "border-left:4px solid #c4661f;padding:0.3em 0.8em;line-height:1.4"
    if isinstance(error, BookError):
        return f'<div role="alert" style="{style}">{escape(str(error))}</div>'
    trace = "".join(traceback.format_exception(error))
    return (
        f'<div role="alert" style="{style}">Training failed: {escape(repr(error))}'
        f"<details><summary>Traceback</summary><pre>{escape(trace)}</pre></details></div>"
    )


def _legend(curves: list[Curve]) -> str:
    if not curves:
        return "Set the controls, then press Train. Each run stays until you clear it."
    return "<br>".join(f"{swatch(c.number - 1)} <b>{c.number}</b> {_describe(c)}" for c in curves)


def _describe(curve: Curve) -> str:
    run = curve.run
    norm = next(label for label, name in NORMS.items() if name == run.norms[0])
    parts = [f"learning rate {run.lr:g}", f"batch {run.batch_size}", f"norm: {norm.lower()}"]
    ending = curve.outcome
    if curve.accuracies:
        ending += f", validation accuracy {100 * curve.accuracies[-1][1]:.1f} %"
    return f"{', '.join(parts)}, seed {run.seed}: <b>{ending}</b>"


def _charts(curves: list[Curve], epochs: int) -> str:
    accuracies = [Line(str(c.number), c.number - 1, c.accuracies) for c in curves]
    losses = [Line(str(c.number), c.number - 1, c.smooth_losses()) for c in curves]
    figures = (
        ("Validation accuracy", accuracy_chart(accuracies, epochs)),
        ("Training loss", loss_chart(losses, epochs)),
    )
    cells = "".join(
        f'<div style="flex:1 1 18em;min-width:0"><b>{title}</b>{svg}</div>'
        for title, svg in figures
    )
    return f'<div style="display:flex;flex-wrap:wrap;gap:1em;line-height:1.3">{cells}</div>'
