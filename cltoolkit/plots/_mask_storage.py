"""What masks cost to keep, in bytes."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ..masks import Masks, storage
from ._axes import COLORS, FAINT, LINES, MARKERS, axes, describe, legend_beside, open_frame
from ._interval_axes import plural
from ._interval_record import Look
from ._mask_record import Masked, Numbers, masks_of

KINDS = {  # column of `storage`: what it is
    "scores": "scores, 32 bit each",
    "indices": "list of indices, 16 bit each",
    "bits": "1 bit a weight, as kept here",
    "entropy": "entropy bound",
}


def mask_storage(masks_or_learner: Masks | Masked, *, ax: Axes | None = None) -> Axes:
    """Bytes for the masks of the first n tasks: as scores, as lists of indices, as bits, and at the very least.

    A grey line shows one copy of the weights themselves, which are kept once for all tasks.

    Args:
        masks_or_learner: a learner of masks, or its `masks`.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if no task is learned.

    Example:
        >>> cl.plots.mask_storage(learner)  # doctest: +SKIP
    """
    masks = masks_of(masks_or_learner)
    table, tasks = storage(masks), np.arange(1, len(masks) + 1)
    totals = {name: np.cumsum(np.asarray(table[name], dtype=np.float64)) for name in KINDS}
    ax = axes(ax)
    for i, (name, total) in enumerate(totals.items()):
        look: Look = {"color": COLORS[i], "linestyle": LINES[i], "marker": MARKERS[i]}
        every = max(1, len(tasks) // 10)
        label = f"{KINDS[name]}: {size(total[-1])}"
        ax.plot(tasks, np.maximum(total, 0.5), **look, linewidth=1.6, markersize=4, markevery=every, label=label)
    weights = 4.0 * masks.layout.size
    ax.axhline(weights, color=FAINT, linewidth=1, zorder=0.5, label=f"the weights, 32 bit, once: {size(weights)}")
    ax.set_yscale("log")
    ax.set(xlabel="number of tasks", ylabel="bytes of their masks (log scale)")
    ax.set_xlim(min(0.9, 1 - 0.02 * len(tasks)), len(tasks) + max(0.1, 0.02 * len(tasks)))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=8, steps=[1, 2, 5, 10]))
    open_frame(ax)
    legend_beside(ax, f"of {plural(len(tasks))}")
    return describe(ax, _words(totals, masks, weights))


def size(count: float) -> str:
    """Bytes, readable."""
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= step:
            return f"{count / step:.3g} {unit}"
    return f"{count:.0f} bytes"


def _words(totals: dict[str, Numbers], masks: Masks, weights: float) -> str:
    T = len(masks)
    said = [f"{KINDS[name]}, {size(total[-1])}" for name, total in totals.items()]
    ratio = totals["scores"][-1] / totals["bits"][-1]
    return (
        f"Storage of the masks of {plural(T)} over {masks.layout.size} weights at density {masks.density:.3g}: "
        f"{'; '.join(said)}. Bits take {ratio:.3g} times less than scores; the weights themselves take {size(weights)}."
    )
