"""Exercises of chapter 10."""

from bnbook.lab.exercises import Number, Numbers
from bnbook.lab.sigmoid import straight

_PRODUCT = 0.6
_SHARE = 0.9


def _bent() -> float:
    """Find the spread, to one decimal, at which a line explains `_SHARE` of a sigmoid."""
    spreads = [n / 10 for n in range(1, 100)]
    return min(spreads, key=lambda spread: abs(straight(spread, 0)["fit"] - _SHARE))


EXERCISES = (
    Numbers(
        id="three-times-the-weights",
        title="Three times the weights",
        text="""
            In a net with batch norm everywhere, multiply the weights of `fc1` by 3. By what factor
            does the second derivative of the loss change, along one fixed direction in the weights
            of `fc1`?
            """,
        numbers=(
            Number(
                1 / 3**2,
                digits=3,
                near={
                    1 / 3: "That is the gradient's factor. The second derivative has it twice.",
                    1: "The loss stays the same, but a step now turns the weights less far.",
                },
            ),
        ),
        hints=(
            """The loss depends on the direction of each weight vector alone. How far does a step of
            fixed length turn it now?""",
            """A step turns weights of three times the length a third as far. In the notebook,
            `second_derivative(3) / second_derivative(1)` measures it.""",
        ),
        answer=r"By $1/9 \approx 0.111$. $L(a w) = L(w)$ for all $w$. Differentiate twice: "
        r"$a^2 H(a w) = H(w)$.",
    ),
    Numbers(
        id="a-bowl",
        title="A bowl",
        text=r"""
            The loss is $\frac12 \lambda w^2$, and the learning rate is $\eta$. After one step of
            gradient descent with $\eta\lambda = 0.6$, by what share has the gradient changed,
            relative to what it was? And at which $\eta\lambda$ does the loss stop falling?
            """,
        numbers=(
            Number(
                _PRODUCT,
                label="Change, as a share",
                near={1 - _PRODUCT: "That is what is left of the gradient. How much has gone?"},
            ),
            Number(
                2,
                label="Limit of ηλ",
                near={
                    1: "There the step ends in the minimum. The loss has fallen as far as it can.",
                    0: "There is no step then. Look for the other end.",
                },
            ),
        ),
        hints=(
            r"The gradient is $\lambda w$. After the step, $w$ is $(1 - \eta\lambda)\,w$.",
            r"""Compare $\lambda (1 - \eta\lambda) w$ with $\lambda w$. And when is
            $(1 - \eta\lambda)^2 = 1$?""",
        ),
        answer=r"""
            The gradient changes by $\eta\lambda$ of itself, here 0.6: on a bowl, the gradient's
            change in a step is the learning rate times the sharpness. The loss is multiplied by
            $(1 - \eta\lambda)^2$, which reaches 1 at $\eta\lambda = 2$. Above it, gradient descent
            diverges; [Cohen et al. (2021)](../references.qmd#cohen-2021) found that full-batch
            training of nets hovers near that edge.
            """,
    ),
    Numbers(
        id="a-bent-sigmoid",
        title="When is a sigmoid bent?",
        text="""
            Inputs are normal with mean 0. Find the standard deviation gamma at which a straight
            line explains 90% of the variance of the sigmoid's output: to one decimal, the one
            that comes closest. The sliders show it roughly.
            """,
        numbers=(
            Number(
                _bent,
                digits=2,
                near={
                    _bent() + step / 10: f"""Close, but there a line explains
                        {100 * straight(_bent() + step / 10, 0)["fit"]:.1f}%."""
                    for step in (-4, -3, -2, -1, 1, 2, 3, 4)
                },
            ),
        ),
        hints=(
            "More spread, more bend: the share falls as gamma grows.",
            """Draw many normal numbers, put gamma times them through a sigmoid, and correlate the
            two. The square of the correlation is the share. In the notebook, `explained(1)` has it
            for gamma 1.""",
        ),
        answer="""
            About 2.6: a sigmoid takes a lot before it bends. Batch norm starts with a spread of 1.
            """,
    ),
)
