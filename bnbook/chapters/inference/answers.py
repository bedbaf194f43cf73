"""Chapter 9: what batch norm does once training is over, and where it stands."""

from typing import Any, Final

import pandas as pd
import torch

from bnbook import chapters, findings, folding, models, training
from bnbook.experiment import MARGIN
from bnbook.findings.decisions import Ruled as Verdict
from bnbook.findings.writing import list_of
from bnbook.run import Run

#: The learning rate and the batch size at which the causes are told apart.
LR, BATCH_SIZE = 0.1, 128
ACTIVATIONS: Final = ("sigmoid", "ReLU")
_SHUFFLED = "running, weights still"
_SORTED = "running, weights still, sorted by label"


def verdicts(study: pd.DataFrame, placed: pd.DataFrame) -> list[Verdict]:
    """Judge A6 and D1 to D4 by the records of "running-statistics" and "norm-place"."""
    return [place(placed), order(study), numbers(), linear(), place_and_dropout(placed)]


def usual(study: pd.DataFrame) -> pd.DataFrame:
    """Select the study's runs at `LR` and `BATCH_SIZE`."""
    return study[(study["lr"] == LR) & (study["batch_size"] == BATCH_SIZE)]


def place(frame: pd.DataFrame) -> Verdict:
    """A6: batch norm works better before the activation than after it."""
    return findings.verdict("A6", *_place_rules(frame))


def place_and_dropout(frame: pd.DataFrame) -> Verdict:
    """D4: batch norm belongs before the activation; its other half is chapter 6's."""
    half = " Where dropout belongs is another chapter's question."
    rules = [(status, holds, said + half) for status, holds, said in _place_rules(frame)]
    return findings.verdict("D4", *rules)


def places(frame: pd.DataFrame) -> tuple[dict[str, str], str]:
    """Name the better place per activation, "before", "after" or "" if it is not clear.

    Each net at its own best learning rate; and a sentence with the differences.
    """
    found = findings.contrasts(frame, chapters.experiment("norm-place").contrasts)
    rows: Any = found[found["lr"] == "own best"].to_dict("records")
    sides = {row["a"].split(",")[0]: _side(row) for row in rows}
    said = list_of(f"{findings.as_points(row)} with {row['a'].split(',')[0]}" for row in rows)
    return sides, f"After minus before, each at its own best learning rate: {said}."


def _place_rules(frame: pd.DataFrame) -> list[tuple[str, bool, str]]:
    sides, gaps = places(frame)
    every = set(sides.values())
    return [
        (findings.REPRODUCED, every == {"before"}, f"Before is better with both. {gaps}"),
        (
            findings.NOT_REPRODUCED,
            "before" not in every and "after" in every,
            f"It is the other way round with {_those(sides, 'after')}. {gaps}",
        ),
        (
            findings.REFINED,
            "before" in every,
            f"Before is better with {_those(sides, 'before')} only. {gaps}",
        ),
        (
            findings.NOT_REPRODUCED,
            True,
            f"With neither activation do our seeds show that it matters. {gaps}",
        ),
    ]


def _side(row: dict[str, Any]) -> str:
    """Name the place that is clearly better, or nothing."""
    if row["finding"] not in (findings.DIFFERENT, findings.ONE_TRAINS):
        return ""
    return "before" if row["mean"] < 0 else "after"


def _those(sides: dict[str, str], side: str) -> str:
    found = [activation for activation, better in sides.items() if better == side]
    return list_of(found) if found else "neither"


def order(study: pd.DataFrame) -> Verdict:
    """D1: the order of batches moves the running statistics, shuffling averages that out."""
    gaps: Any = findings.statistics_gaps(usual(study)).set_index(["cause", "arm"])
    shuffled, by_label, moving = (gaps.loc[name] for name in (_SHUFFLED, _SORTED, findings.USUAL))
    margin = findings.points(MARGIN).lstrip("+")
    harmless = bool((shuffled["high"] < MARGIN).all())
    matters = bool((by_label["low"] > MARGIN).all())
    numbers = (
        f"With weights that stand still, batches in random orders put the accuracy off by "
        f"{_both(shuffled)}, and the same images sorted by their labels by {_both(by_label)}."
    )
    cause = (
        " In training it is off by "
        f"{_both(moving)}, for another reason: the weights move under the statistics."
        if (moving["low"] > shuffled["high"]).all()
        else f" In training it is off by {_both(moving)}."
    )
    return findings.verdict(
        "D1",
        (
            findings.REPRODUCED,
            harmless and matters,
            f"Shuffled batches leave less than {margin}. {numbers}{cause}",
        ),
        (
            findings.REFINED,
            harmless,
            f"Shuffled batches leave less than {margin}, but sorted ones need not do worse. "
            f"{numbers}{cause}",
        ),
        (
            findings.REFINED,
            bool((shuffled["mean"] < by_label["mean"]).all()),
            f"Shuffling helps, and something is left. {numbers}{cause}",
        ),
        (findings.NOT_REPRODUCED, True, f"Shuffling does not help. {numbers}{cause}"),
    )


def _both(rows: pd.DataFrame) -> str:
    return list_of(
        f"{findings.points(row['mean'], row['low'], row['high']).lstrip('+')} ({arm})"
        for arm, row in rows.iterrows()
    )


def numbers() -> Verdict:
    """D2: four numbers per channel, two of them trained."""
    trained, kept = four_numbers()
    return findings.verdict(
        "D2",
        (
            findings.REFINED,
            len(trained) == len(kept) == 2,
            f"Two and two, but others than named: {list_of(trained)} (gamma and beta) get "
            f"gradients; {list_of(kept)} are kept from batches. The momentum is one setting for "
            "the whole layer, trained by nothing. Folding leaves none of the four.",
        ),
        (findings.NOT_REPRODUCED, True, f"Trained: {list_of(trained)}; kept: {list_of(kept)}."),
    )


def four_numbers() -> tuple[list[str], list[str]]:
    """Name what a norm with one channel learns, and what else it keeps for it."""
    net = training.build(Run(norms=("batch",) * 4))
    net(torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))).sum().backward()
    norm = net.get_submodule("norm1")
    trained = [name for name, p in norm.named_parameters() if p.grad is not None]
    return trained, [name for name, values in norm.named_buffers() if values.dim()]


def linear() -> Verdict:
    """D3: at inference, batch norm is a linear layer."""
    run = Run(norms=("batch",) * 4)
    net, folded, error = folding_error(run)
    saved = models.parameter_count(net) - models.parameter_count(folded)
    facts = (
        f"Merged into the layers before them, the norms of LeNet are gone, with {saved} of its "
        f"{models.parameter_count(net):,} parameters; in double precision the outputs differ by "
        f"{findings.two_digits(error)} of the largest"
    )
    return findings.verdict(
        "D3",
        (
            findings.REPRODUCED,
            error < 1e-12,
            f"{facts}, which is rounding. Strictly it is affine, a factor and a shift for each "
            "channel; and only in eval mode.",
        ),
        (findings.NOT_REPRODUCED, True, f"{facts}."),
    )


@torch.no_grad()
def folding_error(run: Run) -> tuple[torch.nn.Module, torch.nn.Module, float]:
    """Return `run`'s net after one batch of noise, it folded, and how far their outputs differ.

    In double precision, as a share of the largest output.
    """
    net = training.build(run).double()
    images = torch.rand(256, 1, 28, 28, generator=torch.Generator().manual_seed(0)).double()
    net(images)  # so that there are statistics to fold
    folded = folding.fold(net.eval())
    wanted = net(images)
    return net, folded, float((folded(images) - wanted).abs().max() / wanted.abs().max())
