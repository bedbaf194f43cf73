"""Exercises of chapter 3."""

import math
from functools import cache

import torch
from torch import Tensor, nn

from bnbook import chapters, data, findings, training
from bnbook.lab import check
from bnbook.lab.exercises import Choice, Line, Number, Numbers
from bnbook.run import Run

_RECORDS, _LR = "per-layer", 0.1
_ERRORS = {"": 0.9, "A": 0.3, "B": 0.9, "C": 0.9, "AB": 0.1, "AC": 0.3, "BC": 0.3, "ABC": 0.1}


def _shapley_of_b() -> float:
    value = {frozenset(norms): -math.log(error) for norms, error in _ERRORS.items()}
    return findings.shapley(value, "ABC")["B"]


@cache
def _shapley_sum() -> float:
    """Sum the values of the lowest seed, over all sixteen nets."""
    values = findings.layer_values(chapters.RECORDS[_RECORDS], _LR)
    mine = (values["seed"] == values["seed"].min()) & (values["measure"] == findings.SHAPLEY)
    return float(values.loc[mine, "value"].sum())


@torch.no_grad()
def _share_at_the_output(net: nn.Module, images: Tensor) -> float:
    """Variance across images over mean square."""
    logits = net.train()(images)
    return float(logits.var(0).mean() / logits.square().mean())


def _with_relu() -> str:
    images = data.to_float(data.splits("mnist").train.images[:512])
    relu, sigmoid = (
        _share_at_the_output(training.build(Run(activation=kind)), images)
        for kind in ("relu", "sigmoid")
    )
    return "It is larger." if relu > sigmoid else "It is smaller."


EXERCISES = (
    Numbers(
        id="worthless-alone",
        title="Worthless alone",
        text=r"""
            Another invented net has three norms. Its error, for each set of norms:

            | none | A | B | C | A, B | A, C | B, C | A, B, C |
            |---|---|---|---|---|---|---|---|
            | 0.9 | 0.3 | 0.9 | 0.9 | 0.1 | 0.3 | 0.3 | 0.1 |

            Norm B alone does not help at all. Is its Shapley value zero? Compute it over all six
            orders, with $-\log(\text{error})$, a natural logarithm, as the worth of a net.
            """,
        numbers=(
            Number(
                _shapley_of_b,
                digits=3,
                near={
                    0: "B adds nothing when it comes first. But in some orders it does not.",
                    math.log(
                        3
                    ): "That is what B adds to others. In two of the six orders it comes first.",
                    math.log(3) / 2: """You averaged over three places. B comes first in two of the
                        six orders, not in three.""",
                    math.log(3) / 3: """In two of the six orders B adds nothing. In the other four
                        it does.""",
                },
            ),
        ),
        hints=(
            """When B joins, the net may hold no other norm, A, C, or both. In which of the six
            orders is A there already when B joins? What about C?""",
            "When B joins A or C or both, the error falls to a third.",
        ),
        answer=r"""
            No. In two of the six orders B comes first and adds nothing. In the other four, A, C or
            both are there already, and B brings the error down to a third. So its value is
            $\frac{4}{6} \ln 3 \approx 0.732$. B needs company, which the measure "add one in"
            never gives it.
            """,
    ),
    Line(
        id="two-nets",
        title="Two nets instead of sixteen",
        text=r"""
            To know each Shapley value, we had to train all 16 subsets. How much of that do you need
            for their *sum*? Give the sum of the four Shapley values of the recorded nets of one
            seed at the end of training, from the accuracies of two nets. The function
            `findings.value` turns an accuracy into $-\log(\text{error})$.
            """,
        code="""
ends = findings.final(frame[frame["lr"] == 0.1])
seed = ends["seed"].min()
accuracy = ends[ends["seed"] == seed].set_index("arm")["val_accuracy"].to_dict()

total = ...  # from two entries of `accuracy`; "234": norms in places 2, 3 and 4
""".strip(),
        value="total",
        given=lambda: {"frame": chapters.RECORDS[_RECORDS], "findings": findings},
        right='findings.value(accuracy["1234"]) - findings.value(accuracy["none"])',
        wrong={
            'sum(findings.value(accuracy[layer]) for layer in "1234")': """These are four nets with
                one norm each. None of them knows what norms do together.""",
            'findings.value(accuracy["1234"])': """The net without norms has a worth, too, and no
                norm has earned it. Subtract it.""",
            'accuracy["1234"] - accuracy["none"]': r"""The right nets, in the wrong unit: Shapley
                values here are in $-\log(\text{error})$.""",
        },
        judge=lambda value: check.complaint(value, _shapley_sum()),
        hints=(
            """In every order, the gains add up to the same number: the last net of the order minus
            the first.""",
            "Which net does every order start from, and which does it end with?",
        ),
        answer="""
            `findings.value(accuracy["1234"]) - findings.value(accuracy["none"])`: every order
            begins with the plain net and ends with the full one, so two nets suffice.
            """,
    ),
    Choice(
        id="is-it-the-sigmoid",
        title="Is it the sigmoid?",
        text=r"""
            Replace the sigmoids with ReLUs, $\max(0, z)$, in an untrained net without norms. What
            happens to the share of variance at the output, the one that tells images apart?
            """,
        choices={
            "It is larger.": """Compare what becomes of the mean and of the spread when $z$ is made
                ten times smaller.""",
            "It is smaller.": """A ReLU sets half of its inputs to zero, but its mean shrinks
                together with its signal. Does the sigmoid's?""",
        },
        right=_with_relu,
        hints=(
            """Make $z$ ten times smaller. What becomes of the mean of the sigmoid's output, and of
            its spread? And of the ReLU's?""",
            """A sigmoid gives one half at zero. What does a ReLU give? In the notebook,
            `output_share("relu")` measures it.""",
        ),
        answer="""
            It is larger. A sigmoid adds one half, however small its input is: a small signal drowns
            in a mean that does not shrink with it. A ReLU is proportional to its input: its mean is
            made of the signal, and both shrink together. So the share stays larger, and the net
            without norms starts off a plateau that sigmoids create.
            """,
    ),
)
