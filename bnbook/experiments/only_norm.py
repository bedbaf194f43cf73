"""Chapter 13: residual nets that train only their batch norm, and what to set beside them."""

from dataclasses import replace

import pandas as pd

from bnbook.experiments.plan import SEEDS, SHARED_LR, Contrast, Experiment, grid
from bnbook.run import Run
from bnbook.studies import features

#: Deep nets are expensive: chapter 13 has three seeds, as its pages say.
THREE_SEEDS = SEEDS[:3]

#: He et al. (2016, section 4.2), for fewer epochs and with a cosine in place of two steps.
_ALL = Run(
    dataset="cifar10-jpeg",
    model="resnet",
    norms=("batch",),
    activation="relu",
    conv_bias=False,
    lr=SHARED_LR,
    momentum=0.9,
    weight_decay=1e-4,
    schedule="cosine",
    init="he",
    input_transform="standardized",
    augmentation="crop+flip",
    train_size=40_000,
    epochs=10,
)
_NORM = replace(_ALL, trainable="norm")


def _three_seeds(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    return grid(experiment.arms.values(), [SHARED_LR], THREE_SEEDS)


ONLY_NORM = Experiment(
    name="only-norm",
    chapter=13,
    question="How far does a net get that trains nothing but its batch norm?",
    arms={
        "everything": _ALL,
        "only norm": _NORM,
        "norm and head": replace(_ALL, trainable="norm+head"),
        "only head": replace(_ALL, trainable="head"),
        "random weights": replace(_ALL, trainable="random"),
        "only norm, depth 14": replace(_NORM, depth=14),
        "everything, depth 14": replace(_ALL, depth=14),
        "only norm, twice as wide": replace(_NORM, width=2),
        "only norm, no shortcuts": replace(_NORM, shortcuts=False),
        "everything, no shortcuts": replace(_ALL, shortcuts=False),
    },
    plan=_three_seeds,
    contrasts=tuple(
        Contrast(a, b, SHARED_LR, outcome)
        for a, b, outcome in (
            ("only norm, depth 14", "everything, depth 14", "test_accuracy"),  # A1
            ("norm and head", "only head", "test_accuracy"),  # A3
            ("only norm", "only head", "readout_accuracy"),  # A4
            ("only norm", "random weights", "test_accuracy"),  # A5
            ("only norm, depth 14", "only norm, twice as wide", "test_accuracy"),  # A7
            ("only norm, no shortcuts", "only norm", "test_accuracy"),  # A9
        )
    ),
    measure=features.measure,
)

#: What A8 asks, beyond `ONLY_NORM`: the same nets, pruned, with statistics of their own.
PRUNING = Experiment(
    name="pruning",
    chapter=13,
    question="What does it cost to switch features off, the weakest or any?",
    arms={name: ONLY_NORM.arms[name] for name in ("everything", "only norm")},
    plan=_three_seeds,
    measure=features.measure_pruned,
)
