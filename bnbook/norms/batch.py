"""Batch norm and its two halves: every feature by its mean, its variance, or both."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bnbook.norms.base import RunningNorm, along


def _feature_sum(x: Tensor) -> Tensor:
    """Sum each feature of `x` over the batch and all positions: `(features,)`."""
    return x.flatten(2).sum(2).sum(0) if x.dim() > 2 else x.sum(0)


class _BatchTransform(torch.autograd.Function):
    """Normalize by the batch's own statistics, with the gradient in closed form.

    Ioffe & Szegedy (2015), algorithm 1 and section 3. With z = x - mean (or z = x where the mean
    is not removed) and s = 1 / sqrt(var + eps) (or s = 1), y = gamma s z + beta. The statistics
    depend on x as well; carrying that through the chain rule leaves

        dx = gamma s (dy - mean(dy)) - gamma s^3 (x - mean) mean(dy z)

    where mean(dy) is absent if the mean is kept, and the last term if the variance is. Written
    out because autograd's own path through `var_mean` takes about twice the time.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        uses_mean: bool,
        uses_var: bool,
        eps: float,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        n = x.numel() // x.shape[1]
        mean = _feature_sum(x) / n
        centred = x - along(mean, x)
        var = _feature_sum(centred.square()) / n if uses_var else None
        scale = torch.ones_like(mean) if var is None else torch.rsqrt(var + eps)
        ctx.save_for_backward(x if not uses_mean else None, centred, scale, weight)
        ctx.uses_mean, ctx.uses_var, ctx.has_bias = uses_mean, uses_var, bias is not None
        gain = scale if weight is None else scale * weight
        z = centred if uses_mean else x
        y = z * along(gain, x) if bias is None else torch.addcmul(along(bias, x), z, along(gain, x))
        outputs = y, mean if uses_mean else None, var
        ctx.mark_non_differentiable(*(o for o in outputs[1:] if o is not None))
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, *_: Tensor | None) -> tuple[Tensor | None, ...]:
        x, centred, scale, weight = ctx.saved_tensors
        n = dy.numel() // dy.shape[1]
        z = centred if ctx.uses_mean else x
        dy_sum, dyz_sum = _feature_sum(dy), _feature_sum(dy * z)
        gain = scale if weight is None else scale * weight
        dx = dy - along(dy_sum / n, dy) if ctx.uses_mean else dy
        dx = dx * along(gain, dy)
        if ctx.uses_var:
            dx.addcmul_(centred, along(gain * scale.square() * dyz_sum / n, dy), value=-1)
        dweight = dyz_sum * scale if weight is not None else None
        dbias = dy_sum if ctx.has_bias else None
        return dx, dweight, dbias, None, None, None


class MomentNorm(RunningNorm):
    """Normalize every feature by its mean, its variance, or both.

    Parameters and buffers carry `torch.nn.BatchNorm`'s names, so that state dicts are
    interchangeable. A subclass says which moments it uses and keeps only those.
    """

    uses_mean = True
    uses_var = True

    running_mean: Tensor
    running_var: Tensor

    def _initial(self) -> dict[str, Tensor]:
        first = {}
        if self.uses_mean:
            first["running_mean"] = torch.zeros(self.num_features)
        if self.uses_var:
            first["running_var"] = torch.ones(self.num_features)
        return first

    def forward(self, x: Tensor) -> Tensor:
        """Normalize `x` with its own batch in training, with the running statistics in eval."""
        self._check(x)
        return self._transform(x, self.weight, self.bias)

    def _transform(self, x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        if not self.training:
            return self._running(x, weight, bias)
        y, measured = self._measured(x, weight, bias)
        self._track(**measured)
        return y

    def _measured(
        self, x: Tensor, weight: Tensor | None, bias: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Apply the batch's own statistics, and return what the running ones are to be fed.

        As in PyTorch, the running variance is fed the unbiased estimate n / (n - 1) var.
        """
        n = self._count(x) if self.uses_var else 0
        y: Tensor
        y, mean, var = _BatchTransform.apply(
            x, weight, bias, self.uses_mean, self.uses_var, self.eps
        )
        measured = {} if mean is None else {"running_mean": mean}
        if var is not None:
            measured["running_var"] = var * (n / (n - 1))
        return y, measured

    def _running(self, x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        """Apply the running statistics: `scale * x + shift`, one pass over `x`."""
        scale = x.new_ones(self.num_features) if weight is None else weight
        shift = x.new_zeros(self.num_features) if bias is None else bias
        if self.uses_var:
            scale = scale * torch.rsqrt(self.running_var + self.eps)
        if self.uses_mean:
            shift = shift - scale * self.running_mean
        return torch.addcmul(along(shift, x), x, along(scale, x))


class BatchNorm1d(MomentNorm):
    """Batch norm after a linear layer, `x` of shape `(batch, features)`.

    Ioffe & Szegedy (2015), algorithm 1; equal to `torch.nn.BatchNorm1d`. Raises ValueError for a
    batch of one in training: its variance is zero.
    """

    dims = (2,)


class BatchNorm2d(MomentNorm):
    """Batch norm after a convolution, `x` of shape `(batch, channels, height, width)`.

    Ioffe & Szegedy (2015), section 3.2; equal to `torch.nn.BatchNorm2d`.
    """

    dims = (4,)


class MeanNorm(MomentNorm):
    """Mean-only batch norm, `gamma (x - mean) + beta`; `x` with 2 or 4 dimensions.

    The centring of Salimans & Kingma (2016), section 3, with a gamma of its own.
    """

    uses_var = False


class VarianceNorm(MomentNorm):
    """Variance-only batch norm, `gamma x / sqrt(var + eps) + beta`; `x` with 2 or 4 dimensions.

    `var` is the centred variance; the mean is measured but not removed.
    """

    uses_mean = False
