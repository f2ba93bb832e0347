"""How far task embeddings are from where transferability would have them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon
from numpy.typing import NDArray
from torch import Tensor

from ._axes import describe, short
from ._cells import ANNOTATED, SEQUENTIAL, cell_axes, cell_names, decimals, heat, mark, numbers, signs, stairs
from ._points import array
from ._record import title
from ._related import Related, last, series

Numbers = NDArray[np.float64] | Tensor | Sequence[Sequence[float]]


def discrepancy(run_or_array: Related | Numbers, *, names: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
    """|‖e_j − e_n‖ − γ_j d_n| for each task j (row) and earlier task n (column): 0 where it is as asked.

    Light is good. Crossed cells are unknown (the first two tasks have no H-embedding); there is nothing above the
    diagonal.

    Args:
        run_or_array: a Run of HEmbedding, drawn as it is after its last task; or the numbers, `(T, T)`.
        names: of the tasks; by default those of the run, or numbers.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if the run has no series "discrepancy", or the shape is not `(T, T)`.

    Example:
        >>> cl.plots.discrepancy(run)  # doctest: +SKIP
    """
    values, called, heading = _read(run_or_array, names)
    T = len(values)
    earlier = np.tri(T, k=-1, dtype=bool)
    shown = np.where(earlier, values, np.nan)
    unknown = earlier & np.isnan(values)
    ax = cell_axes(ax, T, T)
    high = float(np.nanmax(shown, initial=0.0)) or 1.0
    image = heat(ax, shown, low=0.0, high=high, cmap=f"{SEQUENTIAL}_r", label="|‖e_j − e_n‖ − γ_j d_n|  (0: as asked)")
    ax.add_patch(Polygon(stairs(T), facecolor="#f2f2f2", edgecolor="#d9d9d9", hatch="////", linewidth=0, zorder=0.5))
    mark(ax, unknown, facecolor="white", edgecolor="#bbbbbb", linewidth=0.4)
    if T <= ANNOTATED:
        form = f".{decimals(shown)}f"
        texts = [["×" if np.isnan(v) else format(v, form) for v in row] for row in shown]
        numbers(ax, image, np.where(earlier, texts, ""))
    else:
        signs(ax, unknown, "x")
    cell_names(ax, called, called)
    ax.set(xlabel="earlier task n", ylabel="task j")
    ax.set_title(heading, fontsize=10)
    return describe(ax, _words(shown, called, heading))


def _read(run_or_array: Related | Numbers, names: Sequence[str] | None) -> tuple[NDArray[np.float64], list[str], str]:
    """Values, names of the tasks, and a heading."""
    if isinstance(run_or_array, np.ndarray | Tensor | Sequence):
        values, heading = array(run_or_array), ""
        called = [f"task {i + 1}" for i in range(len(values))] if names is None else list(names)
    else:
        values, heading = last(series(run_or_array, "discrepancy")), title(run_or_array)
        called = list(run_or_array.task_names if names is None else names)
    if values.ndim != 2 or values.shape != (len(called), len(called)):
        raise ValueError(f"expected (T, T) values, T = {len(called)} names; got shape {values.shape}")
    return values, called, heading


def _words(shown: NDArray[np.float64], names: Sequence[str], heading: str) -> str:
    known = shown[np.isfinite(shown)]
    of = f" of {heading}" if heading else ""
    first = f"Discrepancy between the distances of task embeddings and those asked for{of}, {len(names)} tasks."
    if not known.size:
        return f"{first} None is known."
    j, n = divmod(int(np.nanargmax(shown)), len(names))
    return (
        f"{first} Mean {known.mean():.3g} over {known.size} pairs; largest {known.max():.3g}, "
        f"{short(names[j], 24)} from {short(names[n], 24)}."
    )
