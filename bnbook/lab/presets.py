"""What each chapter's lab trains to begin with, and the words and steps of its controls.

One description for both fronts: the lab on the page and the one in Jupyter.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from bnbook import data
from bnbook.errors import BookError
from bnbook.experiment import BATCH_NORM
from bnbook.run import Run

#: Ten preferred numbers to the decade (ISO 3, R10, rounded).
_R10 = (1, 1.25, 1.6, 2, 2.5, 3.2, 4, 5, 6.3, 8)
_DECADES = [float(f"{step}e{power}") for power in range(-3, 3) for step in _R10]
#: Learning rates on the slider, 0.001 to 200. Links name them, so none may go: 30, which was the
#: last one, stands for 32.
LRS = tuple(30.0 if rate == 32 else rate for rate in _DECADES if rate <= 200)
BATCH_SIZES = (2, 4, 8, 16, 32, 64, 128, 256, 512)
EPOCHS = (5, 10, 20, 50)
#: Of SGD: the share of the last step that is kept, and the share of the weights in their gradients.
MOMENTA = (0.0, 0.5, 0.9, 0.95, 0.99)
DECAYS = (0.0, 1e-5, 1e-4, 5e-4, 1e-3, 1e-2)

#: What a reader may choose, under the names that `Run` knows: one word list for both fronts.
NORMS = {
    "batch": "Batch norm",
    "mean": "Mean only",
    "variance": "Variance only",
    "none": "None",
}
#: The same in the middle of a sentence, and in a link.
NORM_PHRASES = {
    "batch": "batch norm",
    "mean": "mean-only norm",
    "variance": "variance-only norm",
    "none": "no norm",
}
NORM_LETTERS = {"batch": "b", "mean": "m", "variance": "v", "none": "n"}
AFFINE = {
    "both": "Both learned",
    "gamma": "Beta fixed",
    "beta": "Gamma fixed",
    "none": "Both fixed",
}
#: `(conv_bias, linear_bias)`, of the hidden layers.
BIASES = {
    (True, True): "All",
    (False, True): "None in convolutions",
    (True, False): "None in hidden linear layers",
    (False, False): "None",
}
ACTIVATIONS = {"sigmoid": "Sigmoid", "relu": "ReLU"}
TRAINED = {
    "all": "Everything",
    "norm": "Gamma and beta",
    "norm+head": "Gamma, beta, last layer",
    "head": "The last layer",
}

#: What tells one net from another: how the front end calls it, and the field of its run.
NET_FIELDS = {
    "norms": "norms",
    "affine": "affine",
    "convBias": "conv_bias",
    "linearBias": "linear_bias",
    "activation": "activation",
    "trained": "trainable",
}
#: What the page's engine trains by; a live kernel trains by all of `Run`.
ENGINE_FIELDS = {
    *NET_FIELDS.values(),
    *("lr", "batch_size", "epochs", "seed", "train_size", "eval_epochs", "record_fit"),
    *("dataset", "momentum", "weight_decay"),
}

#: The page's data sets.
DATA = {"digits": "Digits (MNIST)", "clothes": "Clothes (Fashion-MNIST)"}

#: Settings that a preset may put in the open; the others are folded away.
Control = Literal["norms", "toggles", "biases", "affine", "activation", "trained"]
#: Panels beside the curves and the layers' distributions, which every lab has.
Watched = Literal["", "bias gradients", "gamma and beta", "time", "contrast", "running statistics"]


@dataclass(frozen=True)
class Net:
    """One of a lab's two nets, as it stands at the start.

    Of `run`, learning rate, batch size, seed and number of epochs are the lab's to set.
    """

    label: str
    run: Run

    def __post_init__(self) -> None:
        """Refuse a net that the lab's controls would show as another one."""
        _check_control("model", self.run.model, ["lenet"])
        for norm in self.run.norms:
            _check_control("norm", norm, NORMS)
        for name, known in (
            ("affine", AFFINE),
            ("activation", ACTIVATIONS),
            ("trainable", TRAINED),
            ("dataset", DATA),
            ("momentum", MOMENTA),
            ("weight_decay", DECAYS),
        ):
            _check_control(name, getattr(self.run, name), known)

    @property
    def only_in_kernel(self) -> list[str]:
        """Name the fields of its run that the page's engine knows nothing of."""
        return sorted(set(self.run.changes()) - ENGINE_FIELDS)


def _check_control(name: str, value: object, known: Collection[object]) -> None:
    if value not in known:
        choices = ", ".join(str(one) for one in known)
        raise BookError(f"the lab has no control for {name} {value!r}; it has {choices}")


@dataclass(frozen=True)
class Trial:
    """The chapter's claim, which a reader tests by repeating the experiment in the lab.

    `contrasts` names nets by their labels: the first should end "above" or "below" the second, or
    the "same", in all contrasts; for "limits" it should train up to `FACTOR` times the rate. `nets`
    are suggested in place of the lab's own two, each with its own learning rate or None
    for the lab's; `lrs` are several rates to train all at. `evidence` is the chapter's sentence
    that says what the book's own runs show.
    """

    claim: str
    direction: Literal["above", "below", "same", "limits"]
    contrasts: tuple[tuple[str, str], ...]
    nets: tuple[tuple[Net, float | None], ...] = ()
    lrs: tuple[float, ...] = ()  # of LRS, if any
    seeds: int = 5
    note: str = ""
    evidence: str = "evidence"


#: "Higher" learning rates are so many times as high.
FACTOR = 2.0


@dataclass(frozen=True)
class Recorded:
    """What the book's own runs say about the claim of a `Trial`; `evidence` is Markdown."""

    decision: str
    evidence: str
    seeds: int
    images: int
    steps: int


@dataclass(frozen=True)
class Preset:
    """Where a chapter's lab begins; `name` is that of the chapter's experiment."""

    name: str
    title: str  # one line over the lab
    nets: tuple[Net, Net]  # trained on the same batches; the second can be switched off
    controls: tuple[Control, ...]
    watch: Watched
    lr: float  # of LRS
    ask: str  # what to try
    trial: Trial | None = None

    def __post_init__(self) -> None:
        """Refuse nets that differ in what the lab has one control for."""
        for name in ("dataset", "momentum", "weight_decay"):
            if len({getattr(net.run, name) for net in self.nets}) > 1:
                raise BookError(f"the nets of a lab need the same {name.replace('_', ' ')}")

    def check_engine(self) -> None:
        """Raise BookError for nets that the page's engine would train otherwise than they say."""
        for net in self.nets:
            if net.only_in_kernel:
                raise BookError(
                    f"{net.label} sets {', '.join(net.only_in_kernel)}, of which the page's engine "
                    "knows nothing; train it in a live kernel, or leave that out"
                )


#: What the page trains: its own few digits, so that a run takes seconds. Every lab begins with its
#: batch size and its number of epochs.
PLAIN = Run(dataset="digits", train_size=data.EXCERPT_SIZES[0], epochs=10)
NORMED = replace(PLAIN, norms=BATCH_NORM)
#: Chapter 2's, and what a lab begins with that nobody gives a preset.
WITH_OR_WITHOUT = Preset(
    name="learning-rate",
    title="Train with and without batch norm",
    nets=(Net("Batch norm", NORMED), Net("No norm", PLAIN)),
    controls=("norms",),
    watch="",
    lr=1.0,
    ask="Move the learning rate up and down while the nets train. "
    "Between which rates does each of them learn?",
    trial=Trial(
        claim="Batch norm tolerates learning rates at least twice as high.",
        direction="limits",
        contrasts=(("Batch norm, ReLU", "No norm, ReLU"),),
        nets=(
            (Net("Batch norm, ReLU", replace(NORMED, activation="relu")), None),
            (Net("No norm, ReLU", replace(PLAIN, activation="relu")), None),
        ),
        # Neighbors by the factor that the claim is about.
        lrs=(0.25, 0.5, 1.0, 2.0, 4.0),
        seeds=3,
        note="The chapter's plain net of sigmoids needs more steps than this lab takes. With ReLU "
        "it trains in time, at smaller rates.",
    ),
)
