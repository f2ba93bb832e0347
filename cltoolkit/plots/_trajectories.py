"""Where task embeddings go while further tasks are learned."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ._axes import INK, axes, describe
from ._points import Points, array, draw_targets, draw_tasks, known_rows, plane, shade, true_to_scale
from ._record import title
from ._related import Related, last, series

STILL = 1e-6  # of the extent of all, under which a path counts as a point


def embedding_trajectories(
    run_or_maps: Related | Sequence[ArrayLike | Tensor],
    *,
    names: Sequence[str] | None = None,
    targets: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """A path for each task's embedding: a hollow circle after it was learned, a dot with its name after the last task.

    A run's embeddings of all times are projected together, on the two principal axes of all of them, so that what moves
    in the picture has moved. (Of two coordinates they are drawn as they are.) Where a method holds earlier embeddings
    fixed, as HyperNet and HEmbedding do, paths are points.

    Args:
        run_or_maps: a Run with series "embeddings"; or maps already aligned, the i-th `(T_i, dim)`, a row per task.
        names: of the tasks; by default those of the run, or numbers.
        targets: whether to draw H-embeddings, where the run has them, as hollow diamonds, joined to their tasks.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if the run has no embeddings, or there is nothing to draw.

    Example:
        >>> cl.plots.embedding_trajectories(run)  # doctest: +SKIP
        >>> maps = cl.embeddings.align([cl.embeddings.map_tasks(e).points for e in run.embeddings])  # doctest: +SKIP
        >>> cl.plots.embedding_trajectories(maps)  # doctest: +SKIP
    """
    if isinstance(run_or_maps, Sequence):
        times, asked, heading = _stacked([array(points) for points in run_or_maps]), None, "aligned maps"
        called = [f"task {j + 1}" for j in range(times.shape[1])] if names is None else list(names)
        axis = ["map coordinate 1", "map coordinate 2"]
        paths = plane(times.reshape(-1, times.shape[-1])).reshape(*times.shape[:2], 2)
    else:
        times, asked, heading = series(run_or_maps, "embeddings"), _asked(run_or_maps, targets), title(run_or_maps)
        called = list(run_or_maps.task_names if names is None else names)
        paths, asked, axis = _projected(times, asked)
    learned = known_rows(paths)
    if not learned.any():
        raise ValueError(f"expected embeddings of at least one task; {heading} has none")
    tasks = np.flatnonzero(learned.any(0))
    ax = axes(ax, height=4.4)
    drawn = [paths[learned], np.zeros((0, 2)) if asked is None else asked]
    true_to_scale(ax, np.concatenate(drawn))
    moved = np.array([_path(ax, paths[learned[:, j], j], shade(k, len(tasks))) for k, j in enumerate(tasks)])
    if asked is not None and known_rows(asked).any():
        begins = np.stack([paths[learned[:, j], j][0] for j in tasks])
        draw_targets(ax, begins, asked[tasks], "H-embedding ê of the task it is joined to")
    ends = np.stack([paths[learned[:, j], j][-1] for j in tasks])
    draw_tasks(ax, ends, [called[j] for j in tasks], asked)
    ax.set(xlabel=axis[0], ylabel=axis[1])
    ax.set_title(heading, fontsize=10)
    if moved.any():
        ax.plot([], [], "o", color=INK, markerfacecolor="white", label="after the task was learned")
        ax.plot([], [], "o", color=INK, label="after the last task")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=8, frameon=False, loc="best")
    extent = float(np.ptp(paths[learned], axis=0).max())
    return describe(ax, _words(heading, axis, moved, extent, [called[j] for j in tasks]))


def _stacked(maps: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Maps over time as `(times, T, dim)`; NaN where a task was not there yet."""
    if not maps or len({points.shape[1:] for points in maps}) > 1 or maps[0].ndim != 2:
        raise ValueError(f"expected maps (T_i, dim) of one dim; got shapes {[points.shape for points in maps]}")
    stacked = np.full((len(maps), max(map(len, maps)), maps[0].shape[1]), np.nan)
    for row, points in zip(stacked, maps, strict=True):
        row[: len(points)] = points
    return stacked


def _asked(run: Related, wanted: bool) -> NDArray[np.float64] | None:
    """The H-embeddings `(T, d)` of a run that has them."""
    return last(series(run, "h_embeddings")) if wanted and "h_embeddings" in run.series else None


def _projected(
    times: NDArray[np.float64], asked: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None, list[str]]:
    """Embeddings of all times `(T, T, d)`, and H-embeddings, in one plane, with what its axes mean."""
    if times.shape[-1] <= 2:
        flat = plane(times.reshape(-1, times.shape[-1])).reshape(*times.shape[:2], 2)
        return flat, None if asked is None else plane(asked), ["embedding coordinate 1", "embedding coordinate 2"]
    known = times[known_rows(times)]
    if not len(known):
        return times[..., :2], None, ["", ""]
    center = known.mean(0)
    _, values, directions = np.linalg.svd(known - center, full_matrices=False)
    basis = np.pad(directions[:2], ((0, 2 - min(2, len(directions))), (0, 0)))
    shares = np.pad(values**2, (0, 2))[:2] / (float((values**2).sum()) or 1.0)
    axis = [f"principal axis {k + 1} ({100 * share:.0f} % of the variance)" for k, share in enumerate(shares)]
    return (times - center) @ basis.T, None if asked is None else (asked - center) @ basis.T, axis


def _path(ax: Axes, path: Points, color: tuple[float, ...]) -> float:
    """Draws where one task went; returns how far it went in all."""
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    if steps.sum() > 0:
        ax.plot(*path.T, color=color, linewidth=1.3, marker=".", markersize=3, zorder=2)
        ax.plot(
            *path[0], linestyle="", marker="o", markersize=6, markerfacecolor="white", markeredgecolor=color, zorder=2.5
        )
    return float(steps.sum())


def _words(heading: str, axis: Sequence[str], moved: NDArray[np.float64], extent: float, names: Sequence[str]) -> str:
    n = len(names)
    first = f"Paths of {n} task embedding{'s' * (n > 1)} of {heading}, along {axis[0]} and {axis[1]}."
    if not (moved > STILL * max(extent, 1e-300)).any():
        return f"{first} No embedding moves after its task is learned, so every path is a point."
    far = int(moved.argmax())
    return f"{first} The longest path is that of {names[far]}, {moved[far]:.3g}; on average {moved.mean():.3g}."
