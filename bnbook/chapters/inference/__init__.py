"""Chapter 9 · At inference."""

from bnbook.chapters.chapter import UNDER_THE_HOOD, Chapter
from bnbook.chapters.inference import answers
from bnbook.chapters.inference.claims import CLAIMS
from bnbook.chapters.inference.experiments import EXPERIMENTS
from bnbook.lab.presets import WITH_OR_WITHOUT

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
    preset=WITH_OR_WITHOUT,
    judges=("A6", "D1", "D2", "D3", "D4"),
    ruled=answers.verdicts,
    reads=("running-statistics", "norm-place"),
)
