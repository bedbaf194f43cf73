"""Tables shaped like recorded runs, with outcomes that the test chooses."""

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import fields
from itertools import product
from typing import Any

import pandas as pd

from bnbook.run import Run

WIDTHS = (6, 16, 120, 84)


def run_rows(
    run: Run, arm: str, accuracies: Sequence[float], outcome: str = "trained", **more: Any
) -> list[dict[str, Any]]:
    """Rows of one run: its validation accuracy after each epoch, from epoch 0 on.

    Test accuracy is 0.01 below validation accuracy, the running statistics' is 0.05 below.
    """
    ended = len(accuracies) - 1
    configuration = {f.name: getattr(run, f.name) for f in fields(run)}
    configuration["norms"] = ",".join(run.norms)
    rows = []
    for epoch, accuracy in enumerate(accuracies):
        test = accuracy - 0.01 if epoch == ended else math.nan
        rows.append(
            {
                **configuration,
                "key": run.key,
                "arm": arm,
                "outcome": outcome,
                "epoch": epoch,
                "step": 78 * epoch,
                "train_loss": math.nan if epoch == 0 else 2.3 / epoch,
                "val_accuracy": accuracy,
                "val_accuracy_running": accuracy - 0.05,
                "test_accuracy": test,
                "test_accuracy_running": test - 0.05,
                "seconds": float(epoch),
                **{name: column[epoch] for name, column in more.items()},
            }
        )
    return rows


def table(finals: dict[str, Sequence[float]], epochs: int = 2, **fields: Any) -> pd.DataFrame:
    """One run per arm and final accuracy; seeds 0, 1, … in the order given.

    Arms differ in their norms, so that their runs have keys of their own.
    """
    kinds = list(product(("none", "batch"), repeat=4))
    rows = []
    for norms, (arm, values) in zip(kinds, finals.items(), strict=False):
        for seed, final in enumerate(values):
            run = Run(norms=norms, seed=seed, epochs=epochs, **fields)
            outcome = "trained" if final >= 0.9 else "collapsed"
            rows += run_rows(run, arm, [0.1] * epochs + [final], outcome)
    return arranged(rows, finals)


def arranged(rows: Iterable[dict[str, Any]], arms: Iterable[str]) -> pd.DataFrame:
    """Make the table that `findings.load` would: arms are an ordered category."""
    frame = pd.DataFrame(rows)
    return frame.assign(arm=frame["arm"].astype(pd.CategoricalDtype(list(arms))))


def shares(trained: dict[float, tuple[int, int]], arm: str = "with BN") -> pd.DataFrame:
    """Runs over learning rates: {lr: (how many trained, how many ran)}."""
    rows = []
    for lr, (good, n) in trained.items():
        for seed in range(n):
            final = 0.97 if seed < good else 0.1
            outcome = "trained" if seed < good else "collapsed"
            rows += run_rows(Run(lr=lr, seed=seed, epochs=1), arm, [0.1, final], outcome)
    return arranged(rows, [arm])


def subsets(worth: dict[int, float], seeds: int = 3, lr: float = 0.1) -> pd.DataFrame:
    """All 16 subsets of norms, where norm i multiplies the error 0.5 by exp(-worth[i])."""
    rows = []
    for norms in product(("none", "batch"), repeat=4):
        for seed in range(seeds):
            gain = sum(worth[i] for i, norm in enumerate(norms) if norm == "batch")
            accuracy = 1 - 0.5 * math.exp(-gain * (1 + 0.01 * seed))
            arm = "".join(str(int(norm == "batch")) for norm in norms)
            rows += run_rows(Run(norms=norms, seed=seed, epochs=1, lr=lr), arm, [0.1, accuracy])
    return arranged(rows, dict.fromkeys(row["arm"] for row in rows))


def probed(norms: tuple[str, ...], arm: str, seed: int = 0, gamma: float = 1.5) -> list[Any]:
    """One run with probes: gamma as given, beta 0.5, in every slot that has a norm."""
    on = [norm != "none" for norm in norms]
    lists = {
        "square_before": [0.1, 0.2, 0.4, 0.8],
        "square_normed": [1.0 if norm else 0.1 for norm in on],
        "square_activated": [0.3] * 4,
        "gradient_norm": [0.01, 0.02, 0.03, 0.04, 0.05],
        "first_losses": [2.3] * 10,
    }
    last = {
        "gamma": [[gamma] * n if norm else [] for n, norm in zip(WIDTHS, on, strict=True)],
        "beta": [[0.5] * n if norm else [] for n, norm in zip(WIDTHS, on, strict=True)],
    }
    more = {name: [value, value] for name, value in lists.items()}
    more |= {name: [None, value] for name, value in last.items()}
    return run_rows(Run(norms=norms, seed=seed, epochs=1), arm, [0.1, 0.97], **more)


def altered(facts: Any, **changes: Any) -> Any:
    """Facts like these, but for what the test changes."""
    found = copy.copy(facts)
    vars(found).update(changes)
    return found
