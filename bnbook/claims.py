"""What the sources claim, as data: the text is ours, the figures are theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from bnbook.errors import BookError


@dataclass(frozen=True)
class Claim:
    """One claim: where it stands, what it says, and the numbers printed with it (in `unit`)."""

    id: str
    source: str
    text: str
    chapters: tuple[int, ...]
    recipe: str = ""
    figures: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    unit: str = "accuracy"


#: How references.qmd and the chapters name the sources.
SOURCES: Final = {
    "A": "Taking Batchnorm For Granted (blog post, 2020)",
    "B": "Implementing BatchNorm in Neural Net (blog post, 2016)",
    "C": "Batch Norm exercises (blog post, 2024)",
    "D": "Batch Normalization (notes, 2022)",
    "E": "Batch Normalization (notebook of a lab session)",
}

ONE_RUN: Final = "60,000 images, 10 epochs, learning rate 0.1, batches of 128"

_ALL: Final = (
    Claim(
        "A1",
        "A",
        "A ResNet that trains nothing but its batch norm, 0.48 % of its parameters, reaches "
        "about 68 %; fully trained, it reaches about 92 %.",
        (13,),
        "ResNet-110, CIFAR-10; everything frozen but batch norm",
        MappingProxyType({"everything trained": 0.92, "only batch norm trained": 0.68}),
    ),
    Claim(
        "A2",
        "A",
        "Batch norm learns to switch features off: many of its gammas end near zero.",
        (13,),
        "the same nets",
    ),
    Claim(
        "A3",
        "A",
        "The affine parameters of batch norm play an important role.",
        (5, 13),
        "ResNets on CIFAR-10 that train their batch norm only",
    ),
    Claim(
        "A4",
        "A",
        "Batch norm makes for better representations.",
        (13,),
        "said of the same nets",
    ),
    Claim(
        "A5",
        "A",
        "Random features carry far: training batch norm beats training as many other parameters.",
        (13,),
        "batch norm against as many randomly chosen other parameters",
    ),
    Claim(
        "A6",
        "A",
        "Batch norm works better before the activation than after it.",
        (9,),
    ),
    Claim(
        "A7",
        "A",
        "Where only batch norm is trained, a deeper net gains more than a wider one.",
        (13,),
        "ResNets of several depths and widths",
    ),
    Claim(
        "A8",
        "A",
        "Many features of such a net can be taken out at little cost.",
        (13,),
        "features with small gammas set to zero",
    ),
    Claim(
        "A9",
        "A",
        "Shortcut connections hold back a net that trains its batch norm only.",
        (13,),
        "ResNets with and without shortcuts",
    ),
    Claim(
        "B1",
        "B",
        "From a start with standard normal weights, a net with batch norm learns and one without "
        "does not.",
        (11,),
        "784-256-256-10, ReLU, Adam 0.01, batches of 256, 1,000 iterations",
        MappingProxyType({"with batch norm": 0.8853, "without": 0.1388}),
    ),
    Claim(
        "B2",
        "B",
        "From a good start too, batch norm beats dropout, and dropout beats having neither.",
        (6,),
        "the same net from a start made for ReLUs, RMSprop",
        MappingProxyType({"batch norm": 0.9740, "dropout": 0.9692, "neither": 0.9640}),
    ),
    Claim(
        "B3",
        "B",
        "Batch norm makes training take about 30 % longer.",
        (12,),
        "the whole script, timed once with and once without",
        MappingProxyType({"with batch norm": 47.958, "without": 36.616}),
        "seconds",
    ),
    Claim(
        "B4",
        "B",
        "Without batch norm, a bad start makes the gradients vanish.",
        (11,),
        "said of B1's net",
    ),
    Claim(
        "B5",
        "B",
        "The printed NumPy code is batch norm with its gradient, in a net of two hidden layers.",
        (8,),
        "code, not a figure",
    ),
    Claim(
        "C1",
        "C",
        "Biases before batch norm can be left out: test accuracies stay close.",
        (1,),
        ONE_RUN,
        MappingProxyType(
            {
                # The post's switch is inverted; these are the nets that its code in fact built.
                "no hidden biases": 0.9821,
                "no biases in conv": 0.9869,
                "no biases in linear": 0.9824,
            }
        ),
    ),
    Claim(
        "C2",
        "C",
        "0.05 and 4 are the lowest and the highest learning rate at which LeNet without "
        "batch norm still trains within 10 epochs.",
        (2,),
        "LeNet with padding 2; learning rates 4, 2, 1, 0.5, 0.1 and 0.05 tried; 10 epochs",
        MappingProxyType({"lowest": 0.05, "highest": 4.0}),
        "learning rate",
    ),
    Claim(
        "C3",
        "C",
        "Batch norm helps early training and makes it more robust to the learning rate.",
        (2,),
        "the same six learning rates; one curve each",
    ),
    Claim(
        "C4",
        "C",
        "The main benefit of batch norm is that it permits larger learning rates, which lead to "
        "flatter minima that generalize better; a small experiment agrees.",
        (2, 10),
        "cited from Bjorck et al. (2018); the curves of C3",
    ),
    Claim(
        "C5",
        "C",
        "Removing the first batch norm hurts most.",
        (3,),
        "5 nets per variant; 2, 4 and 8 epochs; learning rate 0.1",
    ),
    Claim(
        "C6",
        "C",
        "Activations shrink in the layer that loses its batch norm, the other layers make up for "
        "it, and most so in early epochs.",
        (3,),
        "mean square right after the norm's place, on one batch",
    ),
    Claim(
        "C7",
        "C",
        "Holding gamma fixed costs more accuracy than holding beta fixed.",
        (4, 5),
        ONE_RUN,
        MappingProxyType(
            {
                "gamma and beta fixed": 0.9674,
                "gamma fixed": 0.9676,
                "beta fixed": 0.9796,
                "both learned": 0.98,
            }
        ),
    ),
    Claim(
        "C8",
        "C",
        "With gamma and beta fixed, early epochs are worse and later ones catch up.",
        (5,),
        "5 seeds, 10 epochs, learning rate 0.1",
    ),
    Claim(
        "C9",
        "C",
        "Learned gammas and betas leave their starts at 1 and 0, the gammas by more.",
        (5,),
        "histograms per layer over 5 nets",
    ),
    Claim(
        "C10",
        "C",
        "One shared learning rate is unfair; every variant needs its own best one.",
        (4, 5),
        "said, not done",
    ),
    Claim(
        "C11",
        "C",
        "Normalizing what enters a sigmoid keeps it in its nearly linear part; gamma and beta give "
        "the bend back.",
        (10,),
        "a plot of the sigmoid between -1 and 1",
    ),
    Claim(
        "C12",
        "C",
        "Batch norm regularizes by the noise of its batches: small batches are too noisy, large "
        "ones not noisy enough.",
        (6,),
        "said, not done",
    ),
    Claim(
        "D1",
        "D",
        "The order of the batches moves the running statistics, but shuffling averages that out.",
        (9,),
    ),
    Claim(
        "D2",
        "D",
        "For each channel, batch norm has two trained numbers, the momenta, and two that are not, "
        "the mean and the standard deviation.",
        (8, 9),
    ),
    Claim("D3", "D", "At inference, batch norm is a linear layer.", (9,)),
    Claim(
        "D4",
        "D",
        "Batch norm belongs before the activation, and dropout after batch norm.",
        (6, 9),
    ),
    Claim(
        "D5",
        "D",
        "Batch norm makes training less sensitive to the initialization and the learning rate.",
        (2, 11),
    ),
    Claim(
        "D6",
        "D",
        "Batch norm regularizes mildly, and keeps outputs, gradients and weights small.",
        (6, 10),
    ),
    Claim(
        "D7",
        "D",
        "With batch norm, the sizes of the gradients are spread more evenly over the layers.",
        (10,),
        "histograms per layer",
    ),
    Claim(
        "D8",
        "D",
        "Batch norm works because it counters internal covariate shift and smooths the loss.",
        (10,),
    ),
    Claim(
        "E1",
        "E",
        "On MNIST, batch norm makes LeNet-5 converge faster and end better.",
        (14,),
        "LeNet-5, ReLU, max-pooling, SGD 0.01 with momentum 0.9, 50 epochs, one run each",
    ),
    Claim(
        "E2",
        "E",
        "And so it does on SVHN. (The run that is called SVHN without batch norm has it.)",
        (14,),
        "the same recipe",
    ),
    Claim(
        "E3",
        "E",
        "A batch norm of one's own: the unbiased standard deviation, no epsilon, and a running "
        "standard deviation. An epoch's loss: the sum of the batches' mean losses over the number "
        "of images.",
        (8, 14),
        "code, not a figure",
    ),
)

CLAIMS: Final[Mapping[str, Claim]] = MappingProxyType({claim.id: claim for claim in _ALL})


def get(claim: str) -> Claim:
    """Find a claim by its id. Raises BookError for an unknown one."""
    if claim not in CLAIMS:
        raise BookError(f"unknown claim {claim!r}; known: {', '.join(CLAIMS)}")
    return CLAIMS[claim]
