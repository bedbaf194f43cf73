"""Sliders for gamma and beta beside a sigmoid: how much of its bend its inputs see."""

import numpy as np

from bnbook.findings.writing import MINUS
from bnbook.lab.element import Html, Widget, element
from bnbook.theme import plain

GAMMAS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0)
BETAS = tuple(np.arange(-4, 4.5, 0.5).tolist())
REACH = 8.0  # the drawn part of the axis, to both sides of 0
SAID = (
    "A straight line explains {fit}% of the variance of the output; "
    f"{{inside}}% of the inputs lie between {MINUS}1 and 1."
)

#: Standard deviations from the mean that the integrals go to, and their nodes.
_Z = np.linspace(-6, 6, 2001)


def straight(gamma: float, beta: float) -> dict[str, float]:
    """Fit the best straight line to a sigmoid whose inputs are normal, mean `beta`, sd `gamma`.

    Returns its `slope` and `intercept`, the share of the output's variance that it explains
    (`fit`), and the share of inputs between -1 and 1 (`inside`).
    """
    weight = np.exp(-(_Z**2) / 2)
    weight /= weight.sum()
    x = gamma * _Z + beta
    y = 1 / (1 + np.exp(-x))
    mean = float(weight @ y)
    covariance = float(weight @ ((x - beta) * (y - mean)))
    slope = covariance / gamma**2
    return {
        "slope": slope,
        "intercept": mean - slope * beta,
        "fit": covariance**2 / (gamma**2 * float(weight @ (y - mean) ** 2)),
        "inside": float(weight[np.abs(x) <= 1].sum()),
    }


def sigmoid_sliders() -> Html | Widget:
    """Show a sigmoid, its inputs' distribution and the best line, with sliders for gamma and beta.

    Without a script it is a table of how much of the output the line explains.
    """
    data = {
        "gammas": GAMMAS,
        "betas": BETAS,
        "start": [GAMMAS.index(1.0), BETAS.index(0.0)],
        "fits": [[_written(gamma, beta) for beta in BETAS] for gamma in GAMMAS],
        "reach": REACH,
        "said": SAID,
    }
    return element("sigmoid", data, _table())


def _written(gamma: float, beta: float) -> list[float]:
    """Slope and intercept as exactly as they are drawn, and two percentages as they are said."""
    found = straight(gamma, beta)
    return [
        round(found["slope"], 4),
        round(found["intercept"], 4),
        round(100 * found["fit"], 1),
        round(100 * found["inside"]),
    ]


def _table() -> str:
    _, _, fit, inside = _written(1.0, 0.0)
    betas = BETAS[::4]
    heads = "".join(f'<th scope="col">beta {plain(beta)}</th>' for beta in betas)
    rows = "\n".join(
        f'<tr><th scope="row">{gamma:g}</th>'
        + "".join(f"<td>{_written(gamma, beta)[2]:.1f}%</td>" for beta in betas)
        + "</tr>"
        for gamma in GAMMAS[::2]
    )
    return f"""<p>With gamma 1 and beta 0: {SAID.format(fit=fit, inside=inside)}
What the line explains elsewhere:</p>
<table><thead><tr><th scope="col">gamma</th>{heads}</tr></thead>
<tbody>{rows}</tbody></table>"""
