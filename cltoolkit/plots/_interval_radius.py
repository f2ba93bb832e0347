"""Certified, clean and attacked accuracy as boxes grow."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ._axes import COLORS, FAINT, LINES, MARKERS, axes, describe, open_frame, score_limits
from ._interval_axes import from_zero
from ._interval_record import Look, Numbers

KINDS = {  # column: what it is, and its look
    "clean": ("clean: the network used", 0),
    "attacked": ("attacked: the worst network found", 1),
    "certified_embedding": ("certified: every embedding in the box", 3),
    "certified": ("certified: every network in the box", 2),
    "certified_plain": ("certified, last layer not elided", 4),
}
Step = Literal["pre", "post"]  # a line that stands at the next value, or at the last one
LABELS = {"scale": "scale of all radii (1: as trained)", "radius": "radius", "gamma": "γ"}


class Table(Protocol):
    """A DataFrame, or a mapping: columns by name."""

    def __contains__(self, name: object) -> bool: ...
    def __getitem__(self, name: Any) -> Any: ...


def certified_by_radius(record: Table, *, against: str = "scale", ax: Axes | None = None) -> Axes:
    """Accuracy against the size of the box: what is certified of all its networks, and what an attack finds in it.

    No network of the box does worse than the certified line, and one does no better than the attacked line; the worst
    lies in the striped band between them. Between two sizes the lines go in steps, so that this holds there, too: what
    is certified of the larger box holds for all within, and what an attack found in the smaller one lies in all around.
    Rows with the same size (seeds, tasks) are averaged; their range is shaded.

    Args:
        record: a DataFrame or a mapping with columns `against`, "certified", and any of "clean", "attacked",
            "certified_plain", "certified_embedding": fractions.
        against: the column of sizes ≥ 0, a box of each within that of the next; "scale" multiplies all radii.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if a column is missing, or they differ in length.

    Example:
        >>> import cltoolkit as cl
        >>> sizes = {"scale": [0, 1, 2], "clean": [1, 1, 1], "attacked": [1, 0.9, 0.6], "certified": [1, 0.8, 0.1]}
        >>> print(cl.plots.alt_text(cl.plots.certified_by_radius(sizes)))
        Accuracy against scale, from 0 to 2: clean from 1.000 to 1.000, attacked from 1.000 to 0.600, certified from
        1.000 to 0.100.
    """
    x, columns = _read(record, against)
    sizes = np.unique(x)
    means = {name: _over(sizes, x, values, np.nanmean) for name, values in columns.items()}
    ax = axes(ax)
    if "attacked" in means:
        _between(ax, sizes, means["certified"], means["attacked"])
    for name, mean in means.items():
        (label, i), every = KINDS[name], max(1, len(sizes) // 12)
        look: Look = {"color": COLORS[i], "linestyle": LINES[i], "marker": MARKERS[i], "markevery": every}
        step: Step = "post" if name == "attacked" else "pre"
        ax.plot(sizes, mean, **look, drawstyle=f"steps-{step}", linewidth=1.6, markersize=4.5, label=label)
        if len(sizes) < len(x):
            low, high = (_over(sizes, x, columns[name], end) for end in (np.nanmin, np.nanmax))
            ax.fill_between(sizes, low, high, step=step, color=COLORS[i], alpha=0.15, linewidth=0)
    score_limits(ax, np.concatenate(list(means.values())))
    from_zero(ax, sizes)
    if against == "scale" and sizes.min() <= 1 <= sizes.max():
        ax.axvline(1, color=FAINT, linestyle=":", linewidth=1, zorder=0.5)
    ax.set(xlabel=LABELS.get(against, against), ylabel="accuracy (fraction)")
    open_frame(ax)
    ax.legend(fontsize=8, frameon=False, loc="best")
    return describe(ax, _words(against, sizes, means))


def _read(record: Table, against: str) -> tuple[Numbers, dict[str, Numbers]]:
    """Sizes, and the columns that are there, in the order they are drawn."""
    missing = [name for name in (against, "certified") if name not in record]
    if missing:
        raise ValueError(f"expected columns {against!r} and 'certified'; {', '.join(missing)} is missing")
    columns = {name: np.asarray(record[name], dtype=np.float64) for name in KINDS if name in record}
    x = np.asarray(record[against], dtype=np.float64)
    if {values.shape for values in columns.values()} != {x.shape} or x.ndim != 1 or not len(x):
        raise ValueError(f"expected columns of one length; got {[values.shape for values in (x, *columns.values())]}")
    return x, columns


def _between(ax: Axes, sizes: Numbers, certified: Numbers, attacked: Numbers) -> None:
    """Stripes from what the next larger size certifies up to what was found at the last smaller one."""
    ends, low, high = np.repeat(sizes, 2)[1:-1], np.repeat(certified[1:], 2), np.repeat(attacked[:-1], 2)
    look: Look = {"facecolor": "none", "edgecolor": "#c8c8c8", "hatch": "////", "linewidth": 0}
    ax.fill_between(ends, low, high, where=high >= low, zorder=0.6, label="the worst lies here", **look)


def _over(sizes: Numbers, x: Numbers, values: Numbers, taken: Any) -> NDArray[np.float64]:
    """One number for each size, of the rows that have it."""
    rows = [values[(x == size) & np.isfinite(values)] for size in sizes]
    return np.array([taken(row) if row.size else np.nan for row in rows])


def _words(against: str, sizes: Numbers, means: Mapping[str, Numbers]) -> str:
    said = []
    for name, mean in means.items():
        known = mean[np.isfinite(mean)]
        ends = f"from {known[0]:.3f} to {known[-1]:.3f}" if known.size else "unknown"
        said.append(f"{name.replace('_', ' ')} {ends}")
    return f"Accuracy against {against}, from {sizes[0]:.3g} to {sizes[-1]:.3g}: {', '.join(said)}."
