"""Cells of the accuracy matrix by name: masks `(T + 1, T)`; row i is after i tasks, column j is task j + 1."""

import numpy as np

from ._inputs import Inputs, Mask


def never(given: Inputs) -> Mask:
    """None: the value comes from elsewhere."""
    return np.zeros((given.T + 1, given.T), dtype=bool)


def final(given: Inputs) -> Mask:
    """After the last task."""
    return np.arange(given.T + 1)[:, None] + np.zeros(given.T) == given.T


def counted(given: Inputs) -> Mask:
    """After the last task, where a task has test examples."""
    return final(given) & ((given.weights if given.weights is not None else np.ones(given.T)) > 0)


def learned(given: Inputs) -> Mask:
    """Each task right after it was learned."""
    return np.eye(given.T + 1, given.T, -1, dtype=bool)


def since_learned(given: Inputs) -> Mask:
    """Each task ever since it was learned."""
    return np.tri(given.T + 1, given.T, -1, dtype=bool)


def after_learned(given: Inputs) -> Mask:
    """Each task after further ones were learned."""
    return np.tri(given.T + 1, given.T, -2, dtype=bool)


def earlier(given: Inputs) -> Mask:
    """Every task but the last."""
    return np.arange(given.T) < given.T - 1


def later(given: Inputs) -> Mask:
    """Every task but the first."""
    return np.arange(given.T) > 0


def backward_gem(given: Inputs) -> Mask:
    """Each earlier task right after it was learned, and at the end."""
    return (learned(given) | final(given)) & earlier(given)


def backward_diaz(given: Inputs) -> Mask:
    """Each earlier task ever since it was learned."""
    return since_learned(given) & earlier(given)


def forward_gem(given: Inputs) -> Mask:
    """Each later task right before it is learned, and before any training."""
    before = np.arange(given.T + 1)[:, None] == 0
    return (np.eye(given.T + 1, given.T, dtype=bool) | before) & later(given)


def forward_diaz(given: Inputs) -> Mask:
    """Each later task until it is learned, training having begun."""
    started = np.arange(given.T + 1)[:, None] > 0
    return ~since_learned(given) & started


def worst_case(given: Inputs) -> Mask:
    """Each task after further ones were learned, and the last one at the end."""
    return after_learned(given) | (final(given) & ~earlier(given))
