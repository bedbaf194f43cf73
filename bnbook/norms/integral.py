"""The probability integral transform: every feature through its own distribution function."""

import math

import torch
from torch import Tensor

from bnbook.norms.base import along
from bnbook.norms.batch import StandardNorm

#: The curve stands on so many bins of equal width between ±`REACH` standard deviations. An odd
#: number: a feature that never changes is then at the middle of a bin, F = 1/2.
BINS = 33
REACH = 4.0


class IntegralNorm(StandardNorm):
    """Spread every feature evenly: `gamma sqrt(12) (F(x) - 1/2) + beta`.

    F is the feature's distribution function, so that F(x) is uniform on (0, 1) whatever the shape
    of x's distribution (Fisher's probability integral transform); the factor gives the result
    batch norm's mean 0 and variance 1. In images this is histogram equalization.

    F is an estimate. x is standardized as in batch norm, and counted in `BINS` bins; between
    the edges of a bin F is a straight line. Values beyond `REACH` count as at the end, and ties
    share the slope of their bin instead of jumping. In eval mode F is the stored one: mean,
    variance and the bins' shares, averaged over batches.

    The gradient is that of this estimate: the slope of F, which is the density of the bin,
    then batch norm's, with the way mean and variance depend on the batch. It ignores what is no
    slope: that a value which crosses an edge changes the counts.
    """

    def _initial(self) -> dict[str, Tensor]:
        # The shares of a normal distribution, as mean 0 and variance 1 are its moments.
        edges = torch.linspace(-REACH, REACH, BINS + 1)
        below = torch.special.ndtr(edges)
        below[0], below[-1] = 0, 1
        return super()._initial() | {"running_share": below.diff().repeat(self.num_features, 1)}

    def _transform(self, x: Tensor) -> Tensor:
        z, measured = self._standardized(x)
        bins = self._bins(z)
        if self._measures:
            counts = bins.bincount(minlength=self.num_features * BINS).view(-1, BINS)
            share = counts.to(x.dtype) / (x.numel() // self.num_features)
            self._track(x, **measured, running_share=share)
        else:
            share = self._running("running_share", x)
        # On a bin, F(z) - 1/2 = slope z + height.
        slope = share * (BINS / (2 * REACH))
        edges = torch.linspace(-REACH, REACH, BINS + 1, dtype=z.dtype, device=z.device)
        height = share.cumsum(1) - share - slope * edges[:-1] - 0.5
        slope, height = (
            (math.sqrt(12) * table).flatten().index_select(0, bins).view_as(z)
            for table in (slope, height)
        )
        return self._affine(torch.addcmul(height, slope, z.clamp(-REACH, REACH)))

    def _bins(self, z: Tensor) -> Tensor:
        """List the bins that the values are in; those of feature f have numbers from `BINS * f`."""
        # The limits are for values that are no numbers, too.
        within = z.detach().add(REACH).mul_(BINS / (2 * REACH)).int().clamp_(0, BINS - 1)
        first = torch.arange(self.num_features, dtype=torch.int32, device=z.device) * BINS
        return within.add_(along(first, z)).flatten()
