"""Exercise 1: the bias before batch norm."""

from bnbook.chapters.bias_removal.claims import CLAIMS
from bnbook.chapters.bias_removal.experiments import EXPERIMENTS
from bnbook.chapters.bias_removal.facts import Facts
from bnbook.chapters.chapter import EXERCISES, Chapter
from bnbook.lab.bands import PAGE
from bnbook.lab.presets import Net, Preset, Trial

_ARMS = PAGE.arms

CHAPTER = Chapter(
    __name__,
    number=1,
    part=EXERCISES,
    title="Exercise 1 · The bias before batch norm",
    question="Can we remove the bias before batch normalization, and when would that be wrong?",
    experiments=EXPERIMENTS,
    claims=CLAIMS,
    judges=("C1",),
    facts_of=Facts,
    preset=Preset(
        name="bias-removal",
        title="Train with and without the biases",
        nets=(Net("All biases", _ARMS["1234"]), Net("No biases", _ARMS["no biases"])),
        controls=("biases",),
        watch="bias gradients",
        lr=0.5,
        ask="Do the two curves ever part? Do the hidden biases get a gradient? Then give both "
        "nets the variance-only norm and train again.",
        trial=Trial(
            claim="Without the biases it is the same net.",
            direction="same",
            contrasts=(("No biases", "All biases"),),
        ),
    ),
)
