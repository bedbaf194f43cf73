"""How large activations are in a net that lacks one norm, against the full net."""

from typing import Final

import numpy as np
import pandas as pd

from bnbook import findings
from bnbook.chapters.per_layer.removals import FULL, LACKING
from bnbook.findings.probes import SQUARES

ITSELF, OTHERS = "the layer itself", "the other layers"
#: Where a mean square is measured. The source looks after the norm's place, where a norm's own
#: output is gamma² + beta² by construction.
PLACES: Final = tuple(SQUARES.values())


def ratios(frame: pd.DataFrame) -> pd.DataFrame:
    """Divide mean squares of the nets that lack one norm by the full net's.

    `frame` has runs of one learning rate. Geometric means, one number per seed, over the four nets
    (and over their other layers): `findings.estimates` by `of`, `where` and `epoch`.
    """
    chosen = frame[(frame["epoch"] > 0) & frame["arm"].isin([FULL, *LACKING])]
    each = findings.multiples(findings.magnitudes(chosen), FULL)
    bereft = each["arm"].astype(str).map(LACKING) == each["layer"].astype(str)
    each = each.assign(of=bereft.map({True: ITSELF, False: OTHERS}), log=np.log(each["value"]))
    per_seed = each.groupby(["of", "where", "epoch", "seed"], observed=True)["log"].mean()
    values = np.exp(per_seed).rename("value").reset_index()
    return findings.estimates(values, ["of", "where", "epoch"], "value", geometric=True)
