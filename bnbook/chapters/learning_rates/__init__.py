"""Exercise 2: learning rates with and without batch norm."""

from bnbook.chapters.chapter import EXERCISES, Chapter
from bnbook.chapters.learning_rates.claims import CLAIMS
from bnbook.chapters.learning_rates.experiments import EXPERIMENTS
from bnbook.chapters.learning_rates.facts import Facts
from bnbook.lab.presets import WITH_OR_WITHOUT

CHAPTER = Chapter(
    __name__,
    number=2,
    part=EXERCISES,
    title="Exercise 2 · Learning rates with and without batch norm",
    question="Which learning rates still train, with batch normalization and without?",
    experiments=EXPERIMENTS,
    claims=CLAIMS,
    judges=("C2", "C3", "C4", "D5"),
    facts_of=Facts,
    preset=WITH_OR_WITHOUT,
)
