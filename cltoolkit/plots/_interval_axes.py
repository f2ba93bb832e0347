"""Axes that plots of intervals share: tasks below, numbers from zero on, and histograms one under another."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ._axes import CROWD, INK, axes, inches, labels, named, slant, some

FAR = 10.0  # ratio of the largest value to the middle one, past which an axis is logarithmic
SOLID = {"facecolor": "#0072B2", "edgecolor": INK, "linewidth": 0.5}  # the part that counts
STRIPED = {"facecolor": "white", "edgecolor": "#6b6b6b", "linewidth": 0.5, "hatch": "//////"}  # and what does not


def task_ticks(ax: Axes, names: Sequence[str]) -> None:
    """Names of tasks along the horizontal axis: as many as there is room for."""
    index, words, rotation = named(names, 0.75 * inches(ax)[0])
    ax.set_xticks(index, words, rotation=rotation, fontsize=8)
    slant(ax.get_xticklabels(), rotation, "right")
    ax.set_xlim(-0.6, len(names) - 0.4)


def plural(n: int, what: str = "task") -> str:
    """So many of them."""
    return f"{n} {what}{'s' * (n != 1)}"


def from_zero(ax: Axes, x: NDArray[np.float64]) -> None:
    """A horizontal axis for values ≥ 0: logarithmic where most are far below the largest, with a place for zero."""
    positive = x[np.isfinite(x) & (x > 0)]
    if positive.size and positive.max() > FAR * np.median(positive):
        if positive.size < np.isfinite(x).sum():
            ax.set_xscale("symlog", linthresh=float(positive.min()), linscale=0.6)
            ax.set_xlim(left=0)
        else:
            ax.set_xscale("log")


def ridge_axes(ax: Axes | None, names: Sequence[str]) -> Axes:
    """Axes with a row for each name, the first on top; wide rows for few, narrow ones for many."""
    n = len(names)
    each = float(np.clip(4.2 / max(n, 1), 0.13, 0.62))
    ax = axes(ax, height=float(np.clip(1.3 + n * each, 2.2, 8.5)))
    rows, words = some(n, max(2, min(2 * CROWD, int(inches(ax)[1] / 0.16)))), labels(names, 22)
    ax.set_yticks([i - 0.3 for i in rows], [words[i] for i in rows], fontsize=8)
    ax.set_ylim(n - 0.85, -1.05)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return ax


def ridge(ax: Axes, row: int, edges: NDArray[np.float64], counts: NDArray[Any], most: float, **look: Any) -> None:
    """A histogram `(bins,)` that stands on a row; the highest of its row, `most`, fills it."""
    ax.stairs(row - 0.85 * counts / max(most, 1e-300), edges, baseline=row, fill=True, **look)
    ax.axhline(row, color="#bbbbbb", linewidth=0.5, zorder=0.5)


def beside(ax: Axes, row: float, text: str, rows: int) -> None:
    """A few words at the right end of a row, where rows are high enough for them."""
    if rows <= 2 * CROWD:
        ax.text(1.01, row - 0.3, text, transform=ax.get_yaxis_transform(), va="center", fontsize=7.5, color=INK)
