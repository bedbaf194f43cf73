"""`Run`: one value that says everything about one training run."""

import hashlib
import json
import math
from dataclasses import dataclass, fields
from typing import Any, Self

from bnbook import data, models, norms, streams
from bnbook.errors import BookError

MODELS = ("lenet",)


@dataclass(frozen=True)
class Run:
    """A training run: plain SGD on cross-entropy, described completely.

    Raises BookError where the description is not one that can be trained.
    A default never changes: `key` hashes only the fields that differ from theirs, so that fields
    added later leave the keys of recorded runs alone.
    """

    dataset: str = "mnist"  # a name in data.NAMES
    model: str = "lenet"  # a name in MODELS
    norms: tuple[str, ...] = ("none",) * 4  # per slot, a name in norms.KINDS
    affine: str = "both"  # which of gamma and beta are learned, a name in models.AFFINE
    conv_bias: bool = True  # biases in the convolutions
    linear_bias: bool = True  # biases in the hidden linear layers
    activation: str = "sigmoid"  # a name in models.ACTIVATIONS
    padding: int = 0  # of the first convolution, in pixels
    lr: float = 0.1  # learning rate
    batch_size: int = 128  # images per step; an incomplete last batch of an epoch is dropped
    epochs: int = 5
    seed: int = 0  # of the initial weights and the batch order
    train_size: int = 10_000  # the first so many images of the training split
    eval_epochs: tuple[int, ...] = ()  # evaluate after these epochs only (always after the last)

    def __post_init__(self) -> None:
        for name in ("norms", "eval_epochs"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name, known in (
            ("dataset", data.NAMES),
            ("model", MODELS),
            ("affine", models.AFFINE),
            ("activation", models.ACTIVATIONS),
        ):
            _check_choice(name, getattr(self, name), known)
        if len(self.norms) != len(models.LENET_LAYERS) - 1:
            raise BookError(
                f"norms: {len(self.norms)} given, but {self.model} has "
                f"{len(models.LENET_LAYERS) - 1} slots; name one norm per slot"
            )
        for norm in self.norms:
            _check_choice("norm", norm, norms.KINDS)
        for name in ("conv_bias", "linear_bias"):
            if not isinstance(getattr(self, name), bool):
                raise BookError(f"{name} is {getattr(self, name)!r}; it must be true or false")
        for name, low, high in (
            ("padding", 0, 14),
            ("batch_size", 1, None),
            ("epochs", 1, None),
            ("seed", 0, streams.MAX_SEED),
            ("train_size", 1, None),
        ):
            _check_whole(name, getattr(self, name), low, high)
        for epoch in self.eval_epochs:
            _check_whole("eval epoch", epoch, 1, self.epochs)
        self._check_rate()
        self._check_batch()

    def evaluates(self, epoch: int) -> bool:
        """Say whether the net is evaluated after `epoch`."""
        return not self.eval_epochs or epoch in (*self.eval_epochs, self.epochs)

    def _check_rate(self) -> None:
        number = isinstance(self.lr, int | float) and not isinstance(self.lr, bool)
        if not (number and math.isfinite(self.lr) and self.lr > 0):
            raise BookError(f"learning rate is {self.lr!r}; it must be a number above 0")
        object.__setattr__(self, "lr", float(self.lr))

    def _check_batch(self) -> None:
        if self.batch_size > self.train_size:
            raise BookError(
                f"batch size {self.batch_size} is above the training size {self.train_size}; "
                "take a smaller batch or more images"
            )
        if self.batch_size == 1 and set(self.norms) != {"none"}:
            raise BookError(
                "batch size 1 leaves batch norm nothing to average over; take 2 or more, "
                "or set every norm to none"
            )

    def changes(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults, JSON-able."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        found = {f.name: found[f.name] for f in fields(self) if found[f.name] != f.default}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in found.items()}

    @property
    def key(self) -> str:
        """Stable name of the run: 16 hexadecimal digits of the SHA-256 of its changes."""
        text = json.dumps(self.changes(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @classmethod
    def from_changes(cls, changes: dict[str, Any]) -> Self:
        """Rebuild a run from `changes()`. Raises BookError for an unknown field."""
        unknown = set(changes) - {f.name for f in fields(cls)}
        if unknown:
            raise BookError(
                f"unknown field {', '.join(sorted(unknown))} in a run; "
                f"known: {', '.join(f.name for f in fields(cls))}"
            )
        return cls(**changes)


def _check_choice(name: str, value: Any, known: Any) -> None:
    if not isinstance(value, str) or value not in known:
        raise BookError(f"unknown {name} {value!r}; known: {', '.join(known)}")


def _check_whole(name: str, value: Any, low: int, high: int | None) -> None:
    what = name.replace("_", " ")
    if not isinstance(value, int) or isinstance(value, bool):
        raise BookError(f"{what} is {value!r}; it must be a whole number")
    if value < low or (high is not None and value > high):
        bound = f"at least {low}" if high is None else f"between {low} and {high}"
        raise BookError(f"{what} is {value}; it must be {bound}")
