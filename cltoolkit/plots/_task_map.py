"""Maps of tasks, and how far to trust them."""

from itertools import combinations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ..embeddings import TaskMap
from ._axes import CROWD, FAINT, axes, describe, short
from ._points import Points, array, draw_targets, draw_tasks, known_rows, plane, true_to_scale

LINKED = 10  # tasks up to which lines join them
DENSE = 400  # pairs past which points are small and faint


def task_map(
    taskmap: TaskMap,
    *,
    targets: ArrayLike | Tensor | None = None,
    relation: ArrayLike | Tensor | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Tasks as points: those near each other are alike, as far as the map's stress allows to say so.

    Up to ten tasks are joined by lines, the thicker the closer two tasks truly are: a thick line between far points is
    where the map errs. Where names have no room, points bear numbers. Light points are later tasks.

    Args:
        taskmap: a TaskMap; its first two dimensions are drawn.
        targets: `(T, 2)` places where the tasks should lie, such as their H-embeddings, in the coordinates of the map;
            NaN where there is none. Drawn as hollow diamonds, joined to their tasks.
        relation: `(T, T)`, larger for tasks that are closer, for the lines; by default the map's true distances.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if `targets` or `relation` does not fit the number of tasks.

    Example:
        >>> cl.plots.task_map(cl.embeddings.map_tasks(run.embeddings[-1]))  # doctest: +SKIP
    """
    points = plane(array(taskmap.points))
    n = len(points)
    asked = None if targets is None else _fitting("targets", array(targets), (n, 2))
    closeness = _closeness(taskmap, relation)
    ax = axes(ax, height=4.4)
    true_to_scale(ax, points if asked is None else np.concatenate([points, asked]))
    if n <= LINKED:
        _links(ax, points, closeness)
    if asked is not None:
        draw_targets(ax, points, asked, "where it should lie")
    draw_tasks(ax, points, taskmap.names, asked)
    if n > CROWD:
        _bar(ax, n)
    axis = "principal axis" if taskmap.method == "pca" else "map coordinate"
    ax.set(xlabel=f"{axis} 1 (unit of the distances)", ylabel=f"{axis} 2 (unit of the distances)")
    ax.set_title(_title(taskmap), fontsize=10)
    if asked is not None:
        ax.legend(fontsize=8, frameon=False, loc="best")
    return describe(ax, _words(taskmap, points, asked))


def shepard(taskmap: TaskMap, *, ax: Axes | None = None) -> Axes:
    """How far to trust a map of tasks: the distance shown against the true one, a point per pair of tasks.

    Points on the line are shown as they are; those under it are drawn too close together.

    Args:
        taskmap: a TaskMap.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    References:
        Shepard, The analysis of proximities, Psychometrika 1962.
    """
    pairs = np.triu_indices(len(taskmap.points), 1)
    true, shown = array(taskmap.distances)[pairs], array(taskmap.shown)[pairs]
    ax = axes(ax, width=4.4, height=3.8)
    top = 1.05 * float(max(np.nanmax(true, initial=0.0), np.nanmax(shown, initial=0.0))) or 1.0
    ax.plot([0, top], [0, top], color=FAINT, linestyle="--", linewidth=1, zorder=1)
    many = len(true) > DENSE
    ax.plot(
        true,
        shown,
        linestyle="",
        marker="o",
        markersize=2.5 if many else 5,
        alpha=0.3 if many else 0.8,
        color="#0072B2",
    )
    ax.set(xlim=(0, top), ylim=(0, top), xlabel="true distance of two tasks", ylabel="distance on the map")
    ax.set_aspect("equal")
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_title(_title(taskmap), fontsize=10)
    return describe(ax, _pair_words(taskmap, true, shown))


def _fitting(what: str, given: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    if given.shape != shape:
        raise ValueError(f"expected {what} of shape {shape}, for the tasks of the map; got {given.shape}")
    return given


def _closeness(taskmap: TaskMap, relation: ArrayLike | Tensor | None) -> NDArray[np.float64]:
    """`(T, T)` in [0, 1] over pairs: 1 for the closest."""
    n = len(taskmap.points)
    near = -array(taskmap.distances) if relation is None else _fitting("relation", array(relation), (n, n))
    pairs = near[np.triu_indices(n, 1)]
    pairs = pairs[np.isfinite(pairs)]
    span = float(np.ptp(pairs)) if pairs.size else 0.0
    return (near - pairs.min()) / span if span > 0 else np.full((n, n), 0.5)


def _links(ax: Axes, points: Points, closeness: NDArray[np.float64]) -> None:
    for s, t in combinations(range(len(points)), 2):
        if np.isfinite(closeness[s, t]):
            width = 0.3 + 3.2 * float(closeness[s, t]) ** 2
            ax.plot(*points[[s, t]].T, color="#c4c4c4", linewidth=width, zorder=1, solid_capstyle="round")
    if len(points) > 2:
        ax.text(0.01, 0.01, "thicker line: truly closer", transform=ax.transAxes, fontsize=7, color=FAINT)


def _bar(ax: Axes, n: int) -> None:
    """Colors of the tasks' numbers."""
    colors = mpl.colors.LinearSegmentedColormap.from_list("tasks", mpl.colormaps["viridis"](np.linspace(0, 0.92, 256)))
    bar = ax.figure.colorbar(mpl.cm.ScalarMappable(mpl.colors.Normalize(1, n), colors), ax=ax, aspect=25)
    bar.set_label("task", fontsize=9)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8)


def _title(taskmap: TaskMap) -> str:
    share = "" if taskmap.variance is None else f", {100 * taskmap.variance:.0f} % of the variance"
    return f"{taskmap.method.upper()}, {_stress(taskmap)}{share}"


def _stress(taskmap: TaskMap) -> str:
    if not np.isfinite(taskmap.stress):
        return "stress unknown"
    return f"stress {taskmap.stress:.3f} ({_verdict(taskmap.stress)})"


def _verdict(stress: float) -> str:
    """Kruskal's words for stress-1."""
    bounds = ((0.025, "excellent"), (0.05, "good"), (0.1, "fair"), (0.2, "poor"))
    return next((word for bound, word in bounds if stress <= bound), "not to be trusted")


def _words(taskmap: TaskMap, points: Points, targets: NDArray[np.float64] | None) -> str:
    n = len(points)
    parts = [f"Map of {n} task{'s' * (n > 1)} by {_title(taskmap)}."]
    if n > 1:
        distances = array(taskmap.distances)
        s, t = np.triu_indices(n, 1)
        for what, k in (("Closest", np.nanargmin(distances[s, t])), ("farthest", np.nanargmax(distances[s, t]))):
            pair = f"{short(taskmap.names[s[k]], 24)} and {short(taskmap.names[t[k]], 24)}"
            parts.append(f"{what} are {pair}, {distances[s[k], t[k]]:.3g} apart{',' if what == 'Closest' else '.'}")
    if targets is not None and (missed := np.linalg.norm(points - targets, axis=1)[known_rows(targets)]).size:
        parts.append(
            f"Tasks lie {missed.mean():.3g} from where they should, on average, and {missed.max():.3g} at most."
        )
    return " ".join(parts)


def _pair_words(taskmap: TaskMap, true: NDArray[np.float64], shown: NDArray[np.float64]) -> str:
    said = f"Distances on a map of {len(taskmap.points)} tasks against true ones, {len(true)} pairs: {_title(taskmap)}."
    if not len(true):
        return said
    worst = int(np.nanargmax(np.abs(shown - true)))
    return f"{said} The largest error: {shown[worst]:.3g} shown for {true[worst]:.3g}."
