"""Nets trained side by side in a background thread, for any front: start, pause, stop, watch."""

import copy
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnbook import data, models, norms, streams, training
from bnbook.errors import BookError
from bnbook.history import Row
from bnbook.run import Run

#: Values in a layer are counted in so many bins from -RANGE to RANGE; what is beyond falls into
#: the bins at the edges.
BINS, RANGE = 64, 8.0
#: The validation accuracy, in percent, whose first step is reported.
GOAL = 95


@dataclass
class Curve:
    """One net's run as far as it has come: a loss per step, a row per evaluation.

    Rows hold step, seconds (spent in steps until then), train_loss (mean since the row before),
    val_loss, val_correct, val_correct_running, val_images, and what `inside` measures. `rates`
    lists `(step, learning rate)` from that step on.
    """

    label: str
    run: Run
    losses: list[float] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    rates: list[tuple[int, float]] = field(default_factory=list)
    outcome: str = ""  # one of History.outcome once the run has ended
    seconds: float = 0.0  # spent in steps

    @property
    def steps_per_epoch(self) -> int:
        """Steps that make an epoch; an incomplete last batch is dropped."""
        return self.run.train_size // self.run.batch_size

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.steps_per_epoch * self.run.epochs

    @property
    def broken(self) -> bool:
        """Whether its last loss is no number: then there is nothing left to train."""
        return bool(self.losses) and not math.isfinite(self.losses[-1])

    def accuracies(self) -> list[tuple[float, float]]:
        """`(epoch, validation accuracy)` of each evaluation, with re-estimated statistics."""
        return [
            (row["step"] / self.steps_per_epoch, row["val_correct"] / row["val_images"])
            for row in self.rows
        ]

    def goal(self) -> Row | None:
        """First evaluation with `GOAL` percent of the validation images right."""
        # Counts, not shares: 0.95 in binary may be a little less.
        reached = (r for r in self.rows if 100 * r["val_correct"] >= GOAL * r["val_images"])
        return next(reached, None)

    def smooth_losses(self, most: int = 120) -> list[tuple[float, float]]:
        """Mean losses of at most `most` equal stretches, each at its middle, in epochs."""
        # The stretch depends on the whole run's length, so that points do not move as it grows.
        stretch = -(-self.steps // most)
        starts = range(0, len(self.losses), stretch)
        pieces = [(start, self.losses[start : start + stretch]) for start in starts]
        return [
            ((start + len(piece) / 2) / self.steps_per_epoch, sum(piece) / len(piece))
            for start, piece in pieces
        ]


class _Net:
    """A net in training, and the curve that it draws."""

    def __init__(self, curve: Curve, shape: tuple[int, ...], device: str) -> None:
        self.curve = curve
        self.net = training.build(curve.run, shape).to(device)
        models.freeze(self.net, curve.run.trainable, curve.run.seed)
        self._learned = [p for p in self.net.parameters() if p.requires_grad]
        self._optimizer = torch.optim.SGD(self._learned, lr=curve.run.lr)

    def step(self, images: Tensor, labels: Tensor, lr: float) -> None:
        start = time.perf_counter()
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        self.net.train()
        loss = functional.cross_entropy(self.net(images), labels)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self.curve.losses.append(float(loss.detach()))
        self.curve.seconds += time.perf_counter() - start

    def evaluate(self, train: tuple[Tensor, Tensor], validation: tuple[Tensor, Tensor]) -> None:
        images, labels = train
        precise = norms.reestimate(self.net, images[: training.REESTIMATE_SIZE])
        correct, loss = training.count_correct(precise, *validation)
        running, _ = training.count_correct(self.net, *validation)
        losses, rows = self.curve.losses, self.curve.rows
        since = losses[rows[-1]["step"] :] if rows else []
        rows.append(
            {
                "step": len(losses),
                "seconds": self.curve.seconds,
                "train_loss": sum(since) / len(since) if since else math.nan,
                "val_loss": loss,
                "val_correct": correct,
                "val_correct_running": running,
                "val_images": len(validation[1]),
                **inside(self.net, images[: training.PROBE_SIZE], labels[: training.PROBE_SIZE]),
            }
        )


class Training:
    """Nets trained in lock step, on the same batches, in a background thread.

    `runs` are labelled; they differ in their nets only (BookError otherwise). They are evaluated
    before training, every `every` steps (default: an epoch) and at the end. `lr` may be
    set at any time: the next step takes it. `on_change` is called in the training thread after
    each step and once after the end. What goes wrong, there or in training, ends up in `error`.
    """

    def __init__(
        self,
        runs: Sequence[tuple[str, Run]],
        *,
        every: int | None = None,
        device: str = "cpu",
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        first, *others = (run for _, run in runs)
        shared = ("dataset", "train_size", "batch_size", "lr", "seed", "epochs")
        for name in shared:
            if any(getattr(run, name) != getattr(first, name) for run in others):
                raise BookError(f"nets side by side need the same {name.replace('_', ' ')}")
        self.curves = [Curve(label, run) for label, run in runs]
        self.lr = first.lr
        self.error: Exception | None = None
        self.ended = False
        self._run = first
        self._every = every or self.curves[0].steps_per_epoch
        self._device = device
        self._on_change = on_change
        self._go = threading.Event()
        self._go.set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._train, daemon=True)

    def start(self) -> None:
        """Begin; a training begins once."""
        self._thread.start()

    @property
    def paused(self) -> bool:
        """Whether it waits to be resumed."""
        return not self.ended and not self._go.is_set()

    def pause(self) -> None:
        """Wait after the step that is being done."""
        self._go.clear()

    def resume(self) -> None:
        """Go on after a pause."""
        self._go.set()

    def stop(self) -> None:
        """End for good after the step that is being done."""
        self._stop.set()
        self._go.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended."""
        self._thread.join(timeout)

    @property
    def progress(self) -> float:
        """Share of the steps done."""
        return 1.0 if self.ended else max(len(c.losses) for c in self.curves) / self.curves[0].steps

    @property
    def speed(self) -> float:
        """Images per second in training steps, over all nets."""
        steps = sum(len(curve.losses) for curve in self.curves)
        seconds = sum(curve.seconds for curve in self.curves)
        return steps * self._run.batch_size / seconds if seconds else 0.0

    def _train(self) -> None:
        try:
            self._watch()
        except Exception as error:  # whatever it is, the reader must see it
            self.error = error
        self.ended = True
        self._on_change()

    def _watch(self) -> None:
        splits = data.splits(self._run.dataset)
        train = self._tensors(splits.train, self._run.train_size)
        validation = self._tensors(splits.validation)
        images, labels = train
        shape = tuple(images.shape[1:])
        nets = [_Net(curve, shape, self._device) for curve in self.curves]
        for net in nets:
            net.evaluate(train, validation)
        self._on_change()
        for step, batch in enumerate(self._batches(len(labels)), 1):
            self._go.wait()
            if self._stop.is_set():
                return
            lr = self.lr
            for net in nets:
                if not net.curve.rates or net.curve.rates[-1][1] != lr:
                    net.curve.rates.append((step, lr))
                net.step(images[batch], labels[batch], lr)
            last = step == self.curves[0].steps
            for net in nets:
                if last or net.curve.broken or step % self._every == 0:
                    net.evaluate(train, validation)
                if last or net.curve.broken:
                    net.curve.outcome = training.judge(net.curve.rows)
            nets = [net for net in nets if not net.curve.outcome]
            self._on_change()
            if not nets:
                return

    def _batches(self, n: int) -> Iterator[Tensor]:
        """Yield the indices of each step's images, in the order of `training.train`."""
        order = streams.stream(self._run.seed, 0, "order")
        size = self._run.batch_size
        for _ in range(self._run.epochs):
            shuffled = torch.randperm(n, generator=order).to(self._device)
            yield from shuffled.split(size)[: n // size]

    def _tensors(self, part: data.Images, n: int | None = None) -> tuple[Tensor, Tensor]:
        if n and n > len(part):
            raise BookError(f"{self._run.dataset} has {len(part):,} training images, not {n:,}")
        return data.to_float(part.images[:n]).to(self._device), part.labels[:n].to(self._device)


def inside(net: nn.Module, images: Tensor, labels: Tensor) -> Row:
    """Look into one train-mode pass, forward and backward, on a copy of `net`.

    `before` and `after` each norm slot: the shares of the values in `BINS` bins, and their
    `spread_before` and `spread_after` (standard deviation over all of them). Per layer with
    weights: l2 norms of `weight_gradient` and `bias_gradient`, of frozen ones too (NaN where there
    is no bias). `gamma` and `beta` of each slot, empty where it has none.
    """
    net = copy.deepcopy(net).train()
    modules = dict(net.named_children())
    slots = [modules[f"norm{i}"] for i in range(1, len(models.LENET_LAYERS))]
    seen: list[tuple[Tensor, Tensor]] = []
    for slot in slots:
        slot.register_forward_hook(lambda _, x, y: seen.append((x[0].detach(), y.detach())))
    layers = [modules[name].requires_grad_() for name in models.LENET_LAYERS]
    functional.cross_entropy(net(images), labels).backward()
    return {
        "before": [_shares(x) for x, _ in seen],
        "after": [_shares(y) for _, y in seen],
        "spread_before": [float(x.std()) for x, _ in seen],
        "spread_after": [float(y.std()) for _, y in seen],
        "weight_gradient": [_gradient(layer.weight) for layer in layers],
        "bias_gradient": [_gradient(layer.bias) for layer in layers],
        "gamma": [_numbers(getattr(slot, "weight", None)) for slot in slots],
        "beta": [_numbers(getattr(slot, "bias", None)) for slot in slots],
    }


def _shares(values: Tensor) -> list[float]:
    counts = torch.histc(values.float().clamp(-RANGE, RANGE), BINS, -RANGE, RANGE)
    return [float(share) for share in counts / values.numel()]


def _gradient(parameter: object) -> float:
    grad = getattr(parameter, "grad", None)
    return math.nan if grad is None else float(grad.norm())


def _numbers(parameter: Tensor | None) -> list[float]:
    return [] if parameter is None else [float(value) for value in parameter.detach().cpu()]
