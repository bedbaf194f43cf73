"""Exercises of chapter 12."""

from bnbook.lab.exercises import Number, Numbers

_PRICE = 1.31
_OPERATIONS, _INPUTS = 6 + 7, 64 * 3 * 3
_SHARES = {"forward": 0.3, "backward": 0.5, "update": 0.2}
_FACTORS = {"forward": 1.5, "backward": 1.3, "update": 1.0}

EXERCISES = (
    Numbers(
        id="when-it-pays",
        title="When does it pay?",
        text="""
            Suppose a step takes 1.31 times as long with batch norm. What share of the steps may it
            still take to be no slower on the clock?
            """,
        numbers=(
            Number(
                1 / _PRICE,
                digits=3,
                near={
                    1 - 1 / _PRICE: "That is the share that it has to save.",
                    2 - _PRICE: "Time is a product of steps and seconds per step: divide.",
                },
            ),
        ),
        hints=("The time to the goal is multiplied by $k r$.", "Set $k r = 1$."),
        answer=r"""
            $r = 1 / 1.31 \approx 0.763$. It has to save about a quarter of the steps; anything
            beyond that is a gain.
            """,
    ),
    Numbers(
        id="a-wide-convolution",
        title="A wide convolution",
        text="""
            A convolution of 3×3 on 64 channels, then batch norm. By the count above (13 operations
            a value for batch norm, $6m$ for the layer), how many operations does batch norm add, as
            a share of the convolution's?
            """,
        numbers=(
            Number(
                _OPERATIONS / (6 * _INPUTS),
                digits=2,
                near={
                    _OPERATIONS / _INPUTS: "The layer has $6m$ operations a value, not $m$.",
                    _OPERATIONS / (6 * 64): "Each value is made from 3×3 places in 64 channels.",
                    _OPERATIONS / (6 * 9): "Each value is made from 3×3 places in 64 channels.",
                },
            ),
        ),
        hints=(
            r"Each value that leaves the convolution is made from $m = 64 \cdot 3 \cdot 3$ inputs.",
            "$13 / (6 m)$.",
        ),
        answer=r"""
            $m = 576$, so $13 / 3456 \approx 0.0038$: less than half a percent. Its share of the
            *time* is larger, because batch norm waits for memory and the convolution does not.
            """,
    ),
    Numbers(
        id="what-the-update-hides",
        title="What the update hides",
        text="""
            Of a step without batch norm the forward pass takes 30%, the backward pass 50%, the
            update 20%. With batch norm the forward pass takes 1.5 times and the backward pass 1.3
            times as long; the update stays. How many times as long is the step?
            """,
        numbers=(
            Number(
                sum(share * _FACTORS[part] for part, share in _SHARES.items()),
                near={
                    1.4: "Forward and backward passes do not take the same share of a step.",
                    1.1: "The update takes time, too.",
                    0.3: "That is how much longer it is. Asked for is the whole.",
                    1.375: "That is without the update, which dilutes it.",
                },
            ),
        ),
        hints=("Weight each factor by its share.", "A weighted mean of 1.5, 1.3 and 1."),
        answer=r"""
            $0.3 \cdot 1.5 + 0.5 \cdot 1.3 + 0.2 = 1.3$. The slowest part of a step does not set its
            price; the shares do. An optimizer with more work for each weight, such as Adam, makes
            batch norm look cheaper.
            """,
    ),
)
