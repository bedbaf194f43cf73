"""Chapter 5: what the learned scale and shift contribute."""

import math
from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from bnbook import findings, models, training
from bnbook.chapters.fixed_affine import experiments
from bnbook.experiment import SHARED_LR
from bnbook.findings import Interval, Paired
from bnbook.findings.decisions import Ruled as Verdict
from bnbook.findings.writing import list_of

EXPERIMENT: Final = "affine"
LEARNED: Final = "both learned"
BOTH: Final = "both fixed"
FIXED: Final = ("gamma fixed", "beta fixed", BOTH)
#: Steps of the source's runs: 10 epochs of 60,000 images in batches of 128.
SOURCE_STEPS: Final = 10 * math.ceil(60_000 / 128)


def verdicts(frame: pd.DataFrame) -> list[Verdict]:
    """Judge C7, C8, C9, C10 and A3 by the records of experiment "affine"."""
    return [
        gamma_or_beta(frame),
        catching_up(frame),
        departures(frame),
        own_rates(frame),
        importance(frame),
    ]


def gamma_or_beta(frame: pd.DataFrame) -> Verdict:
    """C7: holding gamma fixed costs more accuracy than holding beta fixed."""
    at_shared, at_best = rivals(frame)
    said = (
        f"gamma fixed minus beta fixed is {findings.as_points(vars(at_shared))} at the shared "
        f"learning rate and {findings.as_points(vars(at_best))} with each at its own best"
    )
    return findings.verdict(
        "C7",
        (
            findings.REPRODUCED,
            at_shared.high < 0 and at_best.high < 0,
            f"At both rates: {said}.",
        ),
        (
            findings.REFINED,
            at_shared.high < 0,
            "At the source's learning rate, yes; at own best rates "
            + ("it is the other way round" if at_best.low > 0 else "we cannot tell them apart")
            + f": {said}.",
        ),
        (findings.REFINED, at_best.high < 0, f"Only with each at its own best rate: {said}."),
        (findings.NOT_REPRODUCED, True, f"At neither rate: {said}."),
    )


def catching_up(frame: pd.DataFrame) -> Verdict:
    """C8: with both fixed, early epochs are worse and later ones catch up."""
    shared = at_shared(frame)
    widest, last, found = course(shared)
    numbers = f"the difference is {describe(shared)}"
    worse_early = widest < last and found["widest"].high < 0
    shrinks, closed = found["change"].low > 0, found["last"].high >= 0
    best_last = course(findings.at_best(frame))[2]["last"]
    at_end = f"ends at {findings.points(*best_last)}"
    steps = int(frame["step"].max())
    return findings.verdict(
        "C8",
        (
            findings.REPRODUCED,
            worse_early and shrinks and closed and best_last.high >= 0,
            f"At the source's learning rate {numbers}; at own best rates it {at_end}.",
        ),
        (
            findings.REFINED,
            worse_early and shrinks,
            f"At the source's learning rate {numbers}: it narrows"
            + (" and we see none at the end" if closed else " but does not close")
            + f". With each net at its own best rate it {at_end}.",
        ),
        (
            findings.NOT_RUN,
            found["last"].high < 0 and steps < SOURCE_STEPS / 2,
            f"The first half holds: with both fixed the net is behind; {numbers}, so it "
            + ("still widens" if found["growth"].high < 0 else "does not narrow")
            + " when our records end. Whether it closes they cannot say: they stop after "
            f"{steps:,} steps, the source after {SOURCE_STEPS:,}. "
            f"With each net at its own best rate it {at_end}.",
        ),
        (
            findings.NOT_REPRODUCED,
            True,
            f"At the source's learning rate {numbers}: "
            + (
                "it does not close"
                if found["last"].high < 0
                else "we see no early loss that is made up for"
            )
            + f". At own best rates it {at_end}.",
        ),
    )


def departures(frame: pd.DataFrame) -> Verdict:
    """C9: learned gammas and betas leave their starts, the gammas by more."""
    rate = findings.best_rates(frame)[LEARNED]
    layers, overall = ahead(_learned(at_shared(frame)))
    layers_best, overall_best = ahead(_learned(findings.at_best(frame)))
    where = (
        f"At {SHARED_LR:g}: {_by_leader(layers)}; gamma minus beta over the layers "
        f"{findings.plain(*overall, digits=3)}. "
        f"At the net's own best rate, {rate:g}: {_by_leader(layers_best)}; over the layers "
        f"{findings.plain(*overall_best, digits=3)}."
    )
    beta_somewhere = any(found.high < 0 for found in (*layers.values(), *layers_best.values()))
    return findings.verdict(
        "C9",
        (
            findings.REPRODUCED,
            overall.low > 0 and overall_best.low > 0 and not beta_somewhere,
            f"At both rates. {where}",
        ),
        (
            findings.REFINED,
            overall.low > 0,
            "At the source's learning rate, yes, but it is no law: it depends on the layer and "
            f"the rate. {where}",
        ),
        (findings.NOT_REPRODUCED, True, where),
    )


def own_rates(frame: pd.DataFrame) -> Verdict:
    """C10: one shared learning rate is unfair."""
    at_shared, at_best = (_missed_more(pair) for pair in rivals(frame))
    moved, swapped = changed(frame), at_shared != at_best
    rates = findings.best_rates(frame)
    listed = ", ".join(f"{rates[arm]:g} for {arm}" for arm in experiments.AFFINE.arms)
    return findings.verdict(
        "C10",
        (
            findings.REPRODUCED,
            bool(moved) or swapped,
            "Tuning changes what we conclude: "
            + " and ".join(
                ([f"the finding on {list_of(moved)}"] if moved else [])
                + ["the answer to which of gamma and beta is missed more"] * swapped
            )
            + f". The best rates are {listed}.",
        ),
        (
            findings.NOT_REPRODUCED,
            True,
            f"The best rates are {listed}, but no conclusion changes with them.",
        ),
    )


def importance(frame: pd.DataFrame) -> Verdict:
    """A3: the affine parameters play an important role."""
    costs = _contrasts(frame)
    shared, best = costs[BOTH, f"{SHARED_LR:g}"], costs[BOTH, "own best"]
    matters = [
        cost
        for cost in (shared, best)
        if cost["mean"] < 0 and cost["finding"] == findings.DIFFERENT
    ]
    net = training.build(experiments.AFFINE.arms[BOTH])
    learned = sum(p.numel() for p in net.parameters() if p.requires_grad)
    size = (
        f"fixing {findings.percent(1 - learned / models.parameter_count(net))} of the parameters "
        f"changes the test accuracy by {findings.as_points(shared)} at the shared rate and "
        f"{findings.as_points(best)} at own best rates"
    )
    case = "The source's case is a ResNet that trains little else. "
    return findings.verdict(
        "A3",
        (
            findings.REFINED,
            len(matters) == 2,
            f"{case}In our net, where all else is trained as well, they matter too: {size}.",
        ),
        (
            findings.REFINED,
            len(matters) == 1,
            f"{case}In our net it depends on the learning rate: {size}.",
        ),
        (findings.NOT_REPRODUCED, True, f"{case}In our net they hardly matter: {size}."),
    )


def at_shared(frame: pd.DataFrame) -> pd.DataFrame:
    """Select the fresh runs at the shared learning rate."""
    fresh = findings.fresh(frame)
    return fresh[fresh["lr"] == SHARED_LR]


def rivals(frame: pd.DataFrame) -> tuple[Paired, Paired]:
    """Compare gamma fixed with beta fixed: at the shared rate, and each at its own best."""
    shared, best = (
        findings.paired(part, "gamma fixed", "beta fixed")
        for part in (at_shared(frame), findings.at_best(frame))
    )
    return shared, best


def changed(frame: pd.DataFrame) -> list[str]:
    """Name the arms whose finding differs between the shared and the own best learning rate."""
    found = _contrasts(frame)
    shared = f"{SHARED_LR:g}"
    return [
        arm for arm in FIXED if found[arm, shared]["finding"] != found[arm, "own best"]["finding"]
    ]


def course(part: pd.DataFrame) -> tuple[int, int, dict[str, Interval]]:
    """Follow the gap of both fixed to both learned in validation accuracy along training.

    Returns its widest epoch, the last, and the gap at the `first`, `widest` and `last` epoch, its
    `change` from the widest to the last and its `growth` from the first. `part` has one learning
    rate per arm.
    """
    whole = findings.filled(part)
    wide = whole.pivot(index=["seed", "epoch"], columns="arm", values="val_accuracy")
    gap: Any = (wide[BOTH] - wide[LEARNED]).unstack("epoch").drop(columns=0)
    widest, last = int(gap.mean().idxmin()), int(gap.columns.max())
    found = {
        "first": gap.iloc[:, 0],
        "widest": gap[widest],
        "last": gap[last],
        "change": gap[last] - gap[widest],
        "growth": gap[last] - gap.iloc[:, 0],
    }
    return widest, last, {name: findings.interval(values) for name, values in found.items()}


def describe(part: pd.DataFrame) -> str:
    """Write `course` in words."""
    widest, last, found = course(part)
    at_widest = f"{findings.points(*found['widest'])} at its widest, after epoch {widest}, and "
    return (
        f"{findings.points(*found['first'])} after epoch 1, "
        f"{at_widest if 1 < widest < last else 'and '}"
        f"{findings.points(*found['last'])} after the last, epoch {last}"
    )


def ahead(part: pd.DataFrame) -> tuple[dict[str, Interval], Interval]:
    """How much farther gamma went from its start than beta: per layer, and over the layers.

    Root mean squares of gamma − 1 and beta − 0 over a layer's features; layers weigh the same.
    `part` holds one run per seed.
    """
    found = findings.departures(part)
    wide = found.pivot(index=["layer", "seed"], columns="parameter", values="value")
    gap = (wide["gamma"] - wide["beta"]).unstack("layer")
    layers = {str(layer): findings.interval(gap[layer]) for layer in gap}
    return layers, findings.interval(gap.mean(axis=1))


def _learned(part: pd.DataFrame) -> pd.DataFrame:
    return part[part["arm"] == LEARNED]


def _contrasts(frame: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    table = findings.contrasts(frame, experiments.AFFINE.contrasts)
    return {
        (row["a"], row["lr"]): {str(k): v for k, v in row.items()}
        for row in table.to_dict("records")
    }


def _missed_more(pair: Paired) -> str:
    """Say which of gamma and beta is missed more when it is fixed, if we can tell."""
    return "gamma" if pair.high < 0 else "beta" if pair.low > 0 else "undecided"


def _by_leader(layers: Mapping[str, Interval]) -> str:
    """Name the layers in which gamma, beta, or neither clearly went further."""
    groups = {
        "gamma further in": [name for name, gap in layers.items() if gap.low > 0],
        "beta further in": [name for name, gap in layers.items() if gap.high < 0],
        "undecided in": [name for name, gap in layers.items() if gap.low <= 0 <= gap.high],
    }
    return "; ".join(f"{what} {', '.join(names)}" for what, names in groups.items() if names)
