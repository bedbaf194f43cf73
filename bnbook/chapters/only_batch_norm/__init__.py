"""Chapter 13 · Training nothing but batch norm."""

from bnbook.chapters.chapter import GOING_FURTHER, Chapter
from bnbook.chapters.only_batch_norm.claims import CLAIMS
from bnbook.chapters.only_batch_norm.experiments import EXPERIMENTS
from bnbook.chapters.only_batch_norm.facts import Facts
from bnbook.lab.bands import PAGE
from bnbook.lab.presets import Net, Preset

_ARMS = PAGE.arms
PRESET = Preset(
    name="only-norm",
    title="Train nothing but gamma and beta",
    nets=(
        Net("Everything", _ARMS["1234"]),
        Net("Gamma and beta", _ARMS["only norm"]),
    ),
    controls=("trained",),
    watch="gamma and beta",
    lr=2.0,
    ask="How far do gamma and beta go where nothing else moves? Find the learning rate that suits "
    "that net best, then compare it with a net that trains only its last layer.",
)

CHAPTER = Chapter(
    __name__,
    number=13,
    part=GOING_FURTHER,
    title="Chapter 13 · Training nothing but batch norm",
    question="How far does a net get if all its weights stay as they were drawn?",
    needs=(5,),
    experiments=EXPERIMENTS,
    claims=CLAIMS,
    judges=("A1", "A2", "A3", "A4", "A5", "A7", "A8", "A9"),
    facts_of=Facts,
    preset=PRESET,
)
