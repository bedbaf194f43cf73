"""Exercises of chapter 7."""

import math

from bnbook.lab.exercises import Number, Numbers

_ROWS, _FEATURES = 8, 1024
_X = (-1, 3, 4, -2)


def _rms(x: tuple[float, ...]) -> float:
    return math.sqrt(sum(one**2 for one in x) / len(x))


def _coordinates() -> tuple[Number, ...]:
    """Ask for the point of the cone, and know the point of the sphere."""
    positive = tuple(max(0, one) for one in _X)
    places = ("First", "Second", "Third", "Fourth")
    return tuple(
        Number(
            kept / _rms(positive),
            digits=2,
            label=f"{place} coordinate",
            near={
                one / _rms(_X): """That is the nearest point of the sphere. Deal with the negative
                    coordinates first, then with the length.""",
                one: "Now bring the root mean square to 1." if kept else "It must not be negative.",
            },
        )
        for place, one, kept in zip(places, _X, positive, strict=True)
    )


EXERCISES = (
    Numbers(
        id="batch-of-eight",
        title="A batch of eight",
        text=r"""
            Eight images, 120 features, whitened by ZCA (leave out $\varepsilon$). How far apart are
            any two of the whitened rows?
            """,
        numbers=(
            Number(
                math.sqrt(2 * _ROWS),
                near={
                    math.sqrt(2 * (_ROWS - 1)): """The rows are not at right angles: they add up to
                        zero, so each leans away from the others.""",
                    math.sqrt(2): r"That is for $Y Y^\top$. It is $Y Y^\top / n$ that projects.",
                },
            ),
        ),
        hints=(
            r"""Let $Y$ hold the whitened rows. Eight centered rows span at most seven directions.
            Along these the covariance $Y^\top Y / n$ is the identity, along all others it is 0.
            What can $Y Y^\top$ be then?""",
            "The square of the distance is $2n$.",
        ),
        answer=r"""
            $Y^\top Y / n$ is a projection onto seven directions, so $Y Y^\top / n$ is one, too, in
            the space of the eight rows: onto what is left when their mean is taken away,
            $I - \frac1n \mathbf 1 \mathbf 1^\top$. So $|y_i - y_j|^2 = n(1 + 1) = 2n$: a distance
            of $\sqrt{16} = 4$ between any two, whatever the images show.
            """,
    ),
    Numbers(
        id="numbers-of-a-covariance",
        title="How many numbers?",
        text="""
            A layer has 1,024 features. How many numbers does a covariance have that is full; in
            blocks of eight; and in the two factors of a Monarch matrix, for a grid of 32 rows and
            32 columns? Count every entry of a block, equal ones twice.
            """,
        numbers=(
            Number(
                _FEATURES**2,
                label="Full",
                near={_FEATURES * (_FEATURES + 1) / 2: "Count equal entries twice."},
            ),
            Number(
                _FEATURES / 8 * 8**2,
                label="Blocks of eight",
                near={8**2: "That is one block.", _FEATURES / 8: "That is the number of blocks."},
            ),
            Number(
                2 * 32 * 32**2,
                label="Monarch",
                near={32 * 32**2: "There are two factors.", 2 * 32**2: "Each has 32 blocks."},
            ),
        ),
        hints=(
            """A block of size $b$ has $b^2$ entries, and there are $f / b$ of them. Monarch has two
            factors.""",
            "$f^2$; $8 f$; and twice 32 blocks of $32^2$.",
        ),
        answer=r"""
            $1024^2 = 1{,}048{,}576$; $128 \cdot 8^2 = 8{,}192$; $2 \cdot 32 \cdot 32^2 =
            65{,}536$. A batch of 1,024 rows holds one value for each number of the full covariance,
            and sixteen for each number of Monarch's factors.
            """,
    ),
    Numbers(
        id="onto-the-cone",
        title="Onto the cone",
        text="""
            Project $x = (-1, 3, 4, -2)$ onto the sphere of root mean square 1, and onto the part of
            it that lies in the cone, which has no negative coordinates. Where does it end there?
            """,
        numbers=_coordinates(),
        hints=(
            "First the negative coordinates, then the length.",
            r"The root mean square of $(0, 3, 4, 0)$ is $\sqrt{25 / 4}$.",
        ),
        answer=r"""
            Onto the sphere: divide by $\sqrt{30 / 4} \approx 2.74$, which gives
            $(-0.37, 1.10, 1.46, -0.73)$. Onto the part in the cone: $(0, 3, 4, 0) / 2.5 =
            (0, 1.2, 1.6, 0)$. That moves $x$ farther: the nearest point of a part cannot be nearer
            than that of the whole.
            """,
    ),
)
