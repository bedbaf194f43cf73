"""Exercise 4 · Batch norm lite."""

from bnbook.chapters.chapter import EXERCISES, Chapter
from bnbook.chapters.lite_batch_norm.claims import CLAIMS
from bnbook.chapters.lite_batch_norm.experiments import EXPERIMENTS
from bnbook.chapters.lite_batch_norm.facts import Facts
from bnbook.lab.bands import PAGE
from bnbook.lab.presets import Net, Preset, Trial

_ARMS = PAGE.arms
PRESET = Preset(
    name="lite",
    title="Remove only the mean, or only the scale",
    nets=(Net("Batch norm", _ARMS["1234"]), Net("Mean only", _ARMS["mean-only"])),
    controls=("norms",),
    watch="",
    lr=2.0,
    ask="Watch what each norm does to the values that reach the last layers. "
    "Then try variance only.",
    trial=Trial(
        claim="Mean-only comes closer to full batch norm than variance-only.",
        direction="above",
        contrasts=(("Mean only", "Variance only"),),
        # Each net has its own rate: the best for seeds 100 to 102 of some on the slider.
        nets=(
            (Net("Mean only", _ARMS["mean-only"]), 6.3),
            (Net("Variance only", _ARMS["variance-only"]), 0.04),
        ),
    ),
)

CHAPTER = Chapter(
    __name__,
    number=4,
    part=EXERCISES,
    title="Exercise 4 · Batch norm lite",
    question="What is left if it only removes the mean, or only the variance?",
    needs=(1, 2),
    experiments=EXPERIMENTS,
    claims=CLAIMS,
    judges=("C10",),
    facts_of=Facts,
    preset=PRESET,
)
