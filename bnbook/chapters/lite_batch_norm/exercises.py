"""Exercises of chapter 4."""

import math

import torch

from bnbook import norms
from bnbook.lab.exercises import Choice, Number, Numbers


def _same_in_both_orders() -> str:
    mean, variance = norms.MeanNorm(5), norms.VarianceNorm(5)
    x = 3 * torch.randn(64, 5, generator=torch.Generator().manual_seed(0)) + 2
    return str(torch.allclose(mean(variance(x)), variance(mean(x)), atol=1e-4))


EXERCISES = (
    Choice(
        id="two-halves",
        title="Two halves make a whole",
        text=r"""
            Put a mean-only and a variance-only norm one after the other, both with $\gamma = 1$ and
            $\beta = 0$. Centering first and dividing second is full batch norm, since centering
            does not change the variance. True or false: it is full batch norm in the other order,
            too.
            """,
        choices={
            "True": "Divide first: what is the mean then, and what is left when you subtract it?",
            "False": """Variance-only norm divides by the *centered* variance. What is the mean of
                what it returns?""",
        },
        right=_same_in_both_orders,
        hints=(
            r"What is the mean of $x / \sqrt{\sigma^2 + \varepsilon}$?",
            "A constant factor can be taken out of a mean.",
        ),
        answer=r"""
            True. The mean of $x / s$ is $\mu / s$, so dividing first gives $x/s - \mu/s =
            (x - \mu)/s$. The order does not matter. It would with the uncentered
            $\frac1n\sum_i x_i^2$ in place of the variance.
            """,
    ),
    Numbers(
        id="uncentered",
        title="Forgetting to center the variance",
        text=r"""
            Some code divides by the root of the mean square, $\sqrt{\frac1n \sum_i x_i^2}$, and
            calls it the standard deviation. A feature has mean 6 and standard deviation 1. What is
            its standard deviation after such a division?
            """,
        numbers=(
            Number(
                1 / math.sqrt(1 + 6**2),
                digits=3,
                near={
                    1 / 6: "The mean square is the squared mean plus the variance.",
                    1: """It would be 1 after dividing by the standard deviation. The root mean
                        square is larger.""",
                    6 / math.sqrt(37): "That is the mean after the division.",
                },
            ),
        ),
        hints=(
            "The mean square is the variance plus the squared mean.",
            "Divide 1 by the root of the mean square.",
        ),
        answer=r"""
            $1 / \sqrt{1 + 6^2} \approx 0.164$. The output has a mean square of 1 and does not
            saturate the sigmoid, but what tells the images apart has shrunk to a sixth. Taken over
            the features of one example instead of over the batch, the same formula is called RMS
            norm.
            """,
    ),
)
