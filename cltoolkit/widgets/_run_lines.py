"""Lines of a Run that is shown: losses and accuracies over training, in as many points as a picture has room for."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..plots._timeline import positions, starts
from ..records import Run

__all__ = ["anytime_lines", "loss_lines", "thin"]

COUNTERS = ("task", "epoch", "step")
MOST = 1000  # points of a line
LINES = 7  # losses, as many as can be told apart


def thin(y: NDArray[Any], most: int = MOST) -> NDArray[np.int64]:
    """Which of the values to draw: first and last, and the least and the largest of every stretch in between.

    Args:
        y: `(n,)`, NaN where unknown.
        most: how many to draw, 4 at least.

    Returns:
        Indices in order, at most `most`; all of them where that is enough.
    """
    n = len(y)
    if n <= most:
        return np.arange(n)
    width = -(-n // ((most - 2) // 2))
    padded = np.full(-(-n // width) * width, np.nan)
    padded[:n] = y
    stretches = padded.reshape(-1, width)
    begins = np.arange(len(stretches)) * width
    least = np.where(np.isnan(stretches), np.inf, stretches).argmin(1) + begins
    most_of = np.where(np.isnan(stretches), -np.inf, stretches).argmax(1) + begins
    return np.unique(np.concatenate([[0], least, most_of, [n - 1]]))


def loss_lines(run: Run) -> tuple[list[str], NDArray[np.float64], list[int]]:
    """The losses of a Run over its steps.

    Returns:
        Their names; `(L, 2, P)`, steps and values with a gap between tasks, padded by NaN; the step at which each task
        begins, and the end.
    """
    names = [name for name in run.curves if name not in COUNTERS][:LINES]
    if not names or not len(run.curves.get("task", ())):
        return [], np.zeros((0, 2, 0)), []
    begins = starts(run)
    x, task = positions(run.curves, begins), np.asarray(run.curves["task"], dtype=np.int64)
    lines = [_with_gaps(x, np.asarray(run.curves[name], dtype=np.float64), task) for name in names]
    return names, _padded(lines), begins.tolist()


def anytime_lines(run: Run, most: int = MOST) -> tuple[NDArray[np.float64], list[int]]:
    """The accuracy on every task over the steps of training, that before it and after each task among them.

    Returns:
        `(T, 2, P)`, steps and accuracies, padded by NaN; the step at which each task begins, and the end.
    """
    log = run.anytime
    if not len(log.get("task", ())):
        return np.zeros((0, 2, 0)), []
    begins = starts(run)
    done = [t for t in range(run.T) if begins[t + 1] > begins[t] and not np.isnan(run.accuracy[t + 1]).all()]
    rows = [0, *(t + 1 for t in done)]
    x = np.concatenate([positions(log, begins), begins[rows]])
    y = np.concatenate([np.asarray(log["accuracy"], dtype=np.float64), run.accuracy[rows]])
    order = np.argsort(x, kind="stable")
    x, y = x[order].astype(np.float64), y[order]
    chosen = [thin(y[:, j], most) for j in range(run.T)]
    return _padded([np.stack([x[k], y[k, j]]) for j, k in enumerate(chosen)]), begins.tolist()


def _with_gaps(x: NDArray[Any], y: NDArray[np.float64], task: NDArray[np.int64]) -> NDArray[np.float64]:
    """`(2, P)`, task by task, each with its share of the points and a gap after it."""
    begun = np.unique(task)
    most = max(4, MOST // len(begun) - 1)
    parts = []
    for t in begun:
        here = np.flatnonzero((task == t) & np.isfinite(y))
        kept = here[thin(y[here], most)]
        parts.append(np.stack([np.append(x[kept], np.nan), np.append(y[kept], np.nan)]))
    return np.concatenate(parts, axis=1)[:, :-1]


def _padded(lines: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    longest = max(line.shape[1] for line in lines)
    return np.array([np.pad(line, ((0, 0), (0, longest - line.shape[1])), constant_values=np.nan) for line in lines])
