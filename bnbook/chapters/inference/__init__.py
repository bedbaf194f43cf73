"""Chapter 9 · At inference."""

from bnbook.chapters.chapter import UNDER_THE_HOOD, Chapter
from bnbook.chapters.inference.claims import CLAIMS
from bnbook.chapters.inference.experiments import EXPERIMENTS
from bnbook.chapters.inference.facts import Facts
from bnbook.lab.bands import PAGE
from bnbook.lab.presets import Net, Preset

_ARMS = PAGE.arms

CHAPTER = Chapter(
    __name__,
    number=9,
    part=UNDER_THE_HOOD,
    title="Chapter 9 · At inference",
    question="Why does the test accuracy of a net with batch norm jump "
    "from one evaluation to the next?",
    needs=(1, 8),
    experiments=EXPERIMENTS,
    claims=CLAIMS,
    judges=("A6", "D1", "D3", "D4"),
    facts_of=Facts,
    preset=Preset(
        name="running-statistics",
        title="Watch running statistics mislead",
        nets=(
            Net("Sigmoid, batch norm", _ARMS["1234"]),
            Net("ReLU, batch norm", _ARMS["ReLU, with BN"]),
        ),
        controls=("activation",),
        watch="running statistics",
        lr=0.5,
        ask="While it trains, a thin line shows the accuracy of the same net with the running "
        "statistics that PyTorch keeps. For which net are the two lines further apart, and at "
        "which rates?",
    ),
)
