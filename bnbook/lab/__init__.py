"""The interactive lab: training on the page or in a live kernel, and recorded runs."""

from typing import Any

import pandas as pd
from IPython.display import display

from bnbook import findings
from bnbook.lab import element
from bnbook.lab.bands import PAGE
from bnbook.lab.element import rendering
from bnbook.lab.grade import grade_batch_norm
from bnbook.lab.predict import predict, revisit
from bnbook.lab.presets import Preset, Recorded
from bnbook.lab.recorded import recorded
from bnbook.lab.settings import fallback, settings
from bnbook.lab.sigmoid import sigmoid_sliders
from bnbook.lab.training_lab import TrainingLab

__all__ = [
    "TrainingLab",
    "grade_batch_norm",
    "lab",
    "predict",
    "recorded",
    "rendering",
    "revisit",
    "sigmoid_sliders",
]


def lab(
    frame: pd.DataFrame | None = None,
    *,
    preset: Preset,
    book: Recorded | None = None,
    arms: dict[str, str] | None = None,
    lr: float = 0.1,
    batch_size: int = 128,
    **training: Any,
) -> None:
    """Display a chapter's lab: nets to train oneself and, beneath, the recorded runs of `frame`.

    They train in the reader's browser on a rendered page, there or in the kernel elsewhere.
    Without a `frame` they stand alone. `book` is what the book's runs say about the preset's claim.
    `arms`, `lr` and `batch_size` are as in `recorded`; `training` goes to `TrainingLab`. Raises
    BookError as these do.
    """
    parts: list[object]
    if rendering():
        preset.check_engine()
        own = element.element("lab", settings(preset, book), fallback(preset))
        parts = [own, findings.provenance(PAGE)]  # where the runs beside the reader's come from
    else:
        parts = [TrainingLab(preset, **training)]
    if frame is not None:
        parts.append(recorded(frame, arms=arms, lr=lr, batch_size=batch_size))
    for part in parts:
        display(part)  # type: ignore[no-untyped-call]
