"""Which experiment feeds which chapter's verdicts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from bnbook import findings, store, timings
from bnbook.answers import (
    affine,
    bias_removal,
    cost,
    dropout,
    inference,
    lab_session,
    learning_rate,
    lite,
    only_norm,
    per_layer,
    starts,
    why,
)
from bnbook.findings import Verdict


@dataclass(frozen=True)
class Answer:
    """What judges a chapter's claims: `verdicts`, a function of its records.

    These are the tables of `experiments`, then those of the benchmarks in `timed`.
    """

    verdicts: Callable[..., list[Verdict]]
    experiments: tuple[str, ...]
    timed: tuple[str, ...] = ()

    def missing(self) -> list[str]:
        """Name the experiments and benchmarks of which there is no table yet."""
        paths = {name: store.table_path(name) for name in self.experiments}
        paths |= {name: timings.path(name) for name in self.timed}
        return [name for name, path in paths.items() if not path.exists()]

    def judge(self) -> list[Verdict]:
        """Judge by the records. Raises BookError where they are missing, damaged or stale."""
        return self.verdicts(*map(findings.load, self.experiments), *map(timings.read, self.timed))


#: By chapter number; chapters whose nets train in the page itself judge there.
ANSWERS: Final[Mapping[int, Answer]] = MappingProxyType(
    {
        1: Answer(bias_removal.verdicts, ("bias-removal",)),
        2: Answer(learning_rate.verdicts, ("learning-rate", "as-posted")),
        3: Answer(per_layer.verdicts, ("per-layer",)),
        4: Answer(lite.verdicts, ("lite",)),
        5: Answer(affine.verdicts, ("affine",)),
        6: Answer(dropout.verdicts, ("dropout", "dropout-few-images", "batch-noise")),
        9: Answer(inference.verdicts, ("running-statistics", "norm-place")),
        10: Answer(why.verdicts, ("landscape", "sharpness")),
        11: Answer(starts.verdicts, ("bad-starts", "start-map")),
        12: Answer(cost.verdicts, ("time-to-accuracy",), timed=("bn-steps",)),
        13: Answer(only_norm.verdicts, ("only-norm", "pruning")),
        14: Answer(lab_session.verdicts, ("lab-session",)),
    }
)
