"""A regression with intervals: prediction, what every network of the box may predict, and the truth."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from torch import Tensor

from ._axes import COLORS, axes, describe, open_frame
from ._interval_axes import plural
from ._interval_record import Look, Numbers
from ._points import array


def interval_regression(
    x: ArrayLike | Tensor,
    y: ArrayLike | Tensor | None,
    lower: ArrayLike | Tensor,
    middle: ArrayLike | Tensor,
    upper: ArrayLike | Tensor,
    *,
    ax: Axes | None = None,
) -> Axes:
    """The band [z_l, z_u] that holds the prediction of every network of the box, with one prediction and the truth.

    Draw several tasks on the same axes by giving them `ax`.

    Args:
        x: `(n,)`, inputs, in any order.
        y: `(n,)`, the truth, or None.
        lower: `(n,)`, z_l.
        middle: `(n,)`, what the network used predicts.
        upper: `(n,)`, z_u.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if lengths differ, or a lower end lies above its upper end.

    Example:
        >>> import cltoolkit as cl
        >>> ax = cl.plots.interval_regression([0, 1, 2], [0, 1, 4], [-1, 0, 1], [0, 1, 2], [1, 2, 3])
        >>> print(cl.plots.alt_text(ax))
        Predictions at 3 inputs from 0 to 2, in a band of mean width 2; 2 of 3 true values lie within it.
    """
    order = np.argsort(array(x).ravel(), kind="stable")
    places, low, center, high = (_column(values, order) for values in (x, lower, middle, upper))
    truth = None if y is None else _column(y, order)
    if (low > high).any():
        raise ValueError(
            "expected `lower` to be at most `upper` everywhere; give them in the order lower, middle, upper"
        )
    fresh = ax is None or ax.get_legend() is None  # labels once, however many tasks are drawn
    ax = axes(ax)
    names = ["every network of the box", "network used", "truth"] if fresh else [None] * 3
    band: Look = {"facecolor": "#cfe3f1", "edgecolor": COLORS[0], "linewidth": 0.6}
    ax.fill_between(places, low, high, **band, label=names[0], zorder=1)
    ax.plot(places, center, color=COLORS[0], linewidth=1.8, label=names[1], zorder=3)
    if truth is not None:
        ax.plot(places, truth, color="black", linestyle=(0, (1, 1.5)), linewidth=2, label=names[2], zorder=3.5)
    ax.set(xlabel="input x", ylabel="output z(x)")
    open_frame(ax)
    if fresh:
        ax.legend(fontsize=8, frameon=False, loc="best")
    return describe(ax, _words(places, low, high, truth))


def _column(values: ArrayLike | Tensor, order: Numbers) -> Numbers:
    column = array(values).ravel()
    if len(column) != len(order):
        raise ValueError(f"expected {plural(len(order), 'value')}, one for each input; got {len(column)}")
    return column[order]


def _words(x: Numbers, low: Numbers, high: Numbers, truth: Numbers | None) -> str:
    where = f" from {x[0]:.3g} to {x[-1]:.3g}" if len(x) else ""
    first = f"Predictions at {plural(len(x), 'input')}{where}, in a band of mean width {np.mean(high - low):.3g}"
    if truth is None:
        return f"{first}."
    held = int(((low <= truth) & (truth <= high)).sum())
    return f"{first}; {held} of {len(x)} true values lie within it."
