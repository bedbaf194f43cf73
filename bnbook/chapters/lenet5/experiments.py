"""Chapter 14: the lab session's LeNet-5, by its own recipe."""

from dataclasses import replace
from functools import partial

from bnbook.experiment import (
    BATCH_NORM,
    FEW_SEEDS,
    LATER_SEEDS,
    Contrast,
    Experiment,
    against,
    fixed,
)
from bnbook.run import Run

#: The sheet's learning rate; and one at which the steps are ten times as long.
SHEET_LR = 0.01
LONG_STEPS_LR = 0.1

#: The sheet trains on 80% of the images and one more, for 50 epochs.
_PLAIN = Run(
    activation="relu",
    pooling="max",
    input_transform="svhn-like",
    momentum=0.9,
    weight_decay=1e-6,
    lr=SHEET_LR,
    train_size=48_001,
    epochs=6,
    record_fit=True,
)
_SVHN = replace(_PLAIN, dataset="svhn", input_transform="signed", train_size=58_606)


#: Faster: validation accuracy after the first epoch. Better: test accuracy after the last.
LAB_SESSION = Experiment(
    name="lab-session",
    question="Does batch norm make LeNet-5 converge faster and end better on MNIST?",
    arms={"with BN": replace(_PLAIN, norms=BATCH_NORM), "without BN": _PLAIN},
    plan=partial(fixed, lrs=(SHEET_LR, LONG_STEPS_LR), seeds=FEW_SEEDS),
    contrasts=against("without BN", ["with BN"], [SHEET_LR, LONG_STEPS_LR]),
)
LAB_SESSION_SVHN = replace(
    LAB_SESSION,
    name="lab-session-svhn",
    question="And does it do so on SVHN?",
    arms={"with BN": replace(_SVHN, norms=BATCH_NORM), "without BN": _SVHN},
)


LAB_SESSION_LONG = Experiment(
    name="lab-session-long",
    question="Does LeNet-5 end better with batch norm after the sheet's 50 epochs?",
    arms={
        name: replace(run, epochs=50, eval_epochs=(1, 2, 5, 10, 20, 35, 50))
        for name, run in LAB_SESSION.arms.items()
    },
    plan=partial(fixed, lrs=(SHEET_LR, LONG_STEPS_LR), seeds=LATER_SEEDS[:5]),
    contrasts=(
        *against("without BN", ["with BN"], [SHEET_LR, LONG_STEPS_LR]),
        # Each at the better of the two, as other seeds had it on validation images.
        Contrast("with BN", "without BN", (LONG_STEPS_LR, SHEET_LR)),
    ),
)

EXPERIMENTS = (LAB_SESSION, LAB_SESSION_SVHN, LAB_SESSION_LONG)
