"""Chapter 11 · Bad starts."""

from bnbook.chapters.bad_starts.claims import CLAIMS
from bnbook.chapters.bad_starts.experiments import EXPERIMENTS
from bnbook.chapters.bad_starts.facts import Facts
from bnbook.chapters.chapter import GOING_FURTHER, Chapter

CHAPTER = Chapter(
    __name__,
    number=11,
    part=GOING_FURTHER,
    title="Chapter 11 · Bad starts",
    question="Does it make up for initial weights of the wrong size?",
    needs=(2, 6),
    experiments=EXPERIMENTS,
    claims=CLAIMS,
    judges=("B1", "B4", "D5"),
    facts_of=Facts,
)
