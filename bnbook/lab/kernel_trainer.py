"""Nets trained side by side in a thread of the kernel, which says what the page's worker says."""

import hashlib
import math
import queue
import re
import threading
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from bnbook import data, models, probes, training
from bnbook.errors import BookError
from bnbook.lab.images import GRAY_STEP
from bnbook.lab.settings import RANGE
from bnbook.lab.training_log import Message
from bnbook.run import Run
from bnbook.session import Session

#: Values in a layer are counted in so many bins from -RANGE to RANGE; what is beyond falls into
#: the bins at the edges. As in the engine.
BINS = 64
IMAGE_SHAPE = (1, 28, 28)
MOST_MISTAKES = 20  # that are shown of each net
REPORT_AFTER = 0.1  # seconds between two reports without an evaluation
#: Nets side by side have to agree on what they see, and when.
SHARED = (
    *("dataset", "train_size", "input_transform", "augmentation"),
    *("batch_size", "epochs", "epoch_steps", "seed", "lr", "schedule"),
)


class KernelTrainer:
    """Trains `runs` in lock step, on the same batches, each as `training.train` would.

    They are evaluated before training, every `every` steps (default: see `is_evaluated`) and at
    the end; one whose loss is no number any more has ended. `changes` of the learning rate,
    `(step, lr)`, come by themselves until somebody sets it. `say` hears the messages, in the
    training thread; what goes wrong is said, too, and kept in `error`. Raises BookError for runs
    that cannot be trained side by side, and for a device that is not here.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        say: Callable[[Message], None],
        *,
        every: int | None = None,
        changes: Sequence[tuple[int, float]] = (),
        device: str = "cpu",
    ) -> None:
        _check_side_by_side(runs)
        check_device(device)
        self.error: Exception | None = None
        self._runs, self._say, self._device = list(runs), say, device
        self._lr = runs[0].lr
        self._every = every
        self._scheduled = sorted(changes)
        self._changes: list[Message] = []  # of the rate, since the last report
        self._evaluations: list[Message] = []  # likewise
        self._step = self._total = 0
        self._paused = False
        self._reported = 0.0
        self._asked: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._train, daemon=True)

    def start(self) -> None:
        """Begin; a trainer begins once."""
        self._thread.start()

    def pause(self, on: bool) -> None:
        """Wait after the step that is being done, or go on."""
        self._asked.put(lambda: self._hold(on))

    def set_lr(self, lr: float) -> None:
        """Take the next step at `lr`; what was scheduled does not come any more."""
        self._asked.put(lambda: self._take_rate(lr))

    def stop(self) -> None:
        """End for good after the step that is being done, without another word."""
        self._asked.put(_stop)

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended."""
        self._thread.join(timeout)

    @property
    def ended(self) -> bool:
        """Whether it was started and does nothing any more."""
        return self._thread.ident is not None and not self._thread.is_alive()

    # What follows runs in the thread.

    def _train(self) -> None:
        try:
            self._begin()
            while not self._over:
                self._obey()
                self._advance()
                due = time.monotonic() - self._reported > REPORT_AFTER
                if due or self._evaluations or self._over:
                    self._report()
            hashes = [one.hash() for one in self._nets]
            mistakes = [one.mistakes(self._validation) for one in self._nets]
            self._say({"type": "done", "hashes": hashes, "mistakes": mistakes})
        except _StopError:
            pass
        except Exception as error:  # whatever it is, the reader must see it
            self.error = error
            foreseen = isinstance(error, BookError)
            text = str(error) if foreseen else f"{type(error).__name__}: {error}"
            self._say({"type": "error", "text": text})

    def _begin(self) -> None:
        run = self._runs[0]
        splits = data.splits(run.dataset)
        self._validation = splits.validation.images
        tensors = training.to_tensors(run, splits, self._device)
        self._nets = [_Net(one, tensors) for one in self._runs]
        session = self._nets[0].session
        self._total = session.total
        self._per_epoch = session.steps_per_epoch
        sizes = {"perEpoch": session.steps_per_epoch, "total": self._total}
        self._say({"type": "ready", **sizes, "images": len(tensors.validation[1])})
        self._evaluate()
        self._report()

    @property
    def _over(self) -> bool:
        return self._step == self._total or not any(one.alive for one in self._nets)

    def _obey(self) -> None:
        """Do what was asked for meanwhile; while paused, wait for more."""
        while self._paused or not self._asked.empty():
            self._asked.get()()

    def _hold(self, on: bool) -> None:
        self._paused = on
        self._report()

    def _take_rate(self, lr: float) -> None:
        self._scheduled = []
        self._change_rate(lr, linked=False)
        if self._paused:
            self._report()

    def _change_rate(self, lr: float, linked: bool) -> None:
        if lr == self._lr:
            return
        self._lr = lr
        for one in self._nets:
            one.session.set_lr(lr)
        self._changes.append({"step": self._step, "lr": lr, "linked": linked})

    def _advance(self) -> None:
        while self._scheduled and self._scheduled[0][0] <= self._step:
            self._change_rate(self._scheduled.pop(0)[1], linked=True)
        self._step += 1
        for one in self._nets:
            if one.alive:
                one.step()
        if self._over or is_evaluated(self._step, self._per_epoch, self._every):
            self._evaluate()

    def _evaluate(self) -> None:
        for index, one in enumerate(self._nets):
            if one.alive:
                self._evaluations.append({"net": index, "step": self._step, **one.evaluate()})

    def _report(self) -> None:
        seconds = sum(one.seconds for one in self._nets)
        images = sum(one.images for one in self._nets)
        self._say(
            {
                "type": "progress",
                "step": self._step,
                "speed": images / seconds if seconds else 0.0,
                "changes": self._changes,
                "evaluations": self._evaluations,
                "nets": [{"alive": one.alive, "losses": one.new_losses()} for one in self._nets],
            }
        )
        self._changes, self._evaluations = [], []
        self._reported = time.monotonic()


class _Net:
    """A net in training, and what it did since the last report."""

    def __init__(self, run: Run, tensors: training.Tensors) -> None:
        self.session = Session(run, tensors.train)
        self.alive = True
        self.seconds = 0.0  # spent in steps
        self.images = 0  # trained on
        self._batch_size = run.batch_size
        self._tensors = tensors
        self._steps = self.session.steps()
        self._losses: list[float] = []

    def step(self) -> None:
        start = time.perf_counter()
        loss = float(next(self._steps))
        self.seconds += time.perf_counter() - start
        self.images += self._batch_size
        self.alive = math.isfinite(loss)
        self._losses.append(loss)

    def evaluate(self) -> Message:
        net = self.session.net
        correct, running, loss = training.validate(net, self._tensors)
        net.train()
        self.alive &= math.isfinite(loss)
        images, labels = (part[: probes.PROBE_SIZE] for part in self._tensors.train)
        return {
            "seconds": self.seconds,
            "correct": correct,
            "correctRunning": running,
            "loss": _number(loss),
            "probe": probe(net, images, labels),
        }

    def new_losses(self) -> list[float | None]:
        losses, self._losses = self._losses, []
        return [_number(loss) for loss in losses]

    def hash(self) -> str:
        """Return sixteen hexadecimal digits that stand for the bits of all parameters."""
        found = hashlib.sha256()
        for parameter in self.session.net.parameters():
            found.update(parameter.detach().cpu().numpy().tobytes())
        return found.hexdigest()[:16]

    def mistakes(self, shown: Tensor) -> list[Message]:
        """Find the first validation images that it takes for something else.

        `shown` holds these images as bytes. Those of another shape than the page's are left out.
        """
        images, labels = self._tensors.validation
        if shown.shape[1:] != IMAGE_SHAPE:
            return []
        net = training.reestimated(self.session.net, self._tensors).eval()
        with torch.no_grad():
            parts = images.split(training.EVALUATION_BATCH)
            answers = torch.cat([net(part).argmax(1) for part in parts])
        levels = (shown // GRAY_STEP).flatten(1)
        return [
            {"label": int(labels[i]), "answer": int(answers[i]), "pixels": levels[i].tolist()}
            for i in (answers != labels).nonzero().flatten()[:MOST_MISTAKES].tolist()
        ]


class _StopError(Exception):
    """Ends a training from within."""


def _stop() -> None:
    raise _StopError


def is_evaluated(step: int, per_epoch: int, every: int | None) -> bool:
    """Say whether it is time to evaluate, before the last of the steps from 1 on.

    As in the front end's `schedule.js`: without `every` it is each epoch, of which the first has
    up to four evaluations more, at 1, 2, 5, 10, 20, ... steps from a tenth of it on.
    """
    if every:
        return step % every == 0
    if step < per_epoch:
        return 10 * step >= per_epoch and re.fullmatch("[125]0*", str(step)) is not None
    return step % per_epoch == 0


def devices() -> list[str]:
    """List what can train here, the fastest last."""
    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def check_device(device: str) -> None:
    """Raise BookError for a device that is not here."""
    if device not in devices():
        raise BookError(f"no device {device!r} here; take one of {', '.join(devices())}")


def _check_side_by_side(runs: Sequence[Run]) -> None:
    for name in SHARED:
        if len({getattr(run, name) for run in runs}) > 1:
            raise BookError(f"nets side by side need the same {name.replace('_', ' ')}")


def probe(net: nn.Module, images: Tensor, labels: Tensor) -> Message:
    """Look into one train-mode pass, forward and backward, on a copy of `net`.

    As the engine's probe: per norm slot the shares of the values in `BINS` bins `before` and
    `after` it, mean squares there and after the activation, gamma and beta (None without a norm).
    Per layer with weights: l2 norms of the gradients of weights and biases, of frozen ones too,
    and which share of the mean square tells images apart (see `probes.image_shares`).
    """
    shares = probes.image_shares(net, images)
    net = probes.probed_copy(net)
    layers = [layer.requires_grad_() for layer in models.weighted(net).values()]
    slots = list(models.norm_slots(net).values())
    activations = list(models.activations(net).values())
    seen = probes.watched_pass(net, images, labels, lambda x: (_shares(x), _mean_square(x)))
    return {
        "before": [seen[slot][0][0] for slot in slots],
        "after": [seen[slot][1][0] for slot in slots],
        "squareBefore": [seen[slot][0][1] for slot in slots],
        "squareNormed": [seen[slot][1][1] for slot in slots],
        "squareActivated": [seen[activation][1][1] for activation in activations],
        "gradientNorm": [_gradient(layer.weight) for layer in layers],
        "biasGradientNorm": [_gradient(layer.bias) for layer in layers],
        "imageShare": [_number(share) for share in shares],
        "gamma": [_numbers(getattr(slot, "weight", None)) for slot in slots],
        "beta": [_numbers(getattr(slot, "bias", None)) for slot in slots],
    }


def _shares(values: Tensor) -> list[float]:
    counts = torch.histc(values.float().clamp(-RANGE, RANGE), BINS, -RANGE, RANGE)
    return [round(float(share), 7) for share in counts / values.numel()]


def _mean_square(values: Tensor) -> float | None:
    return _number(float(values.square().mean()))


def _gradient(parameter: object) -> float | None:
    grad = getattr(parameter, "grad", None)
    return None if grad is None else _number(float(grad.norm()))


def _numbers(parameter: Tensor | None) -> list[float | None] | None:
    """List what is learned, as far as a picture can show it: four digits after the point."""
    return None if parameter is None else [_number(round(x, 4)) for x in parameter.tolist()]


def _number(value: float) -> float | None:
    """JSON knows no numbers that are none."""
    return value if math.isfinite(value) else None
