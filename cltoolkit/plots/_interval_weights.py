"""How wide the weights' intervals are, layer by layer."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from torch import Tensor

from ..intervals import IntervalTensor
from ._axes import COLORS, FAINT, INK, describe
from ._interval_axes import SOLID, STRIPED, beside, plural, ridge, ridge_axes
from ._interval_record import Numbers
from ._points import array

NARROW = 1e-8  # length under which an interval counts as collapsed to a point
BINS = 40


class Certified(Protocol):
    """A Certificate, of which the quantiles are drawn."""

    @property
    def layer_widths(self) -> Mapping[str, ArrayLike]: ...  # 25 %, 50 %, 75 %


def weight_widths(bounds: Mapping[str, Tensor] | Certified, *, ax: Axes | None = None) -> Axes:
    """The lengths of the weights' intervals, a histogram per weight tensor on one logarithmic axis.

    The striped bar at the left counts those that have collapsed to points (shorter than 1e-8): where all have, a
    certificate speaks of a single network. It is as high as their share of the row; the other bars are scaled to the
    largest of them. Weights without intervals are left out.

    Args:
        bounds: name → IntervalTensor, as `learner.bounds(t)` gives it; or a Certificate, whose
            quartiles of each tensor are drawn instead.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if there is no interval among the weights.

    Example:
        >>> import torch
        >>> import cltoolkit as cl
        >>> box = cl.intervals.IntervalTensor(torch.zeros(4), torch.tensor([0.0, 0.01, 0.02, 0.03]))
        >>> print(cl.plots.alt_text(cl.plots.weight_widths({"0.weight": box})))
        Lengths of 4 weight intervals in 1 tensor: median 0.03, from 0 to 0.06; 1 of 4 (25 %) shorter than 1e-8.
    """
    if not isinstance(bounds, Mapping):
        return _ranges(bounds.layer_widths, ax)
    lengths = {name: array(value.width).ravel() for name, value in bounds.items() if isinstance(value, IntervalTensor)}
    if not sum(map(len, lengths.values())):
        raise ValueError(
            f"expected IntervalTensors among the weights; got {len(bounds)} plain tensors: give learner.bounds(t) of "
            "HyperInterval or InterContiNet"
        )
    ax, edges = ridge_axes(ax, list(lengths)), _edges(np.concatenate(list(lengths.values())))
    ax.set_xscale("log")
    for row, values in enumerate(lengths.values()):
        points = int((values < NARROW).sum())
        counts = np.histogram(values[values >= NARROW], edges)[0]
        ridge(ax, row, edges, counts, counts.max(), **SOLID)
        if points:
            ridge(ax, row, edges[:2], np.array([points]), len(values), **STRIPED)
        beside(ax, row, f"{points} of {len(values)}", len(lengths))
    beside(ax, -0.7, "collapsed", len(lengths))
    _label(ax, edges[0])
    return describe(ax, _words(lengths))


def _edges(values: Numbers) -> Numbers:
    """Bins of equal ratio; where intervals have collapsed to points, a bin of its own for them at the left."""
    wide = values[values >= NARROW]
    low, high = (float(wide.min()), float(wide.max())) if wide.size else (NARROW, 10 * NARROW)
    if wide.size == values.size:
        return np.geomspace(0.98 * low, 1.02 * max(high, 2 * low), BINS + 1)
    return np.concatenate([[0.1 * NARROW], np.geomspace(NARROW, 1.02 * max(high, 2 * NARROW), BINS + 1)])


def _label(ax: Axes, low: float) -> None:
    striped = "; striped: collapsed, < 1e-8" if low < NARROW else ""
    if striped:
        ax.axvline(NARROW, color=FAINT, linestyle=":", linewidth=1)
    ax.set_xlabel(f"length of a weight's interval (log scale{striped})")


def _words(lengths: Mapping[str, Numbers]) -> str:
    values = np.concatenate(list(lengths.values()))
    collapsed = int((values < NARROW).sum())
    return (
        f"Lengths of {plural(len(values), 'weight interval')} in {plural(len(lengths), 'tensor')}: "
        f"median {np.median(values):.3g}, from {values.min():.3g} to {values.max():.3g}; "
        f"{collapsed} of {len(values)} ({100 * collapsed / len(values):.3g} %) shorter than 1e-8."
    )


def _ranges(layers: Mapping[str, ArrayLike], ax: Axes | None) -> Axes:
    """The middle half of each tensor's lengths as a segment, their median as a dot."""
    values = np.array([array(three) for three in layers.values()])  # (layers, 3)
    if not len(values):
        raise ValueError("expected the widths of at least one weight tensor; the certificate has none")
    ax = ridge_axes(ax, list(layers))
    drawn, rows = np.maximum(values, 0.1 * NARROW), np.arange(len(values)) - 0.3
    ax.hlines(rows, drawn[:, 0], drawn[:, 2], color=COLORS[0], linewidth=2)
    ax.plot(drawn[:, 1], rows, linestyle="", marker="o", markersize=5, markerfacecolor="white", markeredgecolor=INK)
    ax.set_xscale("log")
    _label(ax, float(drawn.min()))
    ax.set_xlabel("length of a weight's interval: middle half, and median (dot; log scale)")
    return describe(
        ax,
        f"Lengths of weight intervals in {plural(len(values), 'tensor')}: medians from {values[:, 1].min():.3g} to "
        f"{values[:, 1].max():.3g}; middle halves lie between {values[:, 0].min():.3g} and {values[:, 2].max():.3g}.",
    )
