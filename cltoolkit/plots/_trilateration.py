"""The H-embedding in the plane: where circles meet."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from numpy.typing import ArrayLike
from torch import Tensor

from ..embeddings import Placement
from ._axes import CROWD, FEW, INK, LINES, axes, describe, short
from ._points import Points, array, draw_tasks, shade, true_to_scale

RED = "#D55E00"
ROUNDING = 1e-9  # of the largest distance, under which a residual is none


def trilateration(
    placement: Placement,
    embeddings: ArrayLike | Tensor,
    *,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Where a task should lie in the plane: at distance γ d_n from each earlier task n, where the circles meet.

    Where they do not all meet, a thick line from each circle to the point shows the residual ‖ê − e_n‖ − γ d_n.

    Args:
        placement: a Placement among embeddings of two coordinates.
        embeddings: e_n, `(n, 2)`, those of the earlier tasks.
        names: of the earlier tasks; numbers by default.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if embeddings have not two coordinates each, or are not those of the placement.

    Example:
        >>> known = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]])  # doctest: +SKIP
        >>> placed = cl.embeddings.h_embedding(torch.tensor([3.0, 2.0, 2.5]), known)  # doctest: +SKIP
        >>> cl.plots.trilateration(placed, known)  # doctest: +SKIP
    """
    points, place, wanted = array(embeddings), array(placement.embedding), array(placement.targets)
    n = len(wanted)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"expected embeddings (n, 2), in a plane; got shape {points.shape}; see `task_map` for others")
    if len(points) != n:
        raise ValueError(f"expected the {n} embeddings that the task was placed among; got {len(points)}")
    called = [f"task {i + 1}" for i in range(n)] if names is None else list(names)
    radii = placement.scale * wanted
    ax = axes(ax, height=4.6)
    true_to_scale(ax, _extent(points, place, radii), margin=0.06)
    for i, (point, radius) in enumerate(zip(points, radii, strict=True)):
        line = LINES[i % len(LINES)] if n <= FEW else "-"
        ax.add_patch(
            Circle(
                tuple(point),
                radius,
                fill=False,
                edgecolor=shade(i, n),
                linestyle=line,
                linewidth=1.3 if n <= CROWD else 0.5,
            )
        )
    _residuals(ax, points, place, radii)
    draw_tasks(ax, points, called, place[None])
    ax.plot(
        *place,
        linestyle="",
        marker="*",
        markersize=14,
        color=RED,
        markeredgecolor=INK,
        label="placed task, ê",
        zorder=6,
    )
    ax.plot([], [], linestyle="", marker="o", color=shade(0, 1), markeredgecolor=INK, label="earlier task, e_n")
    ax.plot([], [], color=shade(0, 1), label="distance asked for, γ d_n")
    ax.set(xlabel="embedding coordinate 1", ylabel="embedding coordinate 2")
    ax.set_title(f"γ = {placement.scale:.3g}, {_residual(placement)}", fontsize=10)
    ax.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)
    return describe(ax, _words(placement, called, radii))


def _extent(points: Points, place: Points, radii: Points) -> Points:
    """The corners of everything drawn."""
    return np.concatenate([points - radii[:, None], points + radii[:, None], place[None]])


def _residuals(ax: Axes, points: Points, place: Points, radii: Points) -> None:
    """From each circle to the point, along its radius."""
    away = place - points
    distance = np.linalg.norm(away, axis=1, keepdims=True)
    direction = np.divide(away, distance, out=np.tile([1.0, 0.0], (len(points), 1)), where=distance > 0)
    label: str | None = "residual"
    for start in points + radii[:, None] * direction:
        ax.plot(
            *np.stack([start, place]).T, color=RED, linewidth=3, alpha=0.7, solid_capstyle="butt", label=label, zorder=2
        )
        label = None


def _words(placement: Placement, names: Sequence[str], radii: Points) -> str:
    x, y = array(placement.embedding)
    n = len(radii)
    asked = [f"{r:.3g} from {short(name, 24)}" for r, name in zip(radii, names, strict=True)]
    listed = f", asked to be {', '.join(asked)}" if n <= CROWD else ""
    return (
        f"A task placed at ({x:.3g}, {y:.3g}) among {n} earlier task{'s' * (n > 1)}{listed}. "
        f"Scale γ = {placement.scale:.3g}; {_residual(placement)}."
    )


def _residual(placement: Placement) -> str:
    """How well the circles meet."""
    exact = placement.residual <= ROUNDING * float(array(placement.distances).max())
    return "no residual" if exact else f"largest residual {placement.residual:.2g}"
