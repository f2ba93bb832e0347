"""One layer's weights, each in the color of the task that owns it."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ..masks import Masks, owners
from ._axes import axes, describe, labels
from ._interval_axes import plural
from ._mask_axes import PAPER, heading, owner_bar, owner_colors, percent
from ._mask_record import Masked, masks_of, task_names

ROWS, COLUMNS = 200, 400  # cells at most, that the eye and the screen can tell apart
FREE = -1


def weight_owners(
    masks_or_learner: Masks | Masked,
    layer: str,
    *,
    upto: int | None = None,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """One layer's weights as a grid, outputs by inputs, each in the color of the first task whose mask holds it.

    Paper white is free. Kernels are laid flat, inputs × kernel area. Of a layer with more than 200 rows or 400
    columns, every k-th output or input is drawn: each cell is one true weight, and the axes say what is left out.

    Args:
        masks_or_learner: a learner of masks, or its `masks`.
        layer: the layer's name, such as "0.weight".
        upto: how many tasks to look at, from 1 on; all of them by default.
        names: of all tasks learned; numbers by default.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if no task is learned, or there is no such layer, or not so many tasks, or names are not as many as
            tasks.

    Example:
        >>> cl.plots.weight_owners(learner, "0.weight", upto=2)  # doctest: +SKIP
    """
    masks = masks_of(masks_or_learner)
    t, called = _checked(masks, layer, upto), task_names(len(masks), names)
    grid = _grid(masks, layer, t)
    out, inputs, kernel = grid.shape
    steps = -(-out // ROWS), -(-inputs // max(1, COLUMNS // kernel))
    shown = grid[:: steps[0], :: steps[1]].reshape(-(-out // steps[0]), -1)
    rows, columns = shown.shape
    ax = axes(ax, height=float(np.clip(1.2 + 4.6 * rows / columns, 1.9, 5.2)))
    colors = owner_colors(len(masks)).with_extremes(under=PAPER)
    frame = (-0.5, inputs * kernel - 0.5, out - 0.5, -0.5)
    ax.imshow(shown, colors, vmin=0, vmax=max(len(masks) - 1, 1), aspect="auto", interpolation="nearest", extent=frame)
    ax.spines[:].set(color="#bbbbbb", linewidth=0.6)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=6))
    _axis_names(ax, masks, layer, steps)
    owner_bar(ax, called)
    heading(ax, layer, f"{percent((grid == FREE).mean())} free after {plural(t)}")
    return describe(ax, _words(grid, layer, labels(called, 24)[:t], steps))


def _checked(masks: Masks, layer: str, upto: int | None) -> int:
    if layer not in masks.layout.shapes:
        raise ValueError(f"expected `layer` to be one of {', '.join(masks.layout.names)}; got {layer!r}")
    if upto is not None and not 1 <= upto <= len(masks):
        raise ValueError(f"expected `upto` to be 1 to {len(masks)}, the tasks learned; got {upto}")
    return len(masks) if upto is None else upto


def _grid(masks: Masks, layer: str, upto: int) -> NDArray[np.int64]:
    """Owners of a layer's weights `(out, in, kernel area)`, or units `(1, d, 1)`; −1 where there is none so far."""
    shape = masks.layout.shapes[layer]
    first = owners(masks.first(upto)).cpu().to(torch.int64)
    return masks.layout.unpack(first)[layer].reshape(*(shape[:2] if len(shape) > 1 else (1, *shape)), -1).numpy()


def _axis_names(ax: Axes, masks: Masks, layer: str, steps: tuple[int, int]) -> None:
    kernel = masks.layout.shapes[layer][2:]
    inputs = f"input × kernel position ({' × '.join(map(str, kernel))})" if kernel else "input"
    down, across = (f"(every {_nth(step)} {what} drawn)" for step, what in zip(steps, ("output", "input"), strict=True))
    if len(masks.layout.shapes[layer]) == 1:
        ax.set_xlabel("unit")
        ax.set_yticks([])
        return
    ax.set(
        xlabel=f"{inputs} {across}" if steps[1] > 1 else inputs,
        ylabel=f"output {down}" if steps[0] > 1 else "output",
    )


def _nth(n: int) -> str:
    return f"{n}{({1: 'st', 2: 'nd', 3: 'rd'}).get(n % 10, 'th') if n % 100 not in (11, 12, 13) else 'th'}"


def _words(grid: NDArray[np.int64], layer: str, names: list[str], steps: tuple[int, int]) -> str:
    (out, inputs, kernel), t = grid.shape, len(names)
    counts = np.bincount(grid[grid != FREE], minlength=t)
    drawn = " Every weight is a cell."
    if max(steps) > 1:
        left = [f"every {_nth(k)} {what}" for k, what in zip(steps, ("output", "input"), strict=True) if k > 1]
        drawn = f" Drawn: {' and '.join(left)}."
    most, free = int(np.argmax(counts)), (grid == FREE).mean()
    return (
        f"Owners of the {out} by {inputs * kernel} weights of layer {layer} after {plural(t)}: {percent(free)} are "
        f"free, {names[most]} owns the most, {percent(counts[most] / grid.size)}, and {names[-1]} the last "
        f"{percent(counts[-1] / grid.size)}.{drawn}"
    )
