"""Chapter 13: residual nets that train only their batch norm, and what to set beside them."""

from dataclasses import replace
from functools import partial

from bnbook.experiment import (
    LATER_SEEDS,
    LATER_TUNING_SEEDS,
    SEEDS,
    SHARED_LR,
    Contrast,
    Experiment,
    fixed,
    tuned,
)
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


_AS_PLANNED = partial(fixed, lrs=[SHARED_LR], seeds=THREE_SEEDS)


ONLY_NORM = Experiment(
    name="only-norm",
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
    plan=_AS_PLANNED,
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
    question="What does it cost to switch features off, the weakest or any?",
    arms={name: ONLY_NORM.arms[name] for name in ("everything", "only norm")},
    plan=_AS_PLANNED,
    measure=features.measure_pruned,
)

_FRESH = LATER_SEEDS[:3]
_DEEPER = 20
_ON_FRESH = partial(fixed, lrs=[SHARED_LR], seeds=_FRESH)

#: Deeper than `ONLY_NORM`: each net as trained, and with a new head on its features.
ONLY_NORM_DEEPER = Experiment(
    name="only-norm-deeper",
    question=f"And at depth {_DEEPER}, with the head as trained and with a new one?",
    arms={
        "everything": replace(_ALL, depth=_DEEPER),
        "only norm": replace(_NORM, depth=_DEEPER),
        "only head": replace(_ALL, depth=_DEEPER, trainable="head"),
    },
    plan=_ON_FRESH,
    contrasts=tuple(
        Contrast("only norm", other, SHARED_LR, outcome)
        for other in ("everything", "only head")
        for outcome in ("test_accuracy", "readout_accuracy")
    ),
    measure=features.measure_small,
)

#: What needs no net: softmax regression on the same images, shown as they are, and augmented.
_PIXELS = replace(_ALL, model="softmax", norms=(), activation="sigmoid", conv_bias=True)

PIXELS = Experiment(
    name="softmax-on-pixels",
    question="How far does softmax regression get on the pixels themselves?",
    arms={"pixels": replace(_PIXELS, augmentation="none"), "augmented pixels": _PIXELS},
    plan=partial(
        tuned,
        lrs=(0.0001, 0.001, 0.01),
        seeds=_FRESH,
        shared=None,
        tuning_seeds=LATER_TUNING_SEEDS[:2],
    ),
    contrasts=(Contrast("augmented pixels", "pixels", "best"),),
)

#: The source's own nets, schedule and number of epochs (Frankle et al. 2021, section 3), on the
#: images as they were published; 10,000 of its 50,000 training images are set aside here.
_DEEP = replace(
    _ALL, dataset="cifar10", epochs=160, eval_epochs=(10, 40, 80, 120, 160), schedule="two drops"
)
DEPTHS = (56, 110)


def deep_arm(trained: str, depth: int) -> str:
    """Name the arm of ONLY_NORM_DEEP that trains "everything" or "only norm" at `depth`."""
    return f"{trained}, depth {depth}"


ONLY_NORM_DEEP = Experiment(
    name="only-norm-deep",
    question="How far does batch norm alone get at the depths that the source reports?",
    arms={
        deep_arm(trained, depth): replace(_DEEP, depth=depth, trainable=subset)
        for depth in DEPTHS
        for trained, subset in (("everything", "all"), ("only norm", "norm"))
    },
    plan=_ON_FRESH,
    contrasts=(
        *(
            Contrast(deep_arm("only norm", depth), deep_arm("everything", depth), SHARED_LR)
            for depth in DEPTHS
        ),
        Contrast(deep_arm("only norm", DEPTHS[1]), deep_arm("only norm", DEPTHS[0]), SHARED_LR),
    ),
)

EXPERIMENTS = (ONLY_NORM, PRUNING, ONLY_NORM_DEEPER, PIXELS, ONLY_NORM_DEEP)
