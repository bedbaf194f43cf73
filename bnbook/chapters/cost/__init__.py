"""Chapter 12 · What batch norm costs."""

from bnbook.chapters.chapter import GOING_FURTHER, Chapter
from bnbook.chapters.cost.claims import CLAIMS
from bnbook.chapters.cost.experiments import EXPERIMENTS
from bnbook.chapters.cost.facts import Facts
from bnbook.lab.bands import PAGE
from bnbook.lab.presets import Net, Preset

_ARMS = PAGE.arms
PRESET = Preset(
    name="time-to-accuracy",
    title="Race two ReLU nets to 95%",
    nets=(
        Net("Batch norm", _ARMS["ReLU, with BN"]),
        Net("No norm", _ARMS["ReLU, without BN"]),
    ),
    controls=("norms", "activation"),
    watch="time",
    lr=0.2,
    ask="Which net takes longer for a step, and which takes longer to the goal? "
    "Then find the learning rate at which each of them gets there soonest.",
)

CHAPTER = Chapter(
    __name__,
    number=12,
    part=GOING_FURTHER,
    title="Chapter 12 · What batch norm costs",
    question="How much slower is a step with it, and do we reach a given accuracy later?",
    experiments=EXPERIMENTS,
    claims=CLAIMS,
    judges=("B3",),
    facts_of=Facts,
    preset=PRESET,
)
