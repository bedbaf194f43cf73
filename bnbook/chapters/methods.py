"""How the results were made, in sentences: what the page on the results says."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from bnbook import chapters, data, findings, models, training
from bnbook.experiment import MARGIN, TUNING_FROM
from bnbook.findings import Markdown, sentences
from bnbook.origin import COMPARED, DOUBLES, DOUBLES_TOLERANCE, TOLERANCE
from bnbook.run import Run

#: What the book's data sets made of MNIST are used for.
USES = {
    "mnist": "the chapters' experiments",
    "mnist_60000": "the posts' own recipes: all training images, with the test images watched "
    "along the way",
    "digits": "the lab on the page",
}


@dataclass(frozen=True)
class Facts:
    """What all chapters share: data, the net, the protocol; accuracies are shares of images."""

    images: int  # of MNIST for training, with those set aside
    tested: int
    set_aside: int
    split_seed: int
    grays: int
    activation: str
    norms: int  # places for one
    parameters: int
    plain_parameters: int
    batch_size: int
    trained: float = training.TRAINED
    trained_on_clothes: float = training.enough("fashion_mnist")
    at_chance: float = training.AT_CHANCE
    reestimated_on: int = training.REESTIMATE_SIZE
    margin: float = MARGIN
    tuning_from: int = TUNING_FROM
    compared: int = COMPARED
    tolerance: float = TOLERANCE
    doubles: int = DOUBLES
    doubles_tolerance: float = DOUBLES_TOLERANCE


@cache
def facts() -> Facts:
    """Look up what the sentences say."""
    mnist = data.splits("mnist")
    net = chapters.experiment("bias-removal").arms["all biases"]
    return Facts(
        images=len(mnist.train) + data.VALIDATION_SIZE,
        tested=len(mnist.test),
        set_aside=data.VALIDATION_SIZE,
        split_seed=data.SPLIT_SEED,
        grays=data.GRAY_LEVELS,
        activation=net.activation,
        norms=len(net.norms),
        parameters=_parameters(net),
        plain_parameters=_parameters(chapters.experiment("learning-rate").arms["without BN"]),
        batch_size=net.batch_size,
    )


def _parameters(run: Run) -> int:
    return models.parameter_count(training.build(run))


def say(name: str) -> Markdown:
    """Write one of the sentences. Raises KeyError for one that is unknown."""
    return Markdown(sentences.read(Path(__file__).with_suffix(".md"))[name].said(facts()))


def splits_table() -> Markdown:
    """Show how the images of MNIST are divided."""
    parts = {name: data.splits(name) for name in USES}
    return findings.table(
        pd.DataFrame(
            {
                "Data set": f"`{name}`",
                "Used for": USES[name],
                "Training": f"{len(part.train):,}",
                "Validation": f"{len(part.validation):,}",
                "Test": f"{len(part.test):,}",
            }
            for name, part in parts.items()
        )
    )
