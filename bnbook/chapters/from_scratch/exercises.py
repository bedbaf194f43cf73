"""Exercises of chapter 8; what is said about a wrong line is what the grader says about it."""

import math
from typing import Any

import numpy as np

from bnbook.lab import check
from bnbook.lab.exercises import Line, Number, Numbers, put
from bnbook.lab.grade import grade_batch_norm

_MOMENTUM = 0.1

_FORWARD = """
def forward(x, gamma, beta, eps=1e-5):
    centered = x - x.mean(axis=0)
    var = (centered**2).mean(axis=0)
    ...
    return gamma * xhat + beta, (xhat, 1 / np.sqrt(var + eps), gamma)
""".strip()
_BACKWARD = """
def backward(dy, cache):
    xhat, scale, gamma = cache
    n, dbeta, dgamma = len(dy), dy.sum(axis=0), (dy * xhat).sum(axis=0)
    ...
    return dx, dgamma, dbeta
""".strip()
_XHAT = "xhat = centered / np.sqrt(var + eps)"
_DX = "dx = gamma * scale * (dy - dbeta / n - xhat * dgamma / n)"


def _function(code: str, line: str) -> Any:
    names: dict[str, Any] = {"np": np}
    exec(put(code, line), names)
    return names[code.partition("(")[0].removeprefix("def ")]


def _first_complaint(forward: Any, backward: Any) -> str:
    complaints = grade_batch_norm(forward, backward).complaints
    return complaints[0].partition(" (Relative error")[0] if complaints else ""


def _judge_forward(forward: Any) -> str:
    return _first_complaint(forward, _function(_BACKWARD, _DX))


def _judge_backward(backward: Any) -> str:
    return _first_complaint(_function(_FORWARD, _XHAT), backward)


def _dx_of_two(dy: tuple[float, float]) -> list[float]:
    xhat = (-1, 1)
    mean, along = np.mean(dy), np.mean(np.multiply(dy, xhat))
    return [float(d - mean - z * along) for d, z in zip(dy, xhat, strict=True)]


def _batches(momentum: float) -> int:
    """Count the batches until the start weighs less than 1%."""
    return math.ceil(math.log(0.01) / math.log(1 - momentum))


EXERCISES = (
    Line(
        id="forward",
        title="Forward",
        text="""
            Write the forward pass of batch norm. `x` is $(n, d)$, `gamma` and `beta` are $(d)$, and
            `eps` is $10^{-5}$.
            """,
        code=_FORWARD,
        value="forward",
        right=_XHAT,
        wrong={
            line: _judge_forward(_function(_FORWARD, line))
            for line in (
                "xhat = centered / np.sqrt(var**2 + eps)",
                "xhat = centered / (var + eps)",
                "xhat = centered / np.sqrt(var)",
                "xhat = centered / (np.sqrt(var) + eps)",
            )
        },
        judge=_judge_forward,
        where="Write it as `my_forward` in the lab above, where the grader checks it.",
        hints=(
            "A feature has variance 1 afterwards. What is it divided by?",
            r"Step 4 of the idea has $\varepsilon$ under the root.",
        ),
        answer=r"""
            `xhat = centered / np.sqrt(var + eps)`. `var` is a square already. Without `eps`, or
            with it outside the root, a feature that hardly varies is not kept in check as PyTorch
            keeps it.
            """,
    ),
    Line(
        id="backward",
        title="Backward",
        text=r"""
            Write the backward pass: from $\mathrm{d}y$ and what the forward pass has kept, the
            gradients of $x$, $\gamma$ and $\beta$.
            """,
        code=_BACKWARD,
        value="backward",
        right=_DX,
        wrong={
            line: _judge_backward(_function(_BACKWARD, line))
            for line in (
                "dx = gamma * scale * dy",
                "dx = gamma * scale * (dy - dbeta / n)",
                "dx = scale * (dy - dbeta / n - xhat * dgamma / n)",
                "dx = gamma * scale * (dy - dbeta - xhat * dgamma)",
            )
        },
        judge=_judge_backward,
        where="Write it as `my_backward` in the lab above, where the grader checks it.",
        hints=(
            r"Two ways to move $x$ leave $y$ as it is. Neither may be left in $\mathrm{d}x$.",
            r"""Take the mean out of $\mathrm{d}y$, and its part along $\hat x$: both are means over
            the rows.""",
        ),
        answer=r"""
            `dx = gamma * scale * (dy - dbeta / n - xhat * dgamma / n)`. Its sum over the rows is 0,
            and so is its product with $\hat x$: a test of two lines.
            """,
    ),
    Numbers(
        id="batch-of-two",
        title="A batch of two",
        text=r"""
            A batch has two rows, $x_1 < x_2$, one feature, no epsilon, $\gamma = 1$ and
            $\beta = 0$. What is $\mathrm{d}x$ if $\mathrm{d}y = (3, 5)$? Do it without a computer.
            """,
        numbers=tuple(
            Number(
                value,
                label=f"Entry {row}",
                near={
                    dy - 4: r"""That is what is left without the mean of $\mathrm{d}y$. Take out the
                        part along $\hat x$, too.""",
                    dy: "That is what comes in. Which part of it can move the output?",
                },
            )
            for row, (value, dy) in enumerate(zip(_dx_of_two((3, 5)), (3, 5), strict=True), 1)
        ),
        hints=(
            r"Write down $\hat x$ first. What about $x$ does it depend on?",
            r"What can the two rows of $\hat x$ be?",
        ),
        answer=r"""
            Two numbers, centered and divided by their standard deviation, are $-1$ and $1$,
            whatever they were. So $y$ does not depend on $x$ at all (as long as their order stays),
            and $\mathrm{d}x = (0, 0)$. The formula agrees: the mean of $\mathrm{d}y$ is 4, what is
            left is $(-1, 1)$, and that is along $\hat x$. With two rows, the two directions taken
            out of $\mathrm{d}y$ are all there are. From a batch of two, a linear layer before batch
            norm learns nothing.
            """,
    ),
    Numbers(
        id="start-forgotten",
        title="When has the start been forgotten?",
        text="""
            The running variance starts at 1, which is a guess. After how many training batches has
            that guess a weight of less than 1% in the running variance, with PyTorch's momentum
            0.1? And what is PyTorch's momentum for a rule that elsewhere is called 0.99?
            """,
        numbers=(
            Number(
                _batches(_MOMENTUM),
                label="Batches",
                near={
                    43: r"$0.9^{43}$ is still just above 1%.",
                    _batches(0.01): "That many it takes with a momentum of 0.01.",
                    2: "0.1 is the weight of the *new* batch. The old value keeps 0.9.",
                },
            ),
            Number(
                1 - 0.99,
                label="Momentum",
                near={0.99: "PyTorch's momentum is the weight of the new batch, not of the old."},
            ),
        ),
        hints=(
            "Each batch multiplies the weight of everything before it by $1 - 0.1$.",
            "The smallest $k$ with $0.9^k < 0.01$; and one minus 0.99.",
        ),
        answer=r"""
            $0.9^k < 0.01$ holds from $k = 44$, since $\ln 0.01 / \ln 0.9 \approx 43.7$. Elsewhere
            0.99 is the weight of the old value, so PyTorch calls the same rule 0.01; then it takes
            459 batches. Evaluate much earlier, and the start is still part of what you evaluate.
            """,
    ),
    Line(
        id="write-the-test",
        title="Write the test",
        text="""
            Here are three batch norms for convolutions. Two of them are wrong. Write a test that is
            true for the right one and false for the others. One line is enough, but not every line
            from above will do.
            """,
        code='''
class A(nn.BatchNorm2d):
    def forward(self, x):
        var, mean = torch.var_mean(x, 0, correction=0, keepdim=True)
        return (x - mean) / torch.sqrt(var + self.eps)


class B(nn.BatchNorm2d):
    def forward(self, x):
        var, mean = torch.var_mean(x, (0, 2, 3), correction=0, keepdim=True)
        return (x - mean) / torch.sqrt(var + self.eps)


class C(nn.BatchNorm2d):
    def forward(self, x):
        var, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
        return (x - mean) / torch.sqrt(var + self.eps)


x = torch.randn(3, 4, 5, 2)


def my_test(layer):
    """Whether `layer` is the right one."""
    ...
'''.strip(),
        value="[my_test(kind(4)) for kind in (A, B, C)]",
        right="return torch.allclose(layer(x), nn.BatchNorm2d(4)(x), atol=1e-4)",
        wrong={
            "return torch.allclose(layer(x).mean((0, 2, 3)), torch.zeros(4), atol=1e-4)": """
                All three layers center every channel, so all three pass.""",
            "return torch.allclose(layer(x).std((0, 2, 3)), torch.ones(4), atol=1e-1)": """
                In all three layers every channel has variance 1, so all three pass.""",
            "return torch.allclose(layer(x), nn.BatchNorm2d(4).eval()(x), atol=1e-4)": """
                In evaluation mode PyTorch's new layer returns what it gets. All three fail.""",
        },
        judge=lambda value: check.complaint(value, [False, True, False]),
        hints=(
            """What are mean and variance of each channel in all three layers? Which of the tests
            above asks for more than that?""",
            "Compare with `nn.BatchNorm2d(4)` on a random batch.",
        ),
        answer="""
            `torch.allclose(layer(x), nn.BatchNorm2d(4)(x), atol=1e-4)`.

            Every channel has mean 0 and variance 1 in all three, so tests of these are blind here.
            A normalizes each position on its own, as if every pixel were a feature. C normalizes
            each image on its own, which is instance norm. B takes one mean and one variance per
            channel, over images and positions. Without PyTorch at hand, use what B keeps and the
            others do not: within a channel it changes no order. Pixels that were equal stay equal,
            and brighter ones stay brighter.
            """,
    ),
)
