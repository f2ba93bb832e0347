"""How wide the box around each task's embedding is, dimension by dimension."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike
from torch import Tensor

from ._axes import describe, inches
from ._cells import ANNOTATED, SEQUENTIAL, cell_axes, cell_names, decimals, heat, luminance, numbers
from ._interval_axes import plural
from ._interval_record import Kept, Numbers, moment
from ._points import array


def half_widths(
    run: Kept,
    *,
    after: int | None = None,
    sensitivity: ArrayLike | Tensor | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Half-widths ε as a heat map: where each task (row) puts its room among the coordinates (columns).

    A task's half-widths sum to γ. Room in a coordinate to which the weights do not respond is worth nothing: with
    `sensitivity`, the size of a ring shows how much they do respond.

    Args:
        run: a Run with series "half_widths"; or a learner's own `series()`.
        after: how many tasks were learned; by default all.
        sensitivity: `(t, d)` ≥ 0, such as ‖∂h/∂e_j‖ at each task's embedding.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if there are no half-widths, or `sensitivity` has another shape.

    Example:
        >>> import cltoolkit as cl
        >>> ax = cl.plots.half_widths({"half_widths": [[0.5, 0.5], [0.9, 0.1]]})
        >>> print(cl.plots.alt_text(ax))
        Half-widths of 2 tasks in 2 coordinates. A task's sum to γ = 1. The widest is 0.9, of task 2 in coordinate 0.
    """
    now = moment(run, after)
    values = now["half_widths"]
    rings = None if sensitivity is None else _same_shape(array(sensitivity), values)
    t, d = values.shape
    ax = cell_axes(ax, t, d)
    image = heat(ax, values, low=0.0, high=float(np.nanmax(values, initial=0.0)), cmap=SEQUENTIAL, label="half-width ε")
    if rings is not None:
        _rings(ax, image, rings)
    elif max(t, d) <= ANNOTATED:
        form = f".{decimals(values)}f"
        numbers(ax, image, np.array([["×" if np.isnan(v) else format(v, form) for v in row] for row in values]))
    cell_names(ax, now.names, [str(j) for j in range(d)])
    under = "\n(larger ring: the weights respond more)" if rings is not None else ""
    ax.set(xlabel=f"embedding coordinate{under}", ylabel="task")
    ax.set_title(now.heading, fontsize=10)
    return describe(ax, _words(values, now.names, now.heading, rings))


def _same_shape(sensitivity: Numbers, values: Numbers) -> Numbers:
    if sensitivity.shape != values.shape:
        raise ValueError(f"expected a sensitivity for each half-width, {values.shape}; got {sensitivity.shape}")
    return sensitivity


def _rings(ax: Axes, image: AxesImage, sensitivity: Numbers) -> None:
    """Rings whose area is the sensitivity, light on dark and dark on light."""
    rows, columns = sensitivity.shape
    width, height = inches(ax)
    largest = (72 * 0.8 * min(0.8 * width / columns, height / rows)) ** 2
    sizes = largest * np.nan_to_num(sensitivity) / (np.nanmax(sensitivity, initial=0.0) or 1.0)
    colors = np.where(luminance(image) < 0.5, "white", "black").ravel().tolist()
    i, j = np.indices(sensitivity.shape)
    ax.scatter(j.ravel(), i.ravel(), s=sizes.ravel(), facecolors="none", edgecolors=colors, linewidths=1)


def _words(values: Numbers, names: Sequence[str], heading: str, rings: Numbers | None) -> str:
    t, d = values.shape
    first = f"Half-widths of {plural(t)}{f' of {heading}' if heading else ''} in {plural(d, 'coordinate')}."
    if not np.isfinite(values).any():
        return f"{first} None is known."
    sums = values[np.isfinite(values).all(1)].sum(1)
    budget = f" A task's sum to γ = {sums[-1]:.3g}." if len(sums) and np.ptp(sums) < 1e-3 * sums.max() else ""
    i, j = divmod(int(np.nanargmax(values)), d)
    widest = f" The widest is {values[i, j]:.3g}, of {names[i]} in coordinate {j}."
    return f"{first}{budget}{widest}{_agreement(values, rings)}"


def _agreement(values: Numbers, rings: Numbers | None) -> str:
    """Whether room lies where it matters."""
    if rings is None:
        return ""
    known = np.isfinite(values) & np.isfinite(rings)
    a, b = values[known], rings[known]
    if a.size < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return " Rings show how much the weights respond."
    return f" Rings show how much the weights respond; correlation with the half-widths {np.corrcoef(a, b)[0, 1]:+.2f}."
