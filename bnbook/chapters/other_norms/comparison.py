"""The records of "other-norms" as the chapter compares them, beside the timings of its norms."""

import pandas as pd

from bnbook import findings, timings
from bnbook.chapters.other_norms.experiments import BATCH_SIZE_ARMS, NORMS, OTHER_NORMS, REFERENCE

#: The arm that has each kind of norm.
ARM_OF = {kind: arm for arm, kind in NORMS.items()}
#: Batch norm and the ways to whiten that learn, which look the same in every figure.
WHITENINGS = [ARM_OF[kind] for kind in ("batch", "zca", "newton", "block", "monarch")]
#: The batch size at which rates were chosen and all norms are compared.
BATCH_SIZE = OTHER_NORMS.arms[REFERENCE].batch_size
#: The columns that evaluate with re-estimated statistics and with running ones.
_EVALUATIONS = {
    "re-estimated statistics": "test_accuracy",
    "running statistics": "test_accuracy_running",
}


def usual(frame: pd.DataFrame) -> pd.DataFrame:
    """Select the runs at the batch size at which all norms are compared."""
    return frame[frame["batch_size"] == BATCH_SIZE]


def best(frame: pd.DataFrame) -> pd.DataFrame:
    """Select every norm's fresh runs at its best rate, at the usual batch size."""
    return findings.at_best(usual(frame))


def against(frame: pd.DataFrame) -> pd.DataFrame:
    """Compare every norm with batch norm: `findings.contrasts`, the best first."""
    rows = findings.contrasts(usual(frame), OTHER_NORMS.contrasts)
    return rows.sort_values("mean", ascending=False, ignore_index=True)


def over_sizes(frame: pd.DataFrame) -> pd.DataFrame:
    """Select the fresh runs of `BATCH_SIZE_ARMS` at all sizes, at the rates of the usual one."""
    rates = findings.best_rates(usual(frame))
    runs = findings.fresh(frame[frame["arm"].isin(BATCH_SIZE_ARMS)])
    return runs[runs["lr"] == runs["arm"].map(rates).astype(float)]


def by_size(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean test accuracy per arm, batch size and way of evaluation, as `figures.sizes` takes it."""
    parts = [
        findings.summary(over_sizes(frame), ["arm", "batch_size"], outcome).assign(evaluated=how)
        for how, outcome in _EVALUATIONS.items()
    ]
    rows = pd.concat(parts, ignore_index=True)
    return rows.assign(arm=pd.Categorical(rows["arm"], WHITENINGS))


def step_times(base: str = REFERENCE) -> pd.DataFrame:
    """Time of a training step of each `arm` as a multiple of `base`'s: medians over turns."""
    ratios = findings.relative(timings.read("norm-steps"), base, "arm")
    return findings.medians(ratios, "arm", "ratio")


def layer_times() -> pd.DataFrame:
    """Milliseconds of one layer, forward and backward, by `arm` and `width` (features): medians."""
    found = findings.medians(timings.read("norm-widths"), ["kind", "width"])
    return found.assign(
        arm=pd.Categorical(found["kind"].map(ARM_OF), WHITENINGS),
        **{name: 1000 * found[name] for name in ("mean", "low", "high")},
    )
