"""Chapter 8 · Batch norm from scratch."""

from bnbook.chapters.chapter import UNDER_THE_HOOD, Chapter
from bnbook.chapters.from_scratch.claims import CLAIMS
from bnbook.chapters.from_scratch.experiments import EXPERIMENTS
from bnbook.chapters.from_scratch.facts import Facts

CHAPTER = Chapter(
    __name__,
    number=8,
    part=UNDER_THE_HOOD,
    title="Chapter 8 · Batch norm from scratch",
    question="If your own batch normalization were wrong, would the training curve tell you?",
    needs=(1, 4),
    experiments=EXPERIMENTS,
    claims=CLAIMS,
    judges=("B5", "D2", "E3"),
    facts_of=Facts,
)
