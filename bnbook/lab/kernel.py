"""The live lab: the page's presets and controls, training in the reader's own kernel."""

import copy
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import Any

import ipywidgets as widgets

from bnbook.errors import BookError
from bnbook.lab import report
from bnbook.lab.chart import kept_look, live_look
from bnbook.lab.controls import LAYOUT, NARROW, ROW, NetControls, TrainingControls
from bnbook.lab.page import rendering, running_cell
from bnbook.lab.presets import WITH_OR_WITHOUT, Preset
from bnbook.lab.session import Curve, Training
from bnbook.run import Run

MOST_KEPT = 6  # runs: more would hide each other
REDRAW_AFTER = 0.25  # seconds: more often would only slow training down
ELSEWHERE = "<p><em>In Jupyter, a lab that trains in your own kernel stands here.</em></p>"
AGAIN = "run this cell, and a lab that trains in this notebook's kernel stands here."
WATCH = {
    "bias gradients": report.bias_gradients,
    "gamma and beta": report.gamma_and_beta,
    "time": report.times,
}


class TrainingLab:
    """Two nets trained side by side in a background thread, with live curves.

    `preset` says what they are and which controls stand in the open. The first
    `train_size` images of `digits` train, or of MNIST if `digits` has too few, for `epochs`
    epochs (default: the preset's). `device` is "cpu" or "cuda" (default: the latter if there is
    one). Raises BookError for a start that no control can take.
    """

    def __init__(
        self,
        preset: Preset = WITH_OR_WITHOUT,
        *,
        train_size: int = 4_000,
        epochs: int | None = None,
        seed: int = 0,
        device: str | None = None,
    ) -> None:
        self.preset = preset
        self.training: Training | None = None
        self.kept: list[list[Curve]] = []
        self.controls = TrainingControls(self.preset, train_size, epochs, seed, device)
        self.nets = [NetControls(net, self.preset.controls) for net in self.preset.nets]
        self._drawn = 0.0
        self._drawing = threading.RLock()
        self._build()
        self.runs()
        self._refresh()
        self._succeed()

    def runs(self) -> list[tuple[str, Run]]:
        """Describe the runs that the controls are set to, with labels (BookError if none)."""
        shared = self.controls.fields()
        used = self.nets if self.second.value else self.nets[:1]
        return [(net.label(), replace(Run(**shared), **net.fields())) for net in used]

    def _succeed(self) -> None:
        """End the trainings that earlier runs of the same cell have left behind."""
        if not (execution := running_cell()):
            return
        cell, number = execution
        before, labs = _LABS.get(cell or self.preset.name, ("", []))
        if before != number:
            for lab in labs:
                if lab.training:
                    lab.training.stop()
            labs = []
        _LABS[cell or self.preset.name] = (number, [*labs, self])

    def _build(self) -> None:
        self.second = widgets.Checkbox(True, description="Train it too", indent=False)
        heads = [[_head("Net A")], [_head("Net B"), self.second]]
        boxes = [
            widgets.VBox([widgets.HBox(head), net.shown], layout=LAYOUT)
            for head, net in zip(heads, self.nets, strict=True)
        ]
        folded = [
            widgets.VBox([_head(title), settings], layout=NARROW)
            for title, settings in zip(
                ("Both nets", "Net A", "Net B"),
                (self.controls.folded, *(net.folded for net in self.nets)),
                strict=True,
            )
        ]
        more = widgets.Accordion([widgets.HBox(folded, layout=ROW)], titles=["More settings"])
        self.train = widgets.Button(description="Train here", icon="play", button_style="primary")
        self.reset = widgets.Button(description="Reset")
        self.keep = widgets.Button(description="Keep this run")
        self.forget = widgets.Button(description="Forget kept runs")
        self.bar = widgets.FloatProgress(0, min=0, max=1, layout=LAYOUT)
        self.status, self.message = widgets.HTML(), widgets.HTML()
        wide = {"width": "100%"}
        self.charts, self.inside = widgets.HTML(layout=wide), widgets.HTML(layout=wide)
        self.numbers = widgets.HTML(layout=wide)
        table = widgets.Accordion([self.numbers], titles=["These curves as a table"])
        self.train.on_click(self._press)
        self.reset.on_click(self._reset)
        self.keep.on_click(self._keep)
        self.forget.on_click(self._forget)
        self.controls.lr.observe(self._follow, names="value")
        self.second.observe(self._show_second, names="value")
        buttons = [self.train, self.reset, self.keep, self.forget]
        self.box = widgets.VBox(
            [
                widgets.HTML(f"<b>{escape(self.preset.title)}.</b> {escape(self.preset.ask)}"),
                self.controls.shown,
                widgets.HBox(boxes, layout=ROW),
                more,
                widgets.HBox(buttons, layout=ROW),
                widgets.HBox([self.bar, self.status], layout=ROW),
                self.message,
                self.charts,
                self.inside,
                table,
            ]
        )

    def _press(self, _button: object) -> None:
        """Train, pause or resume: what the one button says at the moment."""
        training = self.training
        if training and training.paused:
            training.resume()
        elif training and not training.ended:
            training.pause()
        elif not self._begin():
            return
        self._refresh(at_once=True)

    def _begin(self) -> bool:
        try:
            training = Training(
                self.runs(),
                every=self.controls.every.value or None,
                device=self.controls.device.value,
                on_change=lambda: self._refresh(training),
            )
        except BookError as error:
            self.message.value = _alert(error)
            return False
        self.training = training
        training.start()
        return True

    def _reset(self, _button: object) -> None:
        if self.training:
            self.training.stop()
        self.training = None
        self._refresh(at_once=True)

    def _keep(self, _button: object) -> None:
        if self.training:
            self.kept = [*self.kept, copy.deepcopy(self.training.curves)]  # the run may go on
        self._refresh(at_once=True)

    def _forget(self, _button: object) -> None:
        self.kept = []
        self._refresh(at_once=True)

    def _follow(self, change: Any) -> None:
        """Take the learning rate over into the training that runs."""
        if self.training:
            self.training.lr = change.new

    def _show_second(self, change: Any) -> None:
        for box in (self.nets[1].shown, self.nets[1].folded):
            box.layout.display = None if change.new else "none"

    def _refresh(self, source: Training | None = None, at_once: bool = False) -> None:
        """Show how things stand; while training, at most every `REDRAW_AFTER` seconds."""
        with self._drawing:
            training, now = self.training, time.monotonic()
            if source and source is not training:
                return  # one that was reset takes its last step
            early = now - self._drawn < REDRAW_AFTER
            if training and not training.ended and early and not at_once:
                return
            self._drawn = now
            self._show_state(training)
            self._show_curves(training)

    def _show_state(self, training: Training | None) -> None:
        if training and not training.ended:
            words = ("Resume", "play") if training.paused else ("Pause", "pause")
        else:
            words = ("Train again" if training else "Train here", "play")
        self.train.description, self.train.icon = words
        self.reset.disabled = not training
        self.keep.disabled = not training or len(self.kept) >= MOST_KEPT
        self.forget.disabled = not self.kept
        self.bar.value = training.progress if training else 0.0
        self.status.value = _status(training)

    def _show_curves(self, training: Training | None) -> None:
        live = [
            report.Named("AB"[net], live_look(net), curve)
            for net, curve in enumerate(training.curves if training else ())
        ]
        kept = [
            report.Named(f"{run + 1}{'AB'[net]}", kept_look(run, net), curve)
            for run, curves in enumerate(self.kept)
            for net, curve in enumerate(curves)
        ]
        shown = [*kept, *live]  # the live ones on top
        epochs = max((one.curve.run.epochs for one in shown), default=self.preset.epochs)
        error = _alert(training.error) if training and training.error else ""
        self.message.value = error + report.legend([*live, *kept])
        self.charts.value = report.charts(shown, epochs)
        self.inside.value = report.distributions(live) + self._watched(live)
        if not training or training.ended or training.paused:
            self.numbers.value = report.numbers([*live, *kept])

    def _watched(self, live: Sequence[report.Named]) -> str:
        return WATCH[self.preset.watch](live) if self.preset.watch else ""

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        if rendering():
            return {"text/html": ELSEWHERE}
        # What is left of a saved notebook, where widgets cannot be shown.
        text = f"{self.preset.title}: {AGAIN}"
        fallback = {"text/plain": text, "text/html": f"<p><em>{escape(text)}</em></p>"}
        return {**self.box._repr_mimebundle_(**kwargs), **fallback}


#: By cell: its last execution and the labs that this one made.
_LABS: dict[str, tuple[str, list[TrainingLab]]] = {}


def _head(text: str) -> widgets.HTML:
    return widgets.HTML(f"<b>{text}</b>", layout={"width": "6em"})


def _status(training: Training | None) -> str:
    if not training:
        return "The learning rate applies at once, all else at the next start."
    curve = max(training.curves, key=lambda one: len(one.losses))
    state = "ended" if training.ended else "paused" if training.paused else "training"
    speed = f", {training.speed:,.0f} images per second" if training.speed else ""
    return f"{state} at step {len(curve.losses):,} of {curve.steps:,}{speed}"


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
