"""Grade a reader's own batch norm: what passes, what does not, and the likely mistake."""

import contextlib
import io
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnbook.lab import mistakes
from bnbook.lab.mistakes import Array, distance, named, standard

#: Step and accepted error of the numeric gradients; in float64 the error of a right one is 1e-9.
STEP, TOLERANCE = 1e-5, 1e-6

#: Different numbers of rows and columns, and few rows: 7 and 6, or 7 and 4, are told apart.
ROWS, FEATURES = 7, 4


class _StopError(Exception):
    """What the reader should mend before the following checks make sense."""


@dataclass(frozen=True)
class Item:
    """One check: what is asked for, and what is wrong (empty: it passes; None: not reached)."""

    name: str
    complaint: str | None = ""


@dataclass(frozen=True)
class Grade:
    """The result of all checks; a notebook shows it as Markdown, with the passes folded."""

    items: tuple[Item, ...] = ()
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether every check passes."""
        return bool(self.items) and all(item.complaint == "" for item in self.items)

    @property
    def complaints(self) -> list[str]:
        """What is wrong, one message per failing check, in the order of the checks."""
        return [item.complaint for item in self.items if item.complaint]

    def _repr_markdown_(self) -> str:
        if self.note:
            return self.note
        good = [item.name for item in self.items if item.complaint == ""]
        waiting = [item.name for item in self.items if item.complaint is None]
        wrong = [f"- **✗ {item.name}.** {item.complaint}" for item in self.items if item.complaint]
        parts = ["**All checks pass.** This is batch norm, with its gradient."] * self.passed
        parts += ["\n".join(wrong)] * bool(wrong)
        if good:
            listed = "\n".join(f"- ✓ {name}" for name in good)
            summary = f"{len(good)} of {len(self.items)} checks pass"
            parts.append(f"<details><summary>{summary}</summary>\n\n{listed}\n\n</details>")
        if waiting:
            parts.append(f"Not checked yet: {'; '.join(waiting)}.")
        return "\n\n".join(parts)

    def __repr__(self) -> str:
        if self.note:
            return self.note
        marks = {"": "✓", None: "–"}
        lines = [
            f"{marks.get(item.complaint, '✗')} {item.name}"
            + (f": {item.complaint}" if item.complaint else "")
            for item in self.items
        ]
        return "\n".join(lines)


def grade_batch_norm(forward: Callable[..., Any], backward: Callable[..., Any]) -> Grade:
    """Grade `forward(x, gamma, beta)` → `(y, cache)`, `backward(dy, cache)` → three gradients.

    `x`, `y` and `dy` are `(rows, features)`, `gamma` and `beta` `(features,)`, in float64; the
    gradients are those of x, gamma and beta. The forward pass is compared with the definition
    (eps 1e-5), the backward pass with the numeric gradient of the reader's own forward pass. An
    error in the reader's code becomes a message, never a traceback.
    """
    if _empty(forward):
        return Grade(note="Not written yet: replace the `...` and run the cell again.")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        first = Grade(tuple(_run(_forward_checks(forward), FORWARD)))
        shaped = first.items[1].complaint == ""  # or there is nothing to differentiate
        checks = _backward_checks(forward, backward, first.passed) if shaped else iter(())
        return Grade((*first.items, *_run(checks, BACKWARD)))


FORWARD = (
    "forward returns the pair (y, cache)",
    "y has the shape of x",
    "with gamma 1 and beta 0, each feature of y has mean 0",
    "with gamma 1 and beta 0, each feature of y has variance 1",
    "gamma scales and beta shifts, feature by feature",
    "a constant feature becomes beta",
    "eps is 1e-5 and is inside the root",
    "x, gamma and beta are left as they were",
)
BACKWARD = (
    "backward returns (dx, dgamma, dbeta)",
    "each has the shape of x, gamma and beta",
    "dbeta is the gradient of beta",
    "dgamma is the gradient of gamma",
    "dx is the gradient of x",
)


def _run(checks: Iterator[str], names: tuple[str, ...]) -> Iterator[Item]:
    """Give each check its name; a check that stops leaves the rest unreached."""
    for name in names:
        try:
            complaint = next(checks, None)
        except _StopError as stop:
            complaint = str(stop)
        yield Item(name, complaint)


def _empty(forward: Callable[..., Any]) -> bool:
    """Whether `forward` is still the unwritten template: it returns nothing, or `...`."""
    with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
        made = forward(*_inputs())
        return made is None or made is ...
    return False


def _inputs() -> tuple[Array, Array, Array]:
    """Draw x, gamma and beta; the features have means and spreads of their own."""
    random = np.random.default_rng(8)
    x = random.normal(size=(ROWS, FEATURES)) * [0.5, 1.5, 3.0, 5.0] + [2.0, -1.0, 0.5, 4.0]
    return x, random.uniform(0.5, 2, FEATURES), random.normal(size=FEATURES)


def _call(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call the reader's function; an exception in it becomes a message."""
    try:
        return function(*arguments)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is this function
        line = (frames[0].line or "") if frames else ""
        where = f", in the line `{line}`" if line and "`" not in line else ""
        said = " ".join(str(error).split()).replace("`", "'")
        raise _StopError(
            f"{name} raises {type(error).__name__}{where}: `{said or 'no text'}`"
        ) from None


def _array(name: str, value: Any) -> Array:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise _StopError(
            f"{name} should be an array of numbers, not {type(value).__name__}"
        ) from None


def _output(forward: Callable[..., Any], *arguments: Array) -> Array:
    """Return y alone; the arguments are copies, so that they stay as they are."""
    made = _call("forward", forward, *(a.copy() for a in arguments))
    return _array("y", made[0] if isinstance(made, (tuple, list)) else made)


def _forward_checks(forward: Callable[..., Any]) -> Iterator[str]:
    x, gamma, beta = _inputs()
    one, zero = np.ones(FEATURES), np.zeros(FEATURES)
    given = [a.copy() for a in (x, gamma, beta)]
    made = _call("forward", forward, *given)
    if not isinstance(made, (tuple, list)) or len(made) != 2:
        what = f"{len(made)} values" if isinstance(made, (tuple, list)) else type(made).__name__
        raise _StopError(
            f"Return y and what backward will need, `return y, cache`; it returns {what}."
        )
    yield ""

    y = _array("y", made[0])
    if y.shape != x.shape:
        raise _StopError(
            f"For x of shape {x.shape}, y has shape {y.shape}. Take the statistics along axis 0, "
            "so that there is one per feature."
        )
    yield ""

    plain = _output(forward, x, one, zero)
    reason = named(plain, mistakes.outputs(x, one, zero))
    if distance(plain.mean(0), zero) > 1e-5:
        raise _StopError(reason or "Subtract the mean of each column, `x.mean(axis=0)`.")
    yield ""

    if distance(plain.var(0), one) > 1e-2:  # eps has a check of its own
        raise _StopError(
            reason or "Divide by the root of the mean square of the centered column, plus eps."
        )
    yield ""

    wanted = gamma * standard(x) + beta
    if distance(y, wanted) > 1e-2:
        reason = named(y, mistakes.outputs(x, gamma, beta))
        raise _StopError(reason or "After normalizing, return `gamma * xhat + beta`.")
    yield ""

    constant = x.copy()
    constant[:, 1] = 3.0
    if distance(_output(forward, constant, gamma, beta)[:, 1], np.full(ROWS, beta[1])) > 1e-5:
        raise _StopError(
            "Epsilon is missing: a feature that is the same in every row has variance 0, and 0/0 "
            "is NaN. Divide by `sqrt(var + eps)`."
        )
    yield ""

    small = 1e-3 * x
    got = _output(forward, small, one, zero)
    if distance(got, standard(small)) > 1e-4:
        raise _StopError(
            named(got, mistakes.epsilons(small)) or "Divide by `sqrt(var + eps)` with eps = 1e-5."
        )
    yield ""

    before = zip(given, (x, gamma, beta), ("x", "gamma", "beta"), strict=True)
    changed = [name for now, then, name in before if not np.array_equal(now, then)]
    yield (
        f"forward changes {' and '.join(changed)} in place, as `x -= mean` does; the caller still "
        "needs the old values. Write `x = x - mean`."
        if changed
        else ""
    )


def _backward_checks(
    forward: Callable[..., Any], backward: Callable[..., Any], forward_right: bool
) -> Iterator[str]:
    x, gamma, beta = _inputs()
    dy = np.random.default_rng(9).normal(size=x.shape)
    y, cache = _call("forward", forward, x.copy(), gamma.copy(), beta.copy())
    if getattr(y, "itemsize", 8) < 8:
        raise _StopError(
            f"y is {y.dtype}, too coarse for a numeric gradient. Compute in the precision of x."
        )
    made = _call("backward", backward, dy.copy(), cache)
    if made is None or made is ...:
        raise _StopError("backward returns nothing yet.")
    if not isinstance(made, (tuple, list)) or len(made) != 3:
        what = f"{len(made)} values" if isinstance(made, (tuple, list)) else type(made).__name__
        raise _StopError(f"It should end with `return dx, dgamma, dbeta`; it returns {what}.")
    yield ""

    names = ("dx", "dgamma", "dbeta")
    got = [_array(name, value) for name, value in zip(names, made, strict=True)]
    for name, value, wanted in zip(names, got, (x, gamma, beta), strict=True):
        if value.shape != wanted.shape:
            why = " Sum over the rows." if value.shape == x.shape else ""
            raise _StopError(f"{name} has shape {value.shape} and should have {wanted.shape}.{why}")
    yield ""

    with contextlib.redirect_stdout(io.StringIO()):
        numeric = [_numeric(forward, [x, gamma, beta], which, dy) for which in range(3)]
    reasons = mistakes.gradients(x, gamma, dy) if forward_right else {}
    for index in (2, 1, 0):
        name, wanted = names[index], numeric[index]
        error = distance(got[index], wanted)
        if error <= TOLERANCE:
            yield ""
            continue
        reason = named(got[index], reasons.get(name, []))
        yield (reason or f"Follow every path from {name[1:]} to the loss.") + (
            f" (Relative error {error:.0e} against the numeric gradient of your forward pass; a "
            "right one is below 1e-6.)"
        )


def _numeric(forward: Callable[..., Any], arguments: list[Array], which: int, dy: Array) -> Array:
    """Differentiate sum(dy * y) by central differences, entry by entry."""
    gradient = np.empty_like(arguments[which])
    for index in np.ndindex(gradient.shape):
        sides = []
        for sign in (1, -1):
            moved = [a.copy() for a in arguments]
            moved[which][index] += sign * STEP
            sides.append(float((dy * _output(forward, *moved)).sum()))
        gradient[index] = (sides[0] - sides[1]) / (2 * STEP)
    return gradient
