"""Whitening: features that are uncorrelated, too.

Batch norm divides by the diagonal of the covariance; whitening by all of it, or by blocks of it.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bnbook.norms.base import BatchedNorm

#: Iterations of Newton's method, as many as Huang et al. (2019) take.
ITERATIONS = 5
#: Blocks have at most this many features.
BLOCK = 8


def block_size(num_features: int) -> int:
    """Size of equal blocks: the largest divisor of `num_features` up to `BLOCK`."""
    return max(size for size in range(1, BLOCK + 1) if num_features % size == 0)


def grid_sides(num_features: int) -> tuple[int, int]:
    """Rows and columns of the squarest table that `num_features` fill; rows do not exceed."""
    rows = max(r for r in range(1, int(num_features**0.5) + 1) if num_features % r == 0)
    return rows, num_features // rows


class _Roots(torch.autograd.Function):
    """cov^(1/2) and cov^(-1/2) of symmetric matrices `(…, d, d)`, which no eigenvalue upsets.

    Autograd through `eigh` divides by the differences of eigenvalues. From Q Q = cov follows
    dQ Q + Q dQ = dcov, which has a solution where eigenvalues coincide, too.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(cov: Tensor, least: float) -> tuple[Tensor, ...]:
        values, vectors = _eigh(cov)
        s = values.clamp(min=least).sqrt()
        root = (vectors * s.unsqueeze(-2)) @ vectors.mT
        inverse = (vectors / s.unsqueeze(-2)) @ vectors.mT
        return root, inverse, s, vectors

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: tuple[Tensor, ...]) -> None:  # noqa: ARG004
        ctx.mark_non_differentiable(*output[2:])
        ctx.save_for_backward(*output)
        ctx.save_for_forward(*output)

    @staticmethod
    def backward(ctx: Any, droot: Tensor, dinverse: Tensor, *_: Tensor) -> tuple[Tensor, None]:
        root, inverse, *eigen = ctx.saved_tensors
        return _Lyapunov.apply(root, droot - inverse @ dinverse @ inverse, *eigen), None

    @staticmethod
    def jvp(ctx: Any, dcov: Tensor, _: None) -> tuple[Tensor | None, ...]:
        root, inverse, *eigen = ctx.saved_tensors
        droot = _Lyapunov.apply(root, dcov, *eigen)
        return droot, -inverse @ droot @ inverse, None, None


class _Lyapunov(torch.autograd.Function):
    """The matrix X with X Q + Q X = `right`, given Q and its eigenvalues `s` and eigenvectors."""

    generate_vmap_rule = True

    @staticmethod
    def forward(q: Tensor, right: Tensor, s: Tensor, vectors: Tensor) -> Tensor:  # noqa: ARG004
        inner = vectors.mT @ right @ vectors / (s.unsqueeze(-1) + s.unsqueeze(-2))
        return vectors @ inner @ vectors.mT

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        q, _, *eigen = inputs
        ctx.save_for_backward(q, output, *eigen)
        ctx.save_for_forward(q, output, *eigen)

    @staticmethod
    def backward(ctx: Any, dx: Tensor) -> tuple[Tensor | None, ...]:
        q, x, *eigen = ctx.saved_tensors
        dright = _Lyapunov.apply(q, dx, *eigen)
        return -(dright @ x + x @ dright), dright, None, None

    @staticmethod
    def jvp(ctx: Any, dq: Tensor, dright: Tensor, *_: None) -> Tensor:
        q, x, *eigen = ctx.saved_tensors
        dx: Tensor = _Lyapunov.apply(q, dright - x @ dq - dq @ x, *eigen)
        return dx


class _Axes(torch.autograd.Function):
    """Eigenvalues `(…, d)` and eigenvectors `(…, d, d)` with a bounded gradient.

    The gradient of an eigenvector has 1 / (difference of eigenvalues). Here d / (d² + least²)
    stands for 1 / d: right where eigenvalues are apart, at most 1 / (2 least) where they meet.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(cov: Tensor, least: float) -> tuple[Tensor, Tensor]:  # noqa: ARG004
        return _eigh(cov)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*output)
        ctx.save_for_forward(*output)
        ctx.least = inputs[1]

    @staticmethod
    def backward(ctx: Any, dvalues: Tensor, dvectors: Tensor) -> tuple[Tensor, None]:
        values, vectors = ctx.saved_tensors
        gap = values.unsqueeze(-2) - values.unsqueeze(-1)
        inner = (vectors.mT @ dvectors) * gap / (gap.square() + ctx.least**2)
        inner.diagonal(dim1=-2, dim2=-1).add_(dvalues)
        return vectors @ inner @ vectors.mT, None

    @staticmethod
    def jvp(ctx: Any, dcov: Tensor, _: None) -> tuple[Tensor, Tensor]:
        values, vectors = ctx.saved_tensors
        gap = values.unsqueeze(-2) - values.unsqueeze(-1)
        inner = vectors.mT @ dcov @ vectors
        turned = vectors @ (inner * gap / (gap.square() + ctx.least**2))
        return inner.diagonal(dim1=-2, dim2=-1), turned


def _eigh(cov: Tensor) -> tuple[Tensor, Tensor]:
    """`torch.linalg.eigh`, but NaN for what is not finite: a failed run is a result, no error."""
    finite = torch.isfinite(cov).all()
    values, vectors = torch.linalg.eigh(torch.where(finite, cov, 0.0))
    return torch.where(finite, values, torch.nan), torch.where(finite, vectors, torch.nan)


def zca(cov: Tensor, least: float) -> Tensor:
    """ZCA: the symmetric root cov^(-1/2), `(…, d, d)`; of all whitening the nearest to none."""
    inverse: Tensor = _Roots.apply(cov, least)[1]
    return inverse


def newton(cov: Tensor, least: float) -> Tensor:  # noqa: ARG001
    """ZCA by Newton's iteration, matrix products only (Huang et al. 2019, algorithm 1).

    In its coupled form, which rounding does not upset: both factors stay together. After few
    iterations directions of small variance are whitened in part: by design, as in the paper.
    """
    trace = cov.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    eye = torch.eye(cov.shape[-1], dtype=cov.dtype, device=cov.device)
    root, inverse = cov / trace, eye
    for _ in range(ITERATIONS):
        step = 1.5 * eye - 0.5 * inverse @ root
        root, inverse = root @ step, step @ inverse
    return inverse / trace.sqrt()


def pca(cov: Tensor, least: float) -> Tensor:
    """PCA: the axes of the data, longest first, each divided by its length, `(…, d, d)`."""
    values, vectors = _Axes.apply(cov, least)
    root: Tensor = (vectors / values.clamp(min=least).sqrt().unsqueeze(-2)).mT.flip(-2)
    return root


class WhiteningNorm(BatchedNorm):
    """ZCA whitening by eigendecomposition: `gamma cov^(-1/2) (x - mean) + beta`.

    `x` with 2 or 4 dimensions; a feature's values are those of all samples and positions. Huang
    et al. (2018), section 3: every output has variance 1, and any two are uncorrelated.

    `cov` is the biased covariance of the batch plus `eps` on its diagonal, which bounds what a
    direction without variance is multiplied by: 1 / sqrt(eps). A batch with no more values per
    feature than features is taken: its covariance is singular, the directions that the batch
    leaves empty stay empty, and any two of its samples end up equally far apart, whatever they
    were. Eval uses the average covariance, fed with the unbiased estimates as in batch norm; an
    average of inverse roots would be ruled by the batches with the smallest variances.
    """

    root: Callable[[Tensor, float], Tensor] = staticmethod(zca)

    def _blocks(self) -> tuple[int, ...]:
        """Sizes of the blocks that are whitened, one for each block-diagonal factor."""
        return (self.num_features,)

    def _initial(self) -> dict[str, Tensor]:
        first = {"running_mean": torch.zeros(self.num_features)}
        for index, size in enumerate(self._blocks()):
            first[f"running_cov{index}"] = torch.eye(size).repeat(self.num_features // size, 1, 1)
        return first

    def _transform(self, x: Tensor) -> Tensor:
        if self._measures:
            self._count(x)
        # (batch, features, values), with one batch of all values where there are no positions.
        values = x.flatten(2) if x.dim() > 2 else x.t().unsqueeze(0)
        with torch.autocast(x.device.type, enabled=False):
            y = self._whitened(values)
        return self._affine(y.view_as(x) if x.dim() > 2 else y.squeeze(0).t())

    def _whitened(self, values: Tensor) -> Tensor:
        n = values.numel() // self.num_features
        mean = values.mean((0, 2)) if self._measures else self._running("running_mean", values)
        measured = {"running_mean": mean}
        sizes = self._blocks()
        z = (values - mean.unsqueeze(1)).unflatten(1, (-1, sizes[0]))
        for index, size in enumerate(sizes):
            if index:
                z = z.transpose(1, 2)  # from the rows of a table of features to its columns
            name = f"running_cov{index}"
            if self._measures:
                cov = (z @ z.mT).sum(0) / n
                measured[name] = cov * (n / (n - 1))
            else:
                cov = self._running(name, values)
            eye = torch.eye(size, dtype=cov.dtype, device=cov.device)
            z = self.root(cov + self.eps * eye, self.eps) @ z
        if len(sizes) > 1:
            z = z.transpose(1, 2)
        self._track(values, **measured)
        y: Tensor = z.flatten(1, 2)
        return y


class NewtonNorm(WhiteningNorm):
    """ZCA whitening by `ITERATIONS` of Newton's method (IterNorm, Huang et al. 2019).

    As `WhiteningNorm`, without an eigendecomposition: matrix products only, which is what GPUs
    are good at. What the few iterations leave correlated is part of the method.
    """

    root = staticmethod(newton)


class PCANorm(WhiteningNorm):
    """PCA whitening: feature k becomes the sample's place along the batch's k-th longest axis.

    Here to show why not: axes are known up to their sign, and change places where their lengths
    do, so that a feature means something else in every batch ("stochastic axis swapping", Huang
    et al. 2018). The gradient is bounded where two lengths meet (see `_Axes`).
    """

    root = staticmethod(pca)


class BlockNorm(WhiteningNorm):
    """ZCA whitening of blocks of up to `BLOCK` neighboring features (see `block_size`).

    The block-diagonal matrix has f·`BLOCK` numbers instead of f², and a batch needs a few times
    `BLOCK` values per feature instead of a few times f ("group whitening", Huang et al. 2018).
    """

    def _blocks(self) -> tuple[int, ...]:
        return (block_size(self.num_features),)


class MonarchNorm(WhiteningNorm):
    """Whitening by a Monarch matrix: two block-diagonal factors with a transposition between.

    Write the features into a table, as square as can be (see `grid_sides`), and whiten each of
    its rows; then whiten each of its columns. The f features then take about 2 f·√f numbers
    instead of f², and every feature has met every other, if through a third (Dao et al. 2022,
    section 3.1). Columns come out white, rows no longer quite.
    """

    def _blocks(self) -> tuple[int, ...]:
        rows, columns = grid_sides(self.num_features)
        return (columns, rows)
