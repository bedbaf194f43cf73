"""Chapter 10: why it works."""

from bnbook.chapters.chapter import UNDER_THE_HOOD, Chapter
from bnbook.chapters.why.claims import CLAIMS
from bnbook.chapters.why.experiments import EXPERIMENTS
from bnbook.chapters.why.facts import Facts
from bnbook.lab.bands import PAGE
from bnbook.lab.presets import Net, Preset

_ARMS = PAGE.arms

CHAPTER = Chapter(
    __name__,
    number=10,
    part=UNDER_THE_HOOD,
    title="Chapter 10 · Why does it work?",
    question="Steady inputs, even gradients, a smoother loss, flatter minima: "
    "which of these explains why it helps?",
    needs=(2, 4),
    experiments=EXPERIMENTS,
    claims=CLAIMS,
    judges=("C4", "C11", "D6", "D7", "D8"),
    facts_of=Facts,
    preset=Preset(
        name="landscape",
        title="Watch the inputs of the activations move",
        nets=(
            Net("ReLU, batch norm", _ARMS["ReLU, with BN"]),
            Net("ReLU, no norm", _ARMS["ReLU, without BN"]),
        ),
        controls=("norms", "activation"),
        watch="gamma and beta",
        lr=0.1,
        ask="In which net do the distributions wander and widen, layer by layer? Is the layer that "
        "moves most the one that learns least? Raise the learning rate, then switch to sigmoids.",
    ),
)
