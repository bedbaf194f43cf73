"""Networks with a norm slot after each hidden layer."""

import inspect
from collections.abc import Callable

from torch import nn

from bnbook.models.chains import LENET_LAYERS, LENET_SLOTS, lenet, mlp, softmax
from bnbook.models.parts import (
    ACTIVATIONS,
    AFFINE,
    DROPOUT_PLACES,
    NORM_PLACES,
    POOLING,
    AveragePool,
    Dropout,
    Noise,
    follow,
)
from bnbook.models.residual import ResidualBlock, resnet
from bnbook.models.weights import (
    INITIALIZATIONS,
    SUBSETS,
    Partial,
    activations,
    freeze,
    initialize,
    norm_slots,
    parameter_count,
    weighted,
)

__all__ = [
    "ACTIVATIONS",
    "AFFINE",
    "DROPOUT_PLACES",
    "INITIALIZATIONS",
    "LAYERS",
    "LENET_LAYERS",
    "LENET_SLOTS",
    "MODELS",
    "NORM_PLACES",
    "OPTIONS",
    "POOLING",
    "SLOTS",
    "SLOT_DIMS",
    "SUBSETS",
    "AveragePool",
    "Dropout",
    "Noise",
    "Partial",
    "ResidualBlock",
    "activations",
    "freeze",
    "initialize",
    "lenet",
    "mlp",
    "norm_slots",
    "parameter_count",
    "resnet",
    "softmax",
    "weighted",
]

#: The nets, by the names that `Run` knows.
MODELS: dict[str, Callable[..., nn.Sequential]] = {
    "lenet": lenet,
    "mlp": mlp,
    "resnet": resnet,
    "softmax": softmax,
}
#: The norm slots that each is told of, by the dimensions of what they see: 4 after a convolution,
#: 2 after a linear layer. A residual net has one word for all of its slots.
SLOT_DIMS: dict[str, tuple[int, ...]] = {
    "lenet": (4, 4, 2, 2),
    "mlp": (2, 2),
    "resnet": (4,),
    "softmax": (),
}
SLOTS = {name: len(dims) for name, dims in SLOT_DIMS.items()}
#: The layers with weights of the nets that have no branches, in order.
LAYERS: dict[str, tuple[str, ...]] = {
    "lenet": LENET_LAYERS,
    "mlp": ("fc1", "fc2", "out"),
    "softmax": ("out",),
}
_NO_FIELDS = {"slots", "input_shape", "options", "layer", "number", "norm"}


def _told(make: Callable[..., object]) -> set[str]:
    parameters = inspect.signature(make).parameters
    more = _told(follow) if "options" in parameters else set()
    return {*parameters, *more} - _NO_FIELDS


#: What else each can be told: names of fields of `Run`.
OPTIONS = {name: _told(make) for name, make in MODELS.items()}
