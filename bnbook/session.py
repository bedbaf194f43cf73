"""A net in training: it, its optimizer and its batches; the one loop that all training uses."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnbook import inputs, models, optimizers, streams
from bnbook.run import Run

Prepare = Callable[[Tensor], Tensor]


class Batches:
    """Batches of a training set `(images, labels)`, in pass after pass, each in a fresh order.

    `prepare` makes of some of the images what a net takes, before they are augmented.

    Not a generator of the session's: the two would hold each other, and with them the images, until
    Python looks for such circles, which in a long sweep is too late.
    """

    def __init__(self, run: Run, train_set: tuple[Tensor, Tensor], prepare: Prepare) -> None:
        self._images, self._labels = train_set
        self._prepare = prepare
        self._size = run.batch_size
        self._augmentation = run.augmentation
        self._order = streams.stream(run.seed, 0, "order")
        self.augmenting = streams.stream(run.seed, 0, "augmentation")
        self.position = self._order.get_state(), 0

    @property
    def position(self) -> tuple[Tensor, int]:
        """Where the order of this pass begins, and how many batches are taken of it."""
        return self._start, self._taken

    @position.setter
    def position(self, position: tuple[Tensor, int]) -> None:
        """Go on from there."""
        self._start, self._taken = position
        self._shuffled: tuple[Tensor, ...] = ()

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self

    def __next__(self) -> tuple[Tensor, Tensor]:
        if not self._shuffled:
            self._shuffle()
        if self._taken == len(self._labels) // self._size:
            self.position = self._order.get_state(), 0
            self._shuffle()
        batch = self._shuffled[self._taken]
        self._taken += 1
        images = self._prepare(self._images[batch])
        if self._augmentation == "crop+flip":
            images = inputs.crop_and_flip(images, self.augmenting)
        return images, self._labels[batch]

    def _shuffle(self) -> None:
        self._order.set_state(self._start)
        order = torch.randperm(len(self._labels), generator=self._order)
        self._shuffled = order.to(self._labels.device).split(self._size)


class Session:
    """A net in training on `train_set`: images `(n, channels, height, width)` and labels `(n,)`.

    `prepare` makes of some of these images what the net takes; by default they are that.
    Between two epochs its `state_dict` holds all that the next one depends on: another session of
    the same run that loads it goes on to the same bits.
    """

    def __init__(
        self,
        run: Run,
        train_set: tuple[Tensor, Tensor],
        prepare: Prepare = inputs.unchanged,
    ) -> None:
        self.images, self.labels = train_set
        self.record_fit = run.record_fit
        shown = prepare(self.images[:1])
        self.net = build(run, tuple(shown.shape[1:])).to(shown)
        self.partial = models.freeze(self.net, run.trainable, run.seed)
        learned = [p for p in self.net.parameters() if p.requires_grad]
        self.optimizer = optimizers.build(
            run.optimizer, learned, run.lr, run.momentum, run.weight_decay
        )
        self.steps_per_epoch = run.epoch_steps or len(self.labels) // run.batch_size
        self.total = run.epochs * self.steps_per_epoch  # steps of the whole run
        self.schedule = optimizers.schedule(run.schedule, self.optimizer, self.total)
        self.epochs = 0  # that are done
        self.batches = Batches(run, train_set, prepare)

    def epoch(self) -> Iterator[Tensor]:
        """Train for one epoch; yield the loss of each step."""
        self.net.train()
        for images, labels in itertools.islice(self.batches, self.steps_per_epoch):
            loss = functional.cross_entropy(self.net(images), labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            for weight in self.partial:
                weight.restore()
            if self.schedule:
                self.schedule.step()
            yield loss.detach()
        self.epochs += 1

    def steps(self) -> Iterator[Tensor]:
        """Train to the end of the run; yield the loss of each step.

        Whoever puts the net into eval mode between two steps puts it back.
        """
        while self.epochs * self.steps_per_epoch < self.total:
            yield from self.epoch()

    def set_lr(self, lr: float) -> None:
        """Take the steps from here on at `lr`; a schedule goes on as if it had begun at it."""
        for group in self.optimizer.param_groups:
            first = group.get("initial_lr", group["lr"])
            group["lr"] = lr * (group["lr"] / first)
            if self.schedule:
                group["initial_lr"] = lr
        if self.schedule:
            self.schedule.base_lrs = [lr] * len(self.schedule.base_lrs)

    def state_dict(self) -> dict[str, Any]:
        """Return the state between two epochs: tensors, numbers, and lists and dicts of them."""
        return {
            "epochs": self.epochs,
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule and self.schedule.state_dict(),
            "pass": self.batches.position,
            "generators": [one.get_state() for one in self._generators()],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`, which a session of the same run returned, before the first epoch."""
        self.epochs = state["epochs"]
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.schedule:
            self.schedule.load_state_dict(state["schedule"])
        self.batches.position = state["pass"]
        for one, position in zip(self._generators(), state["generators"], strict=True):
            one.set_state(position)

    def _generators(self) -> Iterator[torch.Generator]:
        """Yield what draws on from step to step: augmentation, and layers such as dropout."""
        yield self.batches.augmenting
        for module in self.net.modules():
            yield from (one for one in vars(module).values() if isinstance(one, torch.Generator))


def build(run: Run, input_shape: tuple[int, ...] = (1, 28, 28)) -> nn.Sequential:
    """Build the net of `run` with its initial weights, on the CPU."""
    options = {name: getattr(run, name) for name in models.OPTIONS[run.model]}
    net = models.MODELS[run.model](slots=run.norms, input_shape=input_shape, **options)
    models.initialize(net, run.seed, run.init, run.init_scale)
    return net
