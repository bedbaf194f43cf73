"""Exercise 7: other normalizations."""

from bnbook.chapters.chapter import EXERCISES, Chapter
from bnbook.chapters.other_norms.equal_time import NORMS_AT_EQUAL_TIME
from bnbook.chapters.other_norms.experiments import EXPERIMENTS
from bnbook.chapters.other_norms.facts import Facts

CHAPTER = Chapter(
    __name__,
    number=7,
    part=EXERCISES,
    title="Exercise 7 · Other normalizations",
    question="Which other ways to normalize beat batch norm, and are they worth their time?",
    needs=(1, 4),
    experiments=(*EXPERIMENTS, NORMS_AT_EQUAL_TIME),
    facts_of=Facts,
)
