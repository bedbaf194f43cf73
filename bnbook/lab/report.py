"""What the live lab says and draws of its nets, as pieces of HTML."""

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from bnbook import models, training
from bnbook.history import Row
from bnbook.lab.chart import Line, Look, Panel, accuracy_chart, loss_chart, panels, swatch
from bnbook.lab.session import GOAL, RANGE, Curve

HIDDEN = models.LENET_LAYERS[:-1]
#: Bins of the histograms of gamma and beta.
PARAMETER_BINS = 24


class Named(NamedTuple):
    """A curve, the short name that stands at its end, and its look."""

    name: str
    look: Look
    curve: Curve


def happened(curve: Curve) -> str:
    """Say what became of a run so far, in the words of the lab on the page (`story.js`)."""
    if not curve.rows:
        return "Loading the digits"
    last, goal, steps = curve.rows[-1], curve.goal(), f"{curve.rows[-1]['step']:,} steps"
    now = f"now {_percent(last, 'val_correct')}"
    if last["val_correct_running"] != last["val_correct"]:
        now += f", with running statistics {_percent(last, 'val_correct_running')}"
    first = f"Reached {GOAL} % after {goal['step']:,} steps; " if goal else ""
    chance = [_at_chance(row) for row in curve.rows]
    if curve.broken:
        text = f"{first}the loss became non-finite at step {len(curve.losses):,}"
    elif not last["step"]:
        text = f"Before training: {_percent(last, 'val_correct')}"
    elif not chance[-1]:
        text = f"{first or 'Learning: '}{now}"
    elif not all(chance):
        fallen = max(i for i in range(1, len(chance)) if chance[i] and not chance[i - 1])
        text = f"{first}collapsed to chance by step {curve.rows[fallen]['step']:,}"
    elif last["train_loss"] > math.log(10) + training.EXCESS_LOSS:
        text = (
            f"Still at chance after {steps}: the loss is above that of a guess, "
            "the steps are too large"
        )
    else:
        text = f"Still at chance after {steps}: a plateau, with the loss of a blind guess"
    return text[0].upper() + text[1:]


def _percent(row: Row, key: str) -> str:
    return f"{100 * row[key] / row['val_images']:.1f} %"


def _at_chance(row: Row) -> bool:
    return bool(row["val_correct"] < training.AT_CHANCE * row["val_images"])


def settings(curve: Curve) -> str:
    """Say what a kept run was: its nets' label, learning rates, batch size, seed."""
    rates = curve.rates or [(1, curve.run.lr)]
    rate = f"learning rate {rates[0][1]:g}" + "".join(
        f", {lr:g} from step {step:,}" for step, lr in rates[1:]
    )
    return f"{curve.label}, {rate}, batch {curve.run.batch_size}, seed {curve.run.seed}"


def legend(named: Sequence[Named]) -> str:
    """Name each curve, its settings, and what happened."""
    lines = "<br>".join(
        f"{swatch(look)} <b>{escape(name)}</b> {escape(settings(curve))}: "
        f"<b>{escape(happened(curve))}</b>"
        for name, look, curve in named
    )
    return f'<div style="line-height:1.5">{lines}</div>'


def charts(named: Sequence[Named], epochs: int) -> str:
    """Draw validation accuracy and training loss of all curves."""
    accuracies = [Line(name, look, curve.accuracies()) for name, look, curve in named]
    losses = [Line(name, look, curve.smooth_losses()) for name, look, curve in named]
    figures = (
        ("Validation accuracy", accuracy_chart(accuracies, epochs)),
        ("Training loss", loss_chart(losses, epochs)),
    )
    cells = "".join(
        f'<div style="flex:1 1 18em;min-width:0"><b>{title}</b>{svg}</div>'
        for title, svg in figures
    )
    return f'<div style="display:flex;flex-wrap:wrap;gap:1em;line-height:1.3">{cells}</div>'


def distributions(named: Sequence[Named]) -> str:
    """Draw the values before and after each norm slot, as they last were."""
    rows = [
        f"<div><b>{escape(name)}</b>{panels(_slots(curve), look.colour)}</div>"
        for name, look, curve in named
        if curve.rows
    ]
    if not rows:
        return ""
    head = "<b>Values at each norm</b>: outline before it, filled after it (256 training images)"
    return f'<div style="line-height:1.3">{head}{"".join(rows)}</div>'


def _slots(curve: Curve) -> list[Panel]:
    last = curve.rows[-1]
    return [
        Panel(
            title=layer,
            note=f"spread {last['spread_before'][i]:.2g} → {last['spread_after'][i]:.2g}",
            low=-RANGE,
            high=RANGE,
            outline=last["before"][i],
            filled=last["after"][i],
        )
        for i, layer in enumerate(HIDDEN)
    ]


def bias_gradients(named: Sequence[Named]) -> str:
    """Tabulate the gradients of weights and biases, layer by layer, as they last were."""
    shown = [(name, curve.rows[-1]) for name, _, curve in named if curve.rows]
    heads = [f"{name}: {what}" for name, _ in shown for what in ("weights", "biases")]
    rows = [
        [layer]
        + [
            _gradient(last[key][i])
            for _, last in shown
            for key in ("weight_gradient", "bias_gradient")
        ]
        for i, layer in enumerate(models.LENET_LAYERS)
    ]
    return table("Size of the gradients (l2 norm)", ["Layer", *heads], rows) if shown else ""


def _gradient(size: float) -> str:
    return "no bias" if math.isnan(size) else f"{size:.1e}"


def gamma_and_beta(named: Sequence[Named]) -> str:
    """Draw how the gammas and betas of each slot are distributed, as they last were."""
    shown = [(name, look, curve.rows[-1]) for name, look, curve in named if curve.rows]
    if not shown:
        return ""
    values = [v for _, _, last in shown for key in ("gamma", "beta") for s in last[key] for v in s]
    finite = [abs(v) for v in values if math.isfinite(v)]
    end = max(2, math.ceil(max(finite, default=0)))
    rows = []
    for name, look, last in shown:
        items = [
            Panel(
                title=layer,
                note=f"γ {_span(gamma)}, β {_span(beta)}" if gamma else "no norm",
                low=-end,
                high=end,
                outline=_shares(beta, end),
                filled=_shares(gamma, end),
            )
            for layer, gamma, beta in zip(HIDDEN, last["gamma"], last["beta"], strict=True)
        ]
        rows.append(f"<div><b>{escape(name)}</b>{panels(items, look.colour)}</div>")
    head = "<b>Gamma and beta</b>: gamma filled, beta as an outline"
    return f'<div style="line-height:1.3">{head}{"".join(rows)}</div>'


def times(named: Sequence[Named]) -> str:
    """Tabulate how long training alone took, per step and until the goal, and how that compares."""
    shown = [(name, curve, curve.goal()) for name, _, curve in named if curve.losses]
    steps = [curve.seconds / len(curve.losses) for _, curve, _ in shown]
    goals = [goal["seconds"] if goal else math.nan for _, _, goal in shown]
    rows = [
        [
            f"{name} · {curve.label}",
            f"{1000 * step:.3g} ms",
            f"{goal['seconds']:.1f} s, {goal['step']:,} steps" if goal else "not yet",
        ]
        for (name, curve, goal), step in zip(shown, steps, strict=True)
    ]
    if len(shown) == 2:
        rows.append(["A : B", *(_ratio(*both) for both in (steps, goals))])
    heads = ["Net", "one step", f"until {GOAL} %"]
    return table("How long does training take?", heads, rows) if shown else ""


def _ratio(a: float, b: float) -> str:
    return "–" if math.isnan(a / b) else f"{a / b:.2f}"


def _span(values: Sequence[float]) -> str:
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} to {high}"


def _shares(values: Sequence[float], end: float) -> list[float]:
    counts = [0] * PARAMETER_BINS
    for value in values:
        if math.isfinite(value):
            place = int((value + end) / (2 * end) * PARAMETER_BINS)
            counts[min(max(place, 0), PARAMETER_BINS - 1)] += 1
    return [count / len(values) for count in counts] if values else []


def numbers(named: Sequence[Named]) -> str:
    """Tabulate the evaluations of all curves: the charts' text equivalent."""
    by_step = [{row["step"]: row for row in curve.rows} for _, _, curve in named]
    steps = sorted(set().union(*by_step))
    heads = [f"{name}: {what}" for name, _, _ in named for what in ("accuracy", "training loss")]
    rows = [
        [f"{step:,}", *(cell for curve in by_step for cell in _evaluated(curve.get(step)))]
        for step in steps
    ]
    return table("Every evaluation", ["Step", *heads], rows) if named else "No run yet."


def _evaluated(row: Row | None) -> tuple[str, str]:
    if row is None:
        return "–", "–"
    loss = row["train_loss"]
    return _percent(row, "val_correct"), "–" if row["step"] == 0 else f"{loss:.3g}"


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table whose first column heads its rows."""
    style = "padding:0.1em 0.8em;text-align:right"
    head = "".join(f'<th scope="col" style="{style}">{escape(cell)}</th>' for cell in heads)
    body = "".join(
        f'<tr><th scope="row" style="{style}">{escape(first)}</th>'
        + "".join(f'<td style="{style}">{escape(cell)}</td>' for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return (
        '<div style="overflow:auto;max-height:22em" tabindex="0" role="region" '
        f'aria-label="{escape(caption)}"><table style="line-height:1.3">'
        f'<caption style="text-align:left">{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
