"""What the records say about learning rates with batch norm and without."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bnbook import findings, history
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
    every_rate,
    limits,
)
from bnbook.findings import Interval, decisions
from bnbook.findings.own_rates import OWN_RATES
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


class Facts(Nets):
    """Accuracies are shares of the test images, but where they are said to be of others."""

    def __init__(self, records: Mapping[str, pd.DataFrame]) -> None:
        """Work out the facts from the chapter's experiments and "as-posted"."""
        frame, posted = records[LEARNING_RATE.name], records["as-posted"]
        runs = findings.final(frame)
        table = by_rate(every_rate(frame, records[LIMITS.name]))
        mine = {arm: runs[runs["arm"] == arm] for arm in (WITH, WITHOUT)}
        by_half = findings.final(findings.first_epochs(frame, HALF_BUDGET))
        super().__init__(*(limits(table[table["arm"] == arm]) for arm in (WITH, WITHOUT)))
        self.seeds = runs["seed"].nunique()
        self.epochs = int(frame["epoch"].max())
        self.steps = int(frame["step"].max())
        #: Runs of each net on the first grid of rates, and those of them that trained.
        self.runs = len(mine[WITH])
        self.normed_trained = int(mine[WITH]["trained"].sum())
        self.plain_trained = int(mine[WITHOUT]["trained"].sum())
        #: Runs that would have counted as trained after `HALF_BUDGET`.
        self.normed_by_half = int(by_half.loc[by_half["arm"] == WITH, "trained"].sum())
        self.plain_by_half = int(by_half.loc[by_half["arm"] == WITHOUT, "trained"].sum())
        self._count_failures(mine[WITHOUT])
        self._compare_early(frame)
        self._average_gradients(frame)
        self._split_gains(frame)
        self._count_by_recipe(posted)
        self._look_elsewhere(records[RATES])
        self._compare_batches(records[MAP.name])
        self._count_other_seeds(table, records[OWN_RATES.name])
        #: What padding changes, rate by rate: as from `findings.compared`, with `lr`.
        self.padding = padding(posted)
        #: Whether padding changes the accuracy detectably at any rate.
        self.padding_matters = bool((self.padding["finding"] == findings.DIFFERENT).any())

    @property
    def decision(self) -> str:
        """Whether batch norm tolerates rates at least twice as high."""
        return decisions.decide(self.at_least >= FACTOR, self.at_most < FACTOR)

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

    def _count_failures(self, plain: pd.DataFrame) -> None:
        """Count how the plain net's runs ended that did not train."""
        failed = plain[~plain["trained"]]
        broken = failed["outcome"].isin(["collapsed", "non-finite"])
        under_way = ~broken & (failed["val_accuracy"] >= history.AT_CHANCE)
        self.under_way = int(under_way.sum())
        self.guessing = int((~broken & ~under_way).sum())  # at chance level
        self.broken = int(broken.sum())

    def _count_other_seeds(self, table: pd.DataFrame, tuned: pd.DataFrame) -> None:
        """Count plain nets that train at the last rate; and, with chapter 4's seeds, below it."""
        here = table[(table["arm"] == WITHOUT) & (table["lr"] == self.plain.last)]
        self.plain_at_last = int(here["trained"].iloc[0])  # of `seeds`
        others = findings.final(findings.tuning(tuned))
        others = others[others["arm"] == "none"]
        others = others[others["lr"].between(self.plain.first, self.plain.last)]
        failed = others[~others["trained"]]
        #: Runs at rates between the plain net's first and last, and those of them that fail.
        self.tuned, self.tuned_failed = len(others), len(failed)
        self.tuned_fail_from = float(failed["lr"].min())  # the lowest rate at which one does

    def _compare_early(self, frame: pd.DataFrame) -> None:
        """Compare the nets, pair by pair, at the first evaluated epoch."""
        whole = findings.filled(frame)
        first = int(whole.loc[whole["epoch"] > 0, "epoch"].min())
        early = whole[whole["epoch"] == first].pivot_table(
            index=["lr", "seed"], columns="arm", values="val_accuracy", observed=True
        )
        lead = early[WITH] - early[WITHOUT]
        self.ahead = int((lead > 0).sum())  # pairs of runs in which batch norm is ahead
        self.least_lead = float(lead.min())  # of any pair, in validation accuracy

    def _average_gradients(self, frame: pd.DataFrame) -> None:
        """Average the norm of the gradient that reaches conv1 over seeds, on the log scale.

        Without batch norm, after the first epoch, at the lowest rate and at the highest.
        """
        plain = frame[(frame["arm"] == WITHOUT) & (frame["epoch"] == 1)]
        found = findings.gradients(plain)
        found = found[found["layer"] == "conv1"]
        means = findings.estimates(found, "lr", "value", geometric=True).set_index("lr")["mean"]
        self.plateau_gradient = float(means.loc[means.index.min()])
        self.flat_gradient = float(means.loc[means.index.max()])

    def _split_gains(self, frame: pd.DataFrame) -> None:
        """Split what batch norm gains in two: at the plain net's best rate, and by its best."""
        means = findings.summary(frame, ["arm", "lr"])
        best = {arm: _best_rate(part) for arm, part in means.groupby("arm", observed=True)}
        self.plain_best, self.normed_best = best[WITHOUT], best[WITH]
        tested = findings.final(frame).pivot(
            index="seed", columns=["arm", "lr"], values="test_accuracy"
        )
        there = tested[WITH, self.plain_best]
        self.own_rate = findings.interval((tested[WITH, self.normed_best] - there).dropna())
        #: The comparisons that were named before the runs.
        self.planned = findings.contrasts(frame, LEARNING_RATE.contrasts)
        rows = self.planned[self.planned["lr_a"] == self.plain_best]
        # A planned comparison has an adjusted interval, and no number has two on one page.
        self.same_rate = (
            Interval.of(rows.iloc[0])
            if len(rows)
            else findings.interval((there - tested[WITHOUT, self.plain_best]).dropna())
        )

    def _count_by_recipe(self, posted: pd.DataFrame) -> None:
        """Count the seeds that train at the ends of the source's range, by the source's recipe."""
        source = next(claim for claim in CLAIMS if claim.id == "C2").figures
        self.low, self.high = source["lowest"], source["highest"]
        padded = findings.final(posted[posted["arm"] == PADDED])
        at_low = padded[padded["lr"] == self.low]
        self.posted_seeds = len(at_low)
        self.low_trained = int(at_low["trained"].sum())
        self.high_trained = int(padded.loc[padded["lr"] == self.high, "trained"].sum())
        self.low_best = float(at_low["test_accuracy"].max())

    def _look_elsewhere(self, frame: pd.DataFrame) -> None:
        """Find both nets' limits on Fashion-MNIST, and with ReLU in place of the sigmoid."""
        table = by_rate(findings.final(frame))
        found = {arm: limits(part) for arm, part in table.groupby("arm", observed=True)}
        self.clothes, self.relu = (
            Nets(found[f"{where}, {WITH}"], found[f"{where}, {WITHOUT}"]) for where in ELSEWHERE
        )
        medians = table.set_index(["arm", "lr"])["median"]
        normed, plain = (medians[f"{ELSEWHERE[1]}, {net}"] for net in (WITH, WITHOUT))
        lowest = max(self.relu.normed.first, self.relu.plain.first)
        #: What batch norm leads by at the lowest rate with ReLU, between medians of test accuracy.
        self.relu_lead = float(normed[lowest] - plain[lowest])

    def _compare_batches(self, grid: pd.DataFrame) -> None:
        """Compare small with usual batches, with batch norm, each at the best rate of the map."""
        normed = grid[grid["arm"] == WITH]
        plain = findings.final(grid[grid["arm"] == WITHOUT])
        self.map_runs = len(plain)  # of each net
        self.map_plain = int(plain["trained"].sum())
        self.map_epochs = int(grid["epoch"].max())
        self.small_batch, self.usual_batch = SMALL_BATCH, Run().batch_size
        shares = findings.share_trained(normed, ("batch_size", "lr"))
        self.small, self.usual, self.large = (
            limits(shares[shares["batch_size"] == size])
            for size in (SMALL_BATCH, self.usual_batch, max(MAP_BATCH_SIZES))
        )
        means, ends = findings.summary(normed, ["batch_size", "lr"]), findings.final(normed)

        def at_best(size: int) -> Any:
            best = _best_rate(means[means["batch_size"] == size])
            chosen = ends[(ends["batch_size"] == size) & (ends["lr"] == best)]
            return chosen.set_index("seed")["test_accuracy"]

        #: Test accuracy with small batches against usual ones, each at its best.
        self.small_gap = findings.interval(
            (at_best(SMALL_BATCH) - at_best(self.usual_batch)).dropna()
        )


def _best_rate(means: pd.DataFrame) -> float:
    return float(means["lr"].iloc[int(means["mean"].argmax())])


def padding(posted: pd.DataFrame) -> pd.DataFrame:
    """Compare the padded with the unpadded plain net by the source's recipe, rate by rate."""
    lrs = sorted(posted.loc[posted["arm"] == PADDED, "lr"].unique())
    pairs = [findings.paired(posted[posted["lr"] == lr], PADDED, UNPADDED) for lr in lrs]
    return findings.compared(pairs).assign(lr=lrs)
