"""An order of tasks that puts close ones side by side."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ._arrays import distance_matrix

__all__ = ["dendrogram_order", "linkage"]


def linkage(distances: ArrayLike | Tensor) -> NDArray[np.float64]:
    """Clusters of tasks by average linkage, its leaves in the optimal order: neighbors' distances have the least sum.

    Args:
        distances: `(T, T)`, symmetric; the diagonal is not read.

    Returns:
        `(T − 1, 4)`, as scipy's `dendrogram` takes it.

    Raises:
        ValueError: if the distances are not symmetric, or not finite.

    References:
        Bar-Joseph et al., Fast optimal leaf ordering for hierarchical clustering, Bioinformatics 2001.

    Example:
        >>> linkage([[0.0, 1.0, 4.0], [1.0, 0.0, 6.0], [4.0, 6.0, 0.0]])[:, 2]
        array([1., 5.])
    """
    D = distance_matrix(distances)
    if len(D) == 1:
        return np.empty((0, 4))
    from scipy.cluster import hierarchy

    between = D[np.triu_indices(len(D), 1)]
    clusters: NDArray[np.float64] = hierarchy.linkage(between, "average", optimal_ordering=True)
    return clusters


def dendrogram_order(distances: ArrayLike | Tensor) -> NDArray[np.int64]:
    """The order of the leaves of `linkage`: a permutation of the tasks for the rows and columns of a matrix.

    Args:
        distances: `(T, T)`, symmetric; the diagonal is not read.

    Returns:
        `(T,)`.

    Raises:
        ValueError: as `linkage`.

    Example:
        >>> line = np.array([0.0, 9.0, 1.0, 8.0])
        >>> dendrogram_order(np.abs(line[:, None] - line))
        array([0, 2, 3, 1])
    """
    clusters = linkage(distances)
    if not len(clusters):
        return np.zeros(1, dtype=np.int64)
    from scipy.cluster import hierarchy

    return np.asarray(hierarchy.leaves_list(clusters), dtype=np.int64)
