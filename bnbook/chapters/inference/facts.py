"""What the records say about batch norm at inference."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import torch

from bnbook import findings, folding, models, training
from bnbook.chapters.inference.experiments import EXPERIMENTS, UPDATE_RATES, USUAL_RATE
from bnbook.experiment import MARGIN, SHARED_LR
from bnbook.findings import Interval, decisions
from bnbook.run import Run

#: The learning rate and the batch size at which the causes are told apart.
LR, BATCH_SIZE = SHARED_LR, 128
LAYERS: Final = models.LENET_LAYERS[:-1]
ACTIVATIONS: Final = ("sigmoid", "ReLU")
MOVING, STILL = findings.USUAL, "running, weights still"
SORTED, OWN = "running, weights still, sorted by label", "each batch its own"
LAST_MOVING, LAST_STILL = "last batch, in training", "last batch, weights still"
#: In the long runs: looks while a slow average's start still counts, and the late ones.
EARLY, LATE = (200, 300, 450, 700), 1_575

_PLANS = {one.name: one for one in EXPERIMENTS}


@dataclass(frozen=True)
class Facts:
    """Differences are shares of the validation images; mappings are by activation."""

    seeds: int
    nets: int
    images: int
    steps: int
    #: How far off the accuracy is, on average over looks, by the origin of the statistics.
    off: Mapping[str, Mapping[str, Interval]]  # by activation, then by `findings.CAUSES`
    worst: Mapping[str, float]  # the largest of a single look, with PyTorch's statistics
    #: Of two origins, the first minus the second, paired by seed.
    extra: Mapping[str, Interval]  # `MOVING` and `STILL`
    lagging: Interval  # sigmoids, early, without the start: update rates 0.01 and 0.1
    averaging: Mapping[str, Interval]  # `LAST_MOVING` over `MOVING`, a ratio, paired by seed
    itself: float  # change of the re-estimated accuracy in five steps, typical
    #: Of the nets of Exercise 1, trained on all images.
    evaluations: int
    typical: float
    largest: float
    spread: float  # of test accuracies over seeds, with re-estimated statistics
    spread_running: float
    #: By activation and layer, on fixed images: what successive changes of a mean do.
    cosine: Mapping[str, Mapping[str, Interval]]
    step: Mapping[str, Mapping[str, Interval]]  # in standard deviations of the feature
    step_ratio: Mapping[str, Interval]  # by layer: sigmoid over ReLU, paired by seed
    #: By activation and layer: correlation two steps apart minus one step apart.
    zigzag: Mapping[str, Mapping[str, Interval]]
    autocorrelation: pd.DataFrame  # `arm`, `layer`, `lag`, `mean`, `low`, `high`
    #: How far running means are from the true ones, in standard deviations.
    offset: Mapping[str, Mapping[str, Interval]]
    rates: pd.DataFrame  # typical differences by `arm`, `rate` and `when`
    settings: pd.DataFrame  # with PyTorch's rate, by `arm`, `lr` and `batch_size`
    small_batch: int
    placed: pd.DataFrame  # contrasts, after minus before
    place_seeds: int
    before: int  # parameters of our net
    folded: int  # and without its norms
    folding_error: float  # relative to the largest output, in double precision

    def lags(self, arm: str) -> bool:
        """Whether moving weights, not noise, account for most of an activation's difference."""
        off = self.off[arm]
        return self.extra[arm].low > 0 and off[MOVING].mean > 3 * off[STILL].mean

    @property
    def decision(self) -> str:
        """Whether the statistics mislead because they belong to earlier weights."""
        lags = [self.lags(arm) for arm in ACTIVATIONS]
        if all(lags):
            return decisions.SUPPORTED
        noise = all(self.off[arm][STILL].mean > self.extra[arm].high for arm in ACTIVATIONS)
        return decisions.REFUTED if noise else decisions.UNDECIDED

    @property
    def weights_to_blame(self) -> bool:
        """Whether the net itself changes more than its statistics mislead, with sigmoids."""
        return self.itself > self.sigmoid.mean

    @property
    def sigmoid(self) -> Interval:
        """How far off the accuracy is with PyTorch's running statistics and sigmoids."""
        return self.off["sigmoid"][MOVING]

    @property
    def relu(self) -> Interval:
        """The same with ReLU."""
        return self.off["ReLU"][MOVING]

    @property
    def sigmoid_still(self) -> Interval:
        """How far off it is if the weights do not move."""
        return self.off["sigmoid"][STILL]

    @property
    def sigmoid_last(self) -> Interval:
        """How far off it is with the statistics of the last batch alone."""
        return self.off["sigmoid"][LAST_MOVING]

    @property
    def sigmoid_worst(self) -> float:
        """Its largest difference at a single look."""
        return self.worst["sigmoid"]

    @property
    def own_small(self) -> Interval:
        """How far off it is if each small batch is normalized by itself, sigmoids."""
        rows = self.settings[(self.settings["cause"] == OWN) & (self.settings["arm"] == "sigmoid")]
        return _interval(rows.loc[rows["batch_size"].idxmin()])

    @property
    def turn_back(self) -> bool:
        """Whether successive changes of the means go against each other, everywhere."""
        return all(one.high < 0 for arm in ACTIVATIONS for one in self.cosine[arm].values())

    @property
    def sharper(self) -> tuple[str, ...]:
        """Layers whose means turn back more sharply with sigmoids than with ReLU."""
        own, other = (self.cosine[arm] for arm in ACTIVATIONS)
        return tuple(layer for layer in LAYERS if own[layer].high < other[layer].low)

    @property
    def longer(self) -> tuple[str, ...]:
        """Layers whose means go by longer steps with sigmoids."""
        return tuple(layer for layer in LAYERS if self.step_ratio[layer].low > 1)

    @property
    def to_and_fro(self) -> tuple[str, ...]:
        """Layers whose means, with sigmoids, are more alike after two steps than after one."""
        return tuple(layer for layer in LAYERS if self.zigzag["sigmoid"][layer].low > 0)

    @property
    def furthest(self) -> tuple[str, ...]:
        """The two layers whose running means are furthest off, with sigmoids."""
        off = {layer: one.mean for layer, one in self.offset["sigmoid"].items()}
        first, second = sorted(off, key=off.__getitem__)[-2:]
        return tuple(layer for layer in LAYERS if layer in (first, second))

    def at_rate(self, arm: str, rate: float, when: str) -> float:
        """Typical difference with an update rate of the running statistics."""
        rows = self.rates
        mine = (rows["arm"] == arm) & (rows["rate"] == rate) & (rows["when"] == when)
        return float(rows.loc[mine, "mean"].iloc[0])

    @property
    def slow_early(self) -> float:
        """The slowest average's, with sigmoids, as it is kept, early."""
        return self.at_rate("sigmoid", 0.01, "early, as kept")

    @property
    def slow_debiased(self) -> float:
        """The same without its start."""
        return self.at_rate("sigmoid", 0.01, "early, start taken out")

    @property
    def usual_debiased(self) -> float:
        """The usual average's, early, without its start."""
        return self.at_rate("sigmoid", USUAL_RATE, "early, start taken out")

    @property
    def no_average(self) -> float:
        """The last batch's alone, early."""
        return self.at_rate("sigmoid", 1.0, "early, start taken out")

    @property
    def late_span(self) -> float:
        """Between the best update rate and the worst, late, with sigmoids."""
        late = self.rates[(self.rates["when"] == "late") & (self.rates["arm"] == "sigmoid")]
        return float(late["mean"].max() - late["mean"].min())

    @property
    def A6(self) -> str:  # noqa: N802
        """Batch norm works better before the activation, each net at its own best rate."""
        own: Any = self.placed[self.placed["lr"] == "own best"].to_dict("records")
        found = [decisions.below(row) for row in own]
        if all(one == decisions.SUPPORTED for one in found):
            return decisions.REPRODUCED
        if decisions.SUPPORTED in found:
            return decisions.REFINED
        refuted = all(one == decisions.REFUTED for one in found)
        return decisions.REFUTED if refuted else decisions.UNDECIDED

    @property
    def D1(self) -> str:  # noqa: N802
        """The order of batches moves the statistics, shuffling averages that out."""
        harmless = [self.off[arm][STILL].high < MARGIN for arm in ACTIVATIONS]
        harm = [self.off[arm][SORTED].low > MARGIN for arm in ACTIVATIONS]
        if all(harmless):
            return decisions.REPRODUCED if all(harm) else decisions.REFINED
        over = any(self.off[arm][STILL].low > MARGIN for arm in ACTIVATIONS)
        return decisions.REFUTED if over else decisions.UNDECIDED

    @property
    def D3(self) -> str:  # noqa: N802
        """At inference, batch norm is a linear layer."""
        return decisions.REPRODUCED if self.folding_error < 1e-12 else decisions.REFUTED

    @property
    def D4(self) -> str:  # noqa: N802
        """Batch norm belongs before the activation; where dropout belongs is chapter 6's."""
        return self.A6

    @property
    def saved(self) -> int:
        """Parameters that folding does away with."""
        return self.before - self.folded

    @property
    def sorted_sigmoid(self) -> Interval:
        """How far off it is after images sorted by label, with sigmoids."""
        return self.off["sigmoid"][SORTED]


def facts(records: Mapping[str, pd.DataFrame]) -> Facts:
    """Work out the facts from this chapter's experiments and "bias-removal"."""
    study = records["running-statistics"]
    usual = study[(study["lr"] == LR) & (study["batch_size"] == BATCH_SIZE)]
    gaps = findings.statistics_gaps(usual)
    long = records["bias-removal"]
    long = long[(long["arm"] == "all biases") & (long["epoch"] > 0)]
    noise = findings.evaluation_noise(long).iloc[0]
    ends = findings.final(long)
    placed = records["norm-place"]
    net, folded, error = folding_error(Run(norms=("batch",) * 4))
    return Facts(
        seeds=usual["seed"].nunique(),
        nets=study["key"].nunique(),
        images=Run().train_size,
        steps=int(study["after"].max()),
        off=_nested(gaps, "cause"),
        worst={
            str(row["arm"]): float(row["largest"])
            for row in gaps[gaps["cause"] == MOVING].to_dict("records")
        },
        extra={arm: _between(usual, arm, MOVING, STILL) for arm in ACTIVATIONS},
        averaging={arm: _averaging(usual, arm) for arm in ACTIVATIONS},
        lagging=_lagging(records["running-statistics-long"]),
        itself=_itself(usual),
        evaluations=int(noise["n"]),
        typical=float(noise["typical"]),
        largest=float(noise["largest"]),
        spread=_spread(ends["test_accuracy"]),
        spread_running=_spread(ends["test_accuracy_running"]),
        **_motion(records["statistics-motion"]),
        offset=_offsets(usual),
        rates=_rates(records["running-statistics-long"]),
        settings=findings.statistics_gaps(study, ("arm", "cause", "lr", "batch_size")),
        small_batch=int(study["batch_size"].min()),
        placed=findings.contrasts(placed, _PLANS["norm-place"].contrasts),
        place_seeds=findings.fresh(placed)["seed"].nunique(),
        before=models.parameter_count(net),
        folded=models.parameter_count(folded),
        folding_error=error,
    )


def _interval(row: Any) -> Interval:
    return Interval(*(float(row[limit]) for limit in ("mean", "low", "high")))


def _nested(table: pd.DataFrame, inner: str) -> dict[str, dict[str, Interval]]:
    """Turn a table of estimates by `arm` and `inner` into mappings."""
    found: dict[str, dict[str, Interval]] = {}
    for row in table.to_dict("records"):
        found.setdefault(str(row["arm"]), {})[str(row[inner])] = _interval(row)
    return found


def _spread(values: pd.Series) -> float:
    return float(values.max() - values.min())


def _per_seed(usual: pd.DataFrame, arm: str, cause: str) -> Any:
    """Average how far off statistics of one origin are, seed by seed."""
    each = findings.with_gaps(usual[usual["arm"] == arm])
    each = each[each["cause"] == cause]
    return each["gap"].abs().groupby(each["seed"]).mean()


def _between(usual: pd.DataFrame, arm: str, first: str, second: str) -> Interval:
    """Estimate how much further off statistics of one origin are than those of another."""
    return findings.interval(_per_seed(usual, arm, first) - _per_seed(usual, arm, second))


def _averaging(usual: pd.DataFrame, arm: str) -> Interval:
    """Estimate how many times as far off the last batch alone is as the running average."""
    return _ratio(_per_seed(usual, arm, LAST_MOVING), _per_seed(usual, arm, MOVING))


def _ratio(first: Any, second: Any) -> Interval:
    """Estimate a ratio by its logarithms, paired by seed."""
    return Interval(*np.exp(findings.interval(np.log(first / second))))


def _lagging(frame: pd.DataFrame) -> Interval:
    """Estimate how much further off a slow average is than the usual one, its start taken out."""
    each = findings.with_gaps(frame[(frame["arm"] == "sigmoid") & (frame["order"] == "debiased")])
    each = each[each["after"].isin(EARLY)]
    sizes = each.assign(size=each["gap"].abs()).groupby(["rate", "seed"])["size"]
    mean: Any = sizes.mean()
    return findings.interval(mean[min(UPDATE_RATES)] - mean[USUAL_RATE])


def _itself(usual: pd.DataFrame) -> float:
    """How much the re-estimated accuracy changes from one look to the next, with sigmoids."""
    looks = findings.with_gaps(usual)
    looks = looks[(looks["cause"] == MOVING) & (looks["arm"] == "sigmoid")].sort_values("after")
    share = looks["correct_precise"] / looks["images"]
    return float(share.groupby(looks["key"]).diff().abs().mean())


def _motion(frame: pd.DataFrame) -> dict[str, Any]:
    """Estimate what the means of fixed images do in the last steps, at the shared rate."""
    frame = frame[(frame["series"] == "fixed images") & (frame["lr"] == LR)]
    names = ["arm", "seed", "cosine", "step_size", "autocorrelation"]
    rows = frame[names].assign(layer=pd.Series([LAYERS] * len(frame), index=frame.index))
    rows = rows.explode(["layer", *names[2:]], ignore_index=True)
    by = {
        name: _nested(findings.estimates(rows, ["arm", "layer"], name), "layer")
        for name in ("cosine", "step_size")
    }
    by["zigzag"] = _nested(
        findings.estimates(
            rows.assign(zigzag=[float(one[1] - one[0]) for one in rows["autocorrelation"]]),
            ["arm", "layer"],
            "zigzag",
        ),
        "layer",
    )
    sizes = rows.astype({"step_size": float}).set_index(["arm", "layer", "seed"])["step_size"]
    return {
        "cosine": by["cosine"],
        "step": by["step_size"],
        "step_ratio": {
            layer: _ratio(*(sizes.loc[(arm, layer)] for arm in ACTIVATIONS)) for layer in LAYERS
        },
        "zigzag": by["zigzag"],
        "autocorrelation": _autocorrelation(rows),
    }


def _autocorrelation(rows: pd.DataFrame) -> pd.DataFrame:
    counts = [list(range(1, len(one) + 1)) for one in rows["autocorrelation"]]
    lags = rows.assign(lag=pd.Series(counts, index=rows.index))
    lags = lags.explode(["lag", "autocorrelation"], ignore_index=True)
    lags = lags.astype({"lag": int, "autocorrelation": float})
    return findings.estimates(lags, ["arm", "layer", "lag"], "autocorrelation")


def _offsets(usual: pd.DataFrame) -> dict[str, dict[str, Interval]]:
    away = findings.offsets(usual)
    away = away[away["cause"] == MOVING]
    return _nested(away.assign(layer=[LAYERS[number - 1] for number in away["layer"]]), "layer")


def _rates(frame: pd.DataFrame) -> pd.DataFrame:
    """Estimate the typical difference for each update rate, early and late.

    Early also with the share of the start taken out.
    """
    early, late = frame[frame["after"].isin(EARLY)], frame[frame["after"] >= LATE]
    parts = {
        "early, as kept": early[early["order"] == "trained"],
        "early, start taken out": early[early["order"] == "debiased"],
        "late": late[late["order"] == "trained"],
    }
    tables = [
        findings.statistics_gaps(part, ("arm", "rate")).assign(when=when)
        for when, part in parts.items()
    ]
    whole = pd.concat(tables, ignore_index=True)
    return whole.astype({"when": pd.CategoricalDtype(list(parts))})


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
