"""What the records say about nets that train nothing but their batch norm."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from bnbook import findings, models, training
from bnbook.chapters.only_batch_norm import experiments
from bnbook.chapters.only_batch_norm.claims import CLAIMS
from bnbook.findings import Interval, decisions
from bnbook.run import Run
from bnbook.studies.features import PRUNED, SMALL

EVERYTHING, NORM, HEAD = "everything", "only norm", "only head"
WEIGHTS, BOTH = "random weights", "norm and head"
DEEP, WIDE, STRAIGHT = (f"{NORM}, {how}" for how in ("depth 14", "twice as wide", "no shortcuts"))
#: The arms of "only-norm-deeper" as they are named beside those of "only-norm".
DEEPER: Final = {
    arm: f"{arm}, depth {run.depth}" for arm, run in experiments.ONLY_NORM_DEEPER.arms.items()
}
OWN_HEAD, NEW_HEAD = "test_accuracy", "readout_accuracy"

#: A feature counts as switched off if its gamma ends below this; all start at 1.
OFF: Final = 0.1
#: "Many" features are at least this share of all.
MANY: Final = 0.1
#: "Little cost" is less than this (2 points of test accuracy).
LITTLE: Final = 0.02
#: An accuracy so far from the source's is of the same size: it says "about".
NEAR: Final = 0.05
#: What is switched off, and with which statistics: rows of `costs`.
WEAKEST: Final = "the smallest gammas"
CHANCE: Final = "chosen at random"
OLD: Final = "the smallest gammas, statistics as they were"

#: What is compared, by the claim that asks: in words, and the two arms, all of "only-norm".
PAIRS: Final = {
    "A3": ("γ, β and head against the head alone", BOTH, HEAD),
    "A4": ("γ and β against the head alone", NORM, HEAD),
    "A5": ("γ and β against as many weights", NORM, WEIGHTS),
    "A7": ("depth 14 against twice the width", DEEP, WIDE),
    "A9": ("without shortcuts against with them", STRAIGHT, NORM),
}


class Facts:
    """Accuracies are shares of the test images; intervals are 95% t intervals over seeds."""

    shallow = experiments.ONLY_NORM.arms[NORM].depth
    deeper = experiments.ONLY_NORM.arms[DEEP].depth
    deepest = experiments.ONLY_NORM_DEEPER.arms[NORM].depth
    source_depth = experiments.DEPTHS[-1]
    source_epochs = next(iter(experiments.ONLY_NORM_DEEP.arms.values())).epochs
    #: What Frankle et al. (2021) have at `deeper` with only the norm trained.
    paper_deep = 0.48
    off_limit = OFF
    paper_limit = SMALL
    little = LITTLE

    def __init__(self, records: Mapping[str, pd.DataFrame]) -> None:
        """Work out the facts from "only-norm" and what stands beside it."""
        frame, deeper = records["only-norm"], records["only-norm-deeper"]
        best = findings.at_best(records["softmax-on-pixels"])
        values = {
            outcome: {arm: _values(frame, arm, outcome) for arm in findings.arms(frame)}
            | {name: _values(deeper, arm, outcome) for arm, name in DEEPER.items()}
            for outcome in (OWN_HEAD, NEW_HEAD)
        }
        pixels = _values(best, "pixels", OWN_HEAD)
        arms = experiments.ONLY_NORM.arms | {
            DEEPER[arm]: run for arm, run in experiments.ONLY_NORM_DEEPER.arms.items()
        }
        self.seeds = frame["seed"].nunique()
        self.images = int(frame["train_size"].max())
        self.epochs = int(frame["epochs"].max())
        #: Accuracy by arm with its own head, and with a new one.
        self.own, new = (
            {arm: findings.interval(found) for arm, found in of.items()} for of in values.values()
        )
        #: Per arm: `arm`, `numbers` that it trains, accuracy with its `own` head and a `new` one.
        self.nets = pd.DataFrame(
            {"arm": arm, "numbers": trained_numbers(arms[arm]), "own": own, "new": new[arm]}
            for arm, own in self.own.items()
        )
        self.pixels = findings.interval(pixels)  # softmax regression on the images as they are
        self.pixel_numbers = trained_numbers(experiments.PIXELS.arms["pixels"])  # that it trains
        #: How far nets are above it, by arm, with their own heads and with new ones; not paired.
        self.above, self.above_new = (
            {arm: findings.unpaired(found, pixels) for arm, found in of.items()}
            for of in values.values()
        )
        self.planned = _planned(frame)  # by claim
        #: Two rows per pair in `PAIRS`: `claim`, `pair`, `outcome`, `planned`, mean, low, high.
        #: Holm's method adjusts those that were planned.
        self.pairs = pd.concat(
            [_pairs(frame, self.planned), _pairs_at_20(deeper)], ignore_index=True
        )
        #: Share of gammas below OFF in size where only the norm is trained.
        self.off = below(frame, NORM, OFF)
        self.off_everything = below(frame, EVERYTHING, OFF)  # and where everything is
        #: And below the paper's threshold, where only the norm is.
        self.small = below(frame, NORM, SMALL)
        self.small_at_20 = _values(deeper, NORM, "small_share").mean()  # the same at depth 20
        self.costs = costs(frame, records["pruning"])
        #: Only the norm and everything trained, at depth 110.
        self.source = _at_the_sources_depth(records)
        self.norm = self.own[NORM].mean  # accuracy where only the norm is trained, at depth 8
        #: How many numbers that net trains.
        self.norm_numbers = int(self.nets.loc[self.nets["arm"] == NORM, "numbers"].iloc[0])
        self.deep = self.own[DEEP].mean  # accuracy where only the norm is trained, at depth 14
        self.deep_above = self.above[DEEP]  # how far that net is above softmax regression on pixels
        self.fresh = deeper["seed"].nunique()  # seeds at depth 20
        self.at_20 = self.own[DEEPER[NORM]].mean  # accuracy where only the norm is trained there
        #: By how much that is above depth 14, whose seeds are others.
        self.further = findings.unpaired(*(values[OWN_HEAD][one] for one in (DEEPER[NORM], DEEP)))
        self.head, self.head_at_20 = self.own[HEAD], self.own[DEEPER[HEAD]]  # only it is trained
        #: How far gamma and beta alone are ahead of the head alone, at depth 8 and 20.
        self.ahead, self.ahead_at_20 = (self.gap(claim, OWN_HEAD) for claim in ("A4", "depth"))
        self.whole = self.own[EVERYTHING].mean  # accuracy where everything is trained, at depth 8
        #: Accuracy halfway from the pixels to that.
        self.halfway = (self.pixels.mean + self.whole) / 2
        self.affine = self.gap("A3", OWN_HEAD)  # what gamma and beta add to a trained head
        #: What training gamma and beta adds to features, as a new head sees them.
        self.better = self.gap("A4", NEW_HEAD)
        #: By how much batch norm is ahead of as many weights, with the head as drawn.
        self.lead = self.gap("A5", OWN_HEAD)
        self.lead_new = self.gap("A5", NEW_HEAD)  # and with a new head
        #: By how much depth 14 is ahead of twice the width, with the head as drawn.
        self.depth = self.gap("A7", OWN_HEAD)
        self.depth_new = self.gap("A7", NEW_HEAD)  # and with a new head
        self.straight = self.gap("A9", OWN_HEAD)  # by how much the net without shortcuts is ahead
        self.tenth = self.cost(WEAKEST, PRUNED[0])  # cost of the tenth with the smallest gammas
        self.tenth_by_chance = self.cost(CHANCE, PRUNED[0])  # cost of a tenth chosen at random

    @property
    def decision(self) -> str:
        """Whether batch norm alone gets further than softmax regression on pixels, at depth 8."""
        return decisions.sign(self.above[NORM])

    def gap(self, claim: str, outcome: str) -> Interval:
        """Return the difference of a pair in `PAIRS`."""
        return Interval.of(self.pairs.set_index(["claim", "outcome"]).loc[(claim, outcome)])

    def cost(self, how: str, share: float) -> Interval:
        """Test accuracy that the net loses with features, where only the norm was trained."""
        rows: Any = self.costs.set_index(["arm", "how", "share"])
        return Interval.of(rows.loc[(NORM, how, share)])

    @property
    def A1(self) -> str:
        """Batch norm alone gets to 68% at depth 110, everything to 92%."""
        if self.source is None:
            return decisions.NOT_RUN
        theirs = CLAIMS[0].figures
        wanted = theirs["only batch norm trained"], theirs["everything trained"]
        near = [abs(a - b) <= NEAR for a, b in zip(self.source, wanted, strict=True)]
        return decisions.REPRODUCED if all(near) else decisions.REFINED

    @property
    def A2(self) -> str:
        """Many gammas end near zero."""
        if self.off.low >= MANY:
            return decisions.REPRODUCED
        if self.off.high < MANY:
            return decisions.REFINED if self.off.low > 0 else decisions.REFUTED
        return decisions.UNDECIDED

    @property
    def A3(self) -> str:
        """The affine parameters matter."""
        return decisions.on_claim(decisions.above(self.planned["A3"]))

    @property
    def A4(self) -> str:
        """Batch norm makes for better representations; nets without it are not compared."""
        found = decisions.above(self.planned["A4"])
        return decisions.REFINED if found == decisions.SUPPORTED else found

    @property
    def A5(self) -> str:
        """Batch norm beats as many weights, and random features carry further than pixels."""
        found = decisions.above(self.planned["A5"])
        if found != decisions.SUPPORTED:
            return found
        far = self.decision == decisions.SUPPORTED
        return decisions.REPRODUCED if far else decisions.REFINED

    @property
    def A7(self) -> str:
        """Depth gains more than width: as both heads have it."""
        found = decisions.above(self.planned["A7"])
        same = found == decisions.sign(self.depth_new)
        return decisions.on_claim(found) if same else decisions.UNDECIDED

    @property
    def A8(self) -> str:
        """A tenth or more of the features costs little."""
        if self.tenth.high < LITTLE:
            return decisions.REPRODUCED
        return decisions.REFUTED if self.tenth.low >= LITTLE else decisions.UNDECIDED

    @property
    def A9(self) -> str:
        """Shortcuts hold the net back."""
        return decisions.on_claim(decisions.above(self.planned["A9"]))


def _values(frame: pd.DataFrame, arm: str, outcome: str) -> Any:
    return findings.final(frame[frame["arm"] == arm])[outcome].to_numpy(dtype=float)


def _at_the_sources_depth(records: Mapping[str, pd.DataFrame]) -> tuple[float, float] | None:
    plan = experiments.ONLY_NORM_DEEP
    if plan.name not in records:
        return None
    names = [experiments.deep_arm(what, experiments.DEPTHS[-1]) for what in (NORM, EVERYTHING)]
    norm, whole = (float(_values(records[plan.name], arm, OWN_HEAD).mean()) for arm in names)
    return norm, whole


def _planned(frame: pd.DataFrame) -> dict[str, Any]:
    """Find the planned contrast of each claim in `PAIRS`, adjusted together by Holm's method."""
    rows: Any = findings.contrasts(frame, experiments.ONLY_NORM.contrasts).to_dict("records")
    found = {(row["a"], row["b"]): row for row in rows}
    return {claim: found[a, b] for claim, (_, a, b) in PAIRS.items()}


def _pairs(frame: pd.DataFrame, planned: Mapping[str, Any]) -> pd.DataFrame:
    rows = []
    for claim, (pair, a, b) in PAIRS.items():
        for outcome in (OWN_HEAD, NEW_HEAD):
            same = planned[claim]["outcome"] == outcome
            gap = planned[claim] if same else vars(findings.paired(frame, a, b, outcome))
            limits = {name: gap[name] for name in ("mean", "low", "high")}
            rows.append(
                {"claim": claim, "pair": pair, "outcome": outcome, "planned": same, **limits}
            )
    return pd.DataFrame(rows)


def _pairs_at_20(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the planned comparisons at depth 20 with the head alone, as rows of `pairs`."""
    found = findings.contrasts(frame, experiments.ONLY_NORM_DEEPER.contrasts)
    pair = f"{PAIRS['A4'][0]}, depth {Facts.deepest}"
    rows = found[found["b"] == HEAD].assign(claim="depth", pair=pair, planned=True)
    return rows[["claim", "pair", "outcome", "planned", "mean", "low", "high"]]


def below(frame: pd.DataFrame, arm: str, limit: float) -> Interval:
    """Share of an arm's gammas that end below `limit` in size, over seeds; at least 0."""
    mine = frame.loc[frame["arm"] == arm, "gamma"]
    mean, low, high = findings.interval([np.mean(np.abs(gamma) < limit) for gamma in mine])
    return Interval(mean, max(low, 0.0), high)


def trained_numbers(run: Run) -> int:
    """Count the numbers that a run on images of 3 x 32 x 32 trains."""
    net = training.build(run, (3, 32, 32))
    partial = models.freeze(net, run.trainable, run.seed)
    if partial:
        return sum(int(weight.trained.sum()) for weight in partial)
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


def costs(frame: pd.DataFrame, pruned: pd.DataFrame) -> pd.DataFrame:
    """Subtract the test accuracy without some features from that of the net as trained.

    Columns `arm`, `how` (`WEAKEST`, `CHANCE` or `OLD`), `share` (of all features, in
    `studies.features.PRUNED`), `mean`, `low`, `high`, `n`, over seeds; the arms of `pruned`.
    """
    whole = frame[frame["arm"].isin(pruned["arm"].unique())]
    ways = (
        (WEAKEST, pruned, "weakest"),
        (CHANCE, pruned, "random"),
        (OLD, whole, "pruned_accuracy"),
    )
    long = pd.DataFrame(
        {
            "arm": str(row["arm"]),
            "how": how,
            "seed": row["seed"],
            "share": share,
            "value": row["test_accuracy"] - left,
        }
        for how, rows, column in ways
        for row in rows.to_dict("records")
        for share, left in zip(PRUNED, row[column], strict=True)
    )
    return findings.estimates(long, ["arm", "how", "share"], "value")
