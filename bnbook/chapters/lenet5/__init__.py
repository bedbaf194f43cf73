"""Chapter 14 · LeNet-5, a lab session."""

from bnbook.chapters.chapter import GOING_FURTHER, Chapter
from bnbook.chapters.lenet5.claims import CLAIMS
from bnbook.chapters.lenet5.experiments import EXPERIMENTS
from bnbook.chapters.lenet5.facts import Facts

CHAPTER = Chapter(
    __name__,
    number=14,
    part=GOING_FURTHER,
    title="Chapter 14 · LeNet\N{NON-BREAKING HYPHEN}5, a lab session",
    question="Does batch norm make LeNet-5 converge faster and end better, as a lab sheet says?",
    needs=(2, 8),
    experiments=EXPERIMENTS,
    claims=CLAIMS,
    judges=("E1", "E2", "E3"),
    facts_of=Facts,
)
