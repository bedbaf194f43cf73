"""The two halves of batch norm: every feature by its mean, or by its variance.

Batch norm itself is PyTorch's, `torch.nn.BatchNorm1d` and `BatchNorm2d`.
"""

import torch
from torch import Tensor
from torch.nn import functional

from bnbook.norms.base import BatchedNorm, along, feature_mean


class MeanNorm(BatchedNorm):
    """Mean-only batch norm, `gamma (x - mean) + beta`.

    The centering of Salimans & Kingma (2016), section 3, with a gamma of its own.
    """

    def _initial(self) -> dict[str, Tensor]:
        return {"running_mean": torch.zeros(self.num_features)}

    def _transform(self, x: Tensor) -> Tensor:
        if self._measures:
            mean = feature_mean(x)
            self._track(x, running_mean=mean)
        else:
            mean = self._running("running_mean", x)
        return self._affine(x - along(mean, x))


class VarianceNorm(BatchedNorm):
    """Variance-only batch norm, `gamma x / sqrt(var + eps) + beta`.

    `var` is the centered variance; the mean is measured but not removed. As in PyTorch, the running
    variance is fed the unbiased estimate n / (n - 1) var. Raises ValueError for a batch with one
    value per feature in training: its variance is zero.
    """

    def _initial(self) -> dict[str, Tensor]:
        return {"running_var": torch.ones(self.num_features)}

    def _transform(self, x: Tensor) -> Tensor:
        if self._measures:
            n = self._count(x)
            var = feature_mean((x - along(feature_mean(x), x)).square())
            self._track(x, running_var=var * (n / (n - 1)))
        else:
            var = self._running("running_var", x)
        return self._affine(x, torch.rsqrt(var + self.eps))


class StandardNorm(BatchedNorm):
    """A norm that goes on from where batch norm has a gamma and a beta: see `_standardized`."""

    def _initial(self) -> dict[str, Tensor]:
        return {
            "running_mean": torch.zeros(self.num_features),
            "running_var": torch.ones(self.num_features),
        }

    def _standardized(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return batch norm of `x` without gamma and beta, and what to `_track`."""
        if not self._measures:
            # Copies: training on may move the statistics before this is differentiated.
            mean, var = (self._running(n, x).clone() for n in ("running_mean", "running_var"))
            return functional.batch_norm(x, mean, var, eps=self.eps), {}
        if not self.track_running_stats:
            return functional.batch_norm(x, None, None, training=True, eps=self.eps), {}
        # PyTorch's kernel moves running statistics: with a momentum of 1, to those of the batch.
        mean, var = x.new_zeros(self.num_features), x.new_ones(self.num_features)
        z = functional.batch_norm(x, mean, var, training=True, momentum=1.0, eps=self.eps)
        return z, {"running_mean": mean, "running_var": var}
