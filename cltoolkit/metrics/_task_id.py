"""Which task is this from? Task inference, counted."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def task_confusion(true: ArrayLike, inferred: ArrayLike, num_tasks: int) -> NDArray[np.int64]:
    """The task confusion matrix: `[i, j]` counts the examples of task i taken for task j.

    Args:
        true: `(n,)`, the task each example comes from.
        inferred: `(n,)`, the task it was taken for.
        num_tasks: T, the number of tasks.

    Returns:
        `(T, T)`, counts.

    Raises:
        ValueError: if the lengths differ, or a task is not a whole number in 0..T − 1.

    Example:
        >>> task_confusion([0, 0, 1], [0, 1, 1], num_tasks=2)
        array([[1, 1],
               [0, 1]])
    """
    rows, columns = _tasks(true, num_tasks, "true"), _tasks(inferred, num_tasks, "inferred")
    if rows.shape != columns.shape:
        raise ValueError(f"`true` and `inferred` must be of one length; got {len(rows)} and {len(columns)}")
    counts = np.zeros((num_tasks, num_tasks), dtype=np.int64)
    np.add.at(counts, (rows, columns), 1)
    return counts


def task_id_accuracy(confusion: ArrayLike) -> float:
    """Task-id accuracy mean 1[inferred = true]: the share of examples whose task was inferred right.

    Args:
        confusion: `(T, T)`, counts: row true task, column inferred task.

    Returns:
        In [0, 1]; higher is better; NaN for no examples.

    Raises:
        ValueError: if the matrix is not square, or a count is negative.

    Example:
        >>> task_id_accuracy([[3, 1], [0, 4]])
        0.875
    """
    counts = np.asarray(confusion, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError(f"`confusion` must be counts of shape (T, T), true task by inferred task; got {counts.shape}")
    total = counts.sum()
    return float(np.trace(counts) / total) if total else float("nan")


def _tasks(values: ArrayLike, num_tasks: int, name: str) -> NDArray[np.int64]:
    array = np.asarray(values)
    whole = array.astype(np.int64)
    if array.ndim != 1 or (whole != array).any() or ((whole < 0) | (whole >= num_tasks)).any():
        raise ValueError(f"`{name}` must be task indices from 0 to {num_tasks - 1}, shape (n,); got {array}")
    return whole
