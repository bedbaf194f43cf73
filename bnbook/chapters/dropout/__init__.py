"""The chapter Exercise 6: Dropout or batch norm."""

from bnbook.chapters.chapter import EXERCISES, Chapter
from bnbook.chapters.dropout import answers
from bnbook.chapters.dropout.claims import CLAIMS
from bnbook.chapters.dropout.equal_time import DROPOUT_AT_EQUAL_TIME
from bnbook.chapters.dropout.experiments import EXPERIMENTS

CHAPTER = Chapter(
    __name__,
    number=6,
    part=EXERCISES,
    title="Exercise 6 · Dropout or batch norm?",
    question="Does it regularize, does dropout do so better, and do the two get on?",
    needs=(1, 4),
    experiments=(*EXPERIMENTS, DROPOUT_AT_EQUAL_TIME),
    claims=CLAIMS,
    judges=("B2", "C12", "D4", "D6"),
    ruled=answers.verdicts,
    reads=("dropout", "dropout-few-images", "batch-noise"),
)
