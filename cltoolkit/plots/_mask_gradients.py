"""Which task's mask would make the network surest of its answer."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from torch import Tensor

from ._axes import INK, axes, describe, open_frame, short
from ._interval_axes import plural, task_ticks
from ._mask_record import Numbers, task_names
from ._points import array

TRUE, OTHER = "#0072B2", "#cfcfcf"  # dark and light in grey, too


def task_gradients(
    gradients: ArrayLike | Tensor,
    *,
    true: int | None = None,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """−∂H/∂α_i for each task i: how steeply more of its mask makes the mixture of all masks surer of its answer.

    The highest bar, under the triangle, is the task that one step infers. Of several images a bar is the mean, and its
    line reaches from the 5 % to the 95 % quantile.

    Args:
        gradients: ∂H/∂α_i `(T,)` of one image (or group of images), or `(n, T)` of n, as `masks.task_gradients` gives
            them.
        true: the task the images are from, from 0 on; its bar is dark.
        names: of the tasks; numbers by default.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if the shape is wrong, `true` is no task, or names are not as many as tasks.

    References:
        Wortsman et al., Supermasks in Superposition, NeurIPS 2020, §3.3.

    Example:
        >>> import cltoolkit as cl
        >>> print(cl.plots.alt_text(cl.plots.task_gradients([[-0.1, -0.4], [-0.3, -0.2], [0.1, -0.3]], true=1)))
        −∂H/∂α of 2 tasks, mean over 3 images: highest for task 2, 0.3, then 0.1 for task 1. The true task is task 2;
        2 of 3 images are taken for it.
    """
    steepness, called = _read(gradients, true, names)
    n, T = steepness.shape
    center = _mean(steepness)
    ax = axes(ax)
    task_ticks(ax, called)
    colors = [TRUE if i == true else OTHER for i in range(T)]
    ax.bar(np.arange(T), center, 0.8, color=colors, edgecolor=INK, linewidth=0.5 if T <= 40 else 0.0)
    if true is not None:
        ax.bar([true], [np.nan], color=TRUE, edgecolor=INK, linewidth=0.5, label="the true task")
    if n > 1:
        low, high = _quantiles(steepness)
        ax.vlines(np.arange(T), low, high, color=INK, linewidth=1.2 if T <= 40 else 0.5, label="5 % to 95 % of images")
    _highest(ax, center, steepness)
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.set(xlabel="task i", ylabel="−∂H/∂α_i\n(higher: its mask makes it surer)")
    open_frame(ax)
    if np.isfinite(center).any():
        ax.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)
    return describe(ax, _words(steepness, center, true, called))


def _read(gradients: ArrayLike | Tensor, true: int | None, names: Sequence[str] | None) -> tuple[Numbers, list[str]]:
    """−∂H/∂α `(n, T)`, and names."""
    values = -np.atleast_2d(array(gradients))
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"expected gradients of shape (T,), or (n, T) of n images; got {values.shape}")
    T = values.shape[1]
    if true is not None and not 0 <= true < T:
        raise ValueError(f"expected `true` to be 0 to {T - 1}, one of the tasks; got {true}")
    return values, task_names(T, names)


def _mean(steepness: Numbers) -> Numbers:
    known = np.isfinite(steepness)
    total = np.where(known, steepness, 0).sum(0)
    return np.where(known.any(0), total / np.maximum(known.sum(0), 1), np.nan)


def _quantiles(steepness: Numbers) -> Numbers:
    """`(2, T)`, of the images known."""
    columns = [column[np.isfinite(column)] for column in steepness.T]
    return np.array([np.quantile(c, (0.05, 0.95)) if c.size else (np.nan, np.nan) for c in columns]).T


def _highest(ax: Axes, center: Numbers, steepness: Numbers) -> None:
    """A triangle over the highest bar, and room for it."""
    if not np.isfinite(center).any():
        return
    best = int(np.nanargmax(center))
    tops = _quantiles(steepness)[1] if len(steepness) > 1 else center
    low, high = min(0.0, ax.dataLim.y0), max(0.0, ax.dataLim.y1)
    gap = 0.05 * ((high - low) or 1.0)
    top = max(center[best], tops[best], 0.0) + gap
    ax.plot(best, top, linestyle="", marker="v", color=INK, markersize=7, label="inferred: the highest")
    ax.set_ylim(low - gap, max(high, top) + gap)


def _words(steepness: Numbers, center: Numbers, true: int | None, names: list[str]) -> str:
    n, T = steepness.shape
    mean = f", mean over {plural(n, 'image')}" if n > 1 else ""
    first = f"−∂H/∂α of {plural(T)}{mean}: "
    order = [i for i in np.argsort(-center) if np.isfinite(center[i])]
    if not order:
        return f"{first}none is known."
    then = f", then {center[order[1]]:.3g} for {short(names[order[1]], 24)}" if len(order) > 1 else ""
    said = f"{first}highest for {short(names[order[0]], 24)}, {center[order[0]]:.3g}{then}."
    if true is None:
        return said
    known = np.isfinite(steepness).all(1)
    right = int((np.argmax(steepness[known], 1) == true).sum())
    share = f"{right} of {plural(int(known.sum()), 'image')} {'is' if right == 1 else 'are'} taken for it"
    return f"{said} The true task is {short(names[true], 24)}; {share}."
