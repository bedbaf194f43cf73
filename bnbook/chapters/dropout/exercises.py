"""Exercises of chapter 6."""

import math

from torch import Tensor

from bnbook.lab.exercises import Line, Number, Numbers

_P = 0.2


def _is_dropout(dropped: Tensor) -> str:
    """Judge what became of ones: a share of zeros, and the mean."""
    if not math.isclose(zeros := float((dropped == 0).float().mean()), _P, abs_tol=0.02):
        return f"a share of {zeros:.2f} of the values is 0; it should be {_P:g}"
    mean = float(dropped.float().mean())
    return (
        "" if math.isclose(mean, 1, abs_tol=0.02) else f"the mean should stay 1, and is {mean:.2f}"
    )


EXERCISES = (
    Line(
        id="write-dropout",
        title="Write dropout",
        text="""
            Apply inverted dropout to a tensor: each value becomes 0 with probability $p$, and the
            others are scaled so that the mean stays.
            """,
        code="""
ones, p = torch.ones(100_000), 0.2
uniform = torch.rand(100_000, generator=torch.Generator().manual_seed(1))

dropped = ...  # inverted dropout of `ones`, from `uniform` and p
""".strip(),
        value="dropped",
        right="(uniform >= p) * ones / (1 - p)",
        wrong={
            "(uniform >= p) * ones": """The right values become 0, but the mean falls to 0.8: the
                net would see larger values in evaluation than in training.""",
            "(uniform < p) * ones / (1 - p)": """This *keeps* a value with probability $p$.""",
            "(uniform >= p) * ones / p": """A share of $1 - p$ is kept. Divide by that, and the mean
                stays.""",
        },
        judge=_is_dropout,
        hints=(
            "Keep a value where its uniform number is at least $p$. By what must it be multiplied?",
            "The mean has to stay at 1, and a fifth of the values has to be 0.",
        ),
        answer="""
            `(uniform >= p) * ones / (1 - p)`. Without the division the net would see larger values
            in evaluation than in training.
            """,
    ),
    Numbers(
        id="too-wide",
        title="How much too wide?",
        text="""
            A feature that has left a ReLU has mean 1 and variance 1. Between it and a batch norm
            there is dropout with $p = 0.2$. By what factor is the variance that the norm collects
            too large?
            """,
        numbers=(
            Number(
                (1 + 1) / (1 - _P) - 1,
                near={
                    2.5: "That is the mean square after dropout. Subtract the squared mean.",
                    1.25: "That is the factor of the mean square. The variance is what exceeds 1.",
                    0.5: "That is how much is added. Asked for is the factor.",
                },
            ),
        ),
        hints=(
            r"""A mask $m$ of inverted dropout has
            $\mathrm{E}[m^2] = (1-p) \cdot \frac{1}{(1-p)^2}$.""",
            r"The variance is $\mathrm{E}[m^2]\,\mathrm{E}[x^2] - \mu^2$.",
        ),
        answer=r"""
            $\mathrm{E}[m^2] = 1/0.8 = 1.25$ and $\mathrm{E}[x^2] = 2$, so the variance is
            $2.5 - 1 = 1.5$, too large by a factor of 1.5. A milder dropout shifts less.
            """,
    ),
    Numbers(
        id="noise-to-order",
        title="Noise to order",
        text="""
            You train with batches of 32 and like the noise of batch norm. A faster machine wants
            batches of 512. How can the normalization keep its noise? Give the number of images that
            each mean and variance should be taken over, and the number of such groups in a batch.
            """,
        numbers=(
            Number(32, label="Images in a group", near={512: "That is the whole batch."}),
            Number(512 / 32, label="Groups in a batch", near={1: "One group is the whole batch."}),
        ),
        hints=(
            """The noise depends on how many images share one mean. Who says that it has to be the
            whole batch?""",
            "As many images as before share a mean.",
        ),
        answer="""
            Normalize groups of 32 images, 16 of them in a batch, each with its own mean and
            variance. That is ghost batch norm
            ([Hoffer et al., 2017](../references.qmd#hoffer-2017)); nets trained on many machines do
            so without trying, when each machine normalizes its own part.
            """,
    ),
)
