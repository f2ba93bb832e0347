"""How wide the weights' intervals of each task are, task after task."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from ._axes import COLORS, CROWD, FAINT, INK, axes, describe, legend_beside, open_frame
from ._interval_axes import plural, task_ticks
from ._interval_record import Kept, Look, Moment, Numbers, moment, when_learned
from ._interval_weights import NARROW

FLOOR = 1e-10  # where an interval without width is drawn
MOVED = 0.01  # share of a median by which it must differ to be drawn twice


def interval_widths(run: Kept, *, after: int | None = None, ax: Axes | None = None) -> Axes:
    """The lengths of the weights' intervals, task by task: least to largest, the middle half, and the median.

    A bar across is the median as it was when the task had just been learned, where later tasks have changed it.

    A certificate over intervals of no width is vacuous. Below 1e-8 they count as collapsed, and the share of weights of
    which that holds is written there.

    Args:
        run: a Run with series "width", and "collapsed" if it is known; or a learner's own `series()`.
        after: how many tasks were learned; by default all.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if there are no interval widths.

    Example:
        >>> import cltoolkit as cl
        >>> ax = cl.plots.interval_widths({"width": [[0, 0.01, 0.02, 0.03, 0.1], [0, 0, 0, 0, 1e-9]]})
        >>> print(cl.plots.alt_text(ax))
        Lengths of the weights' intervals, 2 tasks: medians from 0 to 0.02. Vacuous, with medians under 1e-8: task 2.
    """
    now = moment(run, after)
    widths = now["width"]  # (t, 5): least, quarter, median, three quarters, most
    drawn = np.maximum(widths, FLOOR)
    ax, t = axes(ax), len(widths)
    x, thick = np.arange(t), float(np.clip(160 / t, 1.5, 14))
    ax.vlines(x, drawn[:, 0], drawn[:, 4], color=INK, linewidth=min(1.2, thick), label="least to largest")
    ax.vlines(x, drawn[:, 1], drawn[:, 3], color=COLORS[4], linewidth=thick, label="middle half", zorder=2.5)
    dot: Look = {"markerfacecolor": "white", "markeredgecolor": "black", "markersize": min(7, thick + 1)}
    ax.plot(x, drawn[:, 2], linestyle="", marker="o", **dot, label="median", zorder=3)
    _before(ax, run, widths[:, 2])
    ax.set_yscale("log")
    striped = bool(np.nanmin(drawn, initial=1.0) < NARROW)
    if striped:
        ax.axhspan(FLOOR / 3, NARROW, facecolor="none", edgecolor="#cccccc", hatch="////", linewidth=0, zorder=0.3)
        ax.axhline(NARROW, color=FAINT, linewidth=0.8, linestyle=":")
        ax.set_ylim(bottom=FLOOR / 3)
    _collapsed(ax, now, t)
    task_ticks(ax, now.names)
    ax.set(xlabel="task", ylabel=f"length of a weight's interval\n(log scale{'; striped: collapsed' * striped})")
    open_frame(ax)
    ax.set_title(now.heading, fontsize=10)
    legend_beside(ax)
    return describe(ax, _words(widths, now))


def _before(ax: Axes, run: Kept, medians: Numbers) -> None:
    """Medians when each task was learned, where they were others than they are."""
    if isinstance(run, Mapping):
        return
    learned = when_learned(run, "width")[: len(medians), 2]
    moved = np.flatnonzero(np.abs(learned - medians) > MOVED * np.maximum(learned, medians))
    if len(moved):
        look: Look = {
            "linestyle": "",
            "marker": "_",
            "markersize": 14 if len(medians) <= CROWD else 5,
            "color": "black",
        }
        ax.plot(moved, np.maximum(learned[moved], FLOOR), **look, label="median when learned", zorder=3.5)


def _collapsed(ax: Axes, now: Moment, t: int) -> None:
    """The share of collapsed weights of each task, where there are any."""
    shares = now["collapsed"][:, 0] if "collapsed" in now else np.zeros(t)
    if t > CROWD:
        return
    for j in np.flatnonzero(shares > 0).tolist():
        text = f"{100 * shares[j]:.2g} %"
        white = [withStroke(linewidth=2, foreground="white")]
        ax.text(j, 0.7 * NARROW, text, ha="center", va="top", fontsize=7, color=INK, path_effects=white, zorder=4)


def _words(widths: Numbers, now: Moment) -> str:
    of = f" of {now.heading}" if now.heading else ""
    first = f"Lengths of the weights' intervals{of}, {plural(len(widths))}:"
    medians = widths[:, 2]
    if not np.isfinite(medians).any():
        return f"{first} none is known."
    vacuous = [name for name, median in zip(now.names, medians, strict=True) if median < NARROW]
    said = f" Vacuous, with medians under 1e-8: {', '.join(vacuous)}." if vacuous else ""
    return f"{first} medians from {np.nanmin(medians):.3g} to {np.nanmax(medians):.3g}.{said}"
