"""Chapter 3: batch norm in every subset of the four places."""

from functools import partial

from bnbook.experiment import (
    FEW_SEEDS,
    LATER_SEEDS,
    Contrast,
    Experiment,
    against,
    fixed,
    subsets,
)
from bnbook.run import Run

LAYER_LRS = (0.1, 1.0)
#: The slots that hold a norm where one is taken out: the first, the second, ...
WITHOUT_ONE = ("234", "134", "124", "123")

_LAYERS = Run(train_size=50_000, epochs=8, eval_epochs=(1, 2, 4, 8))

PER_LAYER = Experiment(
    name="per-layer",
    question="Does every layer need its batch norm?",
    arms=subsets(_LAYERS),
    plan=partial(fixed, lrs=LAYER_LRS, seeds=FEW_SEEDS),
    contrasts=against("1234", WITHOUT_ONE, LAYER_LRS),
)
PER_LAYER_AGAIN = Experiment(
    name="per-layer-again",
    question="Which layer's batch norm is missed most? Ten fresh seeds",
    arms={name: run for name, run in subsets(_LAYERS).items() if name in ("1234", *WITHOUT_ONE)},
    plan=partial(fixed, lrs=LAYER_LRS, seeds=LATER_SEEDS[:10]),
    contrasts=(
        *against("1234", WITHOUT_ONE, LAYER_LRS),
        # Is the first one missed more than each of the others?
        *(Contrast("234", other, lr) for lr in LAYER_LRS for other in WITHOUT_ONE[1:]),
    ),
)

EXPERIMENTS = (PER_LAYER, PER_LAYER_AGAIN)
