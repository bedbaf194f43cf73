"""Batch norm that keeps the large values only."""

from torch import Tensor
from torch.nn import functional

from bnbook.norms.batch import StandardNorm

#: Half of all normally distributed values lie within this many standard deviations.
THRESHOLD = 0.6745


class SparseNorm(StandardNorm):
    """Batch norm with a soft threshold: `gamma soft(xhat) + beta`.

    soft(z) is 0 within ±`THRESHOLD` and moves all other values by as much toward 0, so that about
    half of what the layer passes on is beta alone. It is the proximal step of an l1 penalty
    (Parikh & Boyd 2014): the sparsest answer near xhat. A norm sees values but no
    loss, so that this is the l1 penalty which fits its place; a penalty on gamma would belong to
    the optimizer. Values within the threshold pass no gradient.
    """

    def _transform(self, x: Tensor) -> Tensor:
        z, measured = self._standardized(x)
        self._track(x, **measured)
        return self._affine(functional.softshrink(z, THRESHOLD))
