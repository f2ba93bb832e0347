"""What learning one task does to the others: backward and forward transfer, forgetting."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ._inputs import Array, choose, matrix, mean


def backward_transfer(accuracy: ArrayLike, *, dialect: Literal["gem", "diaz"] = "gem") -> float:
    """Backward transfer: what learning later tasks did to earlier ones. Below zero is forgetting.

    gem:  (1/(T − 1)) Σⱼ<T (R[T, j] − R[j, j]), at the end only
    diaz: Σᵢ≥₂ Σⱼ<ᵢ (R[i, j] − R[j, j]) / (T (T − 1) / 2), at every moment

    Args:
        accuracy: `(T + 1, T)`, accuracy on each task (column) after each number of tasks (row).
        dialect: `gem` (Mammoth's too; Avalanche's forgetting is its negative) or `diaz`.

    Returns:
        A difference of accuracies; higher is better; NaN for one task, which has nothing before it.

    Raises:
        ValueError: if the shape is not `(T + 1, T)`, or no such dialect exists.

    References:
        Lopez-Paz & Ranzato, Gradient Episodic Memory for Continual Learning, NeurIPS 2017.
        Díaz-Rodríguez et al., Don't forget, there is more than forgetting, NeurIPS 2018 workshop on continual learning.

    Example:
        >>> backward_transfer([[0.5, 0.5], [1.0, 0.5], [0.75, 1.0]])
        -0.25
    """
    return choose(dialect, BACKWARD)(matrix(accuracy))


def positive_backward_transfer(accuracy: ArrayLike) -> float:
    """BWT⁺ = max(BWT, 0), with BWT of the dialect diaz: how much later tasks helped earlier ones, else zero.

    Args:
        accuracy: `(T + 1, T)`.

    Returns:
        In [0, 1]; higher is better; NaN for one task.

    Raises:
        ValueError: if the shape is not `(T + 1, T)`.

    References:
        Díaz-Rodríguez et al., Don't forget, there is more than forgetting, NeurIPS 2018 workshop on continual learning.

    Example:
        >>> positive_backward_transfer([[0.5, 0.5], [0.75, 0.5], [1.0, 1.0]])
        0.25
    """
    transfer = backward_transfer(accuracy, dialect="diaz")
    return transfer if transfer > 0 or np.isnan(transfer) else 0.0


def remembering(accuracy: ArrayLike) -> float:
    """Remembering REM = 1 − |min(BWT, 0)|, with BWT of the dialect diaz: one where nothing was forgotten.

    Args:
        accuracy: `(T + 1, T)`.

    Returns:
        In [0, 1]; higher is better; NaN for one task.

    Raises:
        ValueError: if the shape is not `(T + 1, T)`.

    References:
        Díaz-Rodríguez et al., Don't forget, there is more than forgetting, NeurIPS 2018 workshop on continual learning.

    Example:
        >>> remembering([[0.5, 0.5], [1.0, 0.5], [0.75, 1.0]])
        0.75
    """
    transfer = backward_transfer(accuracy, dialect="diaz")
    return 1.0 + transfer if transfer < 0 or np.isnan(transfer) else 1.0


def forward_transfer(accuracy: ArrayLike, *, dialect: Literal["gem", "diaz"] = "gem") -> float:
    """Forward transfer: what is known of a task before learning it.

    gem:  (1/(T − 1)) Σⱼ≥₂ (R[j − 1, j] − b[j]), against the accuracy b before any training
    diaz: Σᵢ<ⱼ R[i, j] / (T (T − 1) / 2), nothing taken off

    Where each task has outputs of its own, untrained until it is learned, both are chance: see `plasticity_gain`.

    Args:
        accuracy: `(T + 1, T)`; the cells above the diagonal are tasks not yet learned.
        dialect: `gem` (Avalanche's and Mammoth's too) or `diaz`.

    Returns:
        gem: a difference of accuracies; diaz: a fraction. Higher is better; NaN for one task.

    Raises:
        ValueError: if the shape is not `(T + 1, T)`, or no such dialect exists.

    References:
        Lopez-Paz & Ranzato, Gradient Episodic Memory for Continual Learning, NeurIPS 2017.
        Díaz-Rodríguez et al., Don't forget, there is more than forgetting, NeurIPS 2018 workshop on continual learning.

    Example:
        >>> forward_transfer([[0.5, 0.5], [1.0, 0.75], [0.75, 1.0]])
        0.25
        >>> forward_transfer([[0.5, 0.5], [1.0, 0.75], [0.75, 1.0]], dialect="diaz")
        0.75
    """
    return choose(dialect, FORWARD)(matrix(accuracy))


def forgetting(accuracy: ArrayLike, *, dialect: Literal["chaudhry", "mammoth", "avalanche"] = "chaudhry") -> float:
    """Forgetting: how much accuracy on earlier tasks was lost by the end.

    chaudhry:  (1/(T − 1)) Σⱼ<T (max over j ≤ l < T of R[l, j] − R[T, j]), below zero where the end is the best
    mammoth:   the same with the max over j ≤ l ≤ T, the last row too: never below zero
    avalanche: (1/(T − 1)) Σⱼ<T (R[j, j] − R[T, j]), first minus last, which is −BWT

    Args:
        accuracy: `(T + 1, T)`.
        dialect: `chaudhry` (FACIL's too), `mammoth` (PyCIL's too) or `avalanche`.

    Returns:
        A difference of accuracies; lower is better; NaN for one task. mammoth ≥ chaudhry ≥ avalanche, always.

    Raises:
        ValueError: if the shape is not `(T + 1, T)`, or no such dialect exists.

    References:
        Chaudhry et al., Riemannian Walk for Incremental Learning: Understanding Forgetting and Intransigence,
        ECCV 2018.

    Example:
        >>> forgetting([[0.5, 0.5], [1.0, 0.5], [0.75, 1.0]])
        0.25
    """
    return choose(dialect, FORGETTING)(matrix(accuracy))


def _backward_gem(R: Array) -> float:
    return mean(R[-1, :-1] - np.diagonal(R, -1)[:-1])


def _backward_diaz(R: Array) -> float:
    change = R[1:] - np.diagonal(
        R, -1
    )  # (T, T): [i, j] = accuracy on j after i + 1 tasks, minus right after learning it
    return mean(change[np.tril_indices(len(change), -1)])


def _forward_gem(R: Array) -> float:
    return mean(np.diagonal(R)[1:] - R[0, 1:])


def _forward_diaz(R: Array) -> float:
    return mean(R[1:][np.triu_indices(R.shape[1], 1)])


def _forgetting_chaudhry(R: Array) -> float:
    return mean(_best(R[:-1])[:-1] - R[-1, :-1])


def _forgetting_mammoth(R: Array) -> float:
    return mean(_best(R)[:-1] - R[-1, :-1])


def _forgetting_avalanche(R: Array) -> float:
    return mean(np.diagonal(R, -1)[:-1] - R[-1, :-1])


def _best(R: Array) -> Array:
    """The highest accuracy of each task since it was learned, over the rows given: `(T,)`, NaN if one is unknown."""
    learned = np.tri(R.shape[0], R.shape[1], -1, dtype=bool)
    return np.where(learned, R, -np.inf).max(axis=0)


BACKWARD: dict[str, Callable[[Array], float]] = {"gem": _backward_gem, "diaz": _backward_diaz}
FORWARD: dict[str, Callable[[Array], float]] = {"gem": _forward_gem, "diaz": _forward_diaz}
FORGETTING: dict[str, Callable[[Array], float]] = {
    "chaudhry": _forgetting_chaudhry,
    "mammoth": _forgetting_mammoth,
    "avalanche": _forgetting_avalanche,
}
