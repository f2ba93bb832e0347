"""Cells of heat maps: their colors, numbers and names, and the marks that survive grey."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

from ._axes import CROWD, INK, axes, inches, labels, named, slant, some

ANNOTATED = 12  # rows or columns up to which every cell shows its number
SEQUENTIAL = "cividis"  # uniform to the eye, to the color-blind, and in grey
DIVERGING = "RdBu"  # red and blue, told apart by the color-blind; in grey signs have to be written


def cell_axes(ax: Axes | None, rows: int, columns: int) -> Axes:
    """The axes given, or new ones with room for so many cells, their names and a color bar."""
    width, height = (float(np.clip(4.5 / n, 0.045, 0.5)) for n in (columns, rows))
    return axes(ax, width=max(3.6, columns * width + 2.2), height=max(2.8, rows * height + 1.4))


def heat(ax: Axes, values: NDArray[np.float64], *, low: float, high: float, cmap: str, label: str) -> AxesImage:
    """Draws `(S, T)` values as colors, with their bar."""
    margin = 0.0 if high > low else 0.5
    image = ax.imshow(
        values, cmap=cmap, vmin=low - margin, vmax=high + margin, aspect="auto", interpolation="nearest", zorder=0
    )
    bar = ax.figure.colorbar(image, ax=ax, aspect=25)
    bar.set_label(label, fontsize=9)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return image


def mark(ax: Axes, cells: NDArray[np.bool_], **look: Any) -> None:
    """Draws the rectangles of some cells as one patch, so that ten thousand are as quick as one."""
    if cells.any():
        corners = np.argwhere(cells)[:, ::-1] - 0.5
        outlines = corners[:, None] + np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])
        codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
        ax.add_artist(PathPatch(Path(outlines.reshape(-1, 2), np.tile(codes, len(corners))), **look))  # limits stay


def hatch(ax: Axes, image: AxesImage, cells: NDArray[np.bool_]) -> None:
    """Stripes over some cells, light on dark and dark on light."""
    dark = luminance(image) < 0.5
    mark(ax, cells & dark, facecolor="none", edgecolor=(1, 1, 1, 0.55), hatch="////", linewidth=0)
    mark(ax, cells & ~dark, facecolor="none", edgecolor=(0, 0, 0, 0.35), hatch="////", linewidth=0)


def diagonal(ax: Axes, cells: NDArray[np.bool_]) -> None:
    """Boxes that stand out from light and from dark cells: dark on white."""
    thin = min(cells.shape) > CROWD
    mark(ax, cells, facecolor="none", edgecolor="white", linewidth=0.8 if thin else 2.6)
    mark(ax, cells, facecolor="none", edgecolor="black", linewidth=0.3 if thin else 0.9)


def numbers(ax: Axes, image: AxesImage, texts: NDArray[Any], faint: NDArray[np.bool_] | None = None) -> None:
    """Writes `(S, T)` texts into their cells, dark on light and light on dark; those told apart as faint are thin."""
    rows, columns = texts.shape
    width, height = inches(ax)
    longest = max(map(len, texts.flat), default=1)
    size = float(np.clip(72 * min(width / columns / (0.9 * max(longest, 2)), height / rows / 1.6), 4.5, 9))
    dark = luminance(image) < 0.5
    for i, j in np.ndindex(texts.shape):
        weak = faint is not None and bool(faint[i, j])
        look = {"alpha": 0.6, "fontstyle": "italic"} if weak else {"fontweight": "bold" if faint is not None else None}
        color = "white" if dark[i, j] else "black"
        ax.text(j, i, str(texts[i, j]), ha="center", va="center", color=color, fontsize=size, **look)


def luminance(image: AxesImage) -> NDArray[np.float64]:
    """How light each cell is, from 0 to 1; cells without a value are white."""
    values: Any = image.get_array()
    colors = np.asarray(image.to_rgba(values), dtype=np.float64)  # of nothing: transparent
    return np.where(colors[..., 3] > 0, colors[..., :3] @ [0.299, 0.587, 0.114], 1.0)


def signs(ax: Axes, cells: NDArray[np.bool_], marker: str) -> None:
    """A small marker in each of some cells."""
    rows, columns = np.nonzero(cells)
    size = (72 * inches(ax)[0] / cells.shape[1] / 3) ** 2
    ax.scatter(columns, rows, marker=marker, s=size, color=INK, linewidth=0.5)


def stairs(T: int) -> list[tuple[float, float]]:
    """The corners of the region on and above the diagonal: stairs from the lower right to the upper left."""
    steps = [(j + side, j + 0.5) for j in reversed(range(T)) for side in (0.5, -0.5)]
    return [(-0.5, -0.5), (T - 0.5, -0.5), *steps]


def cell_names(ax: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Names of rows and columns: as many as there is room for."""
    width, height = inches(ax)
    index, words, rotation = named(columns, 0.65 * width)  # names and color bar take the rest
    ax.set_xticks(index, words, rotation=rotation, fontsize=8)
    slant(ax.get_xticklabels(), rotation, "right")
    down, names = some(len(rows), max(2, min(CROWD, int(0.8 * height / 0.14)))), labels(rows, 16)
    ax.set_yticks(down, [names[i] for i in down], fontsize=8)


def decimals(values: NDArray[np.float64]) -> int:
    """How many decimals tell the values apart, 0 to 3."""
    known = values[np.isfinite(values)]
    span = float(np.ptp(known)) if known.size else 1.0
    return int(np.clip(np.ceil(1.5 - np.log10(max(span, 1e-9))), 0, 3)) if span > 0 else 2
