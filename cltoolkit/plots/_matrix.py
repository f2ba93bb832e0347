"""The accuracy matrix, cell by cell."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import Polygon
from numpy.typing import ArrayLike, NDArray

from .. import metrics
from ._axes import CROWD, axes, describe, inches, labels, named, slant, some
from ._cells import ANNOTATED, SEQUENTIAL, heat, luminance, mark, signs, stairs
from ._record import Record, title


def accuracy_matrix(run: Record, *, highlight: ArrayLike | None = None, ax: Axes | None = None) -> Axes:
    """The accuracy matrix as a picture: how good the learner is at each task (column) at each moment (row).

    Boxed cells are tasks just learned; hatched ones are tasks not yet learned; crossed ones are unknown. What a column
    loses below its box is forgetting.

    Args:
        run: a Run; its accuracy has shape `(T + 1, T)`.
        highlight: `(T + 1, T)` of bool, cells to light up while others fade, as `metrics.explain(...).cells` has them.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if `highlight` has another shape than the accuracy matrix.

    Example:
        >>> cells = cl.metrics.explain("bwt", run).cells["gem"]  # doctest: +SKIP
        >>> cl.plots.accuracy_matrix(run, highlight=cells)  # doctest: +SKIP
    """
    values = np.asarray(run.accuracy, dtype=float)
    T = values.shape[1]
    lit = None if highlight is None else _mask(highlight, values.shape)
    cell = float(np.clip(4.5 / T, 0.045, 0.5))
    ax = axes(ax, width=max(3.2, T * cell + 2.0), height=max(2.7, (T + 1) * cell + 1.1))
    low, high = min(0.0, np.nanmin(values, initial=0.0)), max(1.0, np.nanmax(values, initial=1.0))
    image = heat(ax, values, low=low, high=high, cmap=SEQUENTIAL, label="test accuracy (fraction)")
    mark(ax, np.isnan(values), facecolor="white", edgecolor="#bbbbbb", linewidth=0.4)
    if lit is not None:
        mark(ax, ~lit, facecolor=(1, 1, 1, 0.72), edgecolor="none")
    ax.add_patch(Polygon(stairs(T), facecolor="none", edgecolor=(1, 1, 1, 0.3), hatch="////", linewidth=0))
    learned = np.eye(T + 1, T, -1, dtype=bool)
    line = 1.8 if T <= CROWD else 0.6
    if lit is None:
        mark(ax, learned, facecolor="none", edgecolor="white", linewidth=line)
    else:
        mark(ax, lit, facecolor="none", edgecolor="#D55E00", linewidth=1.3 * line)
    if T <= ANNOTATED:
        _numbers(ax, image, values, lit)
    else:
        signs(ax, np.isnan(values), "x")
    _label(ax, run, T)
    return describe(ax, _words(run, lit))


def _mask(highlight: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = np.asarray(highlight, dtype=bool)
    if mask.shape != shape:
        raise ValueError(f"`highlight` must have the shape of the accuracy matrix, {shape}; got {mask.shape}")
    return mask


def _numbers(ax: Axes, image: AxesImage, values: NDArray[np.float64], lit: NDArray[np.bool_] | None) -> None:
    T = values.shape[1]
    size = float(np.clip(72 * inches(ax)[0] / T / 3.6, 4.5, 9))
    dark = luminance(image) < 0.5
    for i, j in np.ndindex(values.shape):
        faded = lit is not None and not lit[i, j]
        color = "#6b6b6b" if faded or np.isnan(values[i, j]) else "white" if dark[i, j] else "black"
        text = "×" if np.isnan(values[i, j]) else f"{values[i, j]:.2f}"
        weight = "bold" if lit is not None and lit[i, j] else "normal"
        ax.text(j, i, text, ha="center", va="center", color=color, fontsize=size, fontweight=weight)


def _label(ax: Axes, run: Record, T: int) -> None:
    index, words, rotation = named(run.task_names, 0.65 * inches(ax)[0])  # names and color bar take the rest
    ax.set_xticks(index, words, rotation=rotation, fontsize=8)
    slant(ax.get_xticklabels(), rotation, "right")
    rows, names = some(T + 1, CROWD + 2), labels(run.task_names, 14)
    ax.set_yticks(rows, ["before", *(f"after {names[i - 1]}" for i in rows[1:])], fontsize=8)
    ax.set(xlabel="tested on task", ylabel="moment of training")
    ax.set_title(title(run), fontsize=10)


def _words(run: Record, lit: NDArray[np.bool_] | None) -> str:
    values = metrics.table(run.accuracy)
    T = np.asarray(run.accuracy).shape[1]
    unknown = int(np.isnan(run.accuracy).sum())
    parts = [
        f"Accuracy matrix of {title(run)}: {T} task{'s' * (T > 1)} as columns; rows: before training, after each task.",
        f"Average accuracy at the end {values['acc']:.3f}."
        if np.isfinite(values["acc"])
        else "The last row is not complete.",
        f"Backward transfer {values['bwt']:+.3f}." if np.isfinite(values["bwt"]) else "",
        f"{unknown} cells are unknown." if unknown else "",
        f"{int(lit.sum())} cells are highlighted." if lit is not None else "",
    ]
    return " ".join(filter(None, parts))
