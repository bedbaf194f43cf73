"""The chapter Chapter 10: Why does it work."""

from bnbook.chapters.chapter import UNDER_THE_HOOD, Chapter
from bnbook.chapters.why import answers
from bnbook.chapters.why.claims import CLAIMS
from bnbook.chapters.why.experiments import EXPERIMENTS
from bnbook.lab.presets import WITH_OR_WITHOUT

CHAPTER = Chapter(
    __name__,
    number=10,
    part=UNDER_THE_HOOD,
    title="Chapter 10 · Why does it work?",
    question="Less covariate shift, even gradients, a smoother loss, flatter minima: "
    "what can be seen?",
    needs=(2, 4),
    experiments=EXPERIMENTS,
    claims=CLAIMS,
    preset=WITH_OR_WITHOUT,
    judges=("C4", "C11", "D6", "D7", "D8"),
    ruled=answers.verdicts,
    reads=("landscape", "sharpness"),
)
