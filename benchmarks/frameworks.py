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

from benchmarks.evaluations import Evaluations
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


def in_skorch(run: Run) -> tuple[float, Evaluations]:
    """Train `run` with skorch, validation after each epoch.

    Returns the seconds of training alone, and what is evaluated more.
    """
    train, validation, test = _tensors(run)
    evaluations = Evaluations(train, validation, test, run.batch_size)
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
        train_split=predefined_split(Dataset(*validation.tensors)),
        callbacks=[("watch", _SkorchWatch(watch, evaluations))],
        verbose=0,
    )
    net.fit(*train.tensors)
    return watch.seconds, evaluations


def in_lightning(run: Run) -> tuple[float, Evaluations]:
    """Train `run` with Lightning, validation after each epoch; returns what `in_skorch` does."""
    train, validation, test = _tensors(run)
    evaluations = Evaluations(train, validation, test, run.batch_size)
    watch = Stopwatch()
    lightning.seed_everything(run.seed, verbose=False)
    trainer = lightning.Trainer(
        max_epochs=run.epochs,
        accelerator="cpu",
        callbacks=[_LightningWatch(watch, evaluations)],
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
    return watch.seconds, evaluations


def _tensors(run: Run) -> tuple[TensorDataset, TensorDataset, TensorDataset]:
    tensors = training.to_tensors(run, data.splits(run.dataset), "cpu")
    return (
        TensorDataset(*tensors.train),
        TensorDataset(*tensors.validation),
        TensorDataset(*tensors.test),
    )


class _SkorchWatch(SkorchCallback):
    def __init__(self, watch: Stopwatch, evaluations: Evaluations) -> None:
        self.watch = watch
        self.evaluations = evaluations

    def on_train_begin(self, net: NeuralNetClassifier, *_: Any, **__: Any) -> None:
        self.evaluations.before(net.module_)

    def on_epoch_end(self, net: NeuralNetClassifier, *_: Any, **__: Any) -> None:
        self.evaluations.after_epoch(net.module_)

    def on_train_end(self, net: NeuralNetClassifier, *_: Any, **__: Any) -> None:
        self.evaluations.at_end(net.module_)

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self.watch.begin()

    def on_batch_end(self, *_: Any, training: bool, **__: Any) -> None:
        if training:
            self.watch.lap()


class _LightningWatch(lightning.Callback):
    def __init__(self, watch: Stopwatch, evaluations: Evaluations) -> None:
        self.watch = watch
        self.evaluations = evaluations

    def on_train_start(self, _: Any, module: lightning.LightningModule) -> None:
        self.evaluations.before(module.net)

    def on_train_epoch_end(self, _: Any, module: lightning.LightningModule) -> None:
        self.evaluations.after_epoch(module.net)

    def on_train_end(self, _: Any, module: lightning.LightningModule) -> None:
        self.evaluations.at_end(module.net)

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
