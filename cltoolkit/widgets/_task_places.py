"""Where tasks lie: maps by embeddings, moment by moment, and by distances that training leaves as they are."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import takewhile

import numpy as np
import torch
from numpy.typing import NDArray

from ..embeddings import TaskMap, align, embedding_distances, map_tasks, score_distances, weight_distances
from ..learners import Learner
from ..records import Run
from ..transferability import TransferMatrix

__all__ = [
    "MANY",
    "Array",
    "ByDistances",
    "ByEmbedding",
    "by_embedding",
    "by_others",
    "spread",
]

Array = NDArray[np.float64]
MANY = 40  # tasks up to which the maps of all moments are made at once
STILL = 1e-6  # of the largest distance, under which an embedding has not moved


class ByEmbedding:
    """Tasks by their embeddings after each task.

    "mds" is a map of its own for each moment, laid on that of the next; "pca" is one plane for all moments, that in
    which the last embeddings spread most: in it, what moves has moved.
    """

    methods: Sequence[str] = ("mds", "pca")

    def __init__(self, run: Run) -> None:
        values = np.asarray(run.series["embeddings"], dtype=np.float64)
        every = (rows[: t + 1] for t, rows in enumerate(values))
        self.times = list(takewhile(lambda rows: bool(np.isfinite(rows).all()), every))
        self.names = run.task_names[: len(self.times)]
        self._points: dict[int, Array] = {}

    @property
    def moments(self) -> int:
        """After how many tasks there are embeddings."""
        return len(self.times)

    def map(self, method: str, t: int) -> TaskMap:
        """The map after t tasks."""
        points = self.times[t - 1]
        if method == "mds":
            return told(self._mds(t), between(points), method, self.names[:t])
        flat = self._flat(t)
        return told(flat, between(points), method, self.names[:t], share(flat, points))

    def dimensions(self, x: int, y: int, t: int) -> TaskMap:
        """The embeddings after t tasks in two of their own dimensions."""
        points = self.times[t - 1]
        flat = points[:, [x, y]]
        return told(flat, between(points), "dimensions", self.names[:t], share(flat, points))

    def made(self, method: str, t: int) -> bool:
        """Whether the map after t tasks is there, or there in no time."""
        return method == "pca" or self.moments <= MANY or min(t, self.moments) in self._points

    def path(self, method: str, moments: Sequence[int]) -> list[Array]:
        """The points of several moments, as they lie on each other."""
        return [self._flat(t) if method == "pca" else self._mds(t) for t in moments]

    @cached_property
    def moved(self) -> Array:
        """`(T, T)`: how far the embedding of task j has gone, after i + 1 tasks; 0 where it has not moved."""
        gone = np.zeros((self.moments, self.moments))
        for t in range(1, self.moments):
            step = np.linalg.norm(self.times[t][:t] - self.times[t - 1], axis=1)
            gone[t, :t] = gone[t - 1, :t] + step
        widest = float(np.ptp(self.times[-1], axis=0).max(initial=0.0)) if self.moments else 0.0
        gone[gone <= STILL * max(widest, 1e-300)] = 0.0
        return gone

    @cached_property
    def _plane(self) -> tuple[Array, Array]:
        """Middle `(d,)` and directions `(d, 2)` of the plane, as `map_tasks` turns them."""
        last = self.times[-1]
        middle = last.mean(0)
        directions = np.linalg.svd(last - middle, full_matrices=False)[2][:2]
        basis = np.pad(directions, ((0, 2 - len(directions)), (0, 0))).T
        turned = ((last - middle) @ basis * map_tasks(last, method="pca").points).sum(0)
        return middle, basis * np.where(turned < 0, -1.0, 1.0)

    def _flat(self, t: int) -> Array:
        middle, basis = self._plane
        flat: Array = (self.times[t - 1] - middle) @ basis
        return flat

    def _mds(self, t: int) -> Array:
        """Few maps lie on each other, the last as it is; of many, each on the plane, so that none needs others."""
        if self.moments <= MANY and not self._points:
            maps = [map_tasks(points).points for points in self.times]
            self._points = dict(enumerate(align(maps[::-1])[::-1], start=1))
        if t not in self._points:
            self._points[t] = align([self._flat(t), map_tasks(self.times[t - 1]).points])[1]
        return self._points[t]


class ByDistances:
    """Tasks by distances that do not change in training: one map for all moments."""

    methods: Sequence[str] = ("mds",)

    def __init__(self, distances: Array, names: Sequence[str]) -> None:
        self.distances, self.names = distances, list(names)

    @cached_property
    def all(self) -> TaskMap:
        """The map of all tasks."""
        return map_tasks(self.distances, distances=True, names=self.names)


def by_embedding(run: Run) -> ByEmbedding | None:
    """Tasks by the embeddings that a run has; None where it has none."""
    if "embeddings" not in run.series:
        return None
    places = ByEmbedding(run)
    return places if places.moments else None


def by_others(
    run: Run, transfer: TransferMatrix | Mapping[str, TransferMatrix] | None, learner: Learner | None
) -> tuple[dict[str, ByDistances], dict[str, str]]:
    """What training leaves as it is, and what to call it."""
    if transfer is None:
        given = {}
    elif isinstance(transfer, TransferMatrix):
        given = {"transfer": transfer}
    else:
        given = {f"transfer:{name}": matrix for name, matrix in transfer.items()}
    found, labels = {}, {}
    for by, matrix in given.items():
        if not isinstance(matrix, TransferMatrix):
            raise TypeError(f"expected a TransferMatrix, as `transfer_matrix` gives; got {type(matrix).__name__}")
        found[by], labels[by] = _by_transfer(matrix, run.task_names), f"Transfer, {matrix.label}"
    weights = None if learner is None else _by_weights(learner, run.task_names)
    if weights is not None:
        found["weights"], labels["weights"] = weights, "Weights"
    return found, labels


def _by_transfer(matrix: TransferMatrix, names: Sequence[str]) -> ByDistances:
    """Tasks by how well they serve each other, as `embeddings.score_distances` has it."""
    for what, given in (("sources", matrix.sources), ("targets", matrix.targets)):
        if list(given) != list(names):
            raise ValueError(
                f"expected {matrix.label} scores with the run's tasks {list(names)} as {what}; got {list(given)}: "
                "compute them with `transfer_matrix` on the sequence of the run"
            )
    return ByDistances(score_distances(matrix.values).numpy(), names)


def _by_weights(learner: Learner, names: Sequence[str]) -> ByDistances | None:
    """Tasks by the weights that answer them; None where there are fewer than two, or all have the same."""
    count = learner.num_tasks
    if count > len(names):
        raise ValueError(f"expected the learner of this run of {len(names)} tasks; got one that knows {count}")
    if count < 2:
        return None
    with torch.no_grad():
        stacked: Mapping[str, torch.Tensor] = learner.stacked_params()
        own = {name: values[:count] for name, values in stacked.items()}
        distances = weight_distances(own, names=learner.net.shapes).numpy()
    return ByDistances(distances, names[:count]) if distances.any() else None


def told(points: Array, distances: Array, method: str, names: Sequence[str], variance: float | None = None) -> TaskMap:
    """A map of these points, with Kruskal's stress-1."""
    shown = between(points)
    missed, size = float(((shown - distances) ** 2).sum()), float((shown**2).sum())
    stress = float(np.sqrt(missed / size)) if size > 0 else 0.0 if missed == 0 else float("inf")
    return TaskMap(points, stress, method, distances, tuple(names), variance)


def spread(count: int, most: int) -> list[int]:
    """At most so many of the moments 1..count, evenly; the last always."""
    chosen = min(most, count)
    return [round(count * (k + 1) / chosen) for k in range(chosen)]


def between(points: Array) -> Array:
    """Distances `(T, T)` between points."""
    return embedding_distances(torch.from_numpy(points)).numpy()


def share(shown: Array, points: Array) -> float:
    """Share of the points' variance that is shown; 1 where there is none."""
    total = float(((points - points.mean(0)) ** 2).sum())
    return float(((shown - shown.mean(0)) ** 2).sum()) / total if total > 0 else 1.0
