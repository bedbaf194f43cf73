"""Exercises of chapter 11."""

import math
from dataclasses import replace

import torch
from torch.nn.functional import cross_entropy

from bnbook import data, training
from bnbook.chapters.bad_starts.experiments import BAD_STARTS
from bnbook.lab.exercises import Number, Numbers

_INPUTS, _LAYERS = 784, 5


@torch.no_grad()
def _largest_power() -> float:
    """Find the largest power of ten that brings the untrained net's loss below 3."""
    part = data.splits("mnist").train
    images, labels = data.to_float(part.images[:1000]), part.labels[:256].long()
    images = (images - images.mean())[:256]
    for factor in (1.0, 0.1, 0.01, 0.001):
        net = training.build(replace(BAD_STARTS.arms["with BN"], init_scale=10.0))
        net.get_submodule("out").get_parameter("weight").mul_(factor)
        if float(cross_entropy(net(images), labels)) < 3:
            return factor
    return 0.0


EXERCISES = (
    Numbers(
        id="the-right-size",
        title="The right size",
        text="""
            Which standard deviation should the weights of the first layer have, with 784 inputs and
            a ReLU after it, so that the mean square neither grows nor fades?
            """,
        numbers=(
            Number(
                math.sqrt(2 / _INPUTS),
                digits=3,
                near={
                    math.sqrt(1 / _INPUTS): "The ReLU lets through half of the mean square only.",
                    1 / _INPUTS: r"$n s^2$ counts, not $n s$. And the ReLU halves it.",
                },
            ),
        ),
        hints=("$n s^2 / 2 = 1$.", "Two over the number of inputs, and the root of it."),
        answer=r"""
            $\sqrt{2 / 784} \approx 0.0505$. Standard normal weights are about twenty times as
            large.
            """,
    ),
    Numbers(
        id="twice-as-large",
        title="Twice as large in every layer",
        text="""
            A net of ReLUs has five layers with weights and no biases. All its weights are doubled.
            Does the class with the largest logit change? And by what factor do its logits grow?
            Enter the factor.
            """,
        numbers=(
            Number(
                2**_LAYERS,
                near={
                    2 * _LAYERS: "Factors multiply from layer to layer. They do not add.",
                    2: "That is what one layer does. How many does a signal pass?",
                    2 ** (_LAYERS - 1): "The output layer has weights, too.",
                },
            ),
        ),
        hints=("One factor of two for each layer that a signal passes.",),
        answer=r"""
            By $2^5 = 32$, and the class with the largest logit stays the same: the net gives the
            same answers. Depth is what makes a wrong scale dangerous.
            """,
    ),
    Numbers(
        id="the-layer-it-forgets",
        title="The layer that batch norm forgets",
        text="""
            With batch norm in the hidden layers and weights of scale 10, the loss at the start is
            still far above chance level. By which power of ten must you multiply the weights of
            the output layer to bring the loss below 3? Enter the largest that does, such as 0.1.
            """,
        numbers=(
            Number(
                _largest_power,
                near={
                    0.1: "The logits still have a standard deviation of about 11: too confident.",
                    1: "Chance level is 2.3, and the net starts far above it.",
                    0: "That works: all classes get the same. But it is no power of ten.",
                },
            ),
        ),
        hints=(
            """What enters the output layer has a mean square of about a half, and there are 256 of
            them. How large are the logits, and how large may they be?""",
            "The logits should be about a hundred times smaller.",
        ),
        answer=r"""
            Logits have a standard deviation of about $10 \sqrt{256 \cdot \frac12} \approx 113$. For
            a loss near chance level they should be below 1 or so: multiply by 0.01 or less. Zero
            will do, too: it gives exactly the chance-level loss, and the first step moves it away
            from there. That is why the last layer of many nets starts small.
            """,
    ),
)
