"""Accuracy on each task while training goes on."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ..plots import _timeline
from ._axes import (
    CROWD,
    FEW,
    axes,
    describe,
    inches,
    labels,
    legend_beside,
    marker,
    named,
    open_frame,
    score_limits,
    slant,
    some,
    style,
    task_names_on_top,
)
from ._record import Record, title


def anytime(run: Record, *, ax: Axes | None = None) -> Axes:
    """Test accuracy on each task during training: forgetting as it happens, and the gap right after tasks switch.

    A run without evaluations during training shows its accuracy matrix: one point after each task. A line is faint
    until its task begins, and left out before that where there are very many.

    Args:
        run: a Run; trained with `eval_every` set it shows what happens within tasks.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.
    """
    values = np.asarray(run.accuracy, dtype=float)
    T = values.shape[1]
    ax = axes(ax)
    if len(run.anytime.get("task", ())):
        begins = _timeline.starts(run)
        x, task, y = _during(run, values, begins)
        begun = int((np.diff(begins) > 0).sum())
        task_names_on_top(ax, list(begins[:begun]), int(begins[-1]), list(run.task_names)[:begun])
        ax.set(xlabel="training steps (batches)", xlim=(0, max(int(begins[-1]), 1)))
        dotted = False
    else:
        x, task, y = np.arange(T + 1), np.arange(T + 1) - 1, values
        index, words, rotation = named(["before", *labels(run.task_names, 16)], 0.75 * inches(ax)[0])
        ax.set_xticks(index, words, rotation=rotation, fontsize=8)
        slant(ax.get_xticklabels(), rotation, "right")
        ax.set(xlabel="after training on task", xlim=(-0.3, T + 0.3))
        dotted = True
    shown, names = range(T) if T <= FEW else some(T, 10), labels(run.task_names)
    for j in range(T):
        label = names[j] if j in shown else None
        _line(ax, x, y[:, j], task, j, T, label, dotted)
    ax.set_ylabel("test accuracy (fraction)")
    ax.set_title(title(run), fontsize=10)
    score_limits(ax, y)
    open_frame(ax)
    legend_beside(ax, "tested on task")
    return describe(ax, _words(run, y, task, during=not dotted))


def _during(
    run: Record, values: NDArray[np.float64], begins: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
    """Evaluations during training together with those before it and after each task, in order of time."""
    log = run.anytime
    finished = [t for t in range(values.shape[1]) if begins[t + 1] > begins[t] and not np.isnan(values[t + 1]).all()]
    x = np.concatenate([[0], _timeline.positions(log, begins), begins[[t + 1 for t in finished]]])
    task = np.concatenate([[-1], np.asarray(log["task"], dtype=np.int64), finished]).astype(np.int64)
    y = np.concatenate([values[:1], np.asarray(log["accuracy"], dtype=float), values[[t + 1 for t in finished]]])
    order = np.lexsort((task, x))
    return x[order], task[order], y[order]


def _line(
    ax: Axes, x: NDArray[Any], y: NDArray[Any], task: NDArray[Any], j: int, T: int, label: str | None, dotted: bool
) -> None:
    look = style(j, T)
    known = np.isfinite(y)
    ahead = known & (task < j)
    # The last point before the task begins is where its own line starts.
    since = known & ((task >= j) | (np.arange(len(x)) == (np.flatnonzero(ahead)[-1] if ahead.any() else -1)))
    if T <= CROWD:
        ax.plot(x[ahead], y[ahead], **look | {"linewidth": 0.7}, alpha=0.35)
    mark = marker(j, T)
    every = 1 if dotted else max(1, int(since.sum()) // 8)
    ax.plot(x[since], y[since], **look, marker=mark, markersize=4, markevery=every, label=label)


def _words(run: Record, y: NDArray[np.float64], task: NDArray[Any], during: bool) -> str:
    T = y.shape[1]
    lowest = []
    for j in range(T):
        later = y[task > j, j]
        lowest.append(np.nanmin(later) if np.isfinite(later).any() else np.nan)
    worst = f" The lowest accuracy on an earlier task is {np.nanmin(lowest):.3f}." if np.isfinite(lowest).any() else ""
    when = "during training" if during else "before training and after each task"
    return f"Test accuracy of {title(run)} on each of {T} task{'s' * (T > 1)}, {when}.{worst}"
