"""The same training under skorch and PyTorch Lightning, as their guides write it.

Both get the images as tensors in memory, which is more than their tutorials do, and PyTorch's
default number of threads; Lightning is spared its logger, checkpoints and progress bar.
"""

import logging
import time
from typing import Any

import lightning
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback as SkorchCallback
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from bnbook import data, training
from bnbook.run import Run

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


class Stopwatch:
    """Sums the seconds from the begin of an epoch to the end of each of its training batches."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.last = 0.0

    def begin(self) -> None:
        """Start an epoch."""
        self.last = time.perf_counter()

    def lap(self) -> None:
        """Count what has passed since the last call."""
        now = time.perf_counter()
        self.seconds += now - self.last
        self.last = now


def in_skorch(run: Run) -> float:
    """Train `run` with skorch, validation after each epoch; seconds of training alone."""
    (images, labels), validation = _tensors(run)
    watch = Stopwatch()
    torch.manual_seed(run.seed)
    net = NeuralNetClassifier(
        training.build(run),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        lr=run.lr,
        batch_size=run.batch_size,
        max_epochs=run.epochs,
        iterator_train__shuffle=True,
        train_split=predefined_split(Dataset(*validation)),
        callbacks=[("watch", _SkorchWatch(watch))],
        verbose=0,
    )
    net.fit(images, labels)
    return watch.seconds


def in_lightning(run: Run) -> float:
    """Train `run` with Lightning, validation after each epoch; seconds of training alone."""
    train, validation = (TensorDataset(*part) for part in _tensors(run))
    watch = Stopwatch()
    lightning.seed_everything(run.seed, verbose=False)
    trainer = lightning.Trainer(
        max_epochs=run.epochs,
        accelerator="cpu",
        callbacks=[_LightningWatch(watch)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(
        _Module(run),
        DataLoader(train, batch_size=run.batch_size, shuffle=True),
        DataLoader(validation, batch_size=run.batch_size),
    )
    return watch.seconds


def _tensors(run: Run) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    splits = data.splits(run.dataset)
    images = data.to_float(splits.train.images[: run.train_size])
    validation = data.to_float(splits.validation.images), splits.validation.labels
    return (images, splits.train.labels[: run.train_size]), validation


class _SkorchWatch(SkorchCallback):
    def __init__(self, watch: Stopwatch) -> None:
        self.watch = watch

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self.watch.begin()

    def on_batch_end(self, *_: Any, training: bool, **__: Any) -> None:
        if training:
            self.watch.lap()


class _LightningWatch(lightning.Callback):
    def __init__(self, watch: Stopwatch) -> None:
        self.watch = watch

    def on_train_epoch_start(self, *_: Any) -> None:
        self.watch.begin()

    def on_train_batch_end(self, *_: Any) -> None:
        self.watch.lap()


class _Module(lightning.LightningModule):
    def __init__(self, run: Run) -> None:
        super().__init__()
        self.net = training.build(run)
        self.rate = run.lr

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        images, labels = batch
        loss = functional.cross_entropy(self.net(images), labels)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        images, labels = batch
        right = (self.net(images).argmax(1) == labels).float().mean()
        self.log("val_accuracy", right)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.net.parameters(), lr=self.rate)
