"""How the solver of an H-embedding got there."""

import numpy as np
from matplotlib.axes import Axes

from ..embeddings import Placement
from ._axes import COLORS, axes, describe, open_frame
from ._curves import WIDE
from ._points import array


def h_embedding_fit(placement: Placement, *, ax: Axes | None = None) -> Axes:
    """How Adam found an H-embedding: its loss (left axis, logarithmic where wide) and the scale γ (right axis).

    Args:
        placement: a Placement of solver "adam", which keeps its history.
        ax: axes to draw on; new ones by default. The right axis is a twin of them.

    Returns:
        The axes of the loss; `alt_text` tells what they show.

    Raises:
        ValueError: if the placement has no history.

    Example:
        >>> placed = cl.embeddings.place(targets, known, solver="adam")  # doctest: +SKIP
        >>> cl.plots.h_embedding_fit(placed)  # doctest: +SKIP
    """
    if placement.history is None:
        raise ValueError(f"the {placement.solver!r} solver keeps no history; place the task with solver='adam'")
    loss, scale = array(placement.history).T
    ax = axes(ax, width=5.4, height=3.2)
    right = ax.twinx()
    steps = np.arange(len(loss))
    ax.plot(steps, loss, color=COLORS[0], linewidth=1.6, label="loss (left)")
    right.plot(steps, scale, color=COLORS[1], linewidth=1.6, linestyle="--", label="γ (right)")
    log = bool(loss.min() > 0 and loss.max() > WIDE * loss.min())
    ax.set_yscale("log" if log else "linear")
    ax.set(xlabel="steps of Adam", ylabel=f"loss Σ|γ d_n − ‖ê − e_n‖|{', log scale' * log}")
    right.set_ylabel("scale γ")
    open_frame(ax)
    right.spines[["top", "left"]].set_visible(False)
    lines = [*ax.lines, *right.lines]
    ax.legend(
        lines,
        [str(line.get_label()) for line in lines],
        fontsize=8,
        frameon=False,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=2,
    )
    return describe(
        ax,
        f"Adam placing an H-embedding, {len(loss)} steps: the loss from {loss[0]:.3g} to {loss[-1]:.3g}, the scale γ "
        f"from {scale[0]:.3g} to {scale[-1]:.3g}; largest residual {placement.residual:.2g}.",
    )
