"""Train one `Run` and say how it went."""

import copy
import functools
import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnbook import data, inputs, models, norms
from bnbook.errors import BookError, reason
from bnbook.history import History, Row, enough, judge
from bnbook.probes import PROBE_SIZE, probe
from bnbook.run import Run
from bnbook.session import Session as Session
from bnbook.session import build as build

CLASSES = 10  # which every net of the book tells apart
REESTIMATE_SIZE = 10_000  # training images that statistics are re-estimated over, at most
EVALUATION_BATCH = 200  # images per forward pass in evaluation; small enough to stay in the cache
#: Single precision has 24. In a whole training it rounds at every step and not in the first weights
#: alone, whose errors have to stand for all of them.
ROUNDED_BITS = 21
FIRST_LOSSES = 10  # steps whose losses identify a run's behavior


@dataclass(frozen=True)
class Tensors:
    """The splits of one data set on the device.

    Each holds float images `(n, channels, height, width)`, transformed as the run says, and their
    labels `(n,)`.
    """

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class State(Tensors):
    """A net after so many steps of its run, with the run's data: what a study measures.

    `net` is a copy in training mode; nothing that is done to it touches the training.
    """

    step: int
    net: nn.Module


class Checkpoint(Protocol):
    """Where the state of a run is kept while it trains, so that it can go on from there."""

    def load(self) -> dict[str, Any] | None:
        """Return what was saved last; None if there is nothing to go on from."""

    def save(self, state: dict[str, Any]) -> None:
        """Keep `state`, tensors and JSON's types, in place of what was saved before."""


def train(
    run: Run,
    splits: data.Splits | None = None,
    device: str = "cpu",
    on_step: Callable[[int, float], None] | None = None,
    on_epoch: Callable[[Row], None] | None = None,
    checkpoint: Checkpoint | None = None,
    rounding: int | None = None,
) -> History:
    """Train `run` and return its history; a run that fails is a result, not an error.

    `on_step(step, loss)` and `on_epoch(row)` watch; an exception that they raise ends training.
    With a `checkpoint` the state is saved after each epoch, and training goes on from what it has,
    to the same bits; `on_epoch` sees the rows from before at once. `rounding` is the seed of errors
    that are added to the initial weights, as large as those of `ROUNDED_BITS`.
    `splits` default to the run's data set. Raises BookError where they cannot be trained on, and
    for a device that PyTorch does not find here.
    """
    check_device(device)
    tensors = to_tensors(run, splits or data.splits(run.dataset), device)
    session = Session(run, tensors.train)
    _round(session.net, rounding, ROUNDED_BITS)
    saved = _resume(session, checkpoint)
    rows: list[Row] = saved.get("rows") or [
        _observe(session, tensors, epoch=0, losses=[], seconds=0.0)
    ]
    if on_epoch:
        for row in rows:
            on_epoch(row)
    first: list[float] = saved.get("first_losses", [])
    seconds: float = saved.get("seconds", 0.0)
    for epoch in range(session.epochs + 1, run.epochs + 1):
        start = time.perf_counter()
        steps = []
        for loss in session.epoch():
            steps.append(loss)
            if on_step:
                on_step((epoch - 1) * session.steps_per_epoch + len(steps), float(loss))
        # Read back once per epoch: a GPU need not wait for the host at every step.
        losses: list[float] = torch.stack(steps).tolist()
        seconds += time.perf_counter() - start
        first += losses[: FIRST_LOSSES - len(first)]
        failed = not math.isfinite(sum(losses))
        if failed or run.evaluates(epoch):
            rows.append(_observe(session, tensors, epoch, losses, seconds))
            failed |= not math.isfinite(rows[-1]["val_loss"])
            if on_epoch:
                on_epoch(rows[-1])
        if failed:
            break
        if checkpoint:
            progress = {"rows": rows, "first_losses": first, "seconds": seconds}
            checkpoint.save({"session": session.state_dict(), **progress})
    rows[-1] |= _test(session.net, tensors) | _affine(session.net)
    return History(run, rows, judge(rows, enough(run.dataset)), seconds, first)


def _resume(session: Session, checkpoint: Checkpoint | None) -> dict[str, Any]:
    """Let `session` go on from the checkpoint, if there is one; return what was saved beside it."""
    saved = (checkpoint and checkpoint.load()) or {}
    if saved:
        session.load_state_dict(saved["session"])
    return saved


def follow(run: Run, steps: Iterable[int], splits: data.Splits | None = None) -> Iterator[State]:
    """Train `run` as `train` does and yield its state after each of `steps` (0: before the first).

    Training ends with the last of them; the learning rate's schedule is that of the whole run.
    Raises BookError for a step beyond the run's last.
    """
    wanted = sorted(set(steps))
    tensors = to_tensors(run, splits or data.splits(run.dataset), "cpu")
    session = Session(run, tensors.train)
    end = last_step(run)
    if wanted and not 0 <= wanted[0] <= wanted[-1] <= end:
        raise BookError(f"steps {wanted[0]} to {wanted[-1]}: the run has steps 0 to {end}")
    losses = session.steps()
    done = 0
    for step in wanted:
        for _ in itertools.islice(losses, step - done):
            done += 1
        net = copy.deepcopy(session.net)
        yield State(**vars(tensors), step=step, net=net)


def fit(run: Run, splits: data.Splits | None = None, checkpoint: Checkpoint | None = None) -> State:
    """Train `run` to its end, without looking at it before, and return its last state.

    `checkpoint` as in `train`.
    """
    tensors = to_tensors(run, splits or data.splits(run.dataset), "cpu")
    session = Session(run, tensors.train)
    _resume(session, checkpoint)
    while session.epochs < run.epochs:
        for _ in session.epoch():
            pass
        if checkpoint:
            checkpoint.save({"session": session.state_dict()})
    return State(**vars(tensors), step=last_step(run), net=session.net.train())


def last_step(run: Run) -> int:
    """Count the steps of `run`."""
    return run.epochs * (run.epoch_steps or run.train_size // run.batch_size)


def first_losses(
    run: Run,
    splits: data.Splits | None = None,
    dtype: torch.dtype = torch.float32,
    steps: int = FIRST_LOSSES,
    rounding: int | None = None,
) -> list[float]:
    """Return the losses of the first `steps` of `run`: the fingerprint of what training does.

    Equal to `train(run).first_losses`, without evaluating anything. With `dtype` torch.float64
    the same initial weights see the same batches, but differences in rounding, which training
    amplifies, start a billion times smaller: the losses then agree between processors, but for
    the initial weights, which come rounded to single precision. `rounding` is the seed of such
    errors, which are added to them.
    """
    train = (splits or data.splits(run.dataset)).train
    transform = _transform(run.input_transform, train.images, run.train_size, dtype)
    # A few batches of a set that may take gigabytes as floats.
    session = Session(
        run, _training_set(run, train), lambda some: transform(data.to_float(some).to(dtype))
    )
    _round(session.net, rounding, bits=24)
    losses: list[Tensor] = []
    while len(losses) < min(steps, run.epochs * session.steps_per_epoch):
        losses += itertools.islice(session.epoch(), steps - len(losses))
    return [float(loss) for loss in losses]


def _round(net: nn.Module, rounding: int | None, bits: int) -> None:
    """Add errors of rounding to so many bits to the weights, drawn with the seed `rounding`."""
    if rounding is not None:
        errors = torch.Generator().manual_seed(rounding)
        for weight in net.parameters():
            unit = torch.rand(weight.shape, generator=errors, dtype=weight.dtype) * 2 - 1
            weight.data += unit.to(weight.device) * weight.abs().max() * 2.0**-bits


@functools.lru_cache(maxsize=2)
def _transform(
    name: str, images: Tensor, size: int, dtype: torch.dtype
) -> Callable[[Tensor], Tensor]:
    """Make a transform that is measured once for all fingerprints on the same images."""
    return inputs.transform(name, lambda: data.to_float(images[:size]).to(dtype))


def check_device(device: str) -> None:
    """Raise BookError where PyTorch cannot compute on `device`."""
    try:
        float(torch.zeros(1, device=device))
    except (RuntimeError, AssertionError, TypeError) as error:
        raise BookError(
            f"cannot train on device {device!r} ({reason(error)}): name one that PyTorch finds "
            "here, such as cpu, cuda or mps"
        ) from None


def count_correct(net: nn.Module, images: Tensor, labels: Tensor) -> tuple[int, float]:
    """Count right answers of `net` in eval mode and its mean cross-entropy.

    `images` float `(n, channels, height, width)`, `labels` `(n,)`. The net is put into eval mode
    and left in it.
    """
    net.eval()
    correct, loss = 0, 0.0
    with torch.no_grad():
        for start in range(0, len(labels), EVALUATION_BATCH):
            target = labels[start : start + EVALUATION_BATCH]
            logits = net(images[start : start + EVALUATION_BATCH])
            correct += int((logits.argmax(1) == target).sum())
            loss += float(functional.cross_entropy(logits, target, reduction="sum"))
    return correct, loss / len(labels)


def accuracy(net: nn.Module, part: tuple[Tensor, Tensor]) -> float:
    """Return the share of `part`, images and their labels, that `net` gets right in eval mode."""
    return count_correct(net, *part)[0] / len(part[1])


def to_tensors(run: Run, splits: data.Splits, device: str) -> Tensors:
    """Put the images of `splits` that `run` sees on the device.

    Raises BookError for too few, and for what are no images with their labels.
    """
    if not (isinstance(run, Run) and isinstance(splits, data.Splits)):
        raise BookError("train takes a bnbook.Run, and bnbook.data.Splits where it is given images")
    for name, part in vars(splits).items():
        if wrong := data.mismatch(part, CLASSES):
            raise BookError(f"the {name} images cannot be used ({wrong}): give uint8, with labels")
    images, labels = _training_set(run, splits.train)
    train_images = data.to_float(images)
    transform = inputs.transform(run.input_transform, lambda: train_images)

    def on_device(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return transform(images).to(device), labels.to(device)

    return Tensors(
        on_device(train_images, labels),
        *(on_device(data.to_float(p.images), p.labels) for p in (splits.validation, splits.test)),
    )


def _training_set(run: Run, train: data.Images) -> tuple[Tensor, Tensor]:
    available = len(train.labels)
    if run.train_size > available:
        raise BookError(
            f"train size {run.train_size:,} is above the {available:,} training images of "
            f"{run.dataset}; take fewer"
        )
    return train.images[: run.train_size], train.labels[: run.train_size]


def _observe(
    session: Session, tensors: Tensors, epoch: int, losses: list[float], seconds: float
) -> Row:
    net = session.net
    precise = reestimated(net, tensors)
    correct, running, loss = _evaluate(net, precise, tensors.validation)
    images, labels = tensors.train
    row = {
        "epoch": epoch,
        "step": epoch * session.steps_per_epoch,
        "train_loss": sum(losses) / len(losses) if losses else math.nan,
        "val_loss": loss,
        "val_correct": correct,
        "val_correct_running": running,
        "val_images": len(tensors.validation[1]),
        "seconds": seconds,
        **probe(net, images[:PROBE_SIZE], labels[:PROBE_SIZE]),
    }
    if session.record_fit:
        part = images[:REESTIMATE_SIZE], labels[:REESTIMATE_SIZE]
        row["train_correct"] = count_correct(precise, *part)[0]
        row["train_images"] = len(part[1])
        row["weight_norm"] = [
            float(layer.weight.detach().norm()) for layer in models.weighted(net).values()
        ]
    return row


def validate(net: nn.Module, tensors: Tensors) -> tuple[int, int, float]:
    """Count the validation images that `net` gets right, as `train` does.

    With re-estimated statistics, and with running ones; then the mean loss with the former. The
    net is put into eval mode and left in it.
    """
    return _evaluate(net, reestimated(net, tensors), tensors.validation)


def reestimated(net: nn.Module, tensors: Tensors) -> nn.Module:
    """Return `net` with re-estimated statistics: a copy, or itself where there are none."""
    if not any(isinstance(m, norms.RunningNorm) for m in net.modules()):
        return net
    return norms.reestimate(net, tensors.train[0][:REESTIMATE_SIZE])


def _evaluate(
    net: nn.Module, precise: nn.Module, part: tuple[Tensor, Tensor]
) -> tuple[int, int, float]:
    """Count right answers with re-estimated and with running statistics; loss of the former."""
    correct, loss = count_correct(precise, *part)
    running = correct if precise is net else count_correct(net, *part)[0]
    return correct, running, loss


def _test(net: nn.Module, tensors: Tensors) -> Row:
    correct, running, _ = _evaluate(net, reestimated(net, tensors), tensors.test)
    return {
        "test_correct": correct,
        "test_correct_running": running,
        "test_images": len(tensors.test[1]),
    }


def _affine(net: nn.Module) -> Row:
    """List gamma and beta of each of `models.norm_slots`; empty where a slot has none."""
    slots = [dict(m.named_parameters()) for m in models.norm_slots(net).values()]
    return {
        "gamma": [slot["weight"].tolist() if slot else [] for slot in slots],
        "beta": [slot["bias"].tolist() if slot else [] for slot in slots],
    }
