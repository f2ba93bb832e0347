"""Losses over training."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ..plots import _timeline
from ._axes import CROWD, FEW, axes, describe, legend_beside, open_frame, short, style, task_names_on_top
from ._record import Record, title

COUNTERS = ("task", "epoch", "step")
MANY = 300  # points, past which a line is smoothed and its raw values are drawn faint
WIDE = 30.0  # ratio of values past which the axis is logarithmic


def curves(run: Record, names: Sequence[str] | None = None, *, ax: Axes | None = None) -> Axes:
    """The losses over the steps of training, task after task.

    Long curves are smoothed within each task by a moving average, the raw values faint behind. The axis is logarithmic
    where positive values span more than a factor of 30.

    Args:
        run: a Run with logged steps.
        names: which of its losses; all by default.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if the run has no such loss; the message has the nearest name.
    """
    chosen = _chosen(run, names)
    begins = _timeline.starts(run)
    x, task = _timeline.positions(run.curves, begins), np.asarray(run.curves["task"], dtype=np.int64)
    lines = {name: np.asarray(run.curves[name], dtype=float) for name in chosen}
    begun = int((np.diff(begins) > 0).sum())
    ax = axes(ax)
    for i, (name, y) in enumerate(lines.items()):
        look = style(i, len(lines)) | ({} if begun <= CROWD else {"linestyle": "-", "linewidth": 0.8})
        _line(ax, x, y, task, short(name, 24), look)
    values = np.concatenate([y[np.isfinite(y)] for y in lines.values()])
    log = values.size > 0 and values.min() > 0 and values.max() > WIDE * values.min()
    ax.set_yscale("log" if log else "linear")
    ax.set(xlabel="training steps (batches)", ylabel=f"{_what(chosen)} (mean per batch{', log scale' * bool(log)})")
    ax.set_xlim(0, max(int(begins[-1]), 1))
    open_frame(ax)
    task_names_on_top(ax, list(begins[:begun]), int(begins[-1]), list(run.task_names)[:begun])
    ax.set_title(title(run), fontsize=10)
    if len(lines) > 1:
        legend_beside(ax)
    return describe(ax, _words(run, lines, int(begins[-1]), begun))


def _chosen(run: Record, names: Sequence[str] | None) -> list[str]:
    known = [name for name in run.curves if name not in COUNTERS]
    if not known:
        raise ValueError(f"{title(run)} has no logged losses to draw; train with `log_every` set to fewer steps")
    chosen = known[:FEW] if names is None else [names] if isinstance(names, str) else list(names)
    for name in chosen:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f": did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"{title(run)} has no loss {name!r}{hint}; it has {', '.join(known)}")
    return chosen


def _what(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else "losses"


def _line(ax: Axes, x: NDArray[Any], y: NDArray[Any], task: NDArray[Any], name: str, look: dict[str, Any]) -> None:
    """One loss, interrupted between tasks."""
    many = np.isfinite(y).sum() > MANY
    labeled: str | None = name
    for t in np.unique(task):
        here = (task == t) & np.isfinite(y)
        if not here.any():
            continue
        line = smooth(y[here], max(1, int(here.sum()) // 25)) if many else y[here]
        if many:
            ax.plot(x[here], y[here], color=look["color"], alpha=0.25, linewidth=0.5, zorder=1)
        mark = "o" if here.sum() == 1 else ""
        ax.plot(x[here], line, **look, marker=mark, markersize=3, label=labeled, zorder=2)
        labeled = None


def smooth(y: NDArray[Any], width: int) -> NDArray[np.float64]:
    """A centered moving average `(n,)` over `width` values, over fewer at the ends, so that it lags nowhere."""
    kernel = np.ones(min(width, len(y)))
    return np.asarray(np.convolve(y, kernel, "same") / np.convolve(np.ones(len(y)), kernel, "same"), dtype=np.float64)


def _words(run: Record, lines: dict[str, NDArray[Any]], steps: int, tasks: int) -> str:
    ends = []
    for name, y in lines.items():
        known = y[np.isfinite(y)]
        ends.append(f"{name} from {known[0]:.3g} to {known[-1]:.3g}" if known.size else f"no value of {name}")
    return (
        f"Losses of {title(run)} over {steps} training steps and {tasks} task{'s' * (tasks != 1)}: {'; '.join(ends)}."
    )
