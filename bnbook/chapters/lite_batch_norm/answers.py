"""Chapter 4: what is left of batch norm if it only removes the mean, or only the variance."""

from typing import Any, Final

import pandas as pd

from bnbook import findings
from bnbook.chapters.lite_batch_norm import experiments
from bnbook.experiment import SHARED_LR
from bnbook.findings import Paired
from bnbook.findings.decisions import Ruled as Verdict
from bnbook.findings.writing import list_of

#: The norms that remove less, each compared with full batch norm.
LESS: Final = ("mean-only", "variance-only", "none")


def verdicts(frame: pd.DataFrame) -> list[Verdict]:
    """Judge C7 and C10 by the records of experiment "lite"."""
    return [gamma_or_beta(frame), own_rates(frame)]


def gamma_or_beta(frame: pd.DataFrame) -> Verdict:
    """C7: holding gamma fixed costs more accuracy than holding beta fixed."""
    at_shared, at_best = rivals(frame)
    gaps = (
        f"gamma fixed minus beta fixed is {_points(at_shared)} at the shared learning rate and "
        f"{_points(at_best)} with each at its own best"
    )
    another = "Neither removes the mean or the variance, which is how the source reads them."
    return findings.verdict(
        "C7",
        (
            findings.REPRODUCED,
            at_shared.high < 0 and at_best.high < 0,
            f"Fixing gamma costs more at both rates: {gaps}. {another}",
        ),
        (
            findings.REFINED,
            at_shared.high < 0,
            "At the source's learning rate, yes; at own best rates "
            + ("it is the other way round" if at_best.low > 0 else "we cannot tell them apart")
            + f": {gaps}. {another}",
        ),
        (
            findings.REFINED,
            at_best.high < 0,
            f"Only with each variant at its own best rate: {gaps}. {another}",
        ),
        (
            findings.NOT_REPRODUCED,
            True,
            f"Fixing gamma does not cost more at either rate: {gaps}. {another}",
        ),
    )


def own_rates(frame: pd.DataFrame) -> Verdict:
    """C10: one shared learning rate is unfair."""
    rates, best = findings.best_rates(frame), _at_best(frame)
    sound = [lr for arm, lr in rates.items() if _mostly_trains(best, arm)]
    spread = (
        f"Among variants that train, the best rates range from {min(sound):g} to {max(sound):g}"
    )
    moved = changed(frame)
    which = list_of(moved) if moved else "none"
    return findings.verdict(
        "C10",
        (
            findings.REPRODUCED,
            bool(moved),
            f"What we conclude about {which} changes between the shared and the own best learning "
            f"rate. {spread}.",
        ),
        (
            findings.NOT_REPRODUCED,
            True,
            f"{spread}, but no conclusion about a half of batch norm changes with them.",
        ),
    )


def rivals(frame: pd.DataFrame) -> tuple[Paired, Paired]:
    """Compare gamma fixed with beta fixed: at the shared rate, and each at its own best."""
    sides = (_at_shared(frame), findings.at_best(frame))
    at_shared, at_best = (findings.paired(part, "gamma fixed", "beta fixed") for part in sides)
    return at_shared, at_best


def changed(frame: pd.DataFrame) -> list[str]:
    """Name the arms about which the shared and the own best learning rate say different things.

    That is: most runs train at one of them and not at the other, or the finding differs.
    """
    contrasts = findings.contrasts(frame, experiments.LITE.contrasts)
    found = contrasts.set_index(["a", "lr"])["finding"]
    shared = findings.summary(_at_shared(frame), outcome="test_accuracy").set_index("arm")
    best = _at_best(frame)
    return [
        arm
        for arm in LESS
        if _mostly_trains(shared, arm) != _mostly_trains(best, arm)
        or found[arm, f"{SHARED_LR:g}"] != found[arm, "own best"]
    ]


def _at_shared(frame: pd.DataFrame) -> pd.DataFrame:
    fresh = findings.fresh(frame)
    return fresh[fresh["lr"] == SHARED_LR]


def _at_best(frame: pd.DataFrame) -> pd.DataFrame:
    return findings.summary(findings.at_best(frame), outcome="test_accuracy").set_index("arm")


def _mostly_trains(table: pd.DataFrame, arm: str) -> bool:
    row: Any = table.loc[arm]
    return bool(2 * row["trained"] > row["runs"])


def _points(pair: Paired) -> str:
    return findings.points(pair.mean, pair.low, pair.high)
