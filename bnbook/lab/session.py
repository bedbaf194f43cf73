"""Training in a background thread, for any front: start, stop, watch, overlay."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from bnbook import data, training
from bnbook.run import Run


class _Stopped(Exception):  # noqa: N818 (it ends a run; it is no error)
    """Raised inside training to end it early."""


@dataclass
class Curve:
    """One run as far as it has come: a loss per step, `(epoch, validation accuracy)` pairs."""

    run: Run
    number: int
    losses: list[float] = field(default_factory=list)
    accuracies: list[tuple[int, float]] = field(default_factory=list)
    outcome: str = "training"  # then one of History.outcome, "stopped" or "failed"

    @property
    def steps_per_epoch(self) -> int:
        """Steps that make an epoch; an incomplete last batch is dropped."""
        return self.run.train_size // self.run.batch_size

    @property
    def progress(self) -> float:
        """Share of the steps done."""
        return len(self.losses) / (self.steps_per_epoch * self.run.epochs)

    def smooth_losses(self, most: int = 120) -> list[tuple[float, float]]:
        """Mean losses of at most `most` equal stretches, each at its middle, in epochs."""
        # The stretch depends on the whole run's length, so that points do not move as it grows.
        stretch = -(-self.steps_per_epoch * self.run.epochs // most)
        starts = range(0, len(self.losses), stretch)
        pieces = [(start, self.losses[start : start + stretch]) for start in starts]
        return [
            ((start + len(piece) / 2) / self.steps_per_epoch, sum(piece) / len(piece))
            for start, piece in pieces
        ]


class Session:
    """Runs trained one at a time in the background, kept side by side until cleared.

    `on_change` is called in the training thread after each step and once after the end, when
    `training` is False again. What goes wrong, there or in training, ends up in `error`.
    """

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self.curves: list[Curve] = []
        self.training = False
        self.error: Exception | None = None
        self._on_change = on_change
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._started = 0

    def start(self, run: Run) -> bool:
        """Start training `run`; returns False, and changes nothing, while one is training."""
        with self._lock:
            if self.training:
                return False
            self.training = True
        self.error = None
        self._stop.clear()
        self._started += 1
        curve = Curve(run, self._started)
        self.curves = [*self.curves, curve]
        self._thread = threading.Thread(target=self._train, args=(curve,), daemon=True)
        self._thread.start()
        return True

    def stop(self) -> None:
        """Ask the run to end at its next step."""
        self._stop.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the run has ended."""
        if self._thread:
            self._thread.join(timeout)

    def clear(self) -> None:
        """Forget all runs but one that is still training."""
        self.curves = [curve for curve in self.curves if curve.outcome == "training"]
        self.error = None

    def _train(self, curve: Curve) -> None:
        try:
            curve.outcome = self._watch(curve)
        except _Stopped:
            curve.outcome = "stopped"
        except Exception as error:  # whatever it is, the reader must see it
            curve.outcome = "failed"
            self.error = error
        self.training = False
        self._on_change()

    def _watch(self, curve: Curve) -> str:
        splits = data.splits(curve.run.dataset)

        def on_step(_step: int, loss: float) -> None:
            if self._stop.is_set():
                raise _Stopped
            curve.losses.append(loss)
            self._on_change()

        def on_epoch(row: training.Row) -> None:
            accuracy = row["val_correct"] / len(splits.validation)
            curve.accuracies.append((row["epoch"], accuracy))
            self._on_change()

        return training.train(curve.run, splits, on_step=on_step, on_epoch=on_epoch).outcome
