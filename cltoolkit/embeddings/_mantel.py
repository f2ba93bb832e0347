"""The Mantel test: do two tables of distances between the same tasks go together?"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from ..randomness import key_seed
from ._arrays import Array, distance_matrix

__all__ = ["MantelResult", "mantel"]

CHUNK = 2**22  # numbers permuted at a time: 32 MiB


@dataclass(frozen=True)
class MantelResult:
    """What the test found.

    Attributes:
        statistic: correlation of the distances of all pairs of tasks.
        p_value: how often it is as large, or larger, if tasks had no relation; at least 1 / (permutations + 1).
        permutations: how many were drawn.
        measure: "spearman" or "pearson".
    """

    statistic: float
    p_value: float
    permutations: int
    measure: str


def mantel(
    a: ArrayLike | Tensor,
    b: ArrayLike | Tensor,
    *,
    measure: str = "spearman",
    permutations: int = 9999,
    seed: int = 0,
) -> MantelResult:
    """Correlates two distance matrices over pairs of tasks, tested by renaming the tasks of one.

    r is the correlation of a_st and b_st over s < t. Pairs are not independent, tasks are: rows and columns of `a` are
    permuted together, and p = (1 + #{r_π ≥ r}) / (1 + permutations), one-sided: small if distances that are large in
    one are large in the other. With few tasks no p is small, however good the fit: T! renamings are all there are.

    Args:
        a: `(T, T)`, symmetric, T ≥ 3; the diagonal is not read.
        b: `(T, T)`, likewise.
        measure: "spearman", of ranks with ties averaged, or "pearson".
        permutations: how many are drawn.
        seed: draws them.

    Returns:
        Statistic and p-value.

    Raises:
        ValueError: if a matrix is not symmetric, not finite or constant, the shapes differ, or the measure is unknown.

    References:
        Mantel, The detection of disease clustering and a generalized regression approach, Cancer Research 1967.

    Example:
        >>> line = np.arange(7.0) ** 2
        >>> D = np.abs(line[:, None] - line)
        >>> result = mantel(D, D**2)
        >>> round(result.statistic, 6), result.p_value < 0.01
        (1.0, True)
    """
    if measure not in MEASURES:
        raise ValueError(f"unknown measure {measure!r}; choose from {', '.join(MEASURES)}")
    if permutations < 0:
        raise ValueError(f"expected a number of permutations, 0 or more; got {permutations}")
    A, B = _standard(a, "a", measure), _standard(b, "b", measure)
    if A.shape != B.shape:
        raise ValueError(f"expected two matrices between the same tasks; got {A.shape} and {B.shape}")
    statistic = float((A * B).sum() / 2)
    reached = 1 + _count(A, B, statistic - 1e-12, permutations, seed)
    return MantelResult(min(max(statistic, -1.0), 1.0), reached / (1 + permutations), permutations, measure)


def _count(A: Array, B: Array, bar: float, permutations: int, seed: int) -> int:
    """How many permutations of A's tasks correlate with B at least as `bar`, which leaves room for rounding."""
    draw = np.random.default_rng(key_seed(seed, "mantel"))
    tasks = len(A)
    at_once = max(1, CHUNK // tasks**2)
    count = 0
    for begin in range(0, permutations, at_once):
        size = min(at_once, permutations - begin)
        order = draw.permuted(np.tile(np.arange(tasks), (size, 1)), axis=1)  # (m, T)
        renamed = A[order[:, :, None], order[:, None, :]].reshape(size, -1)  # (m, T²)
        count += int((renamed @ B.ravel() / 2 >= bar).sum())
    return count


def _standard(values: ArrayLike | Tensor, name: str, measure: str) -> Array:
    """Symmetric, 0 on the diagonal, its upper triangle of mean 0 and norm 1: products of two sum to a correlation."""
    D = distance_matrix(values, name)
    if len(D) < 3:
        raise ValueError(f"expected at least 3 tasks, as fewer have no two distances to compare; got {len(D)}")
    rows, columns = np.triu_indices(len(D), 1)
    pairs = D[rows, columns]
    if np.ptp(pairs) <= 1e-12 * np.abs(pairs).max():
        raise ValueError(f"all distances of {name!r} are equal: their correlation with others is not defined")
    pairs = MEASURES[measure](pairs)
    pairs = pairs - pairs.mean()
    out = np.zeros_like(D)
    out[rows, columns] = out[columns, rows] = pairs / np.linalg.norm(pairs)
    return out


def _ranks(values: Array) -> Array:
    """From 1, ties averaged."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ends = sizes.cumsum()
    ranks: Array = (ends - (sizes - 1) / 2)[group]
    return ranks


def _as_is(values: Array) -> Array:
    return values


MEASURES: dict[str, Callable[[Array], Array]] = {"spearman": _ranks, "pearson": _as_is}
