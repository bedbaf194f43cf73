"""Chapter 3, second half: what happens to the activations when a layer loses its norm."""

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import pandas as pd

from bnbook import findings
from bnbook.chapters.per_layer import experiments
from bnbook.experiment import subset_name
from bnbook.findings.decisions import Ruled as Verdict
from bnbook.findings.writing import list_of
from bnbook.models import LENET_LAYERS

#: Where the mean square means something: right after the norm it is gamma² + beta².
PLACES: Final = ("before the norm", "after the activation")
SOURCES_PLACE: Final = "after the norm"
ITSELF, OTHERS = "the layer itself", "the other layers"
FULL: Final = "1234"


class Ratios(NamedTuple):
    """Mean squares of nets that lack one norm, as multiples of the full net's.

    `each` has one row per net, layer, place, epoch and seed; `means` is over nets and layers,
    indexed by (of, where, epoch); `pairs` has the last budget's, net by net and layer by layer.
    """

    each: pd.DataFrame
    means: pd.DataFrame
    pairs: pd.DataFrame


def shrinking(frame: pd.DataFrame, budgets: list[int]) -> Verdict:
    """C6: a layer without its norm shrinks, the others make up for it, most so in early epochs."""
    first, last = budgets[0], budgets[-1]
    found = ratios(frame, budgets)
    ways = {
        of: {where: _direction(found, of, where, budgets) for where in PLACES}
        for of in (ITSELF, OTHERS)
    }
    fading = _fading(found.each, first, last)
    shrinks = [where for where in PLACES if ways[ITSELF][where] == "shrink"]
    grows = [where for where in PLACES if ways[OTHERS][where] == "grow"]

    itself = _in_words(ways[ITSELF], {"shrink": "shrinks", "grow": "grows"})
    others = _in_words(ways[OTHERS], {"shrink": "shrink", "grow": "grow"})
    early = (
        "The changes in these two places are largest early"
        if fading.low > 0
        else "The changes in these two places are smaller early than late"
        if fading.high < 0
        else "Early and late, we see no difference in the size of these changes"
    )
    details = (
        f"\n\n- The layer that loses its norm {itself} ({_told(found, ITSELF, last, 'nets')})."
        f"\n- The other layers {others} "
        f"({_told(found, OTHERS, last, 'pairs of a net and a layer')})."
        f"\n- {early}."
    )
    at_first, at_last = (
        findings.as_plain(_row(found.means, ITSELF, SOURCES_PLACE, epoch))
        for epoch in (first, last)
    )
    where_it_looks = (
        f"Where the source looks, the layer without its norm has {at_first} times its mean square "
        f"in the full net at epoch {first} and {at_last} times at epoch {last}; but that sets a "
        "raw number beside one made by gamma and beta"
    )
    return findings.verdict(
        "C6",
        (
            findings.REPRODUCED,
            len(shrinks) == len(grows) == len(PLACES) and fading.low > 0,
            f"It holds also where the measure means something.{details}",
        ),
        (
            findings.REFINED,
            bool(shrinks or grows or fading.low > 0),
            f"{where_it_looks}. Elsewhere the claim holds in part.{details}",
        ),
        (
            findings.NOT_REPRODUCED,
            True,
            f"{where_it_looks}. Elsewhere no part of the claim holds.{details}",
        ),
    )


def ratios(frame: pd.DataFrame, budgets: list[int]) -> Ratios:
    """Compare the four nets that lack one norm with the full net, at the shared learning rate."""
    slots = range(1, len(LENET_LAYERS))
    lacking = {subset_name(set(slots) - {slot}): LENET_LAYERS[slot - 1] for slot in slots}
    chosen = frame[
        (frame["lr"] == experiments.LAYER_LRS[0])
        & frame["epoch"].isin(budgets)
        & frame["arm"].isin([FULL, *lacking])
    ]
    each = findings.relative_magnitudes(chosen, FULL)
    bereft = each["arm"].astype(str).map(lacking) == each["layer"].astype(str)
    each = each.assign(
        of=bereft.map({True: ITSELF, False: OTHERS}), log=each["value"].map(math.log)
    )
    # One number per seed: the mean over the four nets that lack a norm (and over other layers).
    per_seed = each.groupby(["of", "where", "epoch", "seed"], observed=True)["log"].mean()
    means = findings.estimates(
        per_seed.map(math.exp).rename("value").reset_index(),
        ["of", "where", "epoch"],
        "value",
        geometric=True,
    )
    pairs = findings.estimates(
        each[each["epoch"] == budgets[-1]].rename(columns={"arm": "net"}),
        ["of", "where", "net", "layer"],
        "value",
        geometric=True,
    )
    return Ratios(each, means.set_index(["of", "where", "epoch"]).sort_index(), pairs)


def _cases(found: Ratios, of: str, where: str) -> tuple[int, int, int]:
    """Count the pairs of a net and a layer that are clearly smaller, clearly larger, and all."""
    mine = found.pairs[(found.pairs["of"] == of) & (found.pairs["where"] == where)]
    return int((mine["high"] < 1).sum()), int((mine["low"] > 1).sum()), len(mine)


def _direction(found: Ratios, of: str, where: str, budgets: list[int]) -> str:
    """Say where the mean ratio lies at every budget, if most pairs lie there, too."""
    rows = [_row(found.means, of, where, epoch) for epoch in budgets]
    smaller, larger, everything = _cases(found, of, where)
    if all(row["high"] < 1 for row in rows) and smaller > everything / 2:
        return "shrink"
    if all(row["low"] > 1 for row in rows) and larger > everything / 2:
        return "grow"
    return "neither"


def _told(found: Ratios, of: str, last: int, unit: str) -> str:
    """Give the ratios at the last budget, and count the pairs, in words."""
    said = []
    for where in PLACES:
        smaller, larger, everything = _cases(found, of, where)
        size = findings.as_plain(_row(found.means, of, where, last))
        said.append(
            f"{where} {size} times as large at epoch {last}, clearly smaller in {smaller} and "
            f"clearly larger in {larger} of {everything} {unit}"
        )
    return "; ".join(said)


def _in_words(ways: Mapping[str, str], verbs: Mapping[str, str]) -> str:
    """Say where a layer shrinks or grows: "shrinks after the activation"."""
    said = [
        f"{verb} {list_of(where for where in PLACES if ways[where] == way)}"
        for way, verb in verbs.items()
        if way in ways.values()
    ]
    return list_of(said) if said else f"{verbs['shrink']} or {verbs['grow']} nowhere consistently"


def _fading(each: pd.DataFrame, first: int, last: int) -> findings.Interval:
    """How much stronger the effect is early: mean distance from 1 on the log scale, per seed."""
    sound = each[each["where"].isin(PLACES)]
    strength = sound.assign(log=sound["log"].abs()).groupby(["epoch", "seed"])["log"].mean()
    return findings.interval(strength.loc[first] - strength.loc[last])


def _row(means: pd.DataFrame, *place: Any) -> Any:
    """One row of `Ratios.means`, by of, where and epoch."""
    return means.loc[place]
