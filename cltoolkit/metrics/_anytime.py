"""Accuracy at any time: what evaluations during training show, the stability gap among it."""

import numpy as np
from numpy.typing import ArrayLike

from ._inputs import evaluations, matrix, mean


def learning_curve_area(curves: ArrayLike, beta: int | None = None) -> float:
    """Learning curve area LCA_β = (1/(β + 1)) Σ_b≤β Z_b, Z_b = (1/T) Σₖ a[k, b]: how fast tasks are learned.

    Args:
        curves: `(T, B + 1)`, accuracy a[k, b] on task k after b batches of task k, b = 0 before the first.
        beta: number of batches β ≤ B; all of them by default. LCA₀ is the mean zero-shot accuracy.

    Returns:
        A fraction; higher is better.

    Raises:
        ValueError: if the shape is wrong, or fewer than `beta` batches were measured.

    References:
        Chaudhry et al., Efficient Lifelong Learning with A-GEM, ICLR 2019.

    Example:
        >>> learning_curve_area([[0.0, 0.5, 1.0], [0.5, 1.0, 1.0]], beta=1)
        0.5
    """
    a = np.asarray(curves, dtype=np.float64)
    if a.ndim != 2 or 0 in a.shape:
        raise ValueError(
            f"`curves` must have shape (T, B + 1), accuracy on task k after b of its batches; got {a.shape}"
        )
    batches = a.shape[1] - 1
    last = batches if beta is None else beta
    if not 0 <= last <= batches:
        raise ValueError(f"`beta` must be from 0 to {batches}, the number of batches measured; got {beta}")
    return mean(a[:, : last + 1])


def average_anytime_accuracy(accuracy: ArrayLike, task: ArrayLike) -> float:
    """Average any-time accuracy AAA: the mean over all evaluations t of the mean accuracy over tasks seen by then.

    Args:
        accuracy: `(E, T)`, accuracy A(j, t) on every task (column) at each evaluation (row), in order of time.
        task: `(E,)`, index (from 0) of the task being learned at each evaluation.

    Returns:
        A fraction; higher is better. With one evaluation after each task it is the average incremental accuracy.

    Raises:
        ValueError: if a shape is wrong, or tasks come out of order.

    References:
        Caccia et al., New Insights on Reducing Abrupt Representation Change in Online Continual Learning, ICLR 2022.

    Example:
        >>> average_anytime_accuracy([[0.5, 0.5], [1.0, 0.5], [0.75, 1.0]], task=[0, 0, 1])
        0.7916666666666666
    """
    A, during = evaluations(accuracy, task)
    return mean(np.array([row[: k + 1].mean() for row, k in zip(A, during, strict=True)]))


def minimum_accuracy(accuracy: ArrayLike, task: ArrayLike) -> float:
    """min-ACC = (1/(k − 1)) Σⱼ<ₖ min over t after task j of A(j, t): the worst moment of each earlier task.

    Args:
        accuracy: `(E, T)`, accuracy A(j, t) on every task at each evaluation, in order of time.
        task: `(E,)`, index (from 0) of the task being learned at each evaluation; the last one is k.

    Returns:
        A fraction; higher is better; NaN while the first task is learned, which has none before it.
        Far below the accuracy at the end it shows a stability gap.

    Raises:
        ValueError: if a shape is wrong, or tasks come out of order.

    References:
        De Lange et al., Continual evaluation for lifelong learning: identifying the stability gap, ICLR 2023.

    Example:
        >>> minimum_accuracy([[1.0, 0.5], [0.25, 0.5], [0.75, 1.0]], task=[0, 1, 1])
        0.25
    """
    A, during = evaluations(accuracy, task)
    return mean(np.array([A[during > j, j].min() for j in range(during[-1])]))


def worst_case_accuracy(accuracy: ArrayLike, task: ArrayLike) -> float:
    """WC-ACC = (1/k) A(k, t) + (1 − 1/k) min-ACC: the task being learned now, the others at their worst.

    Args:
        accuracy: `(E, T)`, accuracy A(j, t) on every task at each evaluation, in order of time.
        task: `(E,)`, index (from 0) of the task being learned at each evaluation; the last one is k.

    Returns:
        A fraction; higher is better.

    Raises:
        ValueError: if a shape is wrong, or tasks come out of order.

    References:
        De Lange et al., Continual evaluation for lifelong learning: identifying the stability gap, ICLR 2023.

    Example:
        >>> worst_case_accuracy([[1.0, 0.5], [0.25, 0.5], [0.75, 1.0]], task=[0, 1, 1])
        0.625
    """
    A, during = evaluations(accuracy, task)
    k = int(during[-1]) + 1
    now = float(A[-1, k - 1])
    return now if k == 1 else now / k + (1 - 1 / k) * minimum_accuracy(A, during)


def after_tasks(accuracy: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The accuracy matrix as evaluations: one after each task, `(T, T)` and `(T,)`."""
    R = matrix(accuracy)
    return R[1:], np.arange(R.shape[1])
