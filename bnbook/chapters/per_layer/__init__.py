"""Exercise 3: batch norm in every layer."""

from bnbook.chapters.chapter import EXERCISES, Chapter
from bnbook.chapters.per_layer.claims import CLAIMS
from bnbook.chapters.per_layer.experiments import EXPERIMENTS
from bnbook.chapters.per_layer.facts import Facts
from bnbook.chapters.per_layer.removals import LACKING, LAYERS
from bnbook.lab.bands import PAGE
from bnbook.lab.presets import Net, Preset, Trial

_ARMS = PAGE.arms
_FULL = Net("All four norms", _ARMS["1234"])
#: Nets that lack one norm, by the layer that it follows.
_WITHOUT = {layer: Net(f"Without {layer}'s norm", _ARMS[arm]) for arm, layer in LACKING.items()}

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
    facts_of=Facts,
    preset=Preset(
        name="per-layer",
        title="Take norms away, layer by layer",
        nets=(_FULL, _WITHOUT["fc2"]),
        controls=("toggles",),
        watch="contrast",
        lr=0.1,
        ask="Which one norm does the net miss most? Does a larger learning rate make up for it?",
        trial=Trial(
            claim="Removing the norm after conv1 costs most.",
            direction="below",
            contrasts=tuple(
                (_WITHOUT["conv1"].label, _WITHOUT[layer].label) for layer in LAYERS[1:]
            ),
            nets=tuple((net, None) for net in (_FULL, *_WITHOUT.values())),
        ),
    ),
)
