"""Chapter 1: whether the biases before batch norm can go."""

import pandas as pd

from bnbook import findings
from bnbook.chapters.bias_removal import experiments
from bnbook.findings.decisions import Ruled as Verdict


def verdicts(frame: pd.DataFrame) -> list[Verdict]:
    """Judge C1 by the records of experiment "bias-removal"."""
    contrasts = findings.contrasts(frame, experiments.BIAS_REMOVAL.contrasts)
    largest_gap = float(contrasts["mean"].abs().max())
    batch_norm = frame[~frame["arm"].astype(str).str.startswith("variance")]
    ends = findings.final(batch_norm).groupby("arm", observed=True)["test_accuracy"]
    spread = (ends.max() - ends.min()).max()
    return [
        findings.verdict(
            "C1",
            (
                findings.REFINED,
                bool((contrasts["finding"] == findings.EQUIVALENT).all()),
                "The biases can go, as the source says, and more sharply: the largest mean "
                f"difference between variants is {findings.points(largest_gap)}, while seeds of "
                f"one variant spread over {100 * spread:.1f} points. Differences between single "
                "runs with other seeds or running statistics say nothing about biases.",
            ),
            (
                findings.NOT_REPRODUCED,
                True,
                "Some variant differs from the net with all biases: the largest mean difference "
                f"is {findings.points(largest_gap)}.",
            ),
        )
    ]
