"""The interactive lab: recorded runs on a static page, real training in a live kernel."""

from typing import Any

import pandas as pd
from IPython.display import display

from bnbook.lab.check import check
from bnbook.lab.grade import grade_batch_norm
from bnbook.lab.kernel import TrainingLab
from bnbook.lab.page import rendering
from bnbook.lab.predict import predict, revisit
from bnbook.lab.recorded import recorded

__all__ = [
    "TrainingLab",
    "check",
    "grade_batch_norm",
    "lab",
    "predict",
    "recorded",
    "rendering",
    "revisit",
]


def lab(
    frame: pd.DataFrame,
    *,
    arms: dict[str, str] | None = None,
    lr: float = 0.1,
    batch_size: int = 128,
    **training: Any,
) -> None:
    """Display a chapter's lab: the recorded runs and, in a live kernel, one's own beneath.

    `arms`, `lr` and `batch_size` as in `recorded`; `training` goes to `TrainingLab`.
    """
    parts: list[object] = [recorded(frame, arms=arms, lr=lr, batch_size=batch_size)]
    if not rendering():
        parts.append(TrainingLab(lr, batch_size, **training))
    for part in parts:
        display(part)  # type: ignore[no-untyped-call]
