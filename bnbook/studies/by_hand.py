"""Batch norms written by hand, right and with one mistake each, put under strain (chapter 8)."""

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from bnbook import data, models, optimizers, training
from bnbook.run import Run
from bnbook.session import Session

VALIDATION_IMAGES = 2_000
#: The strains: batches that evaluation sees sorted by digit; training batches, and how many.
SORTED_BATCH, SMALL_BATCH, SMALL_BATCHES = 20, 4, 100


class Correct(nn.Module):
    """Batch norm of `(n, features)` as chapter 8 writes it; autograd finds the gradient."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, features: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps = 1e-5
        self.momentum: Any = momentum
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the batch is normalized by: mean and biased variance."""
        return x.mean(0), x.var(0, correction=0)

    def normalize(self, x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        """Standardize `x`."""
        return (x - mean) / torch.sqrt(var + self.eps)

    @torch.no_grad()
    def track(self, mean: Tensor, var: Tensor, n: int) -> None:
        """Move the running statistics toward those of a batch of `n`, the variance unbiased."""
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(var * n / (n - 1), self.momentum)

    def forward(self, x: Tensor) -> Tensor:
        """Normalize `x` with its own batch in training, with the running statistics in eval."""
        if self.training:
            mean, var = self.statistics(x)
            self.track(mean, var, len(x))
        else:
            mean, var = self.running_mean, self.running_var
        return self.weight * self.normalize(x, mean, var) + self.bias


class _VarianceSquared(Correct):
    """What is called var is squared once more under the root."""

    def normalize(self, x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        return (x - mean) / torch.sqrt(var**2 + self.eps)


class _WrongLength(Correct):
    """Sums over the batch are divided by the number of features."""

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean = x.sum(0) / x.shape[1]
        return mean, (x - mean).square().sum(0) / x.shape[1]


class _WholeArray(Correct):
    """One mean and one variance for the whole array, not for each feature."""

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.mean().expand(x.shape[1]), x.var(correction=0).expand(x.shape[1])


class _NoEpsilon(Correct):
    """Nothing keeps a constant feature from a division by 0."""

    def normalize(self, x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        return (x - mean) / torch.sqrt(var)


class _UnbiasedDeviation(Correct):
    """The batch is normalized by the unbiased variance."""

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.mean(0), x.var(0, correction=1)

    def track(self, mean: Tensor, var: Tensor, n: int) -> None:
        super().track(mean, var * (n - 1) / n, n)  # unbiased already


class ByHand(Correct):
    """The correct code with its gradient in steps, and ReLU with it: the control.

    Its ReLU takes the place of the net's, so that the order of the two gradients is the code's.
    """

    saved: tuple[Tensor, ...]  # xhat (n, features), scale and gamma (features), where ReLU is on

    def forward(self, x: Tensor) -> Tensor:
        """Normalize `x` and cut it off at 0."""
        if not self.training:
            return super().forward(x).relu()
        mean, var = self.statistics(x)
        self.track(mean.detach(), var.detach(), len(x))
        y: Tensor = _NormAndReLU.apply(x, self.weight, self.bias, self)
        return y

    def gradients(self, dh: Tensor) -> tuple[Tensor, ...]:
        """Return the gradients of x, gamma and beta from that of the output."""
        xhat, scale, gamma, on = self.saved
        return _backward(dh * on, xhat, scale, gamma)


class _NormAndReLU(torch.autograd.Function):
    """The training pass of `ByHand`; its gradient is what the layer says."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gamma: Tensor, beta: Tensor, layer: ByHand) -> Tensor:
        mean, var = layer.statistics(x)
        scale = 1 / torch.sqrt(var + layer.eps)
        xhat = (x - mean) * scale
        y = gamma * xhat + beta
        ctx.layer = layer
        layer.saved = xhat, scale, gamma.clone(), y > 0
        return y.relu()

    @staticmethod
    def backward(ctx: Any, dh: Tensor) -> tuple[Tensor | None, ...]:
        return (*ctx.layer.gradients(dh), None)


def _backward(dy: Tensor, xhat: Tensor, scale: Tensor, gamma: Tensor) -> tuple[Tensor, ...]:
    """Return the gradients of x, gamma and beta, as the chapter derives them."""
    n, dbeta, dgamma = len(dy), dy.sum(0), (dy * xhat).sum(0)
    return gamma * scale * (dy - dbeta / n - xhat * dgamma / n), dgamma, dbeta


class _WrongOrder(ByHand):
    """The gradient goes through batch norm first and through ReLU second."""

    def gradients(self, dh: Tensor) -> tuple[Tensor, ...]:
        xhat, scale, gamma, on = self.saved
        dx, dgamma, dbeta = _backward(dh, xhat, scale, gamma)
        return dx * on, dgamma, dbeta


class _WrongLayer(ByHand):
    """The gradient of the first layer is made of the second one's gradient and cache."""

    above: "tuple[_WrongLayer, ...]"  # the layer above it; a tuple, for it is no part of this one
    dx: Tensor

    def gradients(self, dh: Tensor) -> tuple[Tensor, ...]:
        if not self.above:
            self.dx, *others = super().gradients(dh)
            return (self.dx, *others)
        (above,) = self.above
        return _backward(above.dx, *above.saved[:3])


class _RunningDeviation(Correct):
    """The standard deviation is averaged in place of the variance."""

    @torch.no_grad()
    def track(self, mean: Tensor, var: Tensor, n: int) -> None:
        self.running_mean.lerp_(mean, self.momentum)
        new, old = torch.sqrt(var * n / (n - 1)), torch.sqrt(self.running_var)
        self.running_var.copy_(old.lerp(new, self.momentum) ** 2)


class _BiasedKept(Correct):
    """The running variance is fed the biased one."""

    def track(self, mean: Tensor, var: Tensor, n: int) -> None:
        super().track(mean, var * (n - 1) / n, n)


class _MomentumMixedUp(Correct):
    """A momentum of 0.9 that was meant as the weight of the old value."""

    def __init__(self, features: int) -> None:
        super().__init__(features, momentum=0.9)


class _MovesInEvaluation(Correct):
    """The running statistics move in evaluation, too."""

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        if not self.training:
            self.track(*self.statistics(x), len(x))
        return y


class _PlainAttributes(Correct):
    """The running statistics are no buffers, hence not in the state dict."""

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:  # noqa: ARG002
        setattr(self, name, tensor)


class _LabSession(_UnbiasedDeviation, _NoEpsilon, _RunningDeviation):
    """All three departures of the lab session's norm at once."""


#: By the names that chapter 8 gives them; the first is what the others are compared with, the
#: second has no mistake either, and the last has several.
CODES: dict[str, type[Correct]] = {
    "correct": Correct,
    "by hand": ByHand,
    "variance squared": _VarianceSquared,
    "wrong length": _WrongLength,
    "whole array": _WholeArray,
    "no epsilon": _NoEpsilon,
    "unbiased deviation": _UnbiasedDeviation,
    "wrong order": _WrongOrder,
    "wrong layer": _WrongLayer,
    "running deviation": _RunningDeviation,
    "biased kept": _BiasedKept,
    "momentum 0.9": _MomentumMixedUp,
    "moves in evaluation": _MovesInEvaluation,
    "plain attributes": _PlainAttributes,
    "lab session": _LabSession,
}


def measure(run: Run, splits: data.Splits) -> list[dict[str, Any]]:
    """Train the net of `run`, an MLP, with each of `CODES` in its slots: one row for each.

    `losses` are the mean training losses of its epochs, in order.
    On the first `VALIDATION_IMAGES` validation images, by the code's own running statistics:
    `val_accuracy` after training; `loaded`, of a new net that loaded the trained one's state;
    `sorted`, after the net has evaluated these images sorted by digit, `SORTED_BATCH` at a time;
    `small`, after its statistics have seen `SMALL_BATCHES` batches of `SMALL_BATCH` training images
    while its weights stood still.
    """
    state = next(training.follow(run, [0], splits))
    images, labels = (part[:VALIDATION_IMAGES] for part in state.validation)
    by_digit = labels.argsort(stable=True)
    rows = []
    for name, layer in CODES.items():
        session = _session(run, state.train, layer)
        losses, net = _train(session, run.epochs), session.net
        loaded = _session(run, state.train, layer).net
        loaded.load_state_dict(net.state_dict())
        ordered, small = copy.deepcopy(net), copy.deepcopy(net).train()
        _accuracy(ordered, images[by_digit], labels[by_digit], SORTED_BATCH)
        with torch.no_grad():
            for batch in state.train[0].split(SMALL_BATCH)[:SMALL_BATCHES]:
                small(batch)
        found = {"val_accuracy": net, "loaded": loaded, "sorted": ordered, "small": small}
        accuracies = {what: _accuracy(one, images, labels) for what, one in found.items()}
        rows.append({"code": name, "images": len(labels), "losses": losses} | accuracies)
    return rows


def train_one(run: Run, code: str, seed: int) -> list[float]:
    """Train the net of `run` with one of `CODES`; return the mean training loss of each epoch."""
    run = replace(run, seed=seed)
    state = next(training.follow(run, [0]))
    return _train(_session(run, state.train, CODES[code]), run.epochs)


def _train(session: Session, epochs: int) -> list[float]:
    return [float(torch.stack(list(session.epoch())).mean()) for _ in range(epochs)]


def install(net: nn.Module, layer: type[Correct]) -> None:
    """Put a `layer` into every norm slot of `net`, with its own ReLU where it has one."""
    slots = models.norm_slots(net)
    mine = [layer(len(norm.get_parameter("weight"))) for norm in slots.values()]
    for number, (name, norm) in enumerate(zip(slots, mine, strict=True), start=1):
        setattr(net, name, norm)
        if isinstance(norm, ByHand):
            setattr(net, f"act{number}", nn.Identity())
        if isinstance(norm, _WrongLayer):
            norm.above = tuple(one for one in mine[number:] if isinstance(one, _WrongLayer))


def _session(run: Run, train: tuple[Tensor, Tensor], layer: type[Correct]) -> Session:
    """Begin `run` with `layer` in every slot."""
    session = Session(run, train)
    install(session.net, layer)
    learned = session.net.parameters()
    session.optimizer = optimizers.build(
        run.optimizer, learned, run.lr, run.momentum, run.weight_decay
    )
    return session


@torch.no_grad()
def _accuracy(net: nn.Module, images: Tensor, labels: Tensor, batch: int = 500) -> float:
    """Return the share of `images` that `net` gets right in eval mode."""
    net.eval()
    answers = torch.cat([net(part).argmax(1) for part in images.split(batch)])
    return float((answers == labels).double().mean())
