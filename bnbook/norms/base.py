"""What the book's own norms share: gamma and beta, and statistics kept as PyTorch keeps them."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase


def along(vector: Tensor, x: Tensor) -> Tensor:
    """View a per-feature `vector` `(features,)` so that it broadcasts along `x`'s dimension 1."""
    return vector.view([1, -1] + [1] * (x.dim() - 2))


def feature_mean(x: Tensor) -> Tensor:
    """Average each feature of `x` over the batch and all positions: `(features,)`; 0 of nothing."""
    sums = x.flatten(2).sum(2).sum(0) if x.dim() > 2 else x.sum(0)
    return sums / max(1, x.numel() // x.shape[1])


class FeatureNorm(_NormBase):
    """A norm with one gamma (`weight`) and one beta (`bias`) per feature, starting at 1 and 0.

    `x` has its features in dimension 1, and any dimensions or none after it. A subclass says in
    `_transform` what it does, in operations that autograd knows. A narrower type than float32 is
    computed in float32, also under autocast; the result has the type of `x`. Raises ValueError
    for a tensor without dimension 1, or with another number of features there.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_features, eps, None, affine, False, device, dtype)

    def forward(self, input: Tensor) -> Tensor:  # PyTorch's name for it
        """Normalize `input`, multiply by gamma and add beta."""
        self._check_input_dim(input)
        if not input.is_floating_point():
            raise TypeError(
                f"expected a tensor of real numbers in floating point, got {input.dtype}"
            )
        wide = input.to(torch.promote_types(input.dtype, torch.float32))
        return self._transform(wide).to(input.dtype)

    def _transform(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2 or input.shape[1] != self.num_features:
            raise ValueError(
                f"expected {self.num_features} features in dimension 1 of a tensor, "
                f"got shape {tuple(input.shape)}"
            )

    def _affine(self, z: Tensor, scale: Tensor | None = None) -> Tensor:
        """Multiply `z` by `scale` `(features,)`, where there is one, and gamma; add beta."""
        if self.affine:
            scale = self.weight if scale is None else scale * self.weight
            return torch.addcmul(along(self.bias, z), z, along(scale, z))
        return z if scale is None else z * along(scale, z)


class BatchedNorm(FeatureNorm, _BatchNorm):
    """A norm that measures the batch in training and uses running statistics in eval mode.

    What surrounds the statistics is PyTorch's: `momentum` is the weight of a new batch (None: the
    plain average of all batches since the last reset), without `track_running_stats` the batch is
    measured in eval mode, too, and state dicts, `torch.optim.swa_utils.update_bn` and
    `torch.func.functional_call` find what they find in a batch norm. Other than there: no
    `torch.jit.script`, and `nn.SyncBatchNorm.convert_sync_batchnorm` and
    `torch.nn.utils.fuse_conv_bn_eval` take it for a batch norm (`bnbook.folding.fold` does not).

    A subclass names its statistics and their first values in `_initial`, and calls `_track` with
    what it measured.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_features, eps, affine, device, dtype)
        self.momentum = momentum
        self.track_running_stats = track_running_stats
        for name, value in self._initial().items():
            kept = value.to(device=device, dtype=dtype) if track_running_stats else None
            self.register_buffer(name, kept)
        count = torch.tensor(0, device=device) if track_running_stats else None
        self.register_buffer("num_batches_tracked", count)

    def _initial(self) -> dict[str, Tensor]:
        raise NotImplementedError

    def reset_running_stats(self) -> None:
        """Forget all batches seen."""
        if self.track_running_stats:
            for name, value in self._initial().items():
                self.get_buffer(name).copy_(value)
            self.get_buffer("num_batches_tracked").zero_()

    @property
    def _measures(self) -> bool:
        """Whether the batch is measured: in training, and where no statistics are kept."""
        return self.training or self.num_batches_tracked is None

    def _running(self, name: str, x: Tensor) -> Tensor:
        return self.get_buffer(name).to(x.dtype)

    def _count(self, x: Tensor) -> int:
        """Count the values per feature in the batch `x`; a spread needs two."""
        n = x.numel() // self.num_features
        if n == 1:
            raise ValueError(
                f"a variance needs more than one value per feature, got shape {tuple(x.shape)}"
            )
        return n

    def _track(self, x: Tensor, **measured: Tensor) -> None:
        """Move the running statistics toward those `measured` on a batch `x`, in training."""
        if not (self.training and self.track_running_stats):
            return
        count = self.get_buffer("num_batches_tracked").add_(1)
        rate = 1.0 / float(count) if self.momentum is None else self.momentum
        for name, value in measured.items():
            if x.numel():  # an empty batch counts, but says nothing
                running = self.get_buffer(name)
                running.lerp_(value.detach().to(running.dtype), rate)
