"""Which experiment feeds which chapter's verdicts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import pandas as pd

from bnbook import findings, store
from bnbook.answers import affine, bias_removal, learning_rate, lite, per_layer
from bnbook.findings import Verdict


@dataclass(frozen=True)
class Answer:
    """What judges a chapter's claims: `verdicts` of the records of `experiment`."""

    experiment: str
    verdicts: Callable[[pd.DataFrame], list[Verdict]]

    @property
    def recorded(self) -> bool:
        """Whether there is a table of its experiment."""
        return store.table_path(self.experiment).exists()

    def judge(self) -> list[Verdict]:
        """Judge by the records. Raises BookError where they are damaged or stale."""
        return self.verdicts(findings.load(self.experiment))


#: By chapter number; chapters whose nets train in the page itself judge there.
ANSWERS: Final[Mapping[int, Answer]] = MappingProxyType(
    {
        1: Answer("bias-removal", bias_removal.verdicts),
        2: Answer("learning-rate", learning_rate.verdicts),
        3: Answer("per-layer", per_layer.verdicts),
        4: Answer("lite", lite.verdicts),
        5: Answer("affine", affine.verdicts),
    }
)
