"""The outcomes of a question and of a source's claim, and verdicts on claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bnbook.findings.claims import Claim
from bnbook.findings.statistics import DIFFERENT, EQUIVALENT, ONE_TRAINS, SMALL, Interval

#: Of a question.
SUPPORTED: Final = "supported"
REFUTED: Final = "refuted"
UNDECIDED: Final = "undecided"
NOT_RUN: Final = "not run here"
#: Of a claim, beside the last three: held as it was said, or with a limit that it did not have.
REPRODUCED: Final = "reproduced"
REFINED: Final = "refined"
STATUSES: Final = (REPRODUCED, REFINED, REFUTED, UNDECIDED, NOT_RUN)


@dataclass(frozen=True)
class Verdict:
    """What our records say about a claim, in a sentence of Markdown."""

    claim: Claim
    status: str
    sentence: str

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"unknown status {self.status!r}; one of {', '.join(STATUSES)}")


def above(row: Mapping[str, Any]) -> str:
    """Decide whether a contrast's first arm is ahead of its second, by any amount.

    `row` is one of `findings.contrasts`. Supported or refuted where Holm's test says different, on
    either side; refuted, too, where both are equivalent; else undecided.
    """
    finding = row["finding"]
    if finding in (DIFFERENT, SMALL, ONE_TRAINS):
        return SUPPORTED if row["mean"] > 0 else REFUTED
    return REFUTED if finding == EQUIVALENT else UNDECIDED


def decide(yes: bool, no: bool) -> str:
    """Decide a question by what would answer it with yes, else by what would with no."""
    if yes:
        return SUPPORTED
    return REFUTED if no else UNDECIDED


def sign(effect: Interval) -> str:
    """Decide from its interval alone whether an effect is above 0."""
    return decide(effect.low > 0, effect.high < 0)


def smaller(ratio: Interval) -> str:
    """Decide from its interval alone whether a ratio is below 1."""
    return decide(ratio.high < 1, ratio.low > 1)


def every(*found: str) -> str:
    """Decide a question that asks for several things at once."""
    return decide({*found} == {SUPPORTED}, REFUTED in found)


def on_claim(found: str) -> str:
    """Say of a claim what was found on the question that it answers with yes."""
    return REPRODUCED if found == SUPPORTED else found


def of_parts(*found: str) -> str:
    """Judge a claim of several parts, each of them supported, refuted or undecided."""
    if {*found} == {SUPPORTED}:
        return REPRODUCED
    if SUPPORTED in found:
        return REFINED
    return REFUTED if REFUTED in found else UNDECIDED


def below(row: Mapping[str, Any]) -> str:
    """Decide whether a contrast's first arm is behind its second; see `above`."""
    return above(dict(row, mean=-row["mean"]))
