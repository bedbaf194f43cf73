"""Exercises of chapter 2."""

import math

from bnbook.lab.exercises import Number, Numbers

_SHARES = (0.5, 0.25, 0.25)
_Z = 1.96

EXERCISES = (
    Numbers(
        id="loss-of-a-guess",
        title="Chance-level loss",
        text="""
            A data set has three classes, with shares 0.5, 0.25 and 0.25. A net on its plateau gives
            the same probabilities to all images. What is the lowest cross-entropy loss that it can
            reach?
            """,
        numbers=(
            Number(
                -sum(p * math.log(p) for p in _SHARES),
                digits=3,
                near={
                    math.log(3): "That would be the loss if the three shares were equal.",
                    1.5: "That is in bits. The loss uses natural logarithms.",
                },
            ),
        ),
        hints=(
            r"Which probabilities $q$ make $-\sum_k p_k \ln q_k$ smallest, if $p$ are the shares?",
            "It is the entropy of the shares, with natural logarithms.",
        ),
        answer=r"""
            The best constant answer is $q = p$, and the loss is the entropy
            $-\sum_k p_k \ln p_k$, which is $0.5 \ln 2 + 2 \cdot 0.25 \ln 4 = 1.5 \ln 2 \approx
            1.04$. A training loss that stays at the entropy of the classes is the mark of a
            plateau.
            """,
    ),
    Numbers(
        id="ten-times-the-weights",
        title="Ten times the weights",
        text="""
            A colleague starts your net with batch norm from hidden weights that are ten times as
            large. Your learning rate is 0.1. Which rate must they give to these weights, so that
            both nets compute the same function after every step? (All other parameters keep 0.1.)
            """,
        numbers=(
            Number(
                10**2 * 0.1,
                near={
                    1: """Ten times as large a step, but their gradient is only a tenth of yours:
                        one more factor of ten.""",
                    0.1: """At the same rate their step is a tenth of yours, on weights that are ten
                        times as large.""",
                    100: "That is the factor. Multiply your rate by it.",
                    0.001: """Their gradient is smaller, and their step has to be larger. Turn the
                        factor around.""",
                },
            ),
        ),
        hints=(
            r"""Their weights are $aW$ and their gradient is $\nabla L(W)/a$. After a step they
            should have $a\,(W - \eta\,\nabla L(W))$.""",
            "The gradient is a tenth, and the step has to be ten times as large.",
        ),
        answer=r"""
            $aW - \eta' \nabla L(W)/a = a\,(W - \eta\,\nabla L(W))$ gives $\eta' = a^2 \eta$, here
            $100 \cdot 0.1 = 10$. A learning rate before batch norm has no meaning of its own: only
            its ratio to the squared norm of the weights has.
            """,
    ),
    Numbers(
        id="five-of-five",
        title="Five of five",
        text="""
            Five of five seeds train. The 95% Wilson interval for the share then reaches down to
            $n / (n + z^2)$ with $n = 5$ and $z = 1.96$, which is only 57%. How many seeds, all of
            them training, does it take for that limit to be 90% or more?
            """,
        numbers=(
            Number(
                math.ceil(0.9 / 0.1 * _Z**2),
                near={
                    34: "Just too few: with 34 the limit is 89.8%. Round up.",
                    18: r"Square $z$.",
                },
            ),
        ),
        hints=(
            r"Solve $n / (n + z^2) \ge 0.9$ for $n$, and round up.",
            "Nine times the square of 1.96, rounded up.",
        ),
        answer=r"""
            $n \ge 9 z^2 = 34.6$, so 35. To show that something never fails takes many more seeds
            than to show that it works.
            """,
    ),
)
