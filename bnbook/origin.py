"""Where records come from: machine, versions, and what training did when they were made."""

import datetime
import functools
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bnbook import __version__, store
from bnbook.experiment import Experiment
from bnbook.run import Run
from bnbook.tables import FIRST_VERSION, Record
from bnbook.training import first_losses

#: First losses in single precision that are compared, and how far they may be apart, relative to
#: the recorded ones.
COMPARED, TOLERANCE = 5, 1e-4
#: The same in double precision. Training amplifies differences in rounding, PCA whitening a
#: thousandfold in each step: there even double precision is spent after four.
DOUBLES, DOUBLES_TOLERANCE = 3, 1e-6
#: Where an arm amplifies more than that, losses may be apart by this many times what rounding its
#: initial weights in `ROUNDINGS` other ways makes of them.
SPREADS, ROUNDINGS = 3, 4
#: On another kind of machine all else may be this far apart without a question: shares of images,
#: and the logarithms of mean squares.
CLOSE = 1e-3
#: Packages whose versions can move a result.
PACKAGES = ("bnbook", "torch", "torchvision", "numpy", "pandas", "scipy")


def environment(device: str = "cpu") -> dict[str, str]:
    """Say where, with what and when a run is made: machine, versions, date (UTC)."""
    today = datetime.datetime.now(datetime.UTC).date()
    return {
        "machine": machine(device),
        "torch": str(torch.__version__),  # its own type is none that a state may hold
        "bnbook": __version__,
        "date": today.isoformat(),
    }


def machine(device: str = "cpu") -> str:
    """Name the kind of processor, as far as it can move a sum's last bits; first another `device`.

    Model name, family and model as the system tells them, and the instructions that torch uses:
    names such as "AMD EPYC" cover several generations.
    """
    cpuinfo = Path("/proc/cpuinfo")
    said: dict[str, str] = {}
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            name, _, value = line.partition(":")
            said.setdefault(name.strip(), value.strip())
    kind = said.get("model name") or platform.processor() or platform.machine()
    if "cpu family" in said:
        kind += f", family {said['cpu family']} model {said['model']}"
    kind += f", {torch.backends.cpu.get_cpu_capability()}"
    if device == "cpu":
        return kind
    cuda = torch.device(device).type == "cuda"
    return f"{torch.cuda.get_device_name(device) if cuda else device} beside {kind}"


def circumstances(device: str) -> dict[str, str]:
    """Name what must be the same for a run that goes on to end with the same bits."""
    here = environment(device)
    return {name: here[name] for name in ("machine", "torch")} | {"code": code_hash()}


def versions() -> dict[str, Any]:
    """Name the versions of all that can move a result: packages, Python, this package's code."""
    return {
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "code": code_hash(),
    }


@functools.cache
def code_hash() -> str:
    """Hash the package's sources, for information: staleness is judged by behavior."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _fingerprints(experiment: Experiment, records: Iterable[Record]) -> dict[str, Any]:
    """Pick one recorded run per arm, with its first losses: what training did when recorded."""
    found: dict[str, Any] = {}
    for one in records:
        run = Run.from_changes(one["run"])
        arm = experiment.arm_of(run)
        if arm not in found:
            losses = one["rows"][-1]["first_losses"]
            found[arm] = {"run": one["run"], "losses": losses, "bnbook": _version(one)}
    return found


def _doubles(run: Run, rounding: int | None = None) -> list[float]:
    return first_losses(run, dtype=torch.float64, steps=DOUBLES, rounding=rounding)


def stale(experiment: Experiment) -> list[str]:
    """Name the arms whose training no longer does what was recorded, on whatever machine.

    Only tests ask: that a change of the package which moves training shows in its fingerprints.
    On a machine of a kind that recorded them, on one thread and with the version of the package
    that recorded them, losses in single precision have to agree as well; elsewhere all but the
    first may be apart by amplified rounding.
    """
    recorded = store.read_provenance(experiment.name)
    here = machine() in recorded["machines"] and torch.get_num_threads() == 1
    return [
        arm
        for arm, one in recorded["fingerprints"].items()
        if not _still_does(one, here and _version(one) == __version__)
    ]


def _version(made: dict[str, Any]) -> str:
    return str(made.get("bnbook", FIRST_VERSION))


def _still_does(recorded: dict[str, Any], here: bool) -> bool:
    run = Run.from_changes(recorded["run"])
    steps = COMPARED if here else 1  # elsewhere, amplified rounding may part all the others
    now, then = first_losses(run, steps=steps), recorded["losses"][:steps]
    same = alike(now, then) if here else start_alike(run, now, then)
    return same and exact(recorded)


def alike(now: Sequence[float], then: Sequence[float]) -> bool:
    """Say whether first losses, in single precision, are of the same training.

    Their first `COMPARED` numbers are, up to `TOLERANCE`; non-finite ones must be equal.
    """
    return _near(now, then, COMPARED, TOLERANCE)


def start_alike(run: Run, now: Sequence[float], then: Sequence[float]) -> bool:
    """Say whether the very first losses of `run` agree, as far as single precision can tell them.

    They are those before any step, and amplify nothing but what the net itself does.
    """
    if _near(now, then, 1, TOLERANCE):
        return True
    [single], [double, *_] = first_losses(run, steps=1), _doubles(run)
    return _near(now, then, 1, SPREADS * abs(single / double - 1))


def exact(recorded: dict[str, Any]) -> bool:
    """Say whether training does what the fingerprint `recorded` says, in double precision."""
    run, then = Run.from_changes(recorded["run"]), recorded["double"]
    now = _doubles(run)
    if len(now) != len(then) or _near(now, then, DOUBLES, DOUBLES_TOLERANCE):
        return len(now) == len(then)
    others = [_doubles(run, rounding) for rounding in range(ROUNDINGS)]
    spread = np.maximum.accumulate(np.abs(np.subtract(others, now)).max(axis=0))
    return bool(np.all(np.abs(np.subtract(now, then)) < SPREADS * spread))


def _near(now: Sequence[float], then: Sequence[float], compared: int, tolerance: float) -> bool:
    return len(now) == len(then) and np.allclose(
        now[:compared], then[:compared], rtol=tolerance, atol=0.0, equal_nan=True
    )


def follows(experiment: Experiment, records: Sequence[Record]) -> dict[str, Any]:
    """Return that part of an account which follows from the records themselves."""
    # In single precision, as the table has them.
    seconds = sum(float(np.float32(one["rows"][-1]["seconds"])) for one in records)
    return {
        "experiment": experiment.name,
        "command": f"bnbook sweep {experiment.name}",
        "runs": len(records),
        "seeds": sorted({one["run"].get("seed", 0) for one in records}),
        "dates": sorted({one["date"] for one in records}),
        "machines": sorted({one["machine"] for one in records}),
        "training_seconds": round(seconds),
        "fingerprints": _fingerprints(experiment, records),
    }


def account(experiment: Experiment, records: Sequence[Record]) -> dict[str, Any]:
    """Say how `records` came to be: what, when, where, with which versions, for how long.

    Each of the `fingerprints` has the recorded `losses`, in single precision, and the first
    `DOUBLES` of them made now, in `double` precision.
    """
    found = follows(experiment, records)
    for one in found["fingerprints"].values():
        one["double"] = _doubles(Run.from_changes(one["run"]))
    return found | versions()


def contradictions(experiment: Experiment, told: dict[str, Any]) -> list[str]:
    """Name what the provenance `told` says otherwise than the experiment's records."""
    records = list(store.recorded(experiment.name).values())
    told = told | {
        "fingerprints": {
            arm: {key: one.get(key) for key in ("run", "losses")} | {"bnbook": _version(one)}
            for arm, one in told.get("fingerprints", {}).items()
        }
    }
    said = follows(experiment, records)
    # As text, in which NaN equals NaN.
    now, then = (
        {name: json.dumps(one.get(name), sort_keys=True) for name in said} for one in (said, told)
    )
    return [name for name in said if now[name] != then[name]]
