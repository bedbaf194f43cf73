"""Which experiment feeds which chapter's verdicts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from bnbook import findings, store
from bnbook.answers import (
    affine,
    bias_removal,
    lab_session,
    learning_rate,
    lite,
    only_norm,
    per_layer,
)
from bnbook.findings import Verdict


@dataclass(frozen=True)
class Answer:
    """What judges a chapter's claims: `verdicts`, a function of the records of `experiments`."""

    verdicts: Callable[..., list[Verdict]]
    experiments: tuple[str, ...]

    def missing(self) -> list[str]:
        """Name the experiments of which there is no table yet."""
        return [name for name in self.experiments if not store.table_path(name).exists()]

    def judge(self) -> list[Verdict]:
        """Judge by the records. Raises BookError where they are missing, damaged or stale."""
        return self.verdicts(*map(findings.load, self.experiments))


#: By chapter number; chapters whose nets train in the page itself judge there.
ANSWERS: Final[Mapping[int, Answer]] = MappingProxyType(
    {
        1: Answer(bias_removal.verdicts, ("bias-removal",)),
        2: Answer(learning_rate.verdicts, ("learning-rate", "as-posted")),
        3: Answer(per_layer.verdicts, ("per-layer",)),
        4: Answer(lite.verdicts, ("lite",)),
        5: Answer(affine.verdicts, ("affine",)),
        13: Answer(only_norm.verdicts, ("only-norm",)),
        14: Answer(lab_session.verdicts, ("lab-session",)),
    }
)
