"""What each chapter measures: named sets of runs, with the comparisons stated beforehand.

Arms, seeds, learning rates, primary contrasts and margins stand here before any of them is run;
no seed is added after looking.
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import pandas as pd

from bnbook import data
from bnbook.errors import BookError
from bnbook.run import Run

BATCH_NORM = ("batch",) * 4
#: Seeds of the recorded comparisons; no trial run has used them.
SEEDS = tuple(range(10, 20))
#: Curves and maps that no primary contrast of ten seeds rests on.
FEW_SEEDS = SEEDS[:5]
#: Tuning has seeds of its own, so that the winner is compared on fresh ones.
TUNING_SEEDS = (100, 101)
SHARED_LR = 0.1
TUNING_LRS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
RATES = (0.01, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
GRID_LRS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
GRID_BATCH_SIZES = (128, 32, 512)
#: The smallest batch makes eight times the steps: it gets every second learning rate.
SMALL_BATCH = 16
POSTED_RATES = (0.05, 0.1, 0.5, 1.0, 2.0, 4.0)
LAYER_LRS = (0.1, 1.0)
#: The bands beside the runs that readers train on the page.
PAGE_SEEDS = (0, 1, 2, 3, 4)
PAGE_LRS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
PAGE_BATCH_SIZES = (16, 32, 512)
PAGE_BATCH_LRS = (0.1, 0.5, 1.0, 2.0, 5.0)
PAGE_VARIANT_LRS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
PAGE_SUBSET_LRS = (0.1, 1.0)

#: Differences below this (0.2 percentage points of accuracy) count as none.
MARGIN = 0.002


@dataclass(frozen=True)
class Contrast:
    """A primary comparison: `outcome` of arm `a` minus that of arm `b`, paired by seed.

    `lr` is the learning rate of both, or "best" for each arm's own.
    """

    a: str
    b: str
    lr: float | str
    outcome: str = "test_accuracy"
    margin: float = MARGIN


@dataclass(frozen=True)
class Experiment:
    """A named set of runs: variants ("arms") of one base run, and the contrasts between them.

    `plan(experiment, frame)` lists the runs that can be named so far; `frame` holds what is
    already recorded, from which tuning reads its winners.
    """

    name: str
    chapter: int
    question: str
    arms: dict[str, Run]
    plan: Callable[["Experiment", pd.DataFrame], list[Run]]
    contrasts: tuple[Contrast, ...] = ()

    def runs(self, frame: pd.DataFrame) -> list[Run]:
        """List the runs that can be named now, without repetition.

        `frame` is `store.read`'s table of this experiment with an `arm` column; it may be empty.
        """
        return list(dict.fromkeys(self.plan(self, frame)))

    def arm_of(self, run: Run) -> str:
        """Name the arm that `run` belongs to. Raises BookError if it belongs to none."""
        for name, base in self.arms.items():
            if run == replace(base, lr=run.lr, batch_size=run.batch_size, seed=run.seed):
                return name
        raise BookError(f"run {run.key} belongs to no arm of {self.name}: its records are stale")


def best_lr(frame: pd.DataFrame, arm: str) -> float:
    """Learning rate with the highest mean validation accuracy of `arm` over the tuning seeds.

    A rate at which a tuning run failed (collapsed or non-finite) is passed over, unless all did;
    of equals the smaller wins. `frame` has one row per run and epoch. Raises BookError where the
    tuning runs are missing.
    """
    tuning = frame[(frame["arm"] == arm) & frame["seed"].isin(TUNING_SEEDS)]
    if tuning.empty:
        raise BookError(f"no tuning runs of arm {arm!r} are recorded: run the sweep to its end")
    final = tuning.loc[tuning.groupby("key")["epoch"].idxmax()]
    broke = final["outcome"].isin(["collapsed", "non-finite"]).groupby(final["lr"]).any()
    means = final.groupby("lr")["val_accuracy"].mean()
    sound = means[~broke] if not broke.all() else means
    return float(sound.index[int(sound.argmax())])


def grid(arms: Iterable[Run], lrs: Iterable[float], seeds: Iterable[int]) -> list[Run]:
    """Cross arms with learning rates and seeds; seeds vary slowest, so pairs are near in time."""
    return [replace(arm, lr=lr, seed=seed) for seed, lr, arm in itertools.product(seeds, lrs, arms)]


def _shared(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    arms = dict(experiment.arms)
    compared = {c.a for c in experiment.contrasts} | {c.b for c in experiment.contrasts}
    return [
        *grid([arm for name, arm in arms.items() if name in compared], [SHARED_LR], SEEDS),
        *grid(arms.values(), [SHARED_LR], FEW_SEEDS),
    ]


def _learning_rates(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    return grid(experiment.arms.values(), RATES, FEW_SEEDS)


def _learning_rate_grid(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    cells = [(size, GRID_LRS) for size in GRID_BATCH_SIZES] + [(SMALL_BATCH, GRID_LRS[1::2])]
    return [
        replace(run, batch_size=size)
        for size, lrs in cells
        for run in grid(experiment.arms.values(), lrs, FEW_SEEDS)
    ]


def _per_layer(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    return grid(experiment.arms.values(), LAYER_LRS, FEW_SEEDS)


def _as_posted(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    arms = experiment.arms
    rated = [arms[name] for name in ("without BN", "without BN, padded")]
    return [
        *grid(arms.values(), [SHARED_LR], FEW_SEEDS),
        *grid(rated, POSTED_RATES, FEW_SEEDS),
    ]


def _tuned(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:
    """Tune every arm, then run fresh seeds at the shared rate and at each arm's own best."""
    arms = experiment.arms
    tuning = grid(arms.values(), TUNING_LRS, TUNING_SEEDS)
    own_best: list[Run] = []
    recorded = set(frame["key"]) if len(frame) else set()
    for name, arm in arms.items():
        if all(run.key in recorded for run in grid([arm], TUNING_LRS, TUNING_SEEDS)):
            own_best += grid([arm], [best_lr(frame, name)], SEEDS)
    return tuning + grid(arms.values(), [SHARED_LR], SEEDS) + own_best


def subset_name(slots: Iterable[int]) -> str:
    """Name the subset of norm slots (1 to 4) that hold batch norm: "124", or "none"."""
    return "".join(map(str, sorted(slots))) or "none"


def _subsets(base: Run) -> dict[str, Run]:
    slots = (1, 2, 3, 4)
    subsets = itertools.chain.from_iterable(itertools.combinations(slots, k) for k in range(5))
    return {
        subset_name(held): replace(
            base, norms=tuple("batch" if s in held else "none" for s in slots)
        )
        for held in subsets
    }


def _page(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    arms = dict(experiment.arms)
    main = [arms.pop("1234"), arms.pop("none")]
    subsets = [arms.pop(name) for name in _subsets(_PAGE) if name in arms]
    return [
        *grid(main, PAGE_LRS, PAGE_SEEDS),
        *grid(arms.values(), PAGE_VARIANT_LRS, PAGE_SEEDS),
        *(
            replace(run, batch_size=size)
            for size in PAGE_BATCH_SIZES
            for run in grid(main, PAGE_BATCH_LRS, PAGE_SEEDS)
        ),
        *grid(subsets, PAGE_SUBSET_LRS, PAGE_SEEDS),
    ]


def _against(
    reference: str, others: Iterable[str], lrs: Iterable[float | str]
) -> tuple[Contrast, ...]:
    return tuple(Contrast(other, reference, lr) for lr in lrs for other in others)


_PLAIN = Run(train_size=50_000, epochs=10, eval_epochs=(1, 2, 3, 5, 7, 10))
_FULL = replace(_PLAIN, norms=BATCH_NORM)
#: The posts' budget: all training images.
_POSTED_PLAIN = Run(
    dataset="mnist_60000", train_size=60_000, epochs=10, eval_epochs=(1, 2, 4, 7, 10)
)
_POSTED = replace(_POSTED_PLAIN, norms=BATCH_NORM)
#: One cell of the map of learning rates and batch sizes.
_CELL = Run(train_size=20_000, epochs=3)
_LAYERS = Run(train_size=50_000, epochs=8, eval_epochs=(1, 2, 4, 8))
#: What the page trains: its own few digits, so that a run takes seconds.
_PAGE = Run(dataset="digits", train_size=data.DIGITS_SIZES[0], epochs=10)
_PAGE_FULL = replace(_PAGE, norms=BATCH_NORM)
EXPERIMENTS = {
    e.name: e
    for e in (
        Experiment(
            name="bias-removal",
            chapter=1,
            question="Can the biases before batch norm go, and where must they stay?",
            arms={
                "all biases": _FULL,
                "no conv biases": replace(_FULL, conv_bias=False),
                "no linear biases": replace(_FULL, linear_bias=False),
                "no biases": replace(_FULL, conv_bias=False, linear_bias=False),
                "variance-only, all biases": replace(_PLAIN, norms=("variance",) * 4),
                "variance-only, no biases": replace(
                    _PLAIN, norms=("variance",) * 4, conv_bias=False, linear_bias=False
                ),
            },
            plan=_shared,
            contrasts=_against(
                "all biases", ("no conv biases", "no linear biases", "no biases"), [SHARED_LR]
            ),
        ),
        Experiment(
            name="learning-rate",
            chapter=2,
            question="How large may the learning rate be, with and without batch norm?",
            arms={"with BN": _FULL, "without BN": _PLAIN},
            plan=_learning_rates,
            contrasts=_against("without BN", ["with BN"], [0.1, 0.5, 2.0]),
        ),
        Experiment(
            name="learning-rate-grid",
            chapter=2,
            question="At which learning rates and batch sizes does training succeed?",
            arms={"with BN": replace(_CELL, norms=BATCH_NORM), "without BN": _CELL},
            plan=_learning_rate_grid,
        ),
        Experiment(
            name="per-layer",
            chapter=3,
            question="Does every layer need its batch norm?",
            arms=_subsets(_LAYERS),
            plan=_per_layer,
            contrasts=_against("1234", ("234", "134", "124", "123"), LAYER_LRS),
        ),
        Experiment(
            name="lite",
            chapter=4,
            question="What is left of batch norm if only the mean is removed, or only the scale?",
            arms={
                "full": _FULL,
                "mean-only": replace(_PLAIN, norms=("mean",) * 4),
                "variance-only": replace(_PLAIN, norms=("variance",) * 4),
                "none": _PLAIN,
                "gamma fixed": replace(_FULL, affine="beta"),
                "beta fixed": replace(_FULL, affine="gamma"),
                "both fixed": replace(_FULL, affine="none"),
            },
            plan=_tuned,
            contrasts=_against("full", ("mean-only", "variance-only", "none"), [SHARED_LR, "best"]),
        ),
        Experiment(
            name="affine",
            chapter=5,
            question="What do gamma and beta do for the net, and what happens when they are fixed?",
            arms={
                "both learned": _FULL,
                "gamma fixed": replace(_FULL, affine="beta"),
                "beta fixed": replace(_FULL, affine="gamma"),
                "both fixed": replace(_FULL, affine="none"),
            },
            plan=_tuned,
            contrasts=_against(
                "both learned",
                ("gamma fixed", "beta fixed", "both fixed"),
                [SHARED_LR, "best"],
            ),
        ),
        Experiment(
            name="as-posted",
            chapter=1,
            question="What comes out if the posts' own protocols are followed, with five seeds?",
            arms={
                "with BN": _POSTED,
                "no hidden biases": replace(_POSTED, conv_bias=False, linear_bias=False),
                "no conv biases": replace(_POSTED, conv_bias=False),
                "no linear biases": replace(_POSTED, linear_bias=False),
                "gamma fixed": replace(_POSTED, affine="beta"),
                "beta fixed": replace(_POSTED, affine="gamma"),
                "both fixed": replace(_POSTED, affine="none"),
                **{
                    f"without norm {layer}": replace(
                        _POSTED,
                        norms=tuple("none" if s == layer else "batch" for s in (1, 2, 3, 4)),
                    )
                    for layer in (1, 2, 3, 4)
                },
                "without BN": _POSTED_PLAIN,
                "without BN, padded": replace(_POSTED_PLAIN, padding=2),
            },
            plan=_as_posted,
        ),
        Experiment(
            name="browser-lab",
            chapter=2,
            question="What do other seeds do at the settings that a reader trains on the page?",
            arms={
                **_subsets(_PAGE),
                "no biases": replace(_PAGE_FULL, conv_bias=False, linear_bias=False),
                "mean-only": replace(_PAGE, norms=("mean",) * 4),
                "variance-only": replace(_PAGE, norms=("variance",) * 4),
                "gamma fixed": replace(_PAGE_FULL, affine="beta"),
                "beta fixed": replace(_PAGE_FULL, affine="gamma"),
                "both fixed": replace(_PAGE_FULL, affine="none"),
            },
            plan=_page,
        ),
    )
}


def find(name: str) -> Experiment:
    """Return the experiment called `name`. Raises BookError for an unknown one."""
    if name not in EXPERIMENTS:
        raise BookError(f"unknown experiment {name!r}; known: {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]
