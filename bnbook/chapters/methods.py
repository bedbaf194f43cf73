"""How the results were made, in sentences: what the page on the results says."""

from functools import cache
from pathlib import Path

import pandas as pd

from bnbook import chapters, data, findings, history, models, training
from bnbook.experiment import TUNING_FROM
from bnbook.findings import Markdown, sentences
from bnbook.origin import CLOSE, COMPARED, DOUBLES, DOUBLES_TOLERANCE, ROUNDINGS, TOLERANCE
from bnbook.run import Run

#: What the book's data sets made of MNIST are used for.
USES = {
    "mnist": "the chapters' experiments",
    "mnist_60000": "the posts' own recipes: all training images, with the test images watched "
    "along the way",
    "digits": "the lab on the page",
}


class Facts:
    """What all chapters share: data, the net, the protocol; accuracies are shares of images."""

    set_aside = data.VALIDATION_SIZE
    split_seed = data.SPLIT_SEED
    grays = data.GRAY_LEVELS
    trained = history.TRAINED
    trained_on_clothes = history.enough("fashion_mnist")
    at_chance = history.AT_CHANCE
    reestimated_on = training.REESTIMATE_SIZE
    tuning_from = TUNING_FROM
    compared = COMPARED
    tolerance = TOLERANCE
    doubles = DOUBLES
    doubles_tolerance = DOUBLES_TOLERANCE
    close = CLOSE
    roundings = ROUNDINGS

    def __init__(self) -> None:
        mnist = data.splits("mnist")
        net = chapters.experiment("bias-removal").arms["all biases"]
        self.images = len(mnist.train) + self.set_aside  # for training, with those set aside
        self.tested = len(mnist.test)
        self.activation = net.activation
        self.norms = len(net.norms)  # places for one
        self.parameters = _parameters(net)
        self.plain_parameters = _parameters(chapters.experiment("learning-rate").arms["without BN"])
        self.batch_size = net.batch_size


_facts = cache(Facts)


def _parameters(run: Run) -> int:
    return models.parameter_count(training.build(run))


def say(name: str) -> Markdown:
    """Write one of the sentences. Raises KeyError for one that is unknown."""
    return Markdown(sentences.read(Path(__file__).with_suffix(".md"))[name].said(_facts()))


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
