"""Chapter 4: one half of batch norm without the other."""

from bnbook.experiment import PLAIN, SHARED_LR, Experiment, against, tuned
from bnbook.findings.own_rates import OWN_RATES, nets

LITE = Experiment(
    name="lite",
    question="What is left of batch norm if only the mean is removed, or only the scale?",
    arms=nets(PLAIN),
    plan=tuned,
    contrasts=against("full", ("mean-only", "variance-only", "none"), [SHARED_LR, "best"]),
)

EXPERIMENTS = (LITE, OWN_RATES)
