"""What a training in the lab has said so far, whichever trainer it was that said it."""

from typing import Any

from bnbook.history import Row

#: What is said: JSON's types, as `Message` in `web/types.d.ts` describes; null for no number.
Message = dict[str, Any]


class TrainingLog:
    """Takes the messages of one training and keeps what counts.

    It begins with `ready`, which also holds the `setting`. `trainer` is as the lab's.
    """

    def __init__(self, ready: Message, trainer: str) -> None:
        self.ready = ready
        self.trainer = trainer
        self.step = 0
        self._speed = 0.0
        self._changes: list[Message] = []
        self._evaluations: list[Message] = []
        self._latest: dict[int, Message] = {}  # evaluation of each net
        self._nets: list[Message] = []
        self._last: list[Message] = []  # what came after the last report

    @property
    def setting(self) -> Message:
        """What was trained, as the front end describes it."""
        setting: Message = self.ready["setting"]
        return setting

    def take(self, message: Message) -> None:
        """Take a message that came after `ready`."""
        if message["type"] != "progress":
            self._last.append(message)
            return
        self._last = []
        self.step, self._speed = message["step"], message["speed"]
        self._changes += message["changes"]
        for one in message["evaluations"]:
            if old := self._latest.get(one["net"]):
                old["probe"] = None  # only the last one is ever shown
            self._latest[one["net"]] = dict(one)
            self._evaluations.append(self._latest[one["net"]])
        for i, net in enumerate(message["nets"]):
            if i == len(self._nets):
                self._nets.append({"losses": []})
            self._nets[i]["alive"] = net["alive"]
            self._nets[i]["losses"] += net["losses"]

    def replay(self) -> list[Message]:
        """Say it all again, in few messages, for a view that was not there."""
        if not self._nets:
            return [self.ready, *self._last]
        progress = {
            "type": "progress",
            "step": self.step,
            "speed": self._speed,
            "changes": self._changes,
            "evaluations": self._evaluations,
            "nets": self._nets,
        }
        return [self.ready, progress, *self._last]

    def rows(self) -> list[Row]:
        """Return a row for each evaluation and net, in the order of the evaluations.

        `net` is 0 or 1. `lr` is the rate that led there; `train_loss` is the mean since the
        evaluation before. Numbers that are none, such as a loss that diverged, are None.
        """
        rows: list[Row] = []
        steps: dict[int, int] = {}  # of the last evaluation of each net
        for one in self._evaluations:
            net, step = one["net"], one["step"]
            losses = self._nets[net]["losses"][steps.get(net, 0) : step]
            steps[net] = step
            rows.append(
                {
                    "net": net,
                    "epoch": step / self.ready["perEpoch"],
                    "step": step,
                    "lr": self._lr(step),
                    "train_loss": _mean(losses),
                    "val_loss": one["loss"],
                    "val_correct": one["correct"],
                    "val_correct_running": one["correctRunning"],
                    "val_images": self.ready["images"],
                    "seconds": one["seconds"],
                }
            )
        return rows

    def _lr(self, step: int) -> float:
        """Return the rate of the step that led to `step`."""
        lr: float = self.setting["lr"]
        for change in self._changes:
            if change["step"] < step:
                lr = change["lr"]
        return lr


def _mean(losses: list[float | None]) -> float | None:
    finite = [loss for loss in losses if loss is not None]
    return sum(finite) / len(losses) if losses and len(finite) == len(losses) else None
