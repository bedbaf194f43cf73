"""Exercises of chapter 9."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from bnbook import norms, training
from bnbook.lab.exercises import Line, Number, Numbers
from bnbook.run import Run

_SCALE = 6 / 3  # gamma over the running deviation


def _works(repair: Callable[[nn.Module, Tensor], nn.Module]) -> bool:
    """Whether `repair` returns a net in eval mode with statistics of the images it is given."""
    net = training.build(Run(model="mlp", norms=("batch",) * 2, activation="relu")).eval()
    images = torch.rand(1000, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    repaired, wanted = repair(copy.deepcopy(net), images), norms.reestimate(net, images, 500)
    pairs = zip(repaired.buffers(), wanted.buffers(), strict=True)
    same = all(torch.allclose(a.float(), b.float(), rtol=0.1, atol=0.01) for a, b in pairs)
    return same and not repaired.training


EXERCISES = (
    Numbers(
        id="how-old",
        title="How old are they?",
        text=r"""
            The statistics of the last batch have the weight $\alpha$ in the running average, those
            of the batch before it $\alpha(1-\alpha)$, and so on. When you evaluate, the last batch
            is one step old. How old are the statistics on average?
            """,
        numbers=tuple(
            Number(
                1 / alpha,
                label=f"Steps, for α = {alpha:g}",
                near={1 / alpha - 1: "The last batch is one step old, not new. Count from 1."},
            )
            for alpha in (0.1, 0.01)
        ),
        hints=(
            "The mean of a geometric distribution that starts at 1.",
            r"$\sum_{k \ge 1} k\,\alpha(1 - \alpha)^{k - 1}$.",
        ),
        answer=r"""
            $\sum_{k \ge 1} k\,\alpha(1-\alpha)^{k-1} = 1/\alpha$: 10 steps, and 100. A momentum of
            0.01 averages over more batches, but of still older weights. Where the center of the
            means wanders, that is worse.
            """,
    ),
    Numbers(
        id="fold-by-hand",
        title="Fold by hand",
        text=r"""
            A convolution has the weight 2 and the bias 3, one channel. The norm after it has
            $\gamma = 6$, $\beta = 1$, running mean 5 and running variance 9; leave out
            $\varepsilon$. What are the weight and the bias of the folded convolution?
            """,
        numbers=(
            Number(
                2 * _SCALE,
                label="Weight",
                near={
                    6 / 9 * 2: r"Divide by the root of the variance.",
                    2 * 6: "The norm divides, too: by the root of its variance.",
                },
            ),
            Number(
                3 * _SCALE + 1 - 5 * _SCALE,
                label="Bias",
                near={
                    1 - 5 * _SCALE: "The convolution's own bias is still missing: it is scaled.",
                    3 + 1 - 5 * _SCALE: "The convolution's own bias is scaled, too.",
                    3 * _SCALE + 1 - 5: "The running mean is scaled, too.",
                },
            ),
        ),
        hints=(
            "First write the norm as $a\\,x + c$.",
            r"""$a = \gamma / \sqrt{v}$ and $c = \beta - a\,m$, with mean $m$ and variance $v$; then
            $a W$ and $a b + c$.""",
        ),
        answer=r"""
            $a = 6/3 = 2$ and $c = 1 - 2 \cdot 5 = -9$. The weight is $2 \cdot 2 = 4$, the bias
            $2 \cdot 3 - 9 = -3$.
            """,
    ),
    Line(
        id="repair",
        title="Repair a net without training data",
        text="""
            You are given a trained net whose running statistics are spoiled, and one thousand test
            images without labels. Write `repair(net, images)`, which returns a net that is good
            again. (And think: is this allowed in a comparison of methods?)
            """,
        code='''
def repair(net, images):
    """Return a net in eval mode: weights of `net`, statistics of `images`."""
    ...
'''.strip(),
        value="works(repair)",
        given=lambda: {"works": _works, "norms": norms, "copy": copy},
        right="return norms.reestimate(net, images, batch_size=500)",
        wrong={
            "return copy.deepcopy(net).eval()": "Nothing has looked at the images.",
            "return copy.deepcopy(net).train()": """In training mode an answer depends on the batch
                that it is asked in, and the statistics are still spoiled.""",
            "return norms.reestimate(net, images[:8], batch_size=8)": """The right idea, but a
                variance taken from eight images is far off. Use all thousand.""",
        },
        hints=(
            "Statistics need no labels.",
            """Average the statistics of passes in training mode, then switch to evaluation mode.
            `norms.reestimate` may help.""",
        ),
        answer="""
            `norms.reestimate(net, images, batch_size=500)`. It needs no label, but it looks at test
            images: the answer to one image then depends on the others. That is known as test-time
            adaptation. In a comparison say so, or use training images.
            """,
    ),
)
