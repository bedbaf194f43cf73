"""What the records say about the two halves of batch norm."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from bnbook import findings
from bnbook.chapters.lite_batch_norm.experiments import LITE
from bnbook.findings import Interval, decisions, transfer
from bnbook.findings.own_rates import OWN_RATES, TwoChoices
from bnbook.findings.probes import NORMED
from bnbook.findings.statistics import LEVEL
from bnbook.history import AT_CHANCE, enough

MEAN, VARIANCE = "mean-only", "variance-only"
#: The best rate of the net without any norm in chapter 2.
STEEP_LR = 2.0
#: A run that gained this much validation accuracy since the evaluation before is still climbing.
_CLIMB = 0.01
#: A change of less than this share is none.
_STILL = 0.01


@dataclass(frozen=True)
class Ends:
    """How one arm's runs ended."""

    runs: int
    trained: int
    climbing: int  # below what counts as trained, and still gaining
    guessing: int  # at chance
    median: float  # test accuracy of the runs that do not guess


class Facts(TwoChoices):
    """Accuracies are shares of the images; mappings are by the names of the arms."""

    def __init__(self, records: Mapping[str, pd.DataFrame]) -> None:
        """Work out the facts from "lite", "own-rates" and those of `findings.transfer`."""
        super().__init__(records[LITE.name], records[OWN_RATES.name], list(LITE.arms))
        shared, own = self.shared_runs, self.own_runs
        halves = findings.paired(own, MEAN, VARIANCE)
        #: Nets that fail in tuning one step above their own rate.
        self.cliff = _cliff(self.tuned, self.rates)
        #: Rates at which a tuning run of the net without any norm fails.
        fails = findings.final(self.tuned)
        fails = fails[(fails["arm"] == "none") & ~fails["trained"]]
        self.unsteady = tuple(sorted(fails["lr"].unique()))
        #: Batch norm against none, both at chapter 2's best rate for the latter.
        steep = records["learning-rate"]
        self.steep = findings.paired(steep[steep["lr"] == STEEP_LR], "with BN", "without BN")
        self.steep_lr = STEEP_LR
        self.enough = enough("mnist")  # validation accuracy from which a run counts as trained
        self.at_shared = _ends(shared)
        self.at_own = _ends(own)
        #: Full batch norm minus the net without a half, each at its own rate: Holm's intervals.
        self.behind = _behind(self.own_contrasts)
        #: Mean-only minus variance-only, each at its own rate.
        self.halves = halves.gap
        self.halves_equal = halves.p_equivalence < LEVEL
        #: Root mean square of what leaves the last norm, at the shared rate, medians over seeds:
        #: mean-only nets after the first epoch and the last, and variance-only nets that guess.
        self.faded, self.recovered = _mean_only_strength(shared)
        #: And of the latter, those in which it has not changed since epoch 1.
        self.saturated, self.frozen = _stuck(shared)
        #: Tuning runs, also those on a coarser grid before.
        self.tuning = pd.concat([findings.tuning(records[LITE.name]), self.tuned])
        self.elsewhere = transfer.elsewhere(records, transfer.HALVES)
        self._look_elsewhere()
        #: Variance-only minus mean-only with ReLU, both at the shared rate.
        self.relu = findings.paired(records["transfer-relu"], VARIANCE, MEAN).gap
        #: How many times the own rate of mean-only is that of variance-only.
        self.rates_apart = round(self.rates[MEAN] / self.rates[VARIANCE])

    def _look_elsewhere(self) -> None:
        """See how the halves do on Fashion-MNIST and with ReLU."""
        shared, own, relu = (
            transfer.there(self.elsewhere, setting)
            for setting in (transfer.CLOTHES, transfer.CLOTHES_OWN_RATES, transfer.RELU)
        )
        #: Each half against the full net, each at its best rate; whether all of these nets train in
        #: every seed; whether all of their rates are ends of the grid.
        self.own_clothes = Interval.by(own.reset_index(), "a")
        self.own_clothes_train = not own["failed"].any()
        ends = (min(transfer.OWN_LRS), max(transfer.OWN_LRS))
        self.own_clothes_at_ends = bool(own[["lr_a", "lr_b"]].isin(ends).all(axis=None))
        self.relu_all_train = not relu["failed"].any()
        #: How many nets with each half train at the shared rate.
        self.clothes_trained = (shared["n"] - shared["failed_a"]).to_dict()

    @property
    def closer(self) -> str:
        """Name the half that comes closer to full batch norm, if one does."""
        if self.halves.low > 0:
            return MEAN
        return VARIANCE if self.halves.high < 0 else ""

    @property
    def decision(self) -> str:
        """Whether mean-only comes closer to full batch norm than variance-only."""
        if self.closer:
            return decisions.SUPPORTED if self.closer == MEAN else decisions.REFUTED
        return decisions.REFUTED if self.halves_equal else decisions.UNDECIDED

    @property
    def flipped(self) -> tuple[str, ...]:
        """Nets of which most guess at one of the two rates, and most train at the other."""
        pairs = {arm: (self.at_shared[arm], self.at_own[arm]) for arm in self.at_own}
        return tuple(arm for arm, (a, b) in pairs.items() if _flips(a, b) or _flips(b, a))

    @property
    def C10(self) -> str:
        """One shared learning rate is unfair; see the sentence for what changes."""
        if self.flipped:
            return decisions.REPRODUCED
        return decisions.REFUTED if len(set(self.rates.values())) == 1 else decisions.UNDECIDED


def _flips(one: Ends, other: Ends) -> bool:
    return 2 * one.guessing > one.runs and 2 * other.trained > other.runs


def _cliff(tuning: pd.DataFrame, rates: Mapping[str, float]) -> tuple[str, ...]:
    """Name the arms of which a tuning run fails at the next larger rate that was tried."""
    worst = findings.final(tuning).pivot_table("trained", "lr", "arm", "min", observed=True)
    above = {arm: worst.loc[worst.index > lr, arm].dropna() for arm, lr in rates.items()}
    return tuple(arm for arm, trained in above.items() if len(trained) and not trained.iloc[0])


def _ends(part: pd.DataFrame) -> dict[str, Ends]:
    """Count how the runs of each arm ended; `part` has one learning rate per arm."""
    found = {}
    for arm in findings.arms(part):
        mine = findings.filled(part[part["arm"] == arm])
        course = mine.pivot(index="seed", columns="epoch", values="val_accuracy")
        ends = findings.final(mine).set_index("seed")
        guessing = ends["val_accuracy"] < AT_CHANCE
        gained = course.iloc[:, -1] - course.iloc[:, -2] > _CLIMB
        found[arm] = Ends(
            runs=len(ends),
            trained=int(ends["trained"].sum()),
            climbing=int((gained & ~ends["trained"] & ~guessing).sum()),
            guessing=int(guessing.sum()),
            median=float(ends.loc[~guessing, "test_accuracy"].median()),
        )
    return found


def _behind(compared: pd.DataFrame) -> dict[str, Interval]:
    """Full minus the arm at own rates, where all runs trained; else no mean describes them."""
    rows = compared[compared["failed"] == 0]
    return {row["a"]: -Interval.of(row) for row in rows.to_dict("records")}


def last_norm(part: pd.DataFrame) -> pd.DataFrame:
    """Root mean square of what leaves the last norm's place, `rms`: a row per run and epoch."""
    found = findings.magnitudes(part)
    last = (found["where"] == NORMED) & (found["layer"] == "fc2")
    return found[last].assign(rms=found["value"] ** 0.5)


def _mean_only_strength(shared: pd.DataFrame) -> tuple[float, float]:
    """Medians of `last_norm` over mean-only nets, after the first epoch and after the last."""
    rms = last_norm(shared)
    mean = rms[(rms["arm"] == MEAN) & (rms["epoch"] > 0)].groupby("epoch")["rms"].median()
    return float(mean.iloc[0]), float(mean.iloc[-1])


def _stuck(shared: pd.DataFrame) -> tuple[float, int]:
    """Median of `last_norm` over variance-only nets that guess; in how many it no longer moves."""
    ends = findings.final(shared)
    guessing = ends.loc[(ends["arm"] == VARIANCE) & (ends["val_accuracy"] < AT_CHANCE), "key"]
    rms = last_norm(shared[shared["key"].isin(guessing) & (shared["epoch"] > 0)])
    course = rms.pivot(index="key", columns="epoch", values="rms")
    change = (course.iloc[:, -1] / course.iloc[:, 0] - 1).abs()
    return float(course.iloc[:, -1].median()), int((change < _STILL).sum())
