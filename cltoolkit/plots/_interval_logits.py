"""A certificate read example by example: the interval of every logit, and who stays ahead of whom."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from torch import Tensor

from ..intervals import IntervalTensor
from ._axes import COLORS, FAINT, INK, axes, describe, short
from ._interval_axes import plural
from ._interval_record import Numbers
from ._points import array


def logit_intervals(
    logits: IntervalTensor,
    y: ArrayLike | Tensor,
    *,
    examples: int | Sequence[int] = 4,
    units: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    margins: ArrayLike | Tensor | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The interval of each class's logit, for a few examples: the label's is thick, and a dotted line is its lower end.

    Where no other interval reaches past that line, the label wins on every network of the box: the margin, written
    beside it, is above 0, and the example is certified.

    Args:
        logits: `(n, k)`, an IntervalTensor.
        y: `(n,)`, output units.
        examples: how many, from the first on; or which.
        units: the output units that may answer; all by default.
        names: of the units, k of them.
        margins: `(n,)`, to be written instead of those of the logits; such as with the last layer elided, which may be
            above 0 though intervals overlap.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if shapes do not fit, a label is none of `units`, or there is no such example.

    Example:
        >>> import torch
        >>> import cltoolkit as cl
        >>> box = cl.intervals.IntervalTensor(torch.tensor([[2.0, 0.0], [1.0, 0.5]]), torch.full((2, 2), 0.5))
        >>> print(cl.plots.alt_text(cl.plots.logit_intervals(box, [0, 0])))
        Intervals of 2 logits for 2 examples. Example 0, label 0: margin +1, certified. Example 1, label 0: margin -0.5,
        not certified.
    """
    lower, upper, labels = array(logits.lower), array(logits.upper), array(y).astype(np.int64)
    n, k = lower.shape
    allowed = list(range(k)) if units is None else list(units)
    shown = list(range(min(examples, n))) if isinstance(examples, int) else list(examples)
    _check(labels, n, allowed, shown)
    called = [str(unit) for unit in range(k)] if names is None else list(names)
    given = None if margins is None else array(margins)
    found = [_margin(lower[i], upper[i], labels[i], allowed) if given is None else float(given[i]) for i in shown]
    height = float(np.clip(0.17 * len(shown) * (len(allowed) + 1) + 0.9, 2.4, 9))
    ax = axes(ax, height=height)
    ticks: dict[float, str] = {}
    for place, (i, margin) in enumerate(zip(shown, found, strict=True)):
        top = place * (len(allowed) + 1.2)
        rows = top + np.arange(len(allowed))
        _example(ax, rows, lower[i, allowed], upper[i, allowed], allowed.index(labels[i]))
        ticks |= {row: short(called[unit], 14) for row, unit in zip(rows, allowed, strict=True)}
        verdict = "certified" if margin > 0 else "not certified"
        text = f"example {i}\nmargin {margin:+.3g}\n{verdict}"
        ax.text(1.01, rows.mean(), text, transform=ax.get_yaxis_transform(), va="center", fontsize=7.5, color=INK)
    _frame(ax, ticks)
    said = [
        f"Example {i}, label {called[labels[i]]}: margin {margin:+.3g}, {'' if margin > 0 else 'not '}certified."
        for i, margin in zip(shown, found, strict=True)
    ]
    return describe(
        ax, f"Intervals of {plural(len(allowed), 'logit')} for {plural(len(shown), 'example')}. {' '.join(said)}"
    )


def _check(labels: Numbers, n: int, units: Sequence[int], shown: Sequence[int]) -> None:
    if labels.shape != (n,):
        raise ValueError(f"expected a label for each of {n} rows of logits; got shape {labels.shape}")
    if not shown or min(shown) < 0 or max(shown) >= n:
        raise ValueError(f"expected examples out of 0 to {n - 1}, at least one; got {list(shown)}")
    strange = sorted({int(labels[i]) for i in shown} - set(units))
    if strange:
        raise ValueError(f"expected labels among the units {list(units)}; got {strange}: give the task's own units")


def _margin(lower: Numbers, upper: Numbers, label: int, units: Sequence[int]) -> float:
    """The label's lower end less the highest upper end of another."""
    return float(lower[label] - max((upper[unit] for unit in units if unit != label), default=-np.inf))


def _example(ax: Axes, rows: Numbers, lower: Numbers, upper: Numbers, own: int) -> None:
    others = np.arange(len(rows)) != own
    past = upper > lower[own]
    for cells, color, width in (
        (others & ~past, COLORS[0], 2.0),
        (others & past, COLORS[1], 2.0),
        (~others, "black", 4.5),
    ):
        ax.hlines(rows[cells], lower[cells], upper[cells], color=color, linewidth=width, zorder=2)
        middles = (lower + upper)[cells] / 2
        ax.plot(middles, rows[cells], linestyle="", marker="|", markersize=7, color=color, zorder=3)
    ax.plot(
        upper[others & past], rows[others & past], linestyle="", marker=">", markersize=5, color=COLORS[1], zorder=3
    )
    ax.vlines(lower[own], rows[0] - 0.5, rows[-1] + 0.5, color=INK, linestyle=":", linewidth=1.2)


def _frame(ax: Axes, ticks: dict[float, str]) -> None:
    ax.set_yticks(list(ticks), list(ticks.values()), fontsize=8 if len(ticks) <= 24 else 6)
    ax.set_ylim(max(ticks) + 0.9, -0.9)
    ax.tick_params(axis="y", length=0)
    ax.set(
        xlabel="logit, over all networks of the box\n(thick: label; arrow: reaches past its lower end)", ylabel="class"
    )
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.grid(axis="x", color="#e5e5e5", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines["bottom"].set_color(FAINT)
