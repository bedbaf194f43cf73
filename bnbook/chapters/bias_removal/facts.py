"""What the records say about the bias before batch norm."""

from collections.abc import Mapping

import pandas as pd

from bnbook import findings, models, training
from bnbook.chapters.bias_removal.claims import CLAIMS
from bnbook.chapters.bias_removal.experiments import BIAS_REMOVAL
from bnbook.findings import decisions, transfer
from bnbook.run import Run

KEPT, GONE = "all biases", "no biases"
_LITE_KEPT, _LITE_GONE = "variance-only, all biases", "variance-only, no biases"


class Facts:
    """Accuracies are shares of the test images; a spread is lowest to highest over seeds."""

    def __init__(self, records: Mapping[str, pd.DataFrame]) -> None:
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
        self.seeds = len(ends)
        self.lr = Run().lr
        self.images = run.train_size
        self.epochs = run.epochs
        self.saved = kept - gone  # parameters
        #: Pairs of runs, with a bias and without, and those that end with equal test accuracies.
        self.pairs = others.size
        self.equal = int(others.sub(ends[KEPT], axis=0).abs().lt(1e-9).to_numpy().sum())
        self.lowest = float(ends.to_numpy().min())  # test accuracy of any seed with batch norm
        self.highest = float(ends.to_numpy().max())
        #: Errors of evaluations with running statistics: the mean after the last epoch, and the
        #: largest in any epoch.
        self.running_end = float(off.abs().mean())
        self.running_worst = float(findings.evaluation_noise(normed)["largest"].max())
        #: Between the source's best and worst variant, one run each.
        self.source_gap = max(source.values()) - min(source.values())
        self.lite_runs = int(lite["runs"][_LITE_KEPT])  # with the variance-only norm, per variant
        self.lite_kept = int(lite["trained"][_LITE_KEPT])  # of them that train with biases
        self.lite_gone = int(lite["trained"][_LITE_GONE])  # and without
        self.elsewhere = transfer.elsewhere(records, [GONE])
        self.spread = self.highest - self.lowest  # between the best and the worst seed
        self.settings = len(self.elsewhere)  # how many other settings were tried
        #: In how many of them both nets are equivalent.
        self.equivalent_elsewhere = int((self.elsewhere["finding"] == findings.EQUIVALENT).sum())
        #: The largest mean difference in any of them.
        self.apart_elsewhere = float(self.elsewhere["mean"].abs().max())

    @property
    def decision(self) -> str:
        """Whether the net without biases is the same net."""
        return decisions.SUPPORTED if self.equal == self.pairs else decisions.REFUTED

    @property
    def C1(self) -> str:
        """Test accuracies stay close without the biases."""
        return decisions.on_claim(self.decision)
