"""Projections onto other sets than batch norm's.

Batch norm (without gamma and beta) moves the values of one feature to the nearest ones of mean
0 and mean square 1. The layers here change the set, and whose values are moved.
"""

from torch import Tensor
from torch.nn import functional

from bnbook.norms.base import FeatureNorm
from bnbook.norms.batch import StandardNorm


class SphereNorm(FeatureNorm):
    """Move each sample to the nearest point of a sphere: `gamma x / rms(x) + beta`.

    The root mean square is over all features of the sample, in a feature map over its positions
    as well: `x` with 2 or 4 dimensions. This is RMSNorm (Zhang & Sennrich 2019, section 4), with a
    beta as all norms here have. Nothing depends on the batch, so there is nothing to store.
    """

    def _transform(self, x: Tensor) -> Tensor:
        return self._affine(functional.rms_norm(x, x.shape[1:], eps=self.eps))


class ConeNorm(FeatureNorm):
    """Move each sample to the nearest point of a sphere that has no negative coordinate.

    The vectors without negative coordinates are a convex cone. The nearest point on the cone is
    max(x, 0), and the nearest one on both cone and sphere is that, scaled (Bauschke, Bui & Wang
    2018): `gamma max(x, 0) / rms(max(x, 0)) + beta`. A
    sample without any positive coordinate becomes 0 and passes no gradient.
    """

    def _transform(self, x: Tensor) -> Tensor:
        return self._affine(functional.rms_norm(x.relu(), x.shape[1:], eps=self.eps))


class SymmetricNorm(StandardNorm):
    """Batch norm of feature maps made symmetric; after a linear layer, batch norm.

    The group is that of the four flips of a map: none, left-right, up-down, both. Averaging over
    a group is the projection onto what it leaves unchanged (the Reynolds operator), here onto the
    maps that look the same in both mirrors. Positions are needed: `(batch, features)` has none.
    """

    def _transform(self, x: Tensor) -> Tensor:
        for side in range(2, x.dim()):
            x = (x + x.flip(side)) / 2
        z, measured = self._standardized(x)
        self._track(x, **measured)
        return self._affine(z)
