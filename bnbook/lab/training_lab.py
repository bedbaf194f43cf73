"""The lab in Jupyter: the page's front end, training in the browser or in the reader's kernel."""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import traitlets
from IPython.display import HTML, display
from traitlets import TraitError

from bnbook import data, findings, models, streams
from bnbook.errors import BookError
from bnbook.history import Row
from bnbook.lab import bands, images, presets
from bnbook.lab.element import Widget, rendering, running_cell
from bnbook.lab.kernel_trainer import KernelTrainer, check_device, devices
from bnbook.lab.last_state import ELSEWHERE, last_state
from bnbook.lab.presets import NET_FIELDS, WITH_OR_WITHOUT, Preset
from bnbook.lab.settings import settings
from bnbook.lab.training_log import Message, TrainingLog
from bnbook.run import Run

TRAIN_SIZES = (data.EXCERPT_SIZES[0], 10_000, 50_000)


class TrainingLab(Widget):
    """Two nets trained side by side, in the browser or in a thread of the kernel.

    `preset` says what they are and which controls are visible. In the kernel, the first
    `train_size` images of `digits` train, or of MNIST if `digits` has too few, for `epochs`
    epochs on `device`, "cpu" or "cuda" (default: the latter if there is one). Raises BookError for
    a start that no control can take.

    These traits can be linked to other widgets: `lr`, `batch_size`, `norms` (four names for each
    net), `seed`, `epochs`, `train_size` and `trainer` ("browser" or a device of the kernel), which
    raise TraitError for a value that no control has; `running`, which starts, pauses and resumes;
    and `history`, for reading: the rows of `TrainingLog.rows`, at each evaluation.
    """

    lr = traitlets.Float().tag(sync=True)
    batch_size = traitlets.Int().tag(sync=True)
    norms = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)
    seed = traitlets.Int().tag(sync=True)
    epochs = traitlets.Int().tag(sync=True)
    train_size = traitlets.Int().tag(sync=True)
    trainer = traitlets.Unicode().tag(sync=True)
    running = traitlets.Bool().tag(sync=True)
    #: What the front end's other controls say: `nets` and `every` of a `Setting`.
    setting = traitlets.Dict().tag(sync=True)
    history: traitlets.List[Row] = traitlets.List()

    def __init__(
        self,
        preset: Preset = WITH_OR_WITHOUT,
        *,
        train_size: int = data.EXCERPT_SIZES[0],
        epochs: int = presets.PLAIN.epochs,
        seed: int = 0,
        device: str | None = None,
    ) -> None:
        device = devices()[-1] if device is None else device
        _check(train_size, epochs, seed, device)
        self.preset = preset
        self.error: Exception | None = None  # that ended the last training in the kernel
        self.log_of_run: TrainingLog | None = None
        self._training: KernelTrainer | None = None
        self._paused = False
        self._saying = threading.RLock()
        self._shown: list[Any] = []  # where the last state can be brought up to date
        plain = not any(net.only_in_kernel for net in preset.nets)
        self._choices: dict[str, tuple[Any, ...]] = {
            "lr": presets.LRS,
            "batch_size": presets.BATCH_SIZES,
            "epochs": tuple(sorted({*presets.EPOCHS, epochs})),
            "train_size": tuple(sorted({*TRAIN_SIZES, train_size})),
            "trainer": (*(["browser"] if plain else []), *devices()),
        }
        described = settings(preset) | self._settings()
        start = described["start"]
        super().__init__(
            "lab",
            described,
            last_state(preset),
            lr=preset.lr,
            batch_size=presets.PLAIN.batch_size,
            norms=[list(net.run.norms) for net in preset.nets],
            seed=seed,
            epochs=epochs,
            train_size=train_size,
            trainer=device,
            setting={
                "nets": [_described(net.run) for net in preset.nets],
                "every": "epoch",
                **{name: start[name] for name in ("momentum", "decay", "data")},
            },
        )
        self.on_msg(self._hear)
        self._succeed()

    def _settings(self) -> dict[str, Any]:
        """Describe what a live kernel has and a page has not."""
        words = {"browser": "This browser", **{name: f"PyTorch ({name})" for name in devices()}}
        return {
            "epochs": self._choices["epochs"],
            "trainers": {name: words[name] for name in self._choices["trainer"]},
            "train_sizes": {
                f"{n}": f"{n:,}" + " (the page's digits)" * (n == TRAIN_SIZES[0])
                for n in self._choices["train_size"]
            },
            "bands": _bands(),
        }

    @traitlets.validate("lr", "batch_size", "epochs", "train_size", "trainer")
    def _known(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if value not in self._choices[name]:
            known = ", ".join(f"{choice}" for choice in self._choices[name])
            raise TraitError(f"{name} {value!r} is none of {known}")
        return value

    @traitlets.validate("norms")
    def _known_norms(self, proposal: Any) -> Any:
        slots = len(models.LENET_SLOTS)
        norms = proposal["value"]
        if [len(one) for one in norms] != [slots] * len(self.preset.nets):
            raise TraitError(f"norms {norms!r} are not {slots} names for each of two nets")
        for norm in {norm for one in norms for norm in one}:
            if norm not in presets.NORMS:
                raise TraitError(f"norm {norm!r} is none of {', '.join(presets.NORMS)}")
        return norms

    @traitlets.validate("seed")
    def _known_seed(self, proposal: Any) -> Any:
        if not 0 <= proposal["value"] <= streams.MAX_SEED:
            raise TraitError(f"seed {proposal['value']} is not between 0 and {streams.MAX_SEED}")
        return proposal["value"]

    @traitlets.observe("running")
    def _run_or_pause(self, change: Any) -> None:
        """Follow who sets `running`; what it already says needs nothing done."""
        if self._training:
            self._pause(not change["new"])
        elif change["new"] and self.trainer != "browser":
            try:
                self.train()
            except BookError:
                self.running = False
                raise

    @traitlets.observe("lr")
    def _change_rate(self, change: Any) -> None:
        self._set_rate(change["new"])

    def _set_rate(self, lr: float) -> None:
        if training := self._training:
            training.set_lr(lr)

    def train(self, setting: Message | None = None) -> None:
        """Start training in the kernel, in place of what trains there.

        `setting` is a `Setting` of the front end; by default it is what the traits say. Raises
        BookError for what cannot be trained.
        """
        setting = setting or self._setting()
        every = setting["every"]
        training = KernelTrainer(
            self.runs(setting),
            lambda message: self._say(training, message),
            every=None if every == "epoch" else every,
            changes=[(change["step"], change["lr"]) for change in setting["changes"]],
            device=self.trainer,
        )
        self.stop()
        self._trained, self._where = setting, self.trainer
        self._training, self._paused, self.error = training, False, None
        training.start()
        self.running = True

    def stop(self) -> None:
        """End the training in the kernel, if there is one."""
        with self._saying:
            training, self._training = self._training, None
        if training:
            training.stop()
            self.log_of_run = None
            self.send({"type": "stopped"})
            self.running = False

    def join(self, timeout: float | None = None) -> None:
        """Wait until the training in the kernel has ended."""
        if training := self._training:
            training.join(timeout)

    def runs(self, setting: Message | None = None) -> list[Run]:
        """Describe the runs of a `setting`, or of the traits (BookError for what cannot be)."""
        setting = setting or self._setting()
        shared = {name: setting[name] for name in ("lr", "epochs", "seed")}
        shared |= {"batch_size": setting["batch"], "train_size": self.train_size}
        shared |= {"momentum": setting["momentum"], "weight_decay": setting["decay"]}
        shared["dataset"] = _dataset(setting["data"], self.train_size)
        runs = []
        for net, described in zip(self.preset.nets, setting["nets"], strict=False):
            fields = {field: described[name] for name, field in NET_FIELDS.items()}
            runs.append(replace(net.run, eval_epochs=(), **shared, **fields))
        return runs

    def _setting(self) -> Message:
        """Say what the traits say, as the front end does."""
        nets = [
            {**net, "norms": norms}
            for net, norms in zip(self.setting["nets"], self.norms, strict=False)
        ]
        return {
            "nets": nets,
            "lr": self.lr,
            "batch": self.batch_size,
            "seed": self.seed,
            "epochs": self.epochs,
            "changes": [],
            **{name: self.setting[name] for name in ("every", "momentum", "decay", "data")},
        }

    # Messages

    def _hand_over(self, name: str) -> None:
        """Send the images of a data set of the page's, to a front end that trains by itself."""
        self.send({"type": "images", "name": name, "text": images.read_text(name)})

    def _hear(self, _widget: object, message: Message, _buffers: object) -> None:
        """Do what the front end asks for."""
        act: dict[str, Callable[[], None]] = {
            "images": lambda: self._hand_over(message["name"]),
            "attach": self._replay,
            "start": lambda: self.train(message["setting"]),
            "pause": lambda: self._pause(message["on"]),
            "rate": lambda: self._set_rate(message["lr"]),
            "stop": self.stop,
            "heard": lambda: self._take(message["message"], "browser"),
        }
        try:
            act[message["type"]]()
        except BookError as error:
            self.send({"type": "error", "text": str(error)})

    def _say(self, training: KernelTrainer, message: Message) -> None:
        """Pass on what `training` says, in its thread, unless another has taken its place."""
        with self._saying:
            if training is not self._training:
                return
            if message["type"] == "ready":
                message = {**message, "setting": self._trained}
            self._take(message, self._where)
            self.send(message)
            if message["type"] in ("done", "error"):
                self._training, self.error = None, training.error
                self.running = False

    def _take(self, message: Message, trainer: str) -> None:
        """Keep what a trainer says, here or in the browser."""
        if message["type"] == "ready":
            self.log_of_run = TrainingLog(message, trainer)
            self.history = []
        elif self.log_of_run:
            self.log_of_run.take(message)
            if message["type"] == "progress" and message["evaluations"]:
                self.history = self.log_of_run.rows()
            if message["type"] == "done":
                self.show_last_state()

    def _pause(self, on: bool) -> None:
        with self._saying:  # or it might end between these lines
            if self._training and on != self._paused:
                self._paused = on
                self._training.pause(on)
                self.send({"type": "paused", "on": on})
                self.running = not on

    def _replay(self) -> None:
        """Tell a view that comes late what trains here."""
        with self._saying:
            log = self.log_of_run
            for message in log.replay() if log and log.trainer != "browser" else ():
                self.send(message)
            if self._training and self._paused:
                self.send({"type": "paused", "on": True})

    # What a notebook shows

    def _ipython_display_(self) -> None:
        if rendering():
            _show(_html(ELSEWHERE))
            return
        found = self._repr_mimebundle_()
        if found:
            _show({**found[0], "text/html": ""}, raw=True)
        self._shown.append(_show(_html(self.fallback), display_id=True))

    def show_last_state(self) -> None:
        """Draw the last training where a saved notebook, without its kernel, shows it."""
        self.fallback = last_state(self.preset, self.log_of_run)
        for handle in self._shown:
            handle.update(_html(self.fallback))

    def _succeed(self) -> None:
        """End the trainings that earlier runs of the same cell have left behind."""
        if not (execution := running_cell()):
            return
        cell, number = execution
        before, labs = _LABS.get(cell or self.preset.name, ("", []))
        if before != number:
            for lab in labs:
                lab.stop()
            labs = []
        _LABS[cell or self.preset.name] = (number, [*labs, self])


#: By cell: its last execution and the labs that this one made.
_LABS: dict[str, tuple[str, list[TrainingLab]]] = {}


def _check(train_size: int, epochs: int, seed: int, device: str) -> None:
    """Refuse a start that the controls would silently take for another one."""
    Run(train_size=train_size, epochs=epochs, seed=seed)
    if train_size > TRAIN_SIZES[-1]:
        raise BookError(f"train size is {train_size:,}; the lab has {TRAIN_SIZES[-1]:,} images")
    check_device(device)


def _dataset(name: str, train_size: int) -> str:
    """Name the data set that so many training images are taken from: the page's, if they do."""
    return name if train_size <= data.EXCERPT_SIZES[0] else data.EXCERPTS.get(name, name)


def _described(run: Run) -> Message:
    """Describe the net of `run` as the front end does."""
    values = {name: getattr(run, field) for name, field in NET_FIELDS.items()}
    return values | {"norms": list(run.norms)}


@cache
def _bands() -> dict[str, Any] | None:
    """Summarize the recorded runs that stand beside the reader's; None where there are none."""
    try:
        return bands.bands(findings.load(bands.PAGE))
    except BookError:
        return None


def _show(what: object, **options: Any) -> Any:
    return display(what, **options)  # type: ignore[no-untyped-call]


def _html(text: str) -> HTML:
    return HTML(text)  # type: ignore[no-untyped-call]
