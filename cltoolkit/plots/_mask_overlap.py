"""How many weights the masks of two tasks share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from ..masks import Masks, overlap
from ._axes import describe, labels
from ._cells import ANNOTATED, DIVERGING, SEQUENTIAL, cell_axes, cell_names, decimals, heat, mark, numbers, signs
from ._interval_axes import plural
from ._mask_axes import heading
from ._mask_record import Census, Given, Masked, Numbers, census, masks_of, rows
from ._points import array
from ._record import title

COSINE = "|M_i ∩ M_j| / √(|M_i| |M_j|)"


def mask_overlap(
    run_or_masks: Given,
    *,
    layer: str | None = None,
    chance: bool = True,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Which tasks use the same weights: |M_i ∩ M_j| / √(|M_i| |M_j|), 1 for equal masks and 0 for disjoint ones.

    Independent masks of density d share d by chance. With that taken off, layer by layer, colors part at zero: blue
    pairs share more than chance, red ones less. A mask's overlap with itself is left out.

    Args:
        run_or_masks: a Run of SupSup or ExSSNeT; or a learner of masks, or its `masks`.
        layer: of the masks of a learner, the one to look at; all of them by default.
        chance: whether what independent masks of these sizes would share is taken off.
        names: of the tasks, where masks or a learner are given; numbers by default. A Run knows its own.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if a run has no masks, or `layer` is unknown, or asked of a Run, which keeps whole masks alone;
            or if names are not as many as tasks, or came with a Run.

    Example:
        >>> cl.plots.mask_overlap(run)  # doctest: +SKIP
        >>> cl.plots.mask_overlap(learner, layer="head.weight", chance=False)  # doctest: +SKIP
    """
    pairs = _pairs(run_or_masks, layer, names)
    T = len(pairs.names)
    values = pairs.cosine - pairs.expected if chance else pairs.cosine
    own = np.eye(T, dtype=bool)
    shown = np.where(own, np.nan, values)
    high = float(np.nanmax(np.abs(shown), initial=0.0)) or 0.01
    look = (-high, DIVERGING, f"{COSINE},\nmore than by chance") if chance else (0.0, f"{SEQUENTIAL}", COSINE)
    ax = cell_axes(ax, T, T)
    image = heat(ax, shown, low=look[0], high=high, cmap=look[1], label=look[2])
    mark(ax, own, facecolor="#f2f2f2", edgecolor="#bbbbbb", hatch="////" if T <= ANNOTATED else None, linewidth=0)
    less = chance & (shown < 0)
    if T <= ANNOTATED:
        form = f"{'+' * chance}.{max(2, decimals(shown))}f"
        numbers(ax, image, np.array([["" if np.isnan(v) else format(v, form) for v in row] for row in shown]))
    else:
        signs(ax, less, "_")
    cell_names(ax, pairs.names, pairs.names)
    note = "\n(−: less than by chance)" if T > ANNOTATED and less.any() else ""
    ax.set(xlabel=f"mask of task{note}", ylabel="mask of task")
    heading(ax, pairs.heading, pairs.layer)
    return describe(ax, _words(pairs, np.where(own, np.nan, pairs.cosine)))


@dataclass(frozen=True)
class Pairs:
    """Overlaps of masks `(T, T)`, and those of independent masks of the same sizes."""

    cosine: Numbers
    expected: Numbers
    names: list[str]
    heading: str
    layer: str


def _pairs(given: Given, layer: str | None, names: Sequence[str] | None) -> Pairs:
    if isinstance(given, Masks | Masked):
        masks = masks_of(given)
        held = census(masks, names)
        where = _layers(held, layer)
        return _normalized(array(overlap(masks, layer, normalize=False)), held, where, layer or "")
    if layer is not None:
        raise ValueError(
            f"{title(given)} keeps the overlap of whole masks alone; for layer {layer!r} give the learner or its masks"
        )
    held = census(given, names)
    return _normalized(rows(given, "overlap")[:, : len(held.kept)], held, list(range(len(held.layers))), "")


def _layers(held: Census, layer: str | None) -> list[int]:
    if layer is not None and layer not in held.layers:
        raise ValueError(f"expected `layer` to be one of {', '.join(held.layers)}; got {layer!r}")
    return [i for i, name in enumerate(held.layers) if layer in (None, name)]


def _normalized(counts: Numbers, held: Census, where: list[int], layer: str) -> Pairs:
    kept, sizes = held.kept[:, where], held.sizes[where]
    size = np.sqrt(np.outer(kept.sum(1), kept.sum(1)))
    size[size == 0] = np.nan  # a layer that a mask leaves out
    return Pairs(counts / size, (kept / sizes) @ kept.T / size, held.names, held.heading, layer)


def _words(pairs: Pairs, cosine: Numbers) -> str:
    T = len(pairs.names)
    where = f" in layer {pairs.layer}" if pairs.layer else ""
    first = f"Overlap of the masks of {plural(T)}{f' of {pairs.heading}' if pairs.heading else ''}{where}."
    known = np.isfinite(cosine)
    if not known.any():
        return f"{first} There is no pair of masks."
    i, j = divmod(int(np.nanargmax(cosine)), T)
    names = labels(pairs.names, 24)
    excess = (cosine - pairs.expected)[known]
    return (
        f"{first} Two masks share {cosine[known].mean():.3f} on average; independent masks of their sizes would share "
        f"{pairs.expected[known].mean():.3f}. The most is {cosine[i, j]:.3f}, {names[i]} with "
        f"{names[j]}; {int((excess < 0).sum() / 2)} of {known.sum() // 2} pairs share less than by "
        "chance."
    )
