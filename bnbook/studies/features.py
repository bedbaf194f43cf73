"""What a net's features are worth: to its own head, to a new one, and without the weakest."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnbook import data, models, streams, training
from bnbook.run import Run

#: Shares of all features that are taken out of a trained net, those with the smallest gammas first.
PRUNED = (0.1, 0.25, 0.5)
#: Features with a smaller |gamma| count as switched off (Frankle et al. 2021).
SMALL = 0.01
#: Weight of the squared weights in the readout's loss; features have variance 1 there.
RIDGE = 1e-3
READOUT_STEPS = 100
#: Keeps a feature that is constant, such as a dead one, at 0.
EPSILON = 1e-8

Labelled = tuple[Tensor, Tensor]


def measure(
    run: Run, splits: data.Splits, checkpoint: training.Checkpoint | None = None
) -> list[dict[str, Any]]:
    """Train `run` to its end and say what its features are worth: one row.

    `val_accuracy`, `test_accuracy` (of the net as trained), `readout_accuracy` (see `readout`),
    all with re-estimated statistics; `gamma`, one list for all slots; `pruned_accuracy`, on the
    test images, for each share in `PRUNED`: empty where no gamma was trained. `epoch`, `step` and
    `outcome` are there for `findings`.
    """
    return [_worth(run, training.fit(run, splits, checkpoint=checkpoint))]


def measure_small(
    run: Run, splits: data.Splits, checkpoint: training.Checkpoint | None = None
) -> list[dict[str, Any]]:
    """Do as `measure`, and count the features that are as good as off: one row.

    `small_share` of all gammas that are below `SMALL`; `small_accuracy` on the test images without
    these features, with the statistics of the net as trained and then with its own.
    """
    state = training.fit(run, splits, checkpoint=checkpoint)
    strength = gammas(state.net).abs()
    share = float((strength < SMALL).double().mean())
    nets = (training.reestimated(state.net, state), state.net)
    without, anew = (prune(net, share, strength) for net in nets)
    small = [
        training.accuracy(net, state.test) for net in (without, training.reestimated(anew, state))
    ]
    return [_worth(run, state) | {"small_share": share, "small_accuracy": small}]


def _worth(run: Run, state: training.State) -> dict[str, Any]:
    images, labels = (part[: training.REESTIMATE_SIZE] for part in state.train)
    net = training.reestimated(state.net, state)
    learned = run.trainable in ("all", "norm", "norm+head")
    return {
        "epoch": run.epochs,
        "step": training.last_step(run),
        "outcome": "finished",
        "val_accuracy": training.accuracy(net, state.validation),
        "test_accuracy": training.accuracy(net, state.test),
        "readout_accuracy": readout(net, (images, labels), state.test),
        "gamma": gammas(net).tolist(),
        "pruned_accuracy": [
            training.accuracy(prune(net, share, gammas(net).abs()), state.test)
            for share in PRUNED
            if learned
        ],
    }


def measure_pruned(
    run: Run, splits: data.Splits, checkpoint: training.Checkpoint | None = None
) -> list[dict[str, Any]]:
    """Train `run` to its end, switch features off and re-estimate the statistics: one row.

    `test_accuracy` of the net as trained; `weakest` and `random`, test accuracies for each share in
    `PRUNED`: without the features of the smallest gammas, and without as many chosen at random.
    `measure` has the first of the two with the statistics of the whole net.
    """
    state = training.fit(run, splits, checkpoint=checkpoint)
    chance = torch.rand(len(gammas(state.net)), generator=streams.stream(run.seed, 0, "subset"))

    def without(share: float, strength: Tensor) -> float:
        pruned = prune(state.net, share, strength)
        return training.accuracy(training.reestimated(pruned, state), state.test)

    return [
        {
            "epoch": run.epochs,
            "step": training.last_step(run),
            "outcome": "finished",
            "test_accuracy": training.accuracy(training.reestimated(state.net, state), state.test),
            "weakest": [without(share, gammas(state.net).abs()) for share in PRUNED],
            "random": [without(share, chance) for share in PRUNED],
        }
    ]


def readout(net: nn.Module, train: Labelled, test: Labelled) -> float:
    """Return the test accuracy of a new linear head on the frozen features of `net`.

    The features are what enters `net.out`, each scaled to mean 0 and variance 1 over `train`; the
    head is a multinomial logistic regression with a small ridge, fitted to its minimum (a "linear
    probe", Alain & Bengio 2017).
    """
    features = [_features(net, images) for images, _ in (train, test)]
    var, mean = torch.var_mean(features[0], 0, correction=0)
    x, x_test = ((f - mean) / (var + EPSILON).sqrt() for f in features)
    head = nn.Linear(x.shape[1], net.get_submodule("out").get_parameter("weight").shape[0])
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    optimizer = torch.optim.LBFGS(
        head.parameters(), max_iter=READOUT_STEPS, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = functional.cross_entropy(head(x), train[1]) + RIDGE * head.weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    with torch.no_grad():
        return float((head(x_test).argmax(1) == test[1]).float().mean())


def gammas(net: nn.Module) -> Tensor:
    """Return the gammas of all norm slots of `net` under each other: `(features,)`."""
    return torch.cat([m.get_parameter("weight").detach() for m in _norms(net)])


def prune(net: nn.Module, share: float, strength: Tensor) -> nn.Module:
    """Copy `net` and switch off the `share` of all its features with the least `strength`.

    `strength` is `(features,)`, in the order of `gammas`. Both gamma and beta become 0, so that
    nothing but a constant 0 leaves the norm. Running statistics stay.
    """
    net = copy.deepcopy(net)
    off = torch.zeros_like(strength, dtype=torch.bool)
    off[strength.argsort()[: round(share * len(strength))]] = True
    with torch.no_grad():
        widths = [len(norm.get_parameter("weight")) for norm in _norms(net)]
        for norm, mine in zip(_norms(net), off.split(widths), strict=True):
            for parameter in norm.parameters():
                parameter[mine] = 0
    return net


def _norms(net: nn.Module) -> list[nn.Module]:
    return [m for m in models.norm_slots(net).values() if not isinstance(m, nn.Identity)]


def _features(net: nn.Module, images: Tensor) -> Tensor:
    """Return what enters the head of `net`, which is in eval mode: `(n, features)`."""
    body = nn.Sequential(*[module for name, module in net.named_children() if name != "out"])
    with torch.no_grad():
        return torch.cat([body(batch) for batch in images.split(training.EVALUATION_BATCH)])
