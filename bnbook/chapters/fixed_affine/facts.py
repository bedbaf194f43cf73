"""What the records say about gamma and beta, learned and held fixed."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from bnbook import findings, models, training
from bnbook.chapters.fixed_affine.experiments import AFFINE
from bnbook.experiment import MARGIN, SHARED_LR
from bnbook.findings import Interval, decisions, transfer
from bnbook.findings.own_rates import OWN_RATES, TwoChoices
from bnbook.findings.statistics import LEVEL

LEARNED, GAMMA, BETA, BOTH = "both learned", "gamma fixed", "beta fixed", "both fixed"
FIXED = (GAMMA, BETA, BOTH)


class Rate:
    """What fixing costs at one choice of learning rates; points are shares of the test images."""

    def __init__(self, part: pd.DataFrame, contrasts: pd.DataFrame) -> None:
        """`part` has one learning rate per arm, `contrasts` those at these rates."""
        rows = contrasts.set_index("a")
        cost = _costs(part, LEARNED)
        gap = _gap(part, LEARNED)
        #: Accuracy of the net that learns both, minus that of the arm: Holm's intervals.
        self.cost = {arm: -Interval.of(rows.loc[arm]) for arm in FIXED}
        self.finding = dict(rows["finding"])
        #: Cost of fixing gamma minus that of fixing beta.
        self.gamma_over_beta = findings.interval(cost[GAMMA] - cost[BETA])
        #: Cost of fixing both beyond the sum of the two single costs.
        self.beyond_sum = _beyond(cost)
        #: Validation accuracy that the net with both fixed is behind, by epoch.
        self.behind = _behind(part, LEARNED)
        #: By how much less it is behind after the last epoch than after the first.
        self.narrowed = findings.interval(gap.iloc[:, 0] - gap.iloc[:, -1])
        #: Root mean square of gamma − 1 minus that of beta, per layer and over the layers.
        self.gamma_further, self.further = _further(part[part["arm"] == LEARNED])

    @property
    def first(self) -> Interval:
        """How far behind the net with both fixed is after the first epoch."""
        return self.behind[min(self.behind)]

    @property
    def last(self) -> Interval:
        """How far after the last."""
        return _last(self.behind)

    @property
    def sides(self) -> tuple[str, ...]:
        """Which of gamma and beta went clearly further, layer by layer."""
        gaps = self.gamma_further.values()
        return tuple("gamma" if g.low > 0 else "beta" if g.high < 0 else "" for g in gaps)


class Facts(TwoChoices):
    """Everything that the chapter says; see `Rate` for the two choices of learning rates."""

    def __init__(self, records: Mapping[str, pd.DataFrame]) -> None:
        """Work out the facts.

        From "affine", "own-rates", "as-posted" and the experiments of `findings.transfer`.
        """
        frame, posted = records[AFFINE.name], records["as-posted"]
        super().__init__(frame, records[OWN_RATES.name], ["full", *FIXED])
        self.own_runs, self.tuned = (
            _named(part, frame["arm"].dtype) for part in (self.own_runs, self.tuned)
        )
        shared, own = self.shared_runs, self.own_runs
        posted = posted[posted["lr"] == SHARED_LR]
        clothes = records[transfer.SETTINGS[transfer.CLOTHES_OWN_RATES]]
        ends = findings.final(pd.concat([shared, own])).drop_duplicates("key")
        contrasts = findings.contrasts(frame, AFFINE.contrasts)
        contrasts = contrasts[contrasts["lr"] == f"{SHARED_LR:g}"]
        net = training.build(AFFINE.arms[BOTH])
        learned = sum(p.numel() for p in net.parameters() if p.requires_grad)
        self.rates = {LEARNED if arm == "full" else arm: lr for arm, lr in self.rates.items()}
        #: Of the parameters, with both fixed.
        self.share_fixed = 1 - learned / models.parameter_count(net)
        self.trained = int(ends["trained"].sum())  # of all fresh runs
        self.runs = len(ends)
        self.at_shared = Rate(shared, contrasts)
        self.at_own = Rate(own, self.own_contrasts)
        #: How much more fixing costs at own rates than at the shared one.
        self.change = _change(shared, own)
        #: Test accuracy of each net at its own rate minus that at the shared rate.
        self.gain = _gain(shared, own)
        #: How far both fixed is behind in the end by the source's recipe, in `posted_steps`.
        self.posted_last = _last(_behind(posted, "with BN"))
        self.posted_steps = int(posted["step"].max())
        #: All tuning runs, and all that was compared.
        self.tuning = pd.concat([findings.tuning(frame), self.tuned])
        self.contrasts = pd.concat([contrasts, self.own_contrasts.assign(b=LEARNED)])
        self.elsewhere = transfer.elsewhere(records, transfer.AFFINE)
        #: `beyond_sum` on Fashion-MNIST, each net at its own rate.
        self.clothes_beyond = _beyond(_costs(findings.at_best(clothes), "full"))
        self._look_elsewhere()
        #: Whether both fixed is further behind at own rates, on average, after every epoch.
        self.wider_at_own = all(
            one.mean > self.at_shared.behind[epoch].mean
            for epoch, one in self.at_own.behind.items()
        )

    def _look_elsewhere(self) -> None:
        """See what fixing costs with ReLU, and on Fashion-MNIST."""
        relu, *both = (
            transfer.there(self.elsewhere, setting)
            for setting in (transfer.RELU, transfer.CLOTHES, transfer.CLOTHES_OWN_RATES)
        )
        self.equal_with_relu = set(relu["finding"]) == {findings.EQUIVALENT}
        #: At the shared rate, and with each net at its own: what fixing both costs, and how many
        #: fixed nets are behind.
        self.clothes_cost, self.own_clothes_cost = (-Interval.of(one.loc[BOTH]) for one in both)
        self.missed_on_clothes = sum(int((one["high"] < 0).sum()) for one in both)

    @property
    def decision(self) -> str:
        """Whether fixing both costs accuracy, each net at its own rate."""
        cost, finding = self.at_own.cost[BOTH], self.at_own.finding[BOTH]
        return decisions.below({"mean": -cost.mean, "finding": finding})

    @property
    def more_than_sum(self) -> bool:
        """Whether fixing both costs more than the two single costs together, at own rates."""
        return self.at_own.beyond_sum.low > 0

    @property
    def adds_up(self) -> bool:
        """Whether it is, within the margin, the two single costs together."""
        beyond = self.at_own.beyond_sum
        return beyond.low > -MARGIN and beyond.high < MARGIN

    @property
    def signs_change(self) -> tuple[str, ...]:
        """Nets whose cost has clearly different signs at the two choices of rates."""
        pairs = {arm: (self.at_shared.cost[arm], self.at_own.cost[arm]) for arm in FIXED}
        return tuple(
            arm
            for arm, (a, b) in pairs.items()
            if (a.low > 0 and b.high < 0) or (a.high < 0 and b.low > 0)
        )

    @property
    def sizes_change(self) -> tuple[str, ...]:
        """Nets whose cost is clearly another one at own rates than at the shared rate."""
        return tuple(
            arm for arm, change in self.change.items() if change.low > 0 or change.high < 0
        )

    @property
    def A3(self) -> str:
        """Gamma and beta play an important role: here, where all else is trained, too."""
        found = self.decision
        return decisions.REFINED if found == decisions.SUPPORTED else found  # theirs: another net

    @property
    def C7(self) -> str:
        """Fixing gamma costs more than fixing beta; refined where own rates do not show it."""
        found = decisions.on_claim(decisions.sign(self.at_shared.gamma_over_beta))
        everywhere = found != decisions.REPRODUCED or self.at_own.gamma_over_beta.low > 0
        return found if everywhere else decisions.REFINED

    @property
    def C8(self) -> str:
        """Behind in early epochs, and caught up later."""
        shared = self.at_shared
        if not (shared.first.low > 0 and shared.narrowed.low > 0):
            return decisions.REFUTED if shared.first.high < 0 else decisions.UNDECIDED
        if shared.last.low > 0:
            return decisions.REFINED
        return decisions.REPRODUCED if shared.last.high < MARGIN else decisions.UNDECIDED

    @property
    def C9(self) -> str:
        """Gammas leave their start by more than betas."""
        shared, own = self.at_shared, self.at_own
        if shared.further.low <= 0:
            return decisions.REFUTED if shared.further.high < 0 else decisions.UNDECIDED
        everywhere = own.further.low > 0 and "beta" not in (*shared.sides, *own.sides)
        return decisions.REPRODUCED if everywhere else decisions.REFINED

    @property
    def C10(self) -> str:
        """One shared rate is unfair; refined where it changes a size only, and no sign."""
        if self.signs_change:
            return decisions.REPRODUCED
        return decisions.REFINED if self.sizes_change else decisions.UNDECIDED


def _named(part: pd.DataFrame, arms: Any) -> pd.DataFrame:
    """Call the full net by its name in this chapter; `arms` is the type of its columns of arms."""
    return part.assign(arm=part["arm"].cat.rename_categories({"full": LEARNED}).astype(arms))


def _ends(part: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy, seeds by arms."""
    return findings.final(part).pivot(index="seed", columns="arm", values="test_accuracy")


def _costs(part: pd.DataFrame, learned: str) -> dict[str, Any]:
    """Test accuracy of `learned` minus that of each fixed net, by seed."""
    wide: Any = _ends(part)
    return {arm: wide[learned] - wide[arm] for arm in FIXED}


def _beyond(cost: Mapping[str, Any]) -> Interval:
    return findings.interval(cost[BOTH] - cost[GAMMA] - cost[BETA])


def _gap(part: pd.DataFrame, learned: str) -> pd.DataFrame:
    """Return by how much validation accuracy both fixed is behind: seeds by epochs from 1 on."""
    whole = findings.filled(part).pivot(
        index=["seed", "epoch"], columns="arm", values="val_accuracy"
    )
    return (whole[learned] - whole[BOTH]).unstack("epoch").drop(columns=0)


def _behind(part: pd.DataFrame, learned: str) -> dict[int, Interval]:
    gap = _gap(part, learned)
    return {int(str(epoch)): findings.interval(gap[epoch]) for epoch in gap}


def _last(behind: Mapping[int, Interval]) -> Interval:
    return behind[max(behind)]


def _further(part: pd.DataFrame) -> tuple[dict[str, Interval], Interval]:
    """How much further gamma went from its start than beta: per layer, and over the layers.

    Root mean squares of gamma − 1 and beta over a layer's features; layers weigh the same. `part`
    holds one run per seed.
    """
    found = findings.departures(part)
    wide = found.pivot(index=["layer", "seed"], columns="parameter", values="value")
    gap = (wide["gamma"] - wide["beta"]).unstack("layer")
    return {str(layer): findings.interval(gap[layer]) for layer in gap}, findings.interval(
        gap.mean(axis=1)
    )


def _change(shared: pd.DataFrame, own: pd.DataFrame) -> dict[str, Interval]:
    """How much more each fixed net costs at own rates; intervals for all at once (Bonferroni)."""
    before, after = _costs(shared, LEARNED), _costs(own, LEARNED)
    confidence = 1 - LEVEL / len(FIXED)
    return {arm: findings.unpaired(after[arm], before[arm], confidence) for arm in FIXED}


def _gain(shared: pd.DataFrame, own: pd.DataFrame) -> dict[str, Interval]:
    before, after = _ends(shared), _ends(own)
    return {str(arm): findings.unpaired(after[arm], before[arm]) for arm in after}
