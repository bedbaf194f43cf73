"""What goes wrong in batch norms written by hand: each mistake, and what code with it returns.

`grade` compares a reader's arrays with these. Inputs `(rows, features)`, in float64.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Mistakes: TypeAlias = list[tuple[str, Array]]

EPS = 1e-5
#: What a mistake returns may be so far away (see `distance`).
NEAR = 2e-4


def named(got: Array, mistakes: Mistakes) -> str:
    """Say which mistake returns just this: the nearest one, or "" if none is near."""
    reasons = {distance(got, made): reason for reason, made in mistakes}
    nearest = min(reasons, default=np.inf)
    return reasons[nearest] if nearest <= NEAR else ""


def distance(got: Array, wanted: Array) -> float:
    """Largest difference, relative to the largest wanted value; infinite if not comparable."""
    if got.shape != wanted.shape or not np.isfinite(got).all():
        return float("inf")
    largest = float(np.abs(wanted).max())
    return float(np.abs(got - wanted).max()) / (largest or 1.0)


def standard(x: Array, eps: float = EPS) -> Array:
    """Normalize the columns of `x` by their mean and biased variance."""
    return np.asarray((x - x.mean(0)) / np.sqrt(x.var(0) + eps))


def outputs(x: Array, gamma: Array, beta: Array) -> Mistakes:
    """List what may have gone wrong in a forward pass, with the output for `x`."""
    columns = x.shape[1]
    mean, var, xhat = x.mean(0), x.var(0), standard(x)
    centered = x - mean
    short = x.sum(0) / columns
    row_mean, row_var = x.mean(1, keepdims=True), x.var(1, keepdims=True)
    lengths = (
        "are divided by the number of features instead of the number of rows. The batch is axis 0: "
        "`n = x.shape[0]`."
    )
    normalized = [
        (
            "The variance is squared under the root. It is a square already: `sqrt(var + eps)`.",
            centered / np.sqrt(var**2 + EPS),
        ),
        ("You divide by the variance. Divide by `sqrt(var + eps)`.", centered / (var + EPS)),
        (
            "This is the unbiased variance, divided by n − 1. Batch norm normalizes with the "
            "biased one, divided by n (`ddof=0`).",
            centered / np.sqrt(x.var(0, ddof=1) + EPS),
        ),
        (f"The sums {lengths}", (x - short) / np.sqrt(np.square(x - short).sum(0) / columns + EPS)),
        (
            f"The squares {lengths}",
            centered / np.sqrt(np.square(centered).sum(0) / columns + EPS),
        ),
        (
            "The statistics are taken along axis 1, over the features of a row: that is layer "
            "norm. Take axis 0.",
            (x - row_mean) / np.sqrt(row_var + EPS),
        ),
        (
            "There is one mean and one variance for the whole array. Each feature has its own: "
            "`axis=0`.",
            (x - x.mean()) / np.sqrt(x.var() + EPS),
        ),
        ("The mean is not subtracted.", x / np.sqrt(var + EPS)),
        ("The mean is subtracted, but nothing is divided by the standard deviation.", centered),
        (
            "The variance is taken before the mean is subtracted: that is the mean of x².",
            centered / np.sqrt(np.square(x).mean(0) + EPS),
        ),
    ]
    affine = [
        ("gamma and beta are not used.", xhat),
        ("gamma is not used.", xhat + beta),
        ("beta is not used.", gamma * xhat),
        (
            "beta is added before gamma multiplies. Return `gamma * xhat + beta`.",
            gamma * (xhat + beta),
        ),
        ("gamma and beta have changed places.", beta * xhat + gamma),
    ]
    return [(reason, gamma * z + beta) for reason, z in normalized] + affine


def epsilons(x: Array) -> Mistakes:
    """List what may have gone wrong with eps, with the output for a small `x`, gamma 1, beta 0."""
    centered, deviation = x - x.mean(0), x.std(0)
    others = [
        (f"Your eps is {eps:g}. Use 1e-5, as PyTorch does.", standard(x, eps))
        for eps in (1e-3, 1e-4, 1e-6, 1e-7, 1e-8, 1e-12)
    ]
    outside = "Epsilon is added outside the root. Divide by `sqrt(var + eps)`."
    return [
        ("Epsilon is missing under the root.", centered / deviation),
        *((outside, centered / (deviation + eps)) for eps in (EPS, 1e-8)),
        *others,
    ]


def gradients(x: Array, gamma: Array, dy: Array) -> dict[str, Mistakes]:
    """List for dx, dgamma and dbeta what may have gone wrong, with the gradient it returns."""
    n, centered, xhat = len(x), x - x.mean(0), standard(x)
    gain = gamma / np.sqrt(x.var(0) + EPS)
    dbeta, dgamma = dy.sum(0), (dy * xhat).sum(0)
    right = gain * (dy - dbeta / n - xhat * dgamma / n)
    averaged = "This is the mean over the rows. It is their sum."
    return {
        "dbeta": [(averaged, dbeta / n)],
        "dgamma": [
            (averaged, dgamma / n),
            ("dgamma is made with x. Use the normalized xhat.", (dy * x).sum(0)),
            ("dgamma is made with gamma xhat. Use xhat alone.", gamma * dgamma),
            (
                "dgamma is made with the centered x. Use xhat, which is divided as well.",
                (dy * centered).sum(0),
            ),
        ],
        "dx": [
            (
                "The mean and the variance are treated as constants. They depend on x, too: two "
                "paths are missing.",
                gain * dy,
            ),
            ("The path through the mean is missing.", right + gain * dbeta / n),
            ("The path through the variance is missing.", right + gain * xhat * dgamma / n),
            ("gamma is missing: dxhat is `dy * gamma`.", right / gamma),
            ("The division by sqrt(var + eps) is missing.", gamma * right / gain),
            (
                "The sums over the rows are not divided by n.",
                gain * (dy - dbeta - xhat * dgamma),
            ),
        ],
    }
