"""Averages over the accuracy matrix."""

import numpy as np
from numpy.typing import ArrayLike

from ._inputs import Array, matrix, mean, sample_weights


def average_accuracy(accuracy: ArrayLike) -> float:
    """Average accuracy ACC = (1/T) Σⱼ R[T, j]: how good the learner is at all tasks, at the end. Tasks count the same.

    Args:
        accuracy: `(T + 1, T)`, accuracy on each task (column) after each number of tasks (row).

    Returns:
        A fraction; higher is better; NaN where an accuracy of the last row is unknown.

    Raises:
        ValueError: if the shape is not `(T + 1, T)`.

    References:
        Lopez-Paz & Ranzato, Gradient Episodic Memory for Continual Learning, NeurIPS 2017.

    Example:
        >>> average_accuracy([[0.5, 0.5], [1.0, 0.5], [0.75, 1.0]])
        0.875
    """
    return mean(matrix(accuracy)[-1])


def sample_weighted_accuracy(accuracy: ArrayLike, weights: ArrayLike) -> float:
    """Accuracy over all test examples of all tasks, Σⱼ nⱼ R[T, j] / Σⱼ nⱼ: every example counts the same.

    Args:
        accuracy: `(T + 1, T)`.
        weights: `(T,)`, the number n of test examples per task.

    Returns:
        A fraction; higher is better.

    Raises:
        ValueError: if a shape is wrong, or a weight is negative.

    References:
        The stream accuracy of Avalanche. It is not the average over tasks as soon as tasks differ in size.

    Example:
        >>> sample_weighted_accuracy([[0.5, 0.5], [1.0, 0.5], [0.75, 1.0]], [300, 100])
        0.8125
    """
    last = matrix(accuracy)[-1]
    n = sample_weights(weights, len(last))
    counted = n > 0
    return float(n[counted] @ last[counted] / n.sum())


def average_so_far(accuracy: ArrayLike) -> Array:
    """The curve ACCₖ = (1/k) Σⱼ≤ₖ R[k, j]: average accuracy on the tasks seen so far, after each task.

    Args:
        accuracy: `(T + 1, T)`.

    Returns:
        `(T,)`, fractions; entry k − 1 is after k tasks.

    Raises:
        ValueError: if the shape is not `(T + 1, T)`.

    References:
        Rebuffi et al., iCaRL: Incremental Classifier and Representation Learning, CVPR 2017.

    Example:
        >>> average_so_far([[0.5, 0.5], [1.0, 0.5], [0.75, 1.0]])
        array([1.   , 0.875])
    """
    after = matrix(accuracy)[1:]  # (T, T)
    return np.array([after[k, : k + 1].mean() for k in range(len(after))])


def average_incremental_accuracy(accuracy: ArrayLike) -> float:
    """Average incremental accuracy (1/T) Σₖ ACCₖ: the mean height of the average-so-far curve.

    Args:
        accuracy: `(T + 1, T)`.

    Returns:
        A fraction; higher is better.

    Raises:
        ValueError: if the shape is not `(T + 1, T)`.

    References:
        Rebuffi et al., iCaRL: Incremental Classifier and Representation Learning, CVPR 2017; PyCIL reports it.

    Example:
        >>> average_incremental_accuracy([[0.5, 0.5], [1.0, 0.5], [0.75, 1.0]])
        0.9375
    """
    return mean(average_so_far(accuracy))


def diaz_accuracy(accuracy: ArrayLike) -> float:
    """Accuracy A = Σᵢ≥ⱼ R[i, j] / (T (T + 1) / 2): the mean over every task at every moment since it was learned.

    Args:
        accuracy: `(T + 1, T)`.

    Returns:
        A fraction; higher is better.

    Raises:
        ValueError: if the shape is not `(T + 1, T)`.

    References:
        Díaz-Rodríguez et al., Don't forget, there is more than forgetting, NeurIPS 2018 workshop on continual learning.

    Example:
        >>> round(diaz_accuracy([[0.5, 0.5], [1.0, 0.5], [0.75, 1.0]]), 4)
        0.9167
    """
    after = matrix(accuracy)[1:]
    return mean(after[np.tril_indices(len(after))])


def learning_accuracy(accuracy: ArrayLike) -> float:
    """Accuracy while learning (1/T) Σⱼ R[j, j]: each task right after it was learned, what comes later left aside.

    Args:
        accuracy: `(T + 1, T)`.

    Returns:
        A fraction; higher is better. ACC = learning accuracy + BWT · (T − 1) / T.

    Raises:
        ValueError: if the shape is not `(T + 1, T)`.

    References:
        Riemer et al., Learning to Learn without Forgetting by Maximizing Transfer and Minimizing Interference,
        ICLR 2019.

    Example:
        >>> learning_accuracy([[0.5, 0.5], [1.0, 0.5], [0.75, 1.0]])
        1.0
    """
    return mean(np.diagonal(matrix(accuracy), -1))
