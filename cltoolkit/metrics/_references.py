"""Comparisons with a reference: each task learned alone, or all of them together."""

import numpy as np
from numpy.typing import ArrayLike

from ._inputs import Record, matrix, mean, reference


def plasticity_gain(accuracy: ArrayLike, single: ArrayLike | Record) -> float:
    """Learning gain (1/(T − 1)) Σⱼ≥₂ (R[j, j] − s[j]): did earlier tasks help to learn the later ones?

    This is the forward transfer to look at where zero-shot accuracy means nothing: outputs of a new task are untrained.

    Args:
        accuracy: `(T + 1, T)`.
        single: `(T,)`, accuracy s of the same network trained on each task alone; or a Run or matrix of Separate.

    Returns:
        A difference of accuracies; higher is better; NaN for one task.

    Raises:
        ValueError: if a shape is wrong.

    References:
        Wołczyk et al., Continual World, NeurIPS 2021, likewise set forward transfer against learning alone (by area).

    Example:
        >>> plasticity_gain([[0.5, 0.5], [1.0, 0.5], [0.75, 1.0]], single=[1.0, 0.75])
        0.25
    """
    R = matrix(accuracy)
    return mean((np.diagonal(R, -1) - reference(single, R.shape[1], "single"))[1:])


def intransigence(accuracy: ArrayLike, joint: ArrayLike | Record) -> float:
    """Intransigence (1/T) Σₖ (s[k] − R[k, k]): what the learner could not learn any more, against learning jointly.

    Args:
        accuracy: `(T + 1, T)`.
        joint: `(T,)`, accuracy s[k] on task k of the same network trained on tasks 1..k together; or a Run or matrix
            of Joint, whose accuracies right after each task are just that.

    Returns:
        A difference of accuracies; lower is better, below zero the sequence helped.

    Raises:
        ValueError: if a shape is wrong.

    References:
        Chaudhry et al., Riemannian Walk for Incremental Learning: Understanding Forgetting and Intransigence,
        ECCV 2018.

    Example:
        >>> intransigence([[0.5, 0.5], [1.0, 0.5], [0.75, 0.75]], joint=[1.0, 1.0])
        0.125
    """
    R = matrix(accuracy)
    return mean(reference(joint, R.shape[1], "joint") - np.diagonal(R, -1))
