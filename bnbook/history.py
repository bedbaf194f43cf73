"""What a training run did, as a value that prints and draws itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from bnbook.run import Run

if TYPE_CHECKING:  # a sweep, which draws nothing, need not load what draws
    import pandas as pd
    from matplotlib.figure import Figure

Row = dict[str, Any]

#: A run counts as trained from this final validation accuracy on, which is a little below what
#: softmax regression on the pixels of MNIST reaches; `_TRAINED_ON` says the same of harder images.
TRAINED = 0.90
_TRAINED_ON = {"fashion_mnist": 0.80, "cifar10": 0.40, "cifar10-jpeg": 0.40}
#: Below this validation accuracy a net is "at chance" (ten classes: guessing gives 0.1).
AT_CHANCE = 0.20
#: A training loss this far above that of a blind guess says that the steps are too large.
EXCESS_LOSS = 0.02

#: Names of the two ways to evaluate a net with batch norm.
STATISTICS = {"val_accuracy": "re-estimated", "val_accuracy_running": "running"}


@dataclass(frozen=True, repr=False)
class History:
    """What a run did: one row per epoch (0 = before training), and how it ended.

    `rows` hold epoch, step, train_loss (mean over the epoch's steps), val_loss, counts of correct
    images (`val_correct`, `test_correct` with re-estimated statistics, `…_running` with the
    running ones; test only in the last row), seconds of training so far, and the probes. With
    `record_fit` also `train_correct` of the first `train_images` training images (re-estimated)
    and `weight_norm`, the l2 norm of the weights of each layer in `models.weighted`.
    `outcome`: "trained", "not yet trained", "collapsed" or "non-finite".
    """

    run: Run
    rows: list[Row]
    outcome: str
    seconds: float
    first_losses: list[float]

    def frame(self) -> pd.DataFrame:
        """Tabulate the evaluations: epoch, train_loss, val_loss, validation accuracies (0 to 1).

        `val_accuracy` is taken with re-estimated statistics, `val_accuracy_running` with running
        ones; a net without batch norm has no use for the latter, and no such column.
        """
        import pandas as pd

        table = pd.DataFrame(
            {
                "epoch": row["epoch"],
                "train_loss": row["train_loss"],
                "val_loss": row["val_loss"],
                "val_accuracy": row["val_correct"] / row["val_images"],
                "val_accuracy_running": row["val_correct_running"] / row["val_images"],
            }
            for row in self.rows
        )
        return table if self.run.batched else table.drop(columns="val_accuracy_running")

    def plot(self) -> Figure:
        """Draw losses and validation accuracies against the epoch."""
        import seaborn as sns
        from matplotlib.ticker import MaxNLocator

        from bnbook import theme

        table = self.frame()
        losses = {"train_loss": "training", "val_loss": "validation"}
        accuracies = {key: name for key, name in STATISTICS.items() if key in table}
        figure, axes = theme.canvas(3.4, 1, 2)
        for ax, columns in zip(axes, (losses, accuracies), strict=True):
            styles = [theme.style(i) for i in range(len(columns))]
            sns.lineplot(
                table.set_index("epoch")[[*columns]].rename(columns=columns),
                ax=ax,
                palette=[style.color for style in styles],
                dashes=["" if style.dash == "-" else style.dash[1] for style in styles],
                markers=[style.marker for style in styles],
                legend="auto" if len(columns) > 1 else False,
            )
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        theme.label(axes[0], "epoch", "", "Loss")
        theme.label(axes[1], "epoch", "", "Validation accuracy")
        theme.accuracy_axis(axes[1])
        return figure

    def __repr__(self) -> str:
        table = self._written().to_string(index=False)
        return f"{self._ending()}\n{table}"

    def _repr_html_(self) -> str:
        table = self._written().to_html(index=False, border=0)
        return f"<p>{escape(self._ending())}</p>\n{table}"

    def _ending(self) -> str:
        """Say in one line what was trained and how it ended."""
        changed = ", ".join(f"{k}={getattr(self.run, k)!r}" for k in self.run.changes())
        last = self.rows[-1]
        test = f"test accuracy {_percent(last['test_correct'] / last['test_images'])}"
        return f"Run({changed}): {self.outcome} in {self.seconds:.1f} s, {test}"

    def _written(self) -> pd.DataFrame:
        """Tabulate the evaluations as they are shown: rounded, with speaking names."""
        table = self.frame()
        shown = {
            "epoch": table["epoch"].astype(str),
            "training loss": table["train_loss"].map(_loss),
            "validation loss": table["val_loss"].map(_loss),
            "validation accuracy": table["val_accuracy"].map(_percent),
        }
        if "val_accuracy_running" in table:
            shown["with running statistics"] = table["val_accuracy_running"].map(_percent)
        return type(table)(shown)


def enough(dataset: str) -> float:
    """Return the final validation accuracy from which a run on `dataset` counts as trained."""
    return _TRAINED_ON.get(dataset, TRAINED)


def judge(rows: list[Row], trained: float = TRAINED) -> str:
    """Name how a run ended, from its rows (re-estimated validation accuracy and losses).

    non-finite: a loss that is no number. trained: final accuracy at least `trained`.
    collapsed: at chance at the end, after having been off it, or with a training loss clearly
    above that of a blind guess. not yet trained: all else, such as a net still on its first
    plateau, whose loss is that of a blind guess: too slow for the budget rather than broken.
    """
    last = rows[-1]
    n_validation = last["val_images"]
    if not math.isfinite(last["train_loss"] + last["val_loss"]):
        return "non-finite"
    if last["val_correct"] >= trained * n_validation:
        return "trained"
    if last["val_correct"] < AT_CHANCE * n_validation:
        was_off = any(row["val_correct"] >= AT_CHANCE * n_validation for row in rows)
        if was_off or last["train_loss"] > math.log(10) + EXCESS_LOSS:
            return "collapsed"
    return "not yet trained"


def _loss(value: float) -> str:
    """Write a loss; before the first step there is none to write."""
    return "–" if value != value else f"{value:.3g}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"
