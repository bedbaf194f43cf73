"""Exercise 7 · Other normalizations."""

from bnbook.chapters.chapter import EXERCISES, Chapter
from bnbook.chapters.other_norms.equal_time import NORMS_AT_EQUAL_TIME
from bnbook.chapters.other_norms.experiments import EXPERIMENTS

CHAPTER = Chapter(
    __name__,
    number=7,
    part=EXERCISES,
    title="Exercise 7 · Other normalizations",
    question="Which other ways to normalize are worth their time?",
    needs=(1, 4),
    experiments=(*EXPERIMENTS, NORMS_AT_EQUAL_TIME),
)
