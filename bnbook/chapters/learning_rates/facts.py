"""What the records say about learning rates with batch norm and without."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bnbook import findings, training
from bnbook.chapters.learning_rates.claims import CLAIMS
from bnbook.chapters.learning_rates.experiments import (
    LEARNING_RATE,
    LIMITS,
    MAP,
    MAP_BATCH_SIZES,
    SMALL_BATCH,
)
from bnbook.chapters.learning_rates.limits import (
    WITH,
    WITHOUT,
    Limits,
    by_rate,
    elsewhere,
    every_rate,
    limits,
)
from bnbook.findings import Interval, decisions
from bnbook.lab.presets import FACTOR
from bnbook.run import Run

#: The plain net by the source's recipe, padded as the source has it, and as we have it elsewhere.
PADDED, UNPADDED = "without BN, padded", "without BN"
#: The experiment of `findings.transfer` with both nets elsewhere.
RATES = "transfer-rates"
#: What its arms begin with.
ELSEWHERE = ("clothes", "ReLU")
#: A share of the budget after which the count of runs that have trained is taken, too.
HALF_BUDGET = 5  # epochs


@dataclass(frozen=True)
class Nets:
    """The limits of both nets in one setting."""

    normed: Limits
    plain: Limits

    @property
    def at_least(self) -> float:
        """How many times the plain net's limit that of batch norm is, at least."""
        return self.normed.last / self.plain.above

    @property
    def at_most(self) -> float:
        """How many times it is, at most."""
        return self.normed.above / self.plain.last


@dataclass(frozen=True)
class Facts(Nets):
    """Accuracies are shares of the test images, but where they are said to be of others."""

    seeds: int
    epochs: int
    steps: int
    #: Runs of each net on the first grid of rates, and those of them that trained.
    runs: int
    normed_trained: int
    plain_trained: int
    normed_by_half: int  # runs that would have counted as trained after `HALF_BUDGET`
    plain_by_half: int
    #: How the plain net's other runs ended: on their way, at chance level, or broken.
    under_way: int
    guessing: int
    broken: int
    ahead: int  # pairs of runs in which batch norm is ahead after the first epoch
    least_lead: float  # of any pair, in validation accuracy
    #: Norms of the gradient that reaches conv1, without batch norm, after the first epoch.
    plateau_gradient: float  # at the lowest rate
    flat_gradient: float  # at the highest
    #: What batch norm gains at the plain net's best rate, and by going on to its own.
    planned: pd.DataFrame  # the comparisons that were named before the runs
    plain_best: float
    normed_best: float
    same_rate: Interval
    own_rate: Interval
    #: The source's lowest and highest rate, padded as there: how many of our seeds train.
    low: float
    high: float
    posted_seeds: int
    low_trained: int
    high_trained: int
    low_best: float  # accuracy of the best of them
    #: What padding changes, rate by rate: as from `findings.compared`, with `lr`.
    padding: pd.DataFrame
    small_batch: int
    usual_batch: int
    small_gap: Interval  # test accuracy with small batches against usual ones, each at its best
    clothes: Nets  # on Fashion-MNIST
    relu: Nets  # with ReLU in place of the sigmoid
    relu_lead: float  # of batch norm at the lowest rate there, between medians of test accuracy
    #: With batch norm, on the map of learning rates and batch sizes.
    small: Limits
    usual: Limits
    large: Limits  # with the largest batches
    map_runs: int  # of each net
    map_plain: int  # of those without batch norm, how many train
    map_epochs: int

    @property
    def decision(self) -> str:
        """Whether batch norm tolerates rates at least twice as high."""
        if self.at_least >= FACTOR:
            return decisions.SUPPORTED
        return decisions.REFUTED if self.at_most < FACTOR else decisions.UNDECIDED

    @property
    def lower(self) -> bool:
        """Whether the limit is at least that many times lower with batch norm."""
        return self.at_most <= 1 / FACTOR

    @property
    def robust(self) -> bool:
        """Whether the range of rates that train is over twice as wide with batch norm."""
        return self.normed.width > FACTOR * self.plain.width

    @property
    def ahead_where_both_train(self) -> bool:
        """Whether batch norm ends above at each planned rate where no run of either net fails."""
        both = self.planned[self.planned["failed"] == 0]
        return bool(len(both) and (both["low"] > 0).all())

    @property
    def padding_matters(self) -> bool:
        """Whether padding changes the accuracy detectably at any rate."""
        return bool((self.padding["finding"] == findings.DIFFERENT).any())

    @property
    def C2(self) -> str:
        """Judge whether both of the source's ends are ends."""
        ends = (
            self.low_trained >= self.posted_seeds / 2,
            self.high_trained >= self.posted_seeds / 2,
        )
        if all(ends) and self.plain.first >= self.low and self.plain.last <= self.high:
            return decisions.REPRODUCED
        return decisions.REFINED if any(ends) else decisions.REFUTED

    @property
    def C3(self) -> str:
        """Judge whether batch norm helps early and makes training robust."""
        early = self.ahead == self.runs
        if early and self.robust:
            return decisions.REPRODUCED
        return decisions.REFINED if early or self.robust else decisions.REFUTED

    @property
    def C4(self) -> str:
        """Judge whether larger rates are the main benefit of batch norm."""
        if self.decision != decisions.SUPPORTED:
            return self.decision
        if self.own_rate.low > self.same_rate.high:
            return decisions.REPRODUCED
        below = self.own_rate.high < self.same_rate.low
        return decisions.REFINED if below else decisions.UNDECIDED

    @property
    def D5(self) -> str:
        """Judge whether training is less sensitive to the learning rate."""
        return decisions.REPRODUCED if self.robust else decisions.REFUTED


def facts(records: Mapping[str, pd.DataFrame]) -> Facts:
    """Work out the facts from the chapter's experiments and "as-posted"."""
    frame, posted = records[LEARNING_RATE.name], records["as-posted"]
    runs = findings.final(frame)
    table = by_rate(every_rate(frame, records[LIMITS.name]))
    mine = {arm: runs[runs["arm"] == arm] for arm in (WITH, WITHOUT)}
    by_half = findings.final(findings.first_epochs(frame, HALF_BUDGET))
    return Facts(
        seeds=runs["seed"].nunique(),
        epochs=int(frame["epoch"].max()),
        steps=int(frame["step"].max()),
        normed=limits(table[table["arm"] == WITH]),
        plain=limits(table[table["arm"] == WITHOUT]),
        runs=len(mine[WITH]),
        normed_trained=int(mine[WITH]["trained"].sum()),
        plain_trained=int(mine[WITHOUT]["trained"].sum()),
        normed_by_half=int(by_half.loc[by_half["arm"] == WITH, "trained"].sum()),
        plain_by_half=int(by_half.loc[by_half["arm"] == WITHOUT, "trained"].sum()),
        **_failures(mine[WITHOUT]),
        **_early(frame),
        **_gradients(frame),
        **_gains(frame),
        **_by_recipe(posted),
        padding=padding(posted),
        **_elsewhere(records[RATES]),
        **_batches(records[MAP.name]),
    )


def _failures(plain: pd.DataFrame) -> dict[str, Any]:
    """Count how runs ended that did not train."""
    failed = plain[~plain["trained"]]
    broken = failed["outcome"].isin(["collapsed", "non-finite"])
    under_way = ~broken & (failed["val_accuracy"] >= training.AT_CHANCE)
    return {
        "under_way": int(under_way.sum()),
        "guessing": int((~broken & ~under_way).sum()),
        "broken": int(broken.sum()),
    }


def _early(frame: pd.DataFrame) -> dict[str, Any]:
    """Compare the nets, pair by pair, at the first evaluated epoch."""
    whole = findings.filled(frame)
    first = int(whole.loc[whole["epoch"] > 0, "epoch"].min())
    early = whole[whole["epoch"] == first].pivot_table(
        index=["lr", "seed"], columns="arm", values="val_accuracy", observed=True
    )
    lead = early[WITH] - early[WITHOUT]
    return {
        "ahead": int((lead > 0).sum()),
        "least_lead": float(lead.min()),
    }


def _gradients(frame: pd.DataFrame) -> dict[str, Any]:
    """Average the gradient at conv1 over seeds, at both ends of the grid, on the log scale."""
    plain = frame[(frame["arm"] == WITHOUT) & (frame["epoch"] == 1)]
    found = findings.gradients(plain)
    found = found[found["layer"] == "conv1"]
    means = findings.estimates(found, "lr", "value", geometric=True).set_index("lr")["mean"]
    return {
        "plateau_gradient": float(means.loc[means.index.min()]),
        "flat_gradient": float(means.loc[means.index.max()]),
    }


def _gains(frame: pd.DataFrame) -> dict[str, Any]:
    """Split what batch norm gains in two: at the plain net's best rate, and by its best."""
    means = findings.summary(frame, ["arm", "lr"])
    best = {
        str(arm): float(part["lr"].iloc[int(part["mean"].argmax())])
        for arm, part in means.groupby("arm", observed=True)
    }
    tested = findings.final(frame).pivot(
        index="seed", columns=["arm", "lr"], values="test_accuracy"
    )
    there = tested[WITH, best[WITHOUT]]
    planned = findings.contrasts(frame, LEARNING_RATE.contrasts)
    rows = planned[planned["lr_a"] == best[WITHOUT]]
    return {
        "planned": planned,
        "plain_best": best[WITHOUT],
        "normed_best": best[WITH],
        # A planned comparison has an adjusted interval, and no number has two on one page.
        "same_rate": Interval.of(rows.iloc[0])
        if len(rows)
        else findings.interval((there - tested[WITHOUT, best[WITHOUT]]).dropna()),
        "own_rate": findings.interval((tested[WITH, best[WITH]] - there).dropna()),
    }


def _by_recipe(posted: pd.DataFrame) -> dict[str, Any]:
    """Count the seeds that train at the ends of the source's range, by the source's recipe."""
    source = next(claim for claim in CLAIMS if claim.id == "C2").figures
    low, high = source["lowest"], source["highest"]
    padded = findings.final(posted[posted["arm"] == PADDED])
    at_low = padded[padded["lr"] == low]
    return {
        "low": low,
        "high": high,
        "posted_seeds": len(at_low),
        "low_trained": int(at_low["trained"].sum()),
        "high_trained": int(padded.loc[padded["lr"] == high, "trained"].sum()),
        "low_best": float(at_low["test_accuracy"].max()),
    }


def padding(posted: pd.DataFrame) -> pd.DataFrame:
    """Compare the padded with the unpadded plain net by the source's recipe, rate by rate."""
    lrs = sorted(posted.loc[posted["arm"] == PADDED, "lr"].unique())
    pairs = [findings.paired(posted[posted["lr"] == lr], PADDED, UNPADDED) for lr in lrs]
    return findings.compared(pairs).assign(lr=lrs)


def _elsewhere(frame: pd.DataFrame) -> dict[str, Any]:
    """Find both nets' limits on clothes and with ReLU."""
    found = elsewhere(frame)
    clothes, relu = (
        Nets(found[f"{where}, {WITH}"], found[f"{where}, {WITHOUT}"]) for where in ELSEWHERE
    )
    medians = by_rate(findings.final(frame)).set_index(["arm", "lr"])["median"]
    normed, plain = (medians[f"{ELSEWHERE[1]}, {net}"] for net in (WITH, WITHOUT))
    lowest = max(relu.normed.first, relu.plain.first)
    lead = float(normed[lowest] - plain[lowest])
    return {"clothes": clothes, "relu": relu, "relu_lead": lead}


def _batches(grid: pd.DataFrame) -> dict[str, Any]:
    """Compare small with usual batches, with batch norm, each at the best rate of the map."""
    usual = Run().batch_size
    normed = grid[grid["arm"] == WITH]
    plain = findings.final(grid[grid["arm"] == WITHOUT])
    means = findings.summary(normed, ["batch_size", "lr"])
    shares = findings.share_trained(normed, ("batch_size", "lr"))
    ends = findings.final(normed)

    def at_best(size: int) -> "pd.Series[float]":
        mine = means[means["batch_size"] == size]
        best = mine["lr"].iloc[int(mine["mean"].argmax())]
        chosen = ends[(ends["batch_size"] == size) & (ends["lr"] == best)]
        accuracy: pd.Series[float] = chosen.set_index("seed")["test_accuracy"]
        return accuracy

    return {
        "small_batch": SMALL_BATCH,
        "usual_batch": usual,
        "small_gap": findings.interval((at_best(SMALL_BATCH) - at_best(usual)).dropna()),
        "small": limits(shares[shares["batch_size"] == SMALL_BATCH]),
        "usual": limits(shares[shares["batch_size"] == usual]),
        "large": limits(shares[shares["batch_size"] == max(MAP_BATCH_SIZES)]),
        "map_runs": len(plain),
        "map_plain": int(plain["trained"].sum()),
        "map_epochs": int(grid["epoch"].max()),
    }
