"""Chapter 5: gamma and beta, learned and held fixed."""

from bnbook.experiment import FULL, SHARED_LR, Experiment, against, held_fixed, tuned

AFFINE = Experiment(
    name="affine",
    question="What do gamma and beta do for the net, and what happens when they are fixed?",
    arms={"both learned": FULL, **held_fixed(FULL)},
    plan=tuned,
    contrasts=against("both learned", held_fixed(FULL), [SHARED_LR, "best"]),
)

EXPERIMENTS = (AFFINE,)
