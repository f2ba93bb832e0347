"""Maps of tasks: points in the plane whose distances tell those between tasks, and how far they can be trusted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ._arrays import Array, array, distance_matrix, named

__all__ = ["TaskMap", "map_tasks"]


@dataclass(frozen=True, eq=False)
class TaskMap:
    """Tasks as points, with the distances they stand for.

    Attributes:
        points: `(T, dim)`, centered, along their principal axes.
        stress: Kruskal's stress-1, √(Σ (δ_st − D_st)² / Σ δ_st²) with δ shown and D true: 0 is a faithful map, above
            0.2 it is a poor one.
        method: "mds" or "pca".
        distances: D, `(T, T)`, the true ones.
        names: of the tasks.
        variance: share of the points' variance that the map shows ("pca" alone).

    References:
        Kruskal, Multidimensional scaling by optimizing goodness of fit to a nonmetric hypothesis, Psychometrika 1964.
    """

    points: NDArray[np.float64]
    stress: float
    method: str
    distances: NDArray[np.float64]
    names: tuple[str, ...]
    variance: float | None = None

    @property
    def shown(self) -> NDArray[np.float64]:
        """δ, `(T, T)`: distances between the points of the map."""
        return _between(self.points)

    def __repr__(self) -> str:
        share = "" if self.variance is None else f", {self.variance:.1%} of the variance"
        tasks, dim = self.points.shape
        return f"TaskMap({tasks} tasks in {dim} dimensions by {self.method}, stress {self.stress:.3f}{share})"


def map_tasks(
    points_or_distances: ArrayLike | Tensor,
    *,
    dim: int = 2,
    method: str = "mds",
    names: Sequence[str] | None = None,
    distances: bool = False,
) -> TaskMap:
    """Draws tasks as points of few dimensions, as true to their distances as the method can.

    "mds" minimizes the raw stress Σ_{s<t} (δ_st − D_st)² by majorization (SMACOF) from the classical solution. "pca"
    projects points on the directions of their largest variance. No number is drawn; turning and mirroring, which
    distances leave open, are settled by principal axes, each with its farthest task on the positive side.

    Args:
        points_or_distances: `(T, d)` points, such as embeddings, or with `distances` `(T, T)` distances.
        dim: dimensions of the map.
        method: "mds" or "pca".
        names: of the tasks; numbers by default.
        distances: whether distances are given.

    Returns:
        The map with its stress.

    Raises:
        ValueError: if a shape does not fit, a value is not finite, distances are negative or not symmetric, or "pca" is
            asked for distances.

    References:
        de Leeuw, Convergence of the majorization method for multidimensional scaling, Journal of Classification 1988.

    Example:
        >>> square = [[0, 0, 7], [0, 1, 7], [1, 0, 7], [1, 1, 7]]
        >>> map_tasks(square)
        TaskMap(4 tasks in 2 dimensions by mds, stress 0.000)
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; choose from {', '.join(METHODS)}")
    if dim < 1:
        raise ValueError(f"expected a map of at least one dimension; got dim={dim}")
    if distances and method == "pca":
        raise ValueError("'pca' projects points; give points, or take method='mds' for distances")
    given = _distances(points_or_distances) if distances else array(points_or_distances)
    true = given if distances else _between(given)
    points, variance = METHODS[method](true if method == "mds" else given, dim)
    return TaskMap(points, _stress(_between(points), true), method, true, named(names, len(given)), variance)


def _mds(distances: Array, dim: int) -> tuple[Array, None]:
    return _upright(_smacof(distances, _classical(distances, dim))), None


def _pca(points: Array, dim: int) -> tuple[Array, float]:
    """With the share of variance shown; 1 where there is none."""
    scores = _principal(points)
    total = float((scores**2).sum())
    shown = scores[:, :dim]
    return _signed(_padded(shown, dim)), float((shown**2).sum()) / total if total > 0 else 1.0


METHODS: dict[str, Callable[[Array, int], tuple[Array, float | None]]] = {"mds": _mds, "pca": _pca}


def _classical(distances: Array, dim: int) -> Array:
    """Classical scaling: eigenvectors of −½ J D² J, exact for distances of points in `dim` dimensions."""
    squares = distances**2
    inner = -(squares - squares.mean(0) - squares.mean(1)[:, None] + squares.mean()) / 2
    values, vectors = np.linalg.eigh(inner)
    largest = slice(None, -dim - 1, -1)
    return _padded(vectors[:, largest] * np.sqrt(np.maximum(values[largest], 0)), dim)


def _smacof(distances: Array, points: Array, *, steps: int = 1000, tolerance: float = 1e-12) -> Array:
    """Guttman transforms, each of which lowers the raw stress, until it changes by less than `tolerance` of ΣD²."""
    total = float((distances**2).sum())
    before = np.inf
    for _ in range(steps):
        shown = _between(points)
        stress = float(((shown - distances) ** 2).sum())
        if before - stress <= tolerance * total:
            break
        before = stress
        ratio = np.divide(distances, shown, out=np.zeros_like(shown), where=shown > 0)
        points = (ratio.sum(1)[:, None] * points - ratio @ points) / len(points)
    return points


def _stress(shown: Array, true: Array) -> float:
    """Kruskal's stress-1; 0 for tasks all in one place, which a map shows exactly."""
    missed, size = float(((shown - true) ** 2).sum()), float((shown**2).sum())
    if missed == 0:
        return 0.0
    return float(np.sqrt(missed / size)) if size > 0 else float("inf")


def _between(points: Array) -> Array:
    """Distances `(T, T)` between points."""
    away = points[:, None] - points
    between: Array = np.sqrt((away**2).sum(-1))
    return between


def _principal(points: Array) -> Array:
    """Centered, along principal axes, the widest first: `(T, min(T, d))`."""
    left, values, _ = np.linalg.svd(points - points.mean(0), full_matrices=False)
    scores: Array = left * values
    return scores


def _upright(points: Array) -> Array:
    return _signed(_padded(_principal(points), points.shape[1]))


def _signed(points: Array) -> Array:
    """Each axis turned so that its farthest task, the first of equally far ones, is on the positive side."""
    far = np.abs(points)
    first = (far >= far.max(0) * (1 - 1e-9)).argmax(0)
    signs = np.where(points[first, np.arange(points.shape[1])] < 0, -1.0, 1.0)
    return points * signs + 0.0  # no −0


def _padded(points: Array, dim: int) -> Array:
    """With axes of zeros where there are too few."""
    return np.pad(points, ((0, 0), (0, dim - points.shape[1])))


def _distances(values: ArrayLike | Tensor) -> Array:
    out = distance_matrix(values)
    if (out < 0).any() or np.abs(out.diagonal()).max() > 1e-9 * max(float(out.max()), 1e-300):
        raise ValueError("expected distances of at least 0, with 0 on the diagonal; these look like similarities")
    return out
