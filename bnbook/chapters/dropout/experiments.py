"""Chapter 6: dropout and batch norm, alone and together, on many images and on few."""

from dataclasses import replace
from functools import partial

import pandas as pd

from bnbook.experiment import FEW_SEEDS, Contrast, Experiment, tuned
from bnbook.run import Run

NOISE_BATCHES = (8, 32, 64, 256)
_RATES = (0.0003, 0.001, 0.003)
#: On few images every net is tuned over one rate more, and also run at the middle one.
_FEW_RATES = (*_RATES, 0.01)
FEW_SHARED_LR = 0.001

#: The post's net, start, optimizer, inputs and number of steps; its learning rate is not known.
_POSTED = Run(
    model="mlp",
    norms=("none", "none"),
    activation="relu",
    init="he",
    optimizer="rmsprop",
    input_transform="centred",
    batch_size=256,
    train_size=50_000,
    epoch_steps=100,
    epochs=10,
    eval_epochs=(5, 10),
    record_fit=True,
)
#: Few images, seen many times: here a net can learn its training images by heart.
FEW = replace(
    _POSTED, batch_size=64, train_size=2_000, epoch_steps=250, epochs=4, eval_epochs=(1, 2, 4)
)


def variants(plain: Run) -> dict[str, Run]:
    """Give `plain` batch norm, dropout, both in either order, or neither."""
    normed = replace(plain, norms=("batch", "batch"))
    return {
        "batch norm": normed,
        "neither": plain,
        "dropout": replace(plain, dropout=0.5),
        "norm then dropout": replace(normed, dropout=0.5),
        "dropout then norm": replace(normed, dropout=0.5, dropout_place="before norm"),
    }


_CONTRASTS = (
    Contrast("batch norm", "neither", "best"),
    Contrast("dropout", "neither", "best"),
    Contrast("batch norm", "dropout", "best"),
    Contrast("norm then dropout", "batch norm", "best"),
    Contrast("dropout then norm", "norm then dropout", "best"),
    Contrast("dropout then norm", "norm then dropout", "best", "test_accuracy_running"),
)


def _noise(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:
    """Tune and compare at every batch size apart."""
    runs = []
    for size in NOISE_BATCHES:
        arms = {name: replace(arm, batch_size=size) for name, arm in experiment.arms.items()}
        part = frame[frame["batch_size"] == size]
        runs += tuned(replace(experiment, arms=arms), part, _RATES, FEW_SEEDS, shared=None)
    return runs


EXPERIMENTS = (
    Experiment(
        name="dropout",
        question="Dropout, batch norm, both or neither, by the post's recipe?",
        arms=variants(_POSTED),
        plan=partial(tuned, lrs=_RATES, seeds=FEW_SEEDS, shared=None),
        contrasts=_CONTRASTS,
    ),
    Experiment(
        name="dropout-few-images",
        question="Which of them regularizes where there is something to regularize?",
        arms=variants(FEW),
        plan=partial(tuned, lrs=_FEW_RATES, seeds=FEW_SEEDS, shared=FEW_SHARED_LR),
        contrasts=_CONTRASTS,
    ),
    Experiment(
        name="batch-noise",
        question="Does batch norm regularize by the noise of its batches?",
        arms={name: variants(FEW)[name] for name in ("batch norm", "neither")},
        plan=_noise,
    ),
)
