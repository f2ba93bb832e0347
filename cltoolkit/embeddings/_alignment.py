"""Procrustes: maps turned and shifted onto each other, so that what moves on them has moved."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ._arrays import Array, array

__all__ = ["align"]


def align(maps: Sequence[ArrayLike | Tensor]) -> list[NDArray[np.float64]]:
    """Lays each map on the one before it, by rotation, reflection and shift, so that shared tasks move least.

    Map i minimizes Σ_t ‖x_t R + c − y_t‖² over orthogonal R and c, with y of the aligned map i − 1 and t over the first
    rows that both have. Nothing is rescaled. Where the shared tasks leave a turn open (one task, or tasks on one line),
    the map is turned as little as can be.

    Args:
        maps: each `(T_i, dim)`, rows in one order of tasks: map i of a run has the i + 1 tasks learned by then.

    Returns:
        The aligned maps; the first is as it was.

    Raises:
        ValueError: if the maps differ in `dim`, or a value is not finite.

    References:
        Schönemann, A generalized solution of the orthogonal Procrustes problem, Psychometrika 1966.

    Example:
        >>> before = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
        >>> turned = before @ np.array([[0.0, 1.0], [-1.0, 0.0]]) + 5.0
        >>> np.allclose(align([before, turned])[1], before)
        True
    """
    given = [array(points) for points in maps]
    if len({points.shape[1] for points in given}) > 1:
        raise ValueError(f"expected maps of one dimension; got shapes {', '.join(str(p.shape) for p in given)}")
    aligned = given[:1]
    for points in given[1:]:
        aligned.append(_onto(aligned[-1], points))
    return aligned


def _onto(target: Array, points: Array) -> Array:
    shared = min(len(target), len(points))
    center, place = points[:shared].mean(0), target[:shared].mean(0)
    R = _rotation((points[:shared] - center).T @ (target[:shared] - place))
    moved: Array = (points - center) @ R + place
    return moved


def _rotation(cross: Array) -> Array:
    """The orthogonal R of the largest tr(Rᵀ cross); in directions that cross does not see, the one nearest to I."""
    left, values, right = np.linalg.svd(cross)
    rank = int((values > 1e-12 * values[0]).sum()) if values[0] > 0 else 0
    unseen, seen = left[:, rank:], right[rank:].T
    a, _, b = np.linalg.svd(unseen.T @ seen)
    rotation: Array = left[:, :rank] @ right[:rank] + unseen @ (a @ b) @ seen.T
    return rotation
