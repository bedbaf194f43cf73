"""Exercises of chapter 13."""

import statistics

from bnbook import models, training
from bnbook.chapters.only_batch_norm.experiments import ONLY_NORM
from bnbook.lab.exercises import Number, Numbers

_MOMENTUM = 0.9


def _numbers_of(arm: str) -> int:
    """Count what the norms of a net train."""
    net = training.build(ONLY_NORM.arms[arm], (3, 32, 32))
    return sum(models.parameter_count(slot) for slot in models.norm_slots(net).values())


EXERCISES = (
    Numbers(
        id="what-gamma-can-do",
        title="What a gamma can do",
        text=r"""
            A feature $\hat x$ is standard normal. Batch norm turns it into $\gamma \hat x + \beta$,
            and a ReLU follows. With $\gamma = -2$, for which $\beta$ does the ReLU let through
            exactly the half of all values with the smallest $\hat x$?
            """,
        numbers=(
            Number(
                2 * statistics.NormalDist().inv_cdf(0.5),
                near={
                    2: r"Then it lets through all $\hat x$ below 1, which is more than half.",
                    -2: r"Then it lets through all $\hat x$ below $-1$, which is less than half.",
                },
            ),
        ),
        hints=(
            r"It lets through what is above 0. Where does $-2 \hat x + \beta$ change its sign?",
            "The median of a standard normal is 0.",
        ),
        answer=r"""
            At $\hat x = \beta / 2$. Half of all values are below 0, so $\beta = 0$. A negative
            $\gamma$ turns the feature around: a frozen convolution can be made to look for the
            opposite of what it was drawn to look for.
            """,
    ),
    Numbers(
        id="depth-or-width",
        title="Depth or width",
        text="""
            With only batch norm trained, a net of depth 14 trains 1,120 numbers. How many does a
            net of depth 8 train that is twice as wide? Count before you look.
            """,
        numbers=(
            Number(
                lambda: _numbers_of("only norm, twice as wide"),
                near={
                    672: "There are that many channels. Each has two numbers.",
                    336: "There are that many channels at width 1, and each has two numbers.",
                    960: "Do not forget the norms in the two shortcuts.",
                },
            ),
        ),
        hints=(
            """At width 1 and depth 8 there are norms with 16 channels after the first convolution,
            and then per stage two in the block; stages 2 and 3 have one more in the shortcut.""",
            "Two numbers for each channel that leaves a convolution.",
        ),
        answer=r"""
            At width 1: $16 + 2 \cdot 16 + 3 \cdot 32 + 3 \cdot 64 = 336$ channels, so 672 numbers.
            Twice as wide: 1,344. By the number of parameters the comparison is not fair: the wider
            net has more to train.
            """,
    ),
    Numbers(
        id="a-frozen-weight-moves",
        title="A frozen weight that moves",
        text=r"""
            A weight's gradient is set to zero (not removed) after the first step. SGD has momentum
            0.9 and learning rate $\eta$. The first step moved the weight by $d$. If training goes
            on for long, how far from its start does it end? Give a multiple of $d$.
            """,
        numbers=(
            Number(
                1 / (1 - _MOMENTUM),
                near={
                    9: "Count the first step, too.",
                    1.9: "It does not stop after the second step.",
                    1: "Momentum goes on moving it, with no gradient at all.",
                },
            ),
        ),
        hints=("Each step moves it by 0.9 times the step before.", "Sum the geometric series."),
        answer=r"""
            $d\,(1 + 0.9 + 0.81 + \dots)$, which is $d / (1 - 0.9) = 10\,d$. "Frozen" after one
            step, it still goes ten times as far as that step.
            """,
    ),
)
