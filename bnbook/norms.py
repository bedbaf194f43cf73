"""Normalization layers written from scratch, and the re-estimation of their statistics.

All layers see features in dimension 1: `(batch, features)` after a linear layer,
`(batch, channels, height, width)` after a convolution, where one channel is one feature.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def _along(vector: Tensor, x: Tensor) -> Tensor:
    """View a per-feature `vector` `(features,)` so that it broadcasts along `x`'s dimension 1."""
    return vector.view([1, -1] + [1] * (x.dim() - 2))


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
        centred = x - _along(mean, x)
        var = _feature_sum(centred.square()) / n if uses_var else None
        scale = torch.ones_like(mean) if var is None else torch.rsqrt(var + eps)
        ctx.save_for_backward(x if not uses_mean else None, centred, scale, weight)
        ctx.uses_mean, ctx.uses_var, ctx.has_bias = uses_mean, uses_var, bias is not None
        gain = scale if weight is None else scale * weight
        z = centred if uses_mean else x
        y = (
            z * _along(gain, x)
            if bias is None
            else torch.addcmul(_along(bias, x), z, _along(gain, x))
        )
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
        dx = dy - _along(dy_sum / n, dy) if ctx.uses_mean else dy
        dx = dx * _along(gain, dy)
        if ctx.uses_var:
            dx.addcmul_(centred, _along(gain * scale.square() * dyz_sum / n, dy), value=-1)
        dweight = dyz_sum * scale if weight is not None else None
        dbias = dy_sum if ctx.has_bias else None
        return dx, dweight, dbias, None, None, None


class FeatureNorm(nn.Module):
    """What the layers share: affine parameters, running statistics, the choice between the two.

    Parameters and buffers carry `torch.nn.BatchNorm`'s names, so that state dicts are
    interchangeable. A subclass says which statistics it uses and keeps only those.

    `momentum` is PyTorch's: the weight of the *new* batch. With `None` the running statistics are
    the plain average over all batches since the last reset.
    """

    uses_mean = True
    uses_var = True
    dims: tuple[int, ...] = (2, 4)

    weight: nn.Parameter | None
    bias: nn.Parameter | None
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(num_features)) if affine else None
        self.bias = nn.Parameter(torch.zeros(num_features)) if affine else None
        if self.uses_mean:
            self.register_buffer("running_mean", torch.zeros(num_features))
        if self.uses_var:
            self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def reset_running_stats(self) -> None:
        """Forget all batches seen: mean 0, variance 1."""
        if self.uses_mean:
            self.running_mean.zero_()
        if self.uses_var:
            self.running_var.fill_(1)
        self.num_batches_tracked.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Normalize `x` with its own batch in training, with the running statistics in eval."""
        if x.dim() not in self.dims or x.shape[1] != self.num_features:
            raise ValueError(
                f"expected {self.num_features} features in dimension 1 of a tensor with "
                f"{' or '.join(map(str, self.dims))} dimensions, got shape {tuple(x.shape)}"
            )
        if not self.training:
            return self._running(x)
        n = x.numel() // self.num_features
        if self.uses_var and n < 2:
            raise ValueError(
                f"a variance needs more than one value per feature, got shape {tuple(x.shape)}"
            )
        y: Tensor
        y, mean, var = _BatchTransform.apply(
            x, self.weight, self.bias, self.uses_mean, self.uses_var, self.eps
        )
        self._track(mean, var, n)
        return y

    def _track(self, mean: Tensor | None, var: Tensor | None, n: int) -> None:
        """Move the running statistics toward those of a batch of `n` values per feature.

        As in PyTorch, the running variance is fed the *unbiased* estimate n / (n - 1) var.
        """
        self.num_batches_tracked += 1
        rate = self.momentum
        if rate is None:
            rate = 1.0 / float(self.num_batches_tracked)
        if mean is not None:
            self.running_mean.lerp_(mean, rate)
        if var is not None:
            self.running_var.lerp_(var * (n / (n - 1)), rate)

    def _running(self, x: Tensor) -> Tensor:
        """Apply the running statistics: `scale * x + shift`, one pass over `x`."""
        scale = x.new_ones(self.num_features) if self.weight is None else self.weight
        shift = x.new_zeros(self.num_features) if self.bias is None else self.bias
        if self.uses_var:
            scale = scale * torch.rsqrt(self.running_var + self.eps)
        if self.uses_mean:
            shift = shift - scale * self.running_mean
        return torch.addcmul(_along(shift, x), x, _along(scale, x))

    def extra_repr(self) -> str:
        """Show the settings in the printed net."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class BatchNorm1d(FeatureNorm):
    """Batch norm after a linear layer, `x` of shape `(batch, features)`.

    Ioffe & Szegedy (2015), algorithm 1; equal to `torch.nn.BatchNorm1d`. Raises ValueError for a
    batch of one in training: its variance is zero.
    """

    dims = (2,)


class BatchNorm2d(FeatureNorm):
    """Batch norm after a convolution, `x` of shape `(batch, channels, height, width)`.

    Ioffe & Szegedy (2015), section 3.2; equal to `torch.nn.BatchNorm2d`.
    """

    dims = (4,)


class MeanNorm(FeatureNorm):
    """Mean-only batch norm, `gamma (x - mean) + beta`; `x` with 2 or 4 dimensions.

    The centring of Salimans & Kingma (2016), section 3, with a gamma of its own.
    """

    uses_var = False


class VarianceNorm(FeatureNorm):
    """Variance-only batch norm, `gamma x / sqrt(var + eps) + beta`; `x` with 2 or 4 dimensions.

    `var` is the centred variance; the mean is measured but not removed.
    """

    uses_mean = False


#: The norms a slot may hold.
KINDS = ("none", "batch", "mean", "variance")


def build(kind: str, num_features: int, dims: int) -> nn.Module:
    """Build the norm called `kind` (one of `KINDS`) for tensors of `dims` dimensions."""
    if kind == "none":
        return nn.Identity()
    if kind == "batch":
        return BatchNorm1d(num_features) if dims == 2 else BatchNorm2d(num_features)
    return {"mean": MeanNorm, "variance": VarianceNorm}[kind](num_features)


def reestimate(net: nn.Module, inputs: Tensor, batch_size: int = 1000) -> nn.Module:
    """Return a copy of `net` in eval mode whose statistics are those of `inputs`.

    The population statistics of Ioffe & Szegedy (2015), algorithm 2 ("PreciseBN" in Wu & Johnson
    2021): on the copy, reset every norm, then average the batch statistics of train-mode passes
    over `inputs` `(n, channels, height, width)` in batches of `batch_size`; a last, smaller batch
    is left out. Dropout is off. `net` itself is not touched.
    """
    net = copy.deepcopy(net).eval()
    norms = [m for m in net.modules() if isinstance(m, FeatureNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    size = min(batch_size, len(inputs))
    with torch.no_grad():
        for start in range(0, len(inputs) - size + 1, size):
            net(inputs[start : start + size])
    return net.eval()
