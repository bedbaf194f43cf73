"""Exercise 5 · Fixed gamma and beta."""

from bnbook.chapters.chapter import EXERCISES, Chapter
from bnbook.chapters.fixed_affine.claims import CLAIMS
from bnbook.chapters.fixed_affine.experiments import EXPERIMENTS
from bnbook.chapters.fixed_affine.facts import Facts
from bnbook.lab.bands import PAGE
from bnbook.lab.presets import Net, Preset, Trial

_ARMS = PAGE.arms
PRESET = Preset(
    name="affine",
    title="Fix gamma, beta, or both",
    nets=(Net("Both learned", _ARMS["1234"]), Net("Both fixed", _ARMS["both fixed"])),
    controls=("affine",),
    watch="gamma and beta",
    lr=2.0,
    ask="Where do gamma and beta go, layer by layer? Then fix only one of the two.",
    trial=Trial(
        claim="Fixing both gamma and beta costs accuracy.",
        direction="below",
        contrasts=(("Both fixed", "Both learned"),),
        # Each net has its own rate: the best for seeds 100 to 102 of some on the slider.
        nets=(
            (Net("Both learned", _ARMS["1234"]), 0.5),
            (Net("Both fixed", _ARMS["both fixed"]), 0.32),
        ),
        evidence="cost",
    ),
)

CHAPTER = Chapter(
    __name__,
    number=5,
    part=EXERCISES,
    title="Exercise 5 · Fixed gamma and beta",
    question="What do the learned scale and shift contribute?",
    needs=(1, 4),
    experiments=EXPERIMENTS,
    claims=CLAIMS,
    judges=("A3", "C7", "C8", "C9", "C10"),
    facts_of=Facts,
    preset=PRESET,
)
