"""The MLP of source B as one wrote it in 2016: numpy, double precision, every gradient by hand.

784-256-256-10 with ReLU, softmax cross-entropy and Adam (Kingma & Ba 2015, algorithm 1). The
source timed such a net with and without batch norm.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SIZES = (784, 256, 256, 10)
EPS = 1e-8


class NumpyMLP:
    """The net with its parameters (`W1`, `b1`, …, `gamma1`, `beta1`, …) and its optimizer."""

    def __init__(self, normed: bool, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.normed = normed
        self.parameters: dict[str, Array] = {}
        self.running: dict[int, tuple[Array, Array]] = {}  # mean and variance
        for i, (before, after) in enumerate(pairwise(SIZES), start=1):
            draws = random.normal(size=(before, after))
            self.parameters[f"W{i}"] = draws * np.sqrt(2 / before)
            self.parameters[f"b{i}"] = np.zeros(after)
            if normed and i < 3:
                self.parameters[f"gamma{i}"] = np.ones(after)
                self.parameters[f"beta{i}"] = np.zeros(after)
                self.running[i] = np.zeros(after), np.ones(after)
        self.moments = {n: (np.zeros_like(p), np.zeros_like(p)) for n, p in self.parameters.items()}
        self.steps = 0

    def forward(self, x: Array) -> tuple[Array, list[Any]]:
        """Map images `(n, 784)` to logits `(n, 10)`, and list what backward needs."""
        p, caches = self.parameters, []
        for i in (1, 2):
            h = x @ p[f"W{i}"] + p[f"b{i}"]
            cache = None
            if self.normed:
                h, cache = self._normalize(i, h)
            caches.append((x, cache, h))
            x = np.maximum(h, 0)
        return x @ p["W3"] + p["b3"], [*caches, (x, None, None)]

    def backward(self, dlogits: Array, caches: list[Any]) -> dict[str, Array]:
        """Return the gradient of each parameter from that of the logits, `(n, 10)`."""
        p, gradients, dh = self.parameters, {}, dlogits
        for i in (3, 2, 1):
            x, cache, h = caches[i - 1]
            if i < 3:
                dh = dh * (h > 0)
                if self.normed:
                    dh, gradients[f"gamma{i}"], gradients[f"beta{i}"] = _norm_backward(
                        dh, p[f"gamma{i}"], *cache
                    )
            gradients[f"W{i}"] = x.T @ dh
            gradients[f"b{i}"] = dh.sum(axis=0)
            dh = dh @ p[f"W{i}"].T
        return gradients

    def update(self, gradients: dict[str, Array], lr: float = 1e-3) -> None:
        """Take a step of Adam with its usual settings."""
        self.steps += 1
        for name, gradient in gradients.items():
            first, second = self.moments[name]
            first += 0.1 * (gradient - first)
            second += 0.001 * (gradient**2 - second)
            corrected = first / (1 - 0.9**self.steps)
            spread = np.sqrt(second / (1 - 0.999**self.steps))
            self.parameters[name] -= lr * corrected / (spread + 1e-8)

    def _normalize(self, i: int, h: Array) -> tuple[Array, tuple[Array, Array, Array]]:
        mean, var = h.mean(axis=0), h.var(axis=0)
        centered = h - mean
        scale = 1 / np.sqrt(var + EPS)
        xhat = centered * scale
        old_mean, old_var = self.running[i]
        self.running[i] = 0.9 * old_mean + 0.1 * mean, 0.9 * old_var + 0.1 * var
        y = self.parameters[f"gamma{i}"] * xhat + self.parameters[f"beta{i}"]
        return y, (xhat, centered, scale)


def _norm_backward(
    dy: Array, gamma: Array, xhat: Array, centered: Array, scale: Array
) -> tuple[Array, Array, Array]:
    """Differentiate along the graph, one array after another, as the posts of the time do."""
    n = len(dy)
    dxhat = dy * gamma
    dvar = -0.5 * scale**3 * (dxhat * centered).sum(axis=0)
    dmean = -scale * dxhat.sum(axis=0) - 2 * dvar * centered.mean(axis=0)
    dx = dxhat * scale + 2 * dvar * centered / n + dmean / n
    return dx, (dy * xhat).sum(axis=0), dy.sum(axis=0)


def loss_gradient(logits: Array, labels: npt.NDArray[np.int64]) -> Array:
    """Gradient of the mean cross-entropy by the logits `(n, 10)`; `labels` `(n,)`."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = odds / odds.sum(axis=1, keepdims=True)
    shares[np.arange(len(labels)), labels] -= 1
    return np.asarray(shares / len(labels))
