"""Chapters 1 to 5 elsewhere: whether their answers hold on clothes, with ReLU, with momentum.

Their primary contrasts once more, each in another setting: Fashion-MNIST, which d2l's own section
trains on; MNIST with ReLU in place of the sigmoid; MNIST with momentum and weight decay.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd

from bnbook.errors import NoRecordsError
from bnbook.experiment import (
    BATCH_NORM,
    LATER_SEEDS,
    LATER_TUNING_SEEDS,
    MARGIN,
    SHARED_LR,
    Experiment,
    against,
    fixed,
    halves,
    held_fixed,
    tuned,
    without_one,
)
from bnbook.findings.records import contrasts
from bnbook.findings.statistics import EQUIVALENT
from bnbook.findings.writing import Markdown, as_points, join, percent, table
from bnbook.history import enough
from bnbook.run import Run

_FIVE, _THREE = LATER_SEEDS[:5], LATER_SEEDS[:3]
#: Per net of chapter 2, from where it is slow to where it fails elsewhere.
SIGMOID_LRS = (0.05, 0.2, 1.0, 4.0, 8.0, 30.0, 100.0)
RELU_LRS = (0.01, 0.03, 0.1, 0.3, 1.0, 4.0, 16.0)
#: Rates at which the nets of chapters 4 and 5 are tuned on clothes.
OWN_LRS = (0.03, 0.1, 0.3, 1.0, 3.0)

_PLAIN = Run(train_size=50_000, epochs=10, eval_epochs=(1, 3, 10))
_CLOTHES = replace(_PLAIN, dataset="fashion_mnist")
_RELU = replace(_PLAIN, activation="relu")
_MOMENTUM = replace(_PLAIN, momentum=0.9, weight_decay=5e-4)

#: What each chapter compares with the full net, by the names of its arms.
BIASES = ("no biases",)
LAYERS = ("without norm 1", "without norm 2", "without norm 3", "without norm 4", "none")
HALVES = ("mean-only", "variance-only")
AFFINE = ("gamma fixed", "beta fixed", "both fixed")


def _arms(plain: Run) -> dict[str, Run]:
    full = replace(plain, norms=BATCH_NORM)
    return {
        "full": full,
        "no biases": replace(full, conv_bias=False, linear_bias=False),
        **without_one(plain),
        "none": plain,
        **halves(plain),
        **held_fixed(full),
    }


def _some(plain: Run, names: tuple[str, ...]) -> dict[str, Run]:
    return {name: run for name, run in _arms(plain).items() if name in ("full", *names)}


_SHARED = partial(fixed, lrs=[SHARED_LR], seeds=_FIVE)


_NETS = {
    "clothes, with BN": replace(_CLOTHES, norms=BATCH_NORM),
    "clothes, without BN": _CLOTHES,
    "ReLU, with BN": replace(_RELU, norms=BATCH_NORM),
    "ReLU, without BN": _RELU,
}
_LRS = {"sigmoid": SIGMOID_LRS, "relu": RELU_LRS}

_EVERYTHING = (*BIASES, *LAYERS, *HALVES, *AFFINE)

TRANSFER = (
    Experiment(
        name="transfer-clothes",
        question="Do the answers of Exercises 1, 3, 4 and 5 hold on Fashion-MNIST?",
        arms=_arms(_CLOTHES),
        plan=_SHARED,
        contrasts=against("full", _EVERYTHING, [SHARED_LR]),
    ),
    Experiment(
        name="transfer-relu",
        question="Do the answers of Exercises 1, 3, 4 and 5 hold with ReLU?",
        arms=_arms(_RELU),
        plan=_SHARED,
        contrasts=against("full", _EVERYTHING, [SHARED_LR]),
    ),
    Experiment(
        name="transfer-momentum",
        question="Do the answers of Exercises 1 and 3 hold with momentum and weight decay?",
        arms=_some(_MOMENTUM, (*BIASES, *LAYERS)),
        plan=_SHARED,
        contrasts=against("full", (*BIASES, *LAYERS), [SHARED_LR]),
    ),
    Experiment(
        name="transfer-clothes-own-rates",
        question="Do Exercises 4 and 5 hold on Fashion-MNIST, each net at its best rate?",
        arms=_some(_CLOTHES, (*HALVES, *AFFINE)),
        plan=partial(
            tuned, lrs=OWN_LRS, seeds=_FIVE, shared=None, tuning_seeds=LATER_TUNING_SEEDS[:2]
        ),
        contrasts=against("full", (*HALVES, *AFFINE), ["best"]),
    ),
    Experiment(
        name="transfer-rates",
        question="How large may the learning rate be on Fashion-MNIST, and with ReLU?",
        arms=_NETS,
        plan=partial(
            fixed, lrs={net: _LRS[run.activation] for net, run in _NETS.items()}, seeds=_THREE
        ),
    ),
)

#: Where the answers of chapters 1 to 5 are asked again, and the experiments that do so.
CLOTHES, CLOTHES_OWN_RATES = (
    "Fashion-MNIST, sigmoid",
    "Fashion-MNIST, sigmoid, own rates",
)
RELU = "MNIST, ReLU"
SETTINGS = {
    CLOTHES: "transfer-clothes",
    CLOTHES_OWN_RATES: "transfer-clothes-own-rates",
    RELU: "transfer-relu",
    "MNIST, sigmoid, momentum 0.9, weight decay 5·10⁻⁴": "transfer-momentum",
}


def elsewhere(records: Mapping[str, pd.DataFrame], arms: Sequence[str]) -> pd.DataFrame:
    """Compare `arms` with the full net in every setting of `SETTINGS` that is recorded.

    The rows of `findings.contrasts`, with the `setting`; corrected over all contrasts of its
    experiment.
    """
    plans = {one.name: one for one in TRANSFER}
    found = []
    for setting, name in SETTINGS.items():
        if name in records:
            rows = contrasts(records[name], plans[name].contrasts)
            found.append(rows[rows["a"].isin(arms)].assign(setting=setting))
    if not found:
        raise NoRecordsError("none of the other settings is recorded: run `bnbook sweep --all`")
    return pd.concat(found, ignore_index=True)


def there(rows: pd.DataFrame, setting: str) -> pd.DataFrame:
    """Select from `elsewhere` what was found in a setting, by arm.

    Raises NoRecordsError where its experiment is not recorded.
    """
    found = rows[rows["setting"] == setting].set_index("a")
    if found.empty:
        name = SETTINGS[setting]
        raise NoRecordsError(f"{name} is not recorded: run `bnbook sweep {name}`", name)
    return found


#: In place of a finding, where runs failed.
NO_MEAN = "compare the counts"


def transfer_table(rows: pd.DataFrame) -> Markdown:
    """Show `elsewhere`, and whatever rows of `findings.contrasts` a chapter sets before it."""
    shown = table(
        rows,
        {
            "Setting": "setting",
            "Variant": "a",
            "Test accuracy, against the full net": _effect,
            "Finding": lambda row: NO_MEAN if row["failed"] else row["finding"],
        },
    )
    return join(shown, *_notes(rows))


def _notes(rows: pd.DataFrame) -> Iterator[str]:
    """Explain words of the table that not every chapter has explained."""
    if (rows["finding"] == EQUIVALENT).any():
        yield (
            f"(“Equivalent”: an equivalence test puts the two less than {100 * MARGIN:g} points "
            "apart. Its interval is narrower than the one shown, which is that of a test for any "
            "difference.)"
        )
    failed_on_clothes = rows["setting"].str.startswith("Fashion") & (rows["failed"] > 0)
    if failed_on_clothes.any():
        yield (
            "(On Fashion-MNIST, which is harder, a run has trained if it ends with at least "
            f"{percent(enough('fashion_mnist'), digits=0)} validation accuracy.)"
        )


def _effect(row: Mapping[str, Any]) -> str:
    """Write a difference; where runs failed, no mean describes it, so how many trained."""
    if not row["failed"]:
        return as_points(row)
    a, b = row["n"] - row["failed_a"], row["n"] - row["failed_b"]
    return f"{a} of {row['n']} trained; full net: {b} of {row['n']}"
