"""Find the bug: the published mistakes as listings, each with its symptom and a test for it."""

import inspect
from dataclasses import dataclass

import pandas as pd

from bnbook.chapters.from_scratch import checks
from bnbook.chapters.from_scratch.facts import RIGHT, UNDER_STRAIN, Facts, prepared
from bnbook.findings.writing import number, percent
from bnbook.lab.element import Html, Widget, element, markdown
from bnbook.lab.exercises import code_html, fingerprint, veil

LAYER = """
class BatchNorm1d(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.eps, self.momentum = 1e-5, 0.1
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def forward(self, x):
        mean, var = self.running_mean, self.running_var
        if self.training:
            n = len(x)
            mean = x.sum(0) / n
            var = (x - mean).square().sum(0) / n
        xhat = (x - mean) / torch.sqrt(var + self.eps)
        if self.training and len(x) > 1:
            self.track(mean, var, len(x))
        return self.weight * xhat + self.bias

    @torch.no_grad()
    def track(self, mean, var, n):
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(var * n / (n - 1), self.momentum)
""".strip()

GRADIENTS = """
def gradients(x, labels):  # of a net with two hidden layers and batch norm in both
    z1, cache1 = forward(x @ W1.T, gamma1, beta1)
    h1 = np.maximum(z1, 0)
    z2, cache2 = forward(h1 @ W2.T, gamma2, beta2)
    h2 = np.maximum(z2, 0)
    dlogits = softmax(h2 @ W3.T) - labels

    dz2 = (dlogits @ W3) * (h2 > 0)
    du2, dgamma2, dbeta2 = backward(dz2, cache2)
    dz1 = (du2 @ W2) * (h1 > 0)
    du1, dgamma1, dbeta1 = backward(dz1, cache1)
    return du1.T @ x, du2.T @ h1, dlogits.T @ h2
""".strip()

EPOCH = """
def train_epoch(net, batches, optimizer):
    total, images = 0, 0
    for x, labels in batches:
        loss = cross_entropy(net(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
        images += len(x)
    return total / images
""".strip()

FROZEN = """
def train_only_norms(net, batches):
    freeze_all_but_norms(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for x, labels in batches:
        loss = cross_entropy(net(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
""".strip()

FORMULA = "The forward pass is wrong: what leaves the layer in training is not batch norm."
GRADIENT = "The forward pass is right. Follow the gradient on its way back."
KEPT = "Training is right. Something that is kept for evaluation is not."
AROUND = "The norm is right. The loop around it is not."


@dataclass(frozen=True)
class Bug:
    """A mistake: the right listing, and the lines of it that are wrong, as `{right: wrong}`.

    `name` as in `experiments.MISTAKES`, or of its own; `why` is Markdown. `test` is one that the
    recorded tests do not have.
    """

    name: str
    listing: str
    lines: dict[str, str]
    hint: str
    why: str
    test: str = ""

    @property
    def code(self) -> str:
        """The listing with the mistake."""
        code = self.listing
        for right, wrong in self.lines.items():
            code = code.replace(right, wrong)
        return code

    @property
    def places(self) -> list[int]:
        """Which lines are wrong, from 0; any of them will do."""
        right = self.listing.split("\n")
        return [n for n, line in enumerate(self.code.split("\n")) if line not in right]

    @property
    def mended(self) -> str:
        """What should be there."""
        wrong = self.code.split("\n")
        return "\n".join(one.strip() for one in self.listing.split("\n") if one not in wrong)


_XHAT = "        xhat = (x - mean) / torch.sqrt(var + self.eps)"
_KEPT = "        self.running_var.lerp_(var * n / (n - 1), self.momentum)"

BUGS = (
    Bug(
        "variance squared",
        LAYER,
        {_XHAT: "        xhat = (x - mean) / torch.sqrt(var**2 + self.eps)"},
        FORMULA,
        "The variance is a square already, and is squared once more under the root.",
    ),
    Bug(
        "biased kept",
        LAYER,
        {_KEPT: "        self.running_var.lerp_(var, self.momentum)"},
        KEPT,
        "The batch is normalized with the biased variance; the unbiased one is kept.",
    ),
    Bug(
        "no epsilon",
        LAYER,
        {_XHAT: "        xhat = (x - mean) / torch.sqrt(var)"},
        FORMULA,
        "A feature that is the same in every row has variance 0, and 0/0 is NaN.",
    ),
    Bug(
        "wrong order",
        GRADIENTS,
        {
            "    dz1 = (du2 @ W2) * (h1 > 0)\n": (
                "    dz1, dgamma1, dbeta1 = backward(du2 @ W2, cache1)\n"
            ),
            "    du1, dgamma1, dbeta1 = backward(dz1, cache1)": "    du1 = dz1 * (h1 > 0)",
        },
        GRADIENT,
        "The ReLU comes last on the way forward, so its gradient comes first on the way back.",
    ),
    Bug(
        "plain attributes",
        LAYER,
        {
            '        self.register_buffer("running_mean", torch.zeros(features))': (
                "        self.running_mean = torch.zeros(features)"
            ),
            '        self.register_buffer("running_var", torch.ones(features))': (
                "        self.running_var = torch.ones(features)"
            ),
        },
        KEPT,
        "A plain tensor is not in the state dict. A buffer is saved, loaded and moved to the GPU.",
    ),
    Bug(
        "wrong length",
        LAYER,
        {"            n = len(x)": "            n = x.shape[1]"},
        FORMULA,
        "The sums run over the rows, so they are divided by the number of rows.",
    ),
    Bug(
        "moves in evaluation",
        LAYER,
        {"        if self.training and len(x) > 1:": "        if len(x) > 1:"},
        KEPT,
        "Evaluation has to leave the statistics alone.",
    ),
    Bug(
        "the loss is no mean",
        EPOCH,
        {"        total += loss.item() * len(x)": "        total += loss.item()"},
        AROUND,
        """The sum of the batches' *mean* losses is divided by the number of *images*: with batches
        of 128, the loss that is printed is 128 times too small.""",
        "Two batches with loss 2 must have the mean loss 2.",
    ),
    Bug(
        "whole array",
        LAYER,
        {
            "            mean = x.sum(0) / n": "            mean = x.mean().expand(x.shape[1])",
            "            var = (x - mean).square().sum(0) / n": (
                "            var = (x - mean).square().mean().expand(x.shape[1])"
            ),
        },
        FORMULA,
        "Each feature has a mean and a variance of its own.",
    ),
    Bug(
        "momentum 0.9",
        LAYER,
        {
            "        self.eps, self.momentum = 1e-5, 0.1": (
                "        self.eps, self.momentum = 1e-5, 0.9"
            )
        },
        KEPT,
        """The momentum is the weight of the *new* batch here. With 0.9, the statistics are almost
        those of the last batch.""",
    ),
    Bug(
        "wrong layer",
        GRADIENTS,
        {
            "    du1, dgamma1, dbeta1 = backward(dz1, cache1)": (
                "    du1, dgamma1, dbeta1 = backward(du2, cache2)"
            )
        },
        GRADIENT,
        "The first layer is handed the second layer's gradient and cache.",
    ),
    Bug(
        "running deviation",
        LAYER,
        {
            _KEPT: (
                "        new, old = torch.sqrt(var * n / (n - 1)), torch.sqrt(self.running_var)\n"
                "        self.running_var.copy_(old.lerp(new, self.momentum) ** 2)"
            )
        },
        KEPT,
        "Variances are averaged, not standard deviations: a mean of roots is too small.",
    ),
    Bug(
        "frozen too late",
        FROZEN,
        {
            "    freeze_all_but_norms(net)\n": "",
            "        optimizer.step()": (
                "        optimizer.step()\n        freeze_all_but_norms(net)"
            ),
        },
        AROUND,
        """By then every weight has moved once. Freeze before the optimizer is made, and hand it
        only what learns.""",
        "A frozen weight is the same before and after a step.",
    ),
    Bug(
        "unbiased deviation",
        LAYER,
        {
            "            var = (x - mean).square().sum(0) / n": (
                "            var = (x - mean).square().sum(0) / (n - 1)"
            )
        },
        FORMULA,
        "Batch norm normalizes with the biased variance, divided by the number of rows.",
    ),
)


def hunt(facts: Facts, frame: pd.DataFrame) -> Html | Widget:
    """Show the listings, one at a time; `frame` has the records of "by-hand-strains"."""
    runs = prepared(frame)
    right = _losses(runs, RIGHT)
    bugs = [
        {
            "id": (salt := f"bug-{bug.name.replace(' ', '-')}"),
            "code": bug.code,
            "keys": [fingerprint(salt, place) for place in bug.places],
            "hint": bug.hint,
            "after": veil(_explained(bug, facts, runs)),
            "losses": [_losses(runs, bug.name), right] if not bug.test else [],
        }
        for bug in BUGS
    ]
    folded = "".join(
        f"<details><summary>Listing {n}</summary>{code_html(bug.code)}</details>"
        for n, bug in enumerate(BUGS, 1)
    )
    return element("bug", {"bugs": bugs}, folded)


def _losses(runs: pd.DataFrame, code: str) -> list[float]:
    """Average the training losses of each epoch over seeds."""
    losses = pd.DataFrame([*runs.loc[runs["code"] == code, "losses"]])
    return [round(loss, 5) for loss in losses.mean()]


def _explained(bug: Bug, facts: Facts, runs: pd.DataFrame) -> str:
    """Say what was wrong, what it did in our records, and which test catches it."""
    said = [f"**{bug.name[0].upper()}{bug.name[1:]}.** {inspect.cleandoc(bug.why)}"]
    said.append(f"It should be:\n\n```\n{bug.mended}\n```")
    if bug.test:
        return markdown("\n\n".join([*said, f"A test of one line: *{bug.test}*"]))
    said.append(_symptom(bug.name, runs))
    tests = checks.LAYER_TESTS | checks.NET_TESTS
    table = facts.caught
    caught = [name for name in tests if name in table and bool(table[name][bug.name])]
    test = min(caught, key=lambda name: name not in facts.fewest)  # the first of them, if it can be
    source = inspect.getsource(tests[test])
    return markdown("\n\n".join([*said, f"A test that catches it:\n\n```\n{source}```"]))


def _symptom(name: str, runs: pd.DataFrame) -> str:
    """Set its records beside the correct code's: means over seeds."""
    columns = ["val_accuracy", *UNDER_STRAIN.values()]
    means = {code: some[columns].mean() for code, some in runs.groupby("code")}
    labels = {"val_accuracy": "accuracy"}
    labels |= {column: f"accuracy, {strain}" for strain, column in UNDER_STRAIN.items()}
    rows = [("training loss", *(number(_losses(runs, one)[-1], 3) for one in (name, RIGHT)))]
    rows += [
        (label, *(percent(float(means[one][column])) for one in (name, RIGHT)))
        for column, label in labels.items()
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"After training:\n\n| | this code | correct code |\n|---|---|---|\n{table}"
