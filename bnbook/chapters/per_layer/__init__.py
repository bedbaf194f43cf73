"""Exercise 3: batch norm in every layer."""

from bnbook.chapters.chapter import EXERCISES, Chapter
from bnbook.chapters.per_layer.claims import CLAIMS
from bnbook.chapters.per_layer.experiments import EXPERIMENTS
from bnbook.chapters.per_layer.facts import facts
from bnbook.lab.bands import PAGE
from bnbook.lab.presets import Net, Preset

_ARMS = PAGE.arms

CHAPTER = Chapter(
    __name__,
    number=3,
    part=EXERCISES,
    title="Exercise 3 · Batch norm in every layer?",
    question="Do we need it in every layer? Which one matters most?",
    needs=(2,),
    experiments=EXPERIMENTS,
    claims=CLAIMS,
    judges=("C5", "C6"),
    facts_of=facts,
    preset=Preset(
        name="per-layer",
        title="Take norms away, layer by layer",
        nets=(Net("All four norms", _ARMS["1234"]), Net("Without fc2's norm", _ARMS["123"])),
        controls=("toggles",),
        watch="contrast",
        lr=0.1,
        ask="Which one norm does the net miss most? Does a larger learning rate make up for it?",
    ),
)
