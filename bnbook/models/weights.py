"""The layers of a net by their roles: initial weights, and which of them are trained."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bnbook import streams
from bnbook.models.parts import Dropout, Noise

Draw = Callable[[Tensor, float, torch.Generator], Tensor]

#: How initial weights are drawn, given the weight, the scale and the stream.
INITIALIZATIONS: dict[str, Draw] = {
    # Glorot & Bengio (2010), uniform, as in d2l.
    "xavier": lambda w, _, stream: nn.init.xavier_uniform_(w, generator=stream),
    # He et al. (2015): N(0, 2 / fan in). What some posts call "Xavier / 2" is this.
    "he": lambda w, _, stream: nn.init.kaiming_normal_(w, nonlinearity="relu", generator=stream),
    # N(0, scale^2), whatever the layer's size.
    "normal": lambda w, scale, stream: nn.init.normal_(w, std=scale, generator=stream),
}

#: Which parameters are trained: all; gamma and beta ("norm"); the last linear layer ("head");
#: both; or two random weights for each channel that has a gamma and a beta.
SUBSETS = ("all", "norm", "head", "norm+head", "random")


def weighted(net: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    """Map names to the layers with weights: the main path in its order, then the shortcuts."""
    found = {n: m for n, m in net.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    return dict(sorted(found.items(), key=_on_a_shortcut))


def norm_slots(net: nn.Module) -> dict[str, nn.Module]:
    """Map names to what stands in the norm slots, in the order of `weighted`."""
    return _numbered(net, "norm")


def activations(net: nn.Module) -> dict[str, nn.Module]:
    """Map names to the activations, in their order."""
    return _numbered(net, "act")


def _numbered(net: nn.Module, word: str) -> dict[str, nn.Module]:
    found = {n: m for n, m in net.named_modules() if re.search(rf"(^|\.){word}\d*$", n)}
    return dict(sorted(found.items(), key=_on_a_shortcut))


def _on_a_shortcut(named: tuple[str, nn.Module]) -> bool:
    # Shortcuts come last, so that a net without them has the same numbers, hence the same weights.
    return "shortcut" in named[0]


def initialize(net: nn.Module, seed: int, init: str = "xavier", scale: float = 1.0) -> nn.Module:
    """Fill the weights of `net` in place and return it.

    Weights are drawn as `init` says (a name in `INITIALIZATIONS`), each from its own stream (see
    `streams`), numbered by the layer's place in `weighted`; biases are 0; `scale` is that of
    "normal". Norms already start at gamma 1, beta 0. Dropout and noise get their streams.
    """
    for slot, layer in enumerate(weighted(net).values()):
        INITIALIZATIONS[init](layer.weight, scale, streams.stream(seed, slot, "weight"))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    for slot, dropout in enumerate(m for m in net.modules() if isinstance(m, Dropout)):
        dropout.generator = streams.stream(seed, slot, "dropout")
    for slot, noise in enumerate(m for m in net.modules() if isinstance(m, Noise)):
        noise.generator = streams.stream(seed, slot, "noise")
    return net


@dataclass(frozen=True)
class Partial:
    """A weight of which only some entries are trained.

    Optimizers know whole tensors only, and some move what has no gradient (weight decay): so all
    is left to them, and `restore` puts the fixed entries back after each step.
    """

    weight: Tensor
    trained: Tensor  # bool, of the weight's shape
    initial: Tensor

    @torch.no_grad()
    def restore(self) -> None:
        """Put back what is not trained."""
        self.weight.copy_(torch.where(self.trained, self.weight, self.initial))


def freeze(net: nn.Module, subset: str, seed: int) -> list[Partial]:
    """Fix all parameters of `net` but `subset` (a name in `SUBSETS`), before the first step.

    What `affine` fixed stays fixed. Only for "random" the list returned is not empty: there the
    trained entries lie in weights whose others have to be restored after each step. They are as
    many as all gammas and betas (the control of Frankle et al. 2021): two for each channel with a
    norm, drawn for `seed` from the weights that make this channel.
    """
    if subset == "all":
        return []
    if subset == "random":
        partial = list(_random(net, seed))
        kept = {one.weight for one in partial}
    else:
        partial = []
        kept = set(_members(net, subset.split("+")))
    for parameter in net.parameters():
        parameter.requires_grad_(parameter in kept and parameter.requires_grad)
    return partial


def _members(net: nn.Module, words: list[str]) -> Iterator[Tensor]:
    if "norm" in words:
        for norm in norm_slots(net).values():
            yield from norm.parameters()
    if "head" in words:
        yield from net.get_submodule("out").parameters()


def _random(net: nn.Module, seed: int) -> Iterator[Partial]:
    hidden = [layer for name, layer in weighted(net).items() if name != "out"]
    pairs = zip(hidden, norm_slots(net).values(), strict=True)
    for slot, (layer, norm) in enumerate(pairs):
        if any(True for _ in norm.parameters()):
            weight, stream = layer.weight, streams.stream(seed, slot, "subset")
            draws = torch.rand(weight.flatten(1).shape, generator=stream)
            trained = torch.zeros(draws.shape, dtype=torch.bool)
            trained.scatter_(1, draws.topk(2).indices, True)
            trained = trained.view(weight.shape).to(weight.device)
            yield Partial(weight, trained, weight.detach().clone())


def parameter_count(net: nn.Module) -> int:
    """Count the numbers in all parameters, learned or fixed."""
    return sum(p.numel() for p in net.parameters())
