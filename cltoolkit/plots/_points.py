"""Points in the plane: true to scale, and each with its name."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ._axes import CROWD, FAINT, INK, labels

CHARACTERS = 160  # of all names together, past which they would cover each other
Points = NDArray[np.float64]
SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))  # where a name may stand, best first


def array(values: ArrayLike | Tensor) -> NDArray[np.float64]:
    """Values as NumPy has them, wherever they come from."""
    if isinstance(values, Tensor):
        return values.detach().to("cpu", torch.float64).numpy()
    return np.asarray(values, dtype=np.float64)


def plane(points: Points) -> Points:
    """The first two coordinates; of a line, with a second one of zeros."""
    return np.pad(points[:, :2], ((0, 0), (0, max(0, 2 - points.shape[1]))))


def known_rows(points: Points) -> NDArray[np.bool_]:
    """`(*batch)`, which of points `(*batch, d)` are known in full."""
    return np.asarray(np.isfinite(points).all(-1), dtype=np.bool_)


def true_to_scale(ax: Axes, points: Points, margin: float = 0.18) -> None:
    """Limits around points `(n, 2)`, with one unit as long upward as sideways."""
    known = points[known_rows(points)]
    low, high = (known.min(0), known.max(0)) if len(known) else (np.zeros(2), np.ones(2))
    size = float((high - low).max()) or 1.0
    least = np.maximum(high - low, 0.25 * size)
    middle, half = (low + high) / 2, least / 2 + margin * size
    ax.update_datalim([middle - half, middle + half])
    ax.margins(0)  # limits are left to give way to the aspect
    ax.set_aspect("equal", adjustable="datalim")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="#eeeeee", linewidth=0.6)
    ax.set_axisbelow(True)


def limits(ax: Axes, x: Points, y: Points, margin: float = 0.12) -> None:
    """Limits around values on each axis, fixed, so that names can be placed."""
    for values, put in ((x, ax.set_xlim), (y, ax.set_ylim)):
        known = values[np.isfinite(values)]
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
        gap = margin * ((high - low) or abs(high) or 1.0)
        put(low - gap, high + gap)


def shade(i: int, n: int) -> tuple[float, float, float, float]:
    """Color of task i of n in their order: dark first, light last, in grey too."""
    return mpl.colormaps["viridis"](0.92 * i / max(n - 1, 1))


def draw_tasks(ax: Axes, points: Points, names: Sequence[str], others: Points | None = None) -> None:
    """A dot per task with its name beside it, away from `others`; or its number inside it, if names have no room."""
    n, written = len(points), labels(names, 16)
    numbered = n * max(map(len, written), default=0) > CHARACTERS or n > CROWD
    for i, (x, y) in enumerate(points):
        size = 12 if numbered else 6
        ax.plot(x, y, "o", color=shade(i, n), markeredgecolor=INK, markeredgewidth=0.6, markersize=size, zorder=3)
        if numbered and np.isfinite([x, y]).all():
            color = "white" if i < 0.55 * n else "black"
            ax.text(x, y, str(i + 1), ha="center", va="center", fontsize=6.5, color=color, zorder=4, clip_on=True)
    if not numbered:
        write_names(ax, points, written, others=others)
    elif n <= CROWD:
        key = "\n".join(f"{i + 1}  {name}" for i, name in enumerate(labels(names, 30)))
        ax.text(1.02, 1, key, transform=ax.transAxes, va="top", fontsize=7, color=INK)


def draw_targets(ax: Axes, points: Points, targets: Points, label: str) -> None:
    """Hollow diamonds where points should be, `(n, 2)`, each joined to its point."""
    for point, target in zip(points, targets, strict=True):
        ax.plot(*np.stack([point, target]).T, color=FAINT, linestyle=":", linewidth=1, zorder=2)
    ax.plot(*targets.T, "D", markersize=5, markerfacecolor="white", markeredgecolor=INK, zorder=2.5, label=label)


def write_names(
    ax: Axes, points: Points, names: Sequence[str], *, size: float = 8, others: Points | None = None
) -> None:
    """Names beside points `(n, 2)`, on the side where they cover least; `others` are points to leave free, too.

    The limits of the axes must stand. Boxes of text are estimated, for nothing is drawn yet.
    """
    ax.apply_aspect()
    known = known_rows(points)
    dots = points[known] if others is None else np.concatenate([points[known], others[known_rows(others)]])
    scale = 72 / ax.figure.get_figure(root=True).dpi
    seen = ax.transData.transform(dots) * scale if len(dots) else np.zeros((0, 2))
    blocked = [np.array([x - 3, y - 3, x + 3, y + 3]) for x, y in seen]
    frame = np.asarray(ax.bbox.extents) * scale
    for point, name in zip(points[known], np.asarray(names, dtype=object)[known], strict=True):
        x, y = ax.transData.transform(point) * scale
        boxes = [_box(x, y, side, 0.58 * size * len(name), 1.2 * size) for side in SIDES]
        costs = [sum(_overlap(box, other) for other in blocked) + 3 * _outside(box, frame) for box in boxes]
        best = int(np.argmin(costs))
        blocked.append(boxes[best])
        right, up = SIDES[best]
        ax.annotate(
            name,
            point,
            (right * (6 if up == 0 else 4), up * (6 if right == 0 else 4)),
            textcoords="offset points",
            ha={1: "left", 0: "center", -1: "right"}[right],
            va={1: "bottom", 0: "center", -1: "top"}[up],
            fontsize=size,
            color=INK,
            path_effects=[withStroke(linewidth=2, foreground="white")],
            zorder=5,
        )


def _box(x: float, y: float, side: tuple[int, int], width: float, height: float) -> NDArray[np.float64]:
    """Left, bottom, right and top of a name beside a point, in points of print."""
    right, up = side
    gap = 6 if 0 in side else 4
    left = x + right * gap - {1: 0.0, 0: width / 2, -1: width}[right]
    bottom = y + up * gap - {1: 0.0, 0: height / 2, -1: height}[up]
    return np.array([left, bottom, left + width, bottom + height])


def _overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    return float(np.prod(np.maximum(sides, 0)))


def _outside(box: NDArray[np.float64], frame: NDArray[np.float64]) -> float:
    return float(np.prod(box[2:] - box[:2])) - _overlap(box, frame)
