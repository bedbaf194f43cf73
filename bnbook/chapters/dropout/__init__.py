"""Exercise 6: dropout or batch norm."""

from bnbook.chapters.chapter import EXERCISES, Chapter
from bnbook.chapters.dropout.claims import CLAIMS
from bnbook.chapters.dropout.equal_time import DROPOUT_AT_EQUAL_TIME
from bnbook.chapters.dropout.experiments import EXPERIMENTS
from bnbook.chapters.dropout.facts import Facts

CHAPTER = Chapter(
    __name__,
    number=6,
    part=EXERCISES,
    title="Exercise 6 · Dropout or batch norm?",
    question="Can batch norm replace dropout, and do the two work well together?",
    needs=(1, 4),
    experiments=(*EXPERIMENTS, DROPOUT_AT_EQUAL_TIME),
    claims=CLAIMS,
    judges=("B2", "C12", "D4", "D6"),
    facts_of=Facts,
)
