"""Exercises of chapter 5."""

from bnbook.lab.exercises import Line, Number, Numbers

EXERCISES = (
    Line(
        id="undo-the-norm",
        title="Undo the norm",
        text=r"""
            With the right $\gamma$ and $\beta$ batch norm does nothing at all: its output is its
            input. Which are these, given the mean $\mu$ and the variance $\sigma^2$ of the batch?
            """,
        code="""
norm = nn.BatchNorm1d(4)
x = 3 * torch.randn(128, 4, generator=torch.Generator().manual_seed(1)) + 7
mu, var = x.mean(0), x.var(0, correction=0)

gamma_and_beta = ...  # two tensors, from mu, var and norm.eps
""".strip(),
        value="gamma_and_beta",
        right="torch.sqrt(var + norm.eps), mu",
        wrong={
            "var + norm.eps, mu": "The norm divides by a root, so it is the root that comes back.",
            "1 / torch.sqrt(var + norm.eps), mu": r"""This divides a second time. $\gamma$
                has to multiply by what was divided by.""",
            "torch.sqrt(var + norm.eps), -mu": r"""The mean was subtracted, and $\beta$ is
                added: no sign is needed.""",
        },
        hints=(
            r"""Solve $\gamma (x - \mu) / \sqrt{\sigma^2 + \varepsilon} + \beta = x$ for all
            $x$.""",
            r"$\gamma$ must bring back the spread, $\beta$ the center.",
        ),
        answer=r"""
            $\gamma = \sqrt{\sigma^2 + \varepsilon}$ and $\beta = \mu$:
            `torch.sqrt(var + norm.eps), mu`. So batch norm takes nothing away from what the net can
            express. What it changes is how training gets there.
            """,
    ),
    Numbers(
        id="zero-is-not-frozen",
        title="Zero is not frozen",
        text="""
            A colleague sets the gradients of all gammas to zero *before* each step of the
            optimizer, which is early enough. The optimizer is SGD with learning rate 0.1 and weight
            decay 0.0005. A gamma starts at 1. Where is it after 1,000 steps?
            """,
        numbers=(
            Number(
                (1 - 0.1 * 0.0005) ** 1000,
                digits=3,
                near={
                    1: "A zero gradient does not stop weight decay.",
                    (1 - 0.0005) ** 1000: "Weight decay is multiplied by the learning rate, too.",
                },
            ),
        ),
        hints=(
            r"""Weight decay adds $\lambda \gamma$ to the gradient inside the optimizer, after the
            colleague has set it to zero.""",
            "One step multiplies gamma by a number just below 1.",
        ),
        answer=r"""
            At $(1 - 0.1 \cdot 0.0005)^{1000} \approx 0.951$. A zero gradient is a gradient. Only
            `requires_grad = False` before training, or leaving the parameter out of the optimizer,
            makes it `None`, which the optimizer passes over.
            """,
    ),
    Line(
        id="through-a-relu",
        title="Through a ReLU",
        text=r"""
            With $\gamma > 0$ a norm's scale passes through a ReLU into the next layer's weights. Do
            it with a $\beta$ in place, too: find $W'$ and the shift $s$ such that
            $W\,\mathrm{relu}(\gamma \hat x + \beta) = W'\,\mathrm{relu}(\hat x + s)$.
            """,
        code="""
draw = torch.Generator().manual_seed(1)
gamma, beta = torch.rand(6, generator=draw) + 0.5, torch.randn(6, generator=draw)
weight = torch.randn(3, 6, generator=draw)

weight_and_shift = ...  # two tensors, from weight, gamma and beta
""".strip(),
        value="weight_and_shift",
        right="weight * gamma, beta / gamma",
        wrong={
            "weight * gamma, beta": r"""Factoring out $\gamma$ changes what is added to
                $\hat x$, too.""",
            "weight * gamma, beta * gamma": r"""Factor $\gamma$ out of $\gamma \hat x + \beta$: is
                $\beta$ multiplied or divided?""",
            "weight / gamma, beta / gamma": r"""The shift is right. The weights take over the factor
                $\gamma$: what was multiplied before the ReLU is multiplied after it.""",
        },
        hints=(
            r"Factor out $\gamma$ before you take it through the ReLU.",
            r"$\gamma \hat x + \beta = \gamma\,(\hat x + \beta / \gamma)$.",
        ),
        answer=r"""
            `weight * gamma, beta / gamma`. One number per feature remains before the ReLU, where it
            does the work of a bias. With $\gamma < 0$ it does not work: the ReLU would have to open
            on the other side.
            """,
    ),
)
