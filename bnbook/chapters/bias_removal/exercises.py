"""Exercises of chapter 1."""

import torch
from torch import nn

from bnbook import training
from bnbook.lab.exercises import Choice, Line, Number, Numbers
from bnbook.run import Run


def _hidden_biases() -> int:
    net = training.build(Run())
    sizes = {name: p.numel() for name, p in net.named_parameters() if name.endswith("bias")}
    return sum(size for name, size in sizes.items() if name != "out.bias")


def _no_trace_after_layer_norm() -> str:
    norm, draw = nn.LayerNorm(4), torch.Generator().manual_seed(2)
    x, bias = torch.randn(8, 4, generator=draw), torch.tensor([0.0, 1.0, 2.0, 3.0])
    return str(torch.allclose(norm(x + bias), norm(x), atol=1e-3))


EXERCISES = (
    Line(
        id="folded-bias",
        title="Put the bias back",
        text=r"""
            You trained `Linear(bias=False)` followed by `BatchNorm1d`. Now you want to deploy a
            single linear layer that computes the same, without batch norm. The scale goes into the
            weights, $W' = \mathrm{diag}(s)\,W$ with $s = \gamma / \sqrt{\sigma^2 + \varepsilon}$.
            What is its bias?
            """,
        code="""
norm = nn.BatchNorm1d(3).eval()  # as if it had been trained:
norm.weight.data = torch.tensor([0.5, 1.0, 2.0])
norm.bias.data = torch.tensor([1.0, 2.0, -1.0])
norm.running_mean = torch.tensor([5.0, 4.0, 3.0])
norm.running_var = torch.tensor([4.0, 1.0, 0.25])
s = norm.weight / torch.sqrt(norm.running_var + norm.eps)

folded_bias = ...  # from norm.bias, s and norm.running_mean
""".strip(),
        value="folded_bias",
        right="norm.bias - s * norm.running_mean",
        wrong={
            "norm.bias + s * norm.running_mean": "Batch norm subtracts its mean.",
            "norm.bias - norm.running_mean": """The mean is subtracted before the scale is applied,
                so it gets scaled, too.""",
            "s * (norm.bias - norm.running_mean)": r"""$\beta$ is added last, after the scale: it
                is not scaled.""",
        },
        hints=(
            r"""In evaluation mode the norm is $s \odot (Wx - \mu) + \beta$. Collect what does not
            depend on $x$.""",
            "What is left of the norm's output at $Wx = 0$?",
        ),
        answer=r"""
            `norm.bias - s * norm.running_mean`. The bias has come back as the deployed form of
            $\beta$, shifted by the mean.
            """,
    ),
    Numbers(
        id="redundant",
        title="How many can go?",
        text="""
            A layer has one bias per output channel or unit. Our LeNet has 6 and 16 channels, 120
            and 84 hidden units, and 10 outputs. How many of its biases are redundant when batch
            norm follows each hidden layer?
            """,
        numbers=(
            Number(
                _hidden_biases,
                near={
                    236: "The output layer is not followed by a norm: its ten biases stay.",
                    22: "Those are the convolutions. Norms follow two linear layers, too.",
                    204: "Those are the linear layers. Norms follow the convolutions, too.",
                },
            ),
        ),
        hints=(
            "Which layer is not followed by a norm?",
            "The output layer keeps its biases; the other four layers lose theirs.",
        ),
        answer="$6 + 16 + 120 + 84 = 226$. The ten output biases stay.",
    ),
    Choice(
        id="before-layer-norm",
        title="Layer norm",
        text="""
            Layer norm subtracts the mean over the *features* of one image, not over the batch.
            True or false: a bias before it is redundant, as it is before batch norm.
            """,
        choices={
            "True": "Add a vector with unequal entries, and look at the mean over the features.",
            "False": "Layer norm subtracts the mean, too: does it remove all of the bias?",
        },
        right=_no_trace_after_layer_norm,
        hints=(
            "Add a vector $b$ with unequal entries. Does the mean over features remove all of it?",
            "In the notebook, compare `layer_norm(x + b)` with `layer_norm(x)`.",
        ),
        answer=r"""
            False. Only the part of $b$ that is the same for all features cancels: layer norm
            removes one number per image. What remains, $b - \bar b$, passes on to the output, and
            the bias gets a gradient.
            """,
    ),
)
