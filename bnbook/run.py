"""`Run`: one value that says everything about one training run."""

import contextlib
import hashlib
import json
import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Self

from bnbook import data, inputs, models, norms, optimizers, streams
from bnbook.errors import BookError

_CHOICES = {
    "dataset": data.NAMES,
    "model": models.MODELS,
    "affine": models.AFFINE,
    "activation": models.ACTIVATIONS,
    "optimizer": optimizers.OPTIMIZERS,
    "schedule": optimizers.SCHEDULES,
    "init": models.INITIALIZATIONS,
    "input_transform": inputs.TRANSFORMS,
    "augmentation": inputs.AUGMENTATIONS,
    "pooling": models.POOLING,
    "norm_place": models.NORM_PLACES,
    "dropout_place": models.DROPOUT_PLACES,
    "trainable": models.SUBSETS,
}
#: Fields that only some nets can be told.
_OPTIONS = sorted({name for options in models.OPTIONS.values() for name in options})
_BOOLEANS = ("conv_bias", "linear_bias", "shortcuts", "record_fit", "norm_noise")
_MOST = 2**31 - 1  # that records have room for
#: Whole numbers with their bounds.
_WHOLE: dict[str, tuple[int, int | None]] = {
    "padding": (0, 14),
    "batch_size": (1, None),
    "epochs": (1, None),
    "epoch_steps": (0, None),
    "seed": (0, streams.MAX_SEED),
    "train_size": (1, None),
    "depth": (8, 992),  # streams are numbered up to 999
    "width": (1, 64),  # a net of 4 billion parameters
}
#: Real numbers with what they have to be.
_REAL: dict[str, tuple[str, Callable[[float], bool]]] = {
    # Optimizers of float32 parameters take no larger ones.
    "lr": ("above 0 and at most 1e30", lambda x: 0 < x <= 1e30),
    "momentum": ("from 0 to below 1", lambda x: 0 <= x < 1),
    "weight_decay": ("from 0 to 1e30", lambda x: 0 <= x <= 1e30),
    "init_scale": ("above 0", lambda x: x > 0),
    "norm_momentum": ("above 0 and at most 1", lambda x: 0 < x <= 1),
    "dropout": ("from 0 to below 1", lambda x: 0 <= x < 1),
}


@dataclass(frozen=True)
class Run:
    """A training run: steps on the cross-entropy of one net, described completely.

    Raises BookError where the description is not one that can be trained, or says something that
    means nothing beside the rest.
    A default never changes: `key` hashes only the fields that differ from theirs, so that fields
    added later leave the keys of recorded runs alone.
    """

    dataset: str = "mnist"  # a name in data.NAMES
    model: str = "lenet"  # a name in models.MODELS
    #: Per slot a name in norms.KINDS, one word for all slots of a resnet; none, if left out.
    norms: tuple[str, ...] = ("none",) * 4
    affine: str = "both"  # which of gamma and beta are learned, a name in models.AFFINE
    conv_bias: bool = True  # biases in the convolutions
    linear_bias: bool = True  # biases in the hidden linear layers
    activation: str = "sigmoid"  # a name in models.ACTIVATIONS
    padding: int = 0  # of the first convolution, in pixels
    lr: float = 0.1  # learning rate, the first one where it changes
    batch_size: int = 128  # images per step; an incomplete last batch of a pass is dropped
    epochs: int = 5
    seed: int = 0  # of the initial weights, the batch order and all else that is random
    train_size: int = 10_000  # the first so many images of the training split
    eval_epochs: tuple[int, ...] = ()  # evaluate after these epochs only (always after the last)
    epoch_steps: int = 0  # steps that make an epoch; 0: as many as one pass over the images
    optimizer: str = "sgd"  # a name in optimizers.OPTIMIZERS, with PyTorch's other settings
    momentum: float = 0.0  # of sgd: the share of the last step that is kept
    weight_decay: float = 0.0  # times the parameter is added to its gradient
    schedule: str = "constant"  # of the learning rate over all steps, one of optimizers.SCHEDULES
    init: str = "xavier"  # of the weights, a name in models.INITIALIZATIONS
    init_scale: float = 1.0  # standard deviation of init "normal"
    input_transform: str = "none"  # of images in [0, 1], one of inputs.TRANSFORMS
    augmentation: str = "none"  # of each batch, one of inputs.AUGMENTATIONS
    norm_place: str = "before"  # of norms and the activation, one of models.NORM_PLACES
    norm_momentum: float = 0.1  # weight of a new batch in the running statistics, as in PyTorch
    dropout: float = 0.0  # probability that a hidden value is set to 0
    dropout_place: str = "last"  # in the hidden layer, one of models.DROPOUT_PLACES
    pooling: str = "average"  # a name in models.POOLING
    depth: int = 8  # of a resnet, 6n + 2: its layers with weights on the main path
    width: int = 1  # of a resnet: times 16, 32 and 64 channels
    shortcuts: bool = True  # in a resnet
    trainable: str = "all"  # parameters that are trained, one of models.SUBSETS
    norm_noise: bool = False  # after each norm, in training: models.Noise
    record_fit: bool = False  # also record accuracy on training images, and the weights' norms

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            _check_choice(name, getattr(self, name), known)
        for name in ("norms", "eval_epochs"):
            if not isinstance(value := getattr(self, name), list | tuple):
                raise BookError(f"{name} is {_shown(value)}; it must be a list")
            object.__setattr__(self, name, tuple(value))
        for norm in self.norms:
            _check_choice("norm", norm, norms.KINDS)
        if self.norms == self._default("norms"):
            object.__setattr__(self, "norms", ("none",) * models.SLOTS[self.model])
        self._check_slots()
        for name in _BOOLEANS:
            if not isinstance(getattr(self, name), bool):
                value = _shown(getattr(self, name))
                raise BookError(f"{name} is {value}; it must be true or false")
        for name, (low, high) in _WHOLE.items():
            object.__setattr__(self, name, _whole(name, getattr(self, name), low, high))
        epochs = {_whole("eval epoch", epoch, 1, self.epochs) for epoch in self.eval_epochs}
        object.__setattr__(self, "eval_epochs", tuple(sorted(epochs)))
        for name, (words, holds) in _REAL.items():
            number = _number(name, getattr(self, name), words, holds)
            # 1 and 1.0 are the same run.
            object.__setattr__(self, name, number)
        self._check_batch()
        self._check_meaning()

    def evaluates(self, epoch: int) -> bool:
        """Say whether the net is evaluated after `epoch`."""
        return not self.eval_epochs or epoch in (*self.eval_epochs, self.epochs)

    @property
    def normed(self) -> bool:
        """Whether the net has any norm."""
        return any(norm != "none" for norm in self.norms)

    @property
    def batched(self) -> bool:
        """Whether a norm of the net measures the batch, and keeps running statistics."""
        return not set(self.norms).isdisjoint(norms.BATCHED)

    def _check_slots(self) -> None:
        slots = models.SLOTS[self.model]
        if len(self.norms) != slots:
            has = f"has {slots} slots; name one norm per slot"
            if slots == 1:
                has = "takes one norm for all its slots"
            if slots == 0:
                has = "has no slot for one"
            raise BookError(f"norms: {len(self.norms)} given, but {self.model} {has}")
        for norm, dims in zip(self.norms, models.SLOT_DIMS[self.model], strict=True):
            norms.check_place(norm, dims)

    def _check_batch(self) -> None:
        if self.batch_size > self.train_size:
            raise BookError(
                f"batch size {self.batch_size} is above the training size {self.train_size}; "
                "take a smaller batch or more images"
            )
        if self.batch_size == 1 and self.batched:
            alone = [kind for kind in norms.KINDS if kind not in norms.BATCHED]
            raise BookError(
                "batch size 1 leaves a norm of the batch nothing to average over; take 2 or more, "
                f"or norms that see one image at a time: {', '.join(alone)}"
            )

    def _check_meaning(self) -> None:
        """Refuse what would change the key but not the training."""
        for name in _OPTIONS:
            if name not in models.OPTIONS[self.model]:
                self._check_use(name, False, f"another model than {self.model}")
        learns = self.trainable in ("all", "norm", "norm+head")
        self._check_use("momentum", self.optimizer == "sgd", "optimizer 'sgd'")
        self._check_use("init_scale", self.init == "normal", "init 'normal'")
        self._check_use("norm_place", self.normed, "a norm")
        self._check_use("norm_noise", self.normed, "a norm")
        self._check_use("norm_momentum", self.batched, "a norm with running statistics")
        self._check_use("dropout_place", self.dropout > 0, "dropout above 0")
        self._check_use("dropout_place", self.normed, "a norm")
        self._check_use("affine", self.normed, "a norm")
        self._check_use("affine", learns, "trainable gamma and beta")
        if self.trainable not in ("all", "head"):
            self._check_use("trainable", self.normed, "a norm")
            self._check_use("trainable", self.affine != "none", "gamma or beta to be learned")
        if self.depth % 6 != 2:
            raise BookError(f"depth is {self.depth}; it must be 6n + 2: 8, 14, 20, ...")

    def _check_use(self, name: str, of_use: bool, needs: str) -> None:
        value = getattr(self, name)
        if not of_use and value != self._default(name):
            raise BookError(
                f"{name} is {_shown(value)}, which needs {needs}; change that, or leave it out"
            )

    @classmethod
    def _default(cls, name: str) -> Any:
        return cls.__dataclass_fields__[name].default

    def changes(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults, JSON-able."""
        found = ((f, getattr(self, f.name)) for f in fields(self))
        return {f.name: list(v) if isinstance(v, tuple) else v for f, v in found if v != f.default}

    @property
    def key(self) -> str:
        """Stable name of the run: 16 hexadecimal digits of the SHA-256 of its changes."""
        text = json.dumps(self.changes(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @classmethod
    def from_changes(cls, changes: dict[str, Any]) -> Self:
        """Rebuild a run from `changes()`. Raises BookError for an unknown field."""
        if not isinstance(changes, dict):
            raise BookError(f"{_shown(changes)} describes no run; it must be fields with values")
        unknown = set(changes) - {f.name for f in fields(cls)}
        if unknown:
            raise BookError(
                f"unknown field {', '.join(sorted(map(_as_name, unknown)))} in a run; "
                f"known: {', '.join(f.name for f in fields(cls))}"
            )
        return cls(**changes)


def _shown(value: Any) -> str:
    """Write a value as in code, on one line and not too long."""
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number of many digits"  # Python refuses to write some of them
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _as_name(value: Any) -> str:
    return value if isinstance(value, str) and value.isidentifier() else _shown(value)


def _check_choice(name: str, value: Any, known: Any) -> None:
    if not isinstance(value, str) or value not in known:
        raise BookError(f"unknown {name} {_shown(value)}; known: {', '.join(known)}")


def _number(name: str, value: Any, words: str, holds: Callable[[float], bool]) -> float:
    what = "learning rate" if name == "lr" else name.replace("_", " ")
    number = math.nan
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # of a whole number beyond the largest float
            number = float(value)
    if not (math.isfinite(number) and holds(number)):
        raise BookError(f"{what} is {_shown(value)}; it must be a number {words}")
    return number


def _whole(name: str, value: Any, low: int, high: int | None) -> int:
    what = name.replace("_", " ")
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise BookError(f"{what} is {_shown(value)}; it must be a whole number")
    number = int(value)
    if not low <= number <= (high or _MOST):
        bound = f"at least {low}" if number < low else f"at most {_MOST}"
        if high is not None:
            bound = f"between {low} and {high}"
        raise BookError(f"{what} is {_shown(value)}; it must be {bound}")
    return number
