"""What the records say about the bias before batch norm."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from bnbook import findings, models, training
from bnbook.chapters.bias_removal.claims import CLAIMS
from bnbook.chapters.bias_removal.experiments import BIAS_REMOVAL
from bnbook.findings import decisions, transfer
from bnbook.run import Run

KEPT, GONE = "all biases", "no biases"
_LITE_KEPT, _LITE_GONE = "variance-only, all biases", "variance-only, no biases"


@dataclass(frozen=True)
class Facts:
    """Accuracies are shares of the test images; a spread is lowest to highest over seeds."""

    seeds: int
    lr: float
    images: int
    epochs: int
    saved: int  # parameters
    #: Pairs of runs, with a bias and without, and those that end with equal test accuracies.
    pairs: int
    equal: int
    lowest: float  # test accuracy of any seed with batch norm
    highest: float
    #: Errors of evaluations with running statistics: the mean after the last epoch, and the
    #: largest in any epoch.
    running_end: float
    running_worst: float
    source_gap: float  # between the source's best and worst variant, one run each
    lite_runs: int  # with the variance-only norm, per variant
    lite_kept: int  # of them that train with biases
    lite_gone: int  # and without
    #: `findings.transfer.elsewhere`: the comparison in other settings.
    elsewhere: pd.DataFrame

    @property
    def spread(self) -> float:
        """Between the best and the worst seed."""
        return self.highest - self.lowest

    @property
    def decision(self) -> str:
        """Whether the net without biases is the same net."""
        return decisions.SUPPORTED if self.equal == self.pairs else decisions.REFUTED

    @property
    def settings(self) -> int:
        """How many other settings were tried."""
        return len(self.elsewhere)

    @property
    def equivalent_elsewhere(self) -> int:
        """In how many of them both nets are equivalent."""
        return int((self.elsewhere["finding"] == findings.EQUIVALENT).sum())

    @property
    def apart_elsewhere(self) -> float:
        """The largest mean difference in any of them."""
        return float(self.elsewhere["mean"].abs().max())

    @property
    def C1(self) -> str:
        """Test accuracies stay close without the biases."""
        return decisions.REPRODUCED if self.decision == decisions.SUPPORTED else decisions.REFUTED


def facts(records: Mapping[str, pd.DataFrame]) -> Facts:
    """Work out the facts from "bias-removal" and the experiments of `findings.transfer`."""
    frame = records[BIAS_REMOVAL.name]
    normed = frame[~frame["arm"].isin([_LITE_KEPT, _LITE_GONE])]
    last = findings.final(normed)
    off = last["test_accuracy_running"] - last["test_accuracy"]
    ends = last.pivot(index="seed", columns="arm", values="test_accuracy")
    others = ends.drop(columns=KEPT)
    lite = findings.summary(frame).set_index("arm")[["runs", "trained"]].astype(int)
    run = BIAS_REMOVAL.arms[KEPT]
    source = CLAIMS[0].figures
    kept, gone = (
        models.parameter_count(training.build(BIAS_REMOVAL.arms[arm])) for arm in (KEPT, GONE)
    )
    return Facts(
        seeds=len(ends),
        lr=Run().lr,
        images=run.train_size,
        epochs=run.epochs,
        saved=kept - gone,
        pairs=others.size,
        equal=int(others.sub(ends[KEPT], axis=0).abs().lt(1e-9).to_numpy().sum()),
        lowest=float(ends.to_numpy().min()),
        highest=float(ends.to_numpy().max()),
        running_end=float(off.abs().mean()),
        running_worst=float(findings.evaluation_noise(normed)["largest"].max()),
        source_gap=max(source.values()) - min(source.values()),
        lite_runs=int(lite["runs"][_LITE_KEPT]),
        lite_kept=int(lite["trained"][_LITE_KEPT]),
        lite_gone=int(lite["trained"][_LITE_GONE]),
        elsewhere=transfer.elsewhere(records, [GONE]),
    )
