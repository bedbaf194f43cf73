"""What the layers share: the shape they expect, gamma and beta, running statistics."""

import torch
from torch import Tensor, nn


def along(vector: Tensor, x: Tensor) -> Tensor:
    """View a per-feature `vector` `(features,)` so that it broadcasts along `x`'s dimension 1."""
    return vector.view([1, -1] + [1] * (x.dim() - 2))


class FeatureNorm(nn.Module):
    """A norm with one gamma (`weight`) and one beta (`bias`) per feature, starting at 1 and 0.

    A subclass says in `_normalized` what happens before them. Raises ValueError for a tensor of
    another shape than `(batch, num_features)` or `(batch, num_features, height, width)`.
    """

    dims: tuple[int, ...] = (2, 4)

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(self, num_features: int, eps: float = 1e-5, affine: bool = True) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(num_features)) if affine else None
        self.bias = nn.Parameter(torch.zeros(num_features)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        """Normalize `x`, then multiply by gamma and add beta."""
        self._check(x)
        return self._affine(self._normalized(x))

    def _normalized(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _check(self, x: Tensor) -> None:
        if x.dim() not in self.dims or x.shape[1] != self.num_features:
            raise ValueError(
                f"expected {self.num_features} features in dimension 1 of a tensor with "
                f"{' or '.join(map(str, self.dims))} dimensions, got shape {tuple(x.shape)}"
            )

    def _affine(self, z: Tensor) -> Tensor:
        if self.weight is None or self.bias is None:
            return z
        return torch.addcmul(along(self.bias, z), z, along(self.weight, z))

    def extra_repr(self) -> str:
        """Show the settings in the printed net."""
        return f"{self.num_features}, eps={self.eps}"


class RunningNorm(FeatureNorm):
    """A norm that measures the batch in training and uses running statistics in eval mode.

    A subclass names its statistics and their first values in `_initial`, and calls `_track` with
    what it measured. `momentum` is PyTorch's: the weight of the new batch. With `None` the
    running statistics are the plain average over all batches since the last reset.
    """

    num_batches_tracked: Tensor

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
    ) -> None:
        super().__init__(num_features, eps, affine)
        self.momentum = momentum
        for name, value in self._initial().items():
            self.register_buffer(name, value)
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def _initial(self) -> dict[str, Tensor]:
        raise NotImplementedError

    def reset_running_stats(self) -> None:
        """Forget all batches seen."""
        for name, value in self._initial().items():
            self.get_buffer(name).copy_(value)
        self.num_batches_tracked.zero_()

    def _count(self, x: Tensor) -> int:
        """Count the values per feature in the batch `x`; a spread needs two."""
        n = x.numel() // self.num_features
        if n < 2:
            raise ValueError(
                f"a variance needs more than one value per feature, got shape {tuple(x.shape)}"
            )
        return n

    def _track(self, **measured: Tensor) -> None:
        """Move the running statistics toward those `measured` on a batch."""
        self.num_batches_tracked += 1
        rate = self.momentum
        if rate is None:
            rate = 1.0 / float(self.num_batches_tracked)
        for name, value in measured.items():
            self.get_buffer(name).lerp_(value.detach(), rate)

    def extra_repr(self) -> str:
        """Show the settings in the printed net."""
        return f"{super().extra_repr()}, momentum={self.momentum}"
