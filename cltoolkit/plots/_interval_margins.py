"""Margins of certificates: how far ahead the label stays on every network of a box, example by example."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ._axes import INK, describe, labels
from ._interval_axes import SOLID, STRIPED, beside, plural, ridge, ridge_axes
from ._interval_record import Numbers

BINS = 50
TAIL = 0.02  # share of margins at either end that may be gathered in the last bin


class Margins(Protocol):
    """A Certificate, or anything with these of its attributes."""

    @property
    def task(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def margins(self) -> NDArray[np.float64]: ...
    @property
    def margins_plain(self) -> NDArray[np.float64]: ...


def margins(certificates: Margins | Sequence[Margins], *, plain: bool = False, ax: Axes | None = None) -> Axes:
    """How far ahead the label stays on every network of the box: a histogram of margins for each certificate.

    Filled are examples with a margin above 0: each network of the box answers them right, and their share is the
    certified accuracy. Striped ones are not certified. The outermost bars hold what lies beyond them.

    Args:
        certificates: a Certificate, or several, one under another.
        plain: whether to draw the margins without the last layer elided beside them, as an outline.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if there is no certificate, or no finite margin in any.

    Example:
        >>> cl.plots.margins([cl.intervals.certify(learner, task.test, t) for ...])  # doctest: +SKIP
    """
    given = list(certificates) if isinstance(certificates, Sequence) else [certificates]
    names = [each.name or f"task {each.task}" for each in given]
    values = [_finite(each.margins) for each in given]
    everything = np.concatenate([*values, np.zeros(0)])
    if not everything.size:
        raise ValueError(f"expected margins to draw; got {plural(len(given), 'certificate')} without a finite one")
    ax, edges = ridge_axes(ax, names), _edges(everything)
    for row, (each, found) in enumerate(zip(given, values, strict=True)):
        counts = _counts(found, edges)
        outline = _counts(_finite(each.margins_plain), edges) if plain else np.zeros(1)
        most = max(counts.max(), outline.max())
        ridge(ax, row, edges, np.where(edges[1:] > 0, counts, 0), most, **SOLID)
        ridge(ax, row, edges, np.where(edges[1:] > 0, 0, counts), most, **STRIPED)
        if plain:
            ax.stairs(row - 0.85 * outline / max(most, 1), edges, baseline=row, color="black", linestyle="--")
        beside(ax, row, f"{100 * _certified(each):.3g} % certified", len(given))
    ax.axvline(0, color=INK, linewidth=1, zorder=3)
    dashed = "; dashed: last layer not elided" if plain else ""
    ax.set_xlabel(f"margin of an example: label's logit − any other's, at worst\n(filled: certified, > 0{dashed})")
    ax.set_xlim(edges[0], edges[-1])
    said = ", ".join(f"{name} {_certified(each):.3f}" for name, each in zip(labels(names, 24), given, strict=True))
    return describe(
        ax,
        f"Margins of {plural(len(given), 'certificate')}, from {everything.min():.3g} to {everything.max():.3g}, "
        f"median {np.median(everything):.3g}. Share of examples above 0, which are certified: {said}.",
    )


def _finite(values: NDArray[np.float64]) -> Numbers:
    """Margins that are numbers: of a single class they are infinite."""
    known = np.asarray(values, dtype=np.float64)
    return known[np.isfinite(known)]


def _certified(each: Margins) -> float:
    return float((np.asarray(each.margins) > 0).mean())


def _edges(values: Numbers) -> Numbers:
    """Bins of one width, with an edge at 0."""
    low, high = np.quantile(values, [TAIL, 1 - TAIL])
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    step = ((high - low) or 1.0) / BINS
    return step * np.arange(np.floor(low / step) - 1, np.ceil(high / step) + 2)


def _counts(values: Numbers, edges: Numbers) -> Numbers:
    """Examples per bin (a, b], so that a margin of 0 is not certified; the outermost take what lies beyond."""
    place = np.searchsorted(edges, values, side="left") - 1
    return np.bincount(np.clip(place, 0, len(edges) - 2), minlength=len(edges) - 1).astype(np.float64)
