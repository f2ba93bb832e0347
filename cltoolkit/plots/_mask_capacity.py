"""Who owns how much of each layer, and what is left."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from ._axes import CROWD, INK, axes, describe, inches, labels, some
from ._interval_axes import plural
from ._interval_record import Look
from ._mask_axes import PAPER, heading, owner_bar, owner_colors, percent
from ._mask_record import Census, Given, Numbers, census

WIDE = 0.05  # of a bar, from which a part has room for its number
CHANCE = "#D55E00"


def mask_capacity(run_or_masks: Given, *, names: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
    """What each task took of each layer, as shares of a bar: its weights that no earlier mask holds, and the free rest.

    A red mark shows how much of a layer would be in use if masks of the same sizes were independent: a bar that ends
    before its mark re-uses more weights than by chance.

    Args:
        run_or_masks: a Run of SupSup or ExSSNeT; or a learner of masks, or its `masks`.
        names: of the tasks, where masks or a learner are given; numbers by default. A Run knows its own.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if the run has no masks, or no task is learned; or if names are not as many as tasks, or came with a
            Run.

    Example:
        >>> cl.plots.mask_capacity(run)  # doctest: +SKIP
    """
    held = census(run_or_masks, names)
    L = len(held.layers)
    ax = axes(ax, height=float(np.clip(1.4 + 0.42 * L, 2.4, 8.5)))
    ends = np.concatenate([np.zeros((1, L)), np.cumsum(held.exclusive, axis=0) / held.sizes])
    _bars(ax, ends)
    _marks(ax, held.used_by_chance[-1], L)
    _layer_names(ax, held, ends[-1])
    ax.set(xlabel="share of the layer's weights", xlim=(0, 1))
    ax.spines[["top", "right", "left"]].set_visible(False)
    owner_bar(ax, held.names)
    ax.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    heading(ax, held.heading, above=20)
    return describe(ax, _words(held))


def _bars(ax: Axes, ends: Numbers) -> None:
    """A bar for each layer, its parts in the order of their owners; what is free is striped paper."""
    T, L = len(ends) - 1, ends.shape[1]
    colors, layers = owner_colors(T), np.arange(L)
    for t in range(T):
        edge: Look = {"edgecolor": "white", "linewidth": 0.6 if T <= CROWD else 0.0}
        ax.barh(layers, ends[t + 1] - ends[t], 0.7, ends[t], color=colors(t), **edge)
    free: Look = {"facecolor": PAPER, "edgecolor": "#b0b0b0", "hatch": "////", "linewidth": 0.5}
    ax.barh(layers, 1 - ends[-1], 0.7, ends[-1], **free, label="free")
    if T <= CROWD and L <= CROWD:
        for t, i in np.argwhere(np.diff(ends, axis=0) > WIDE):
            color = "white" if t < 0.55 * T else "black"
            middle = (ends[t, i] + ends[t + 1, i]) / 2
            ax.text(middle, i, str(t + 1), ha="center", va="center", fontsize=7.5, color=color)


def _marks(ax: Axes, chance: Numbers, L: int) -> None:
    """Where bars would end by chance: red on white, across the bar."""
    size = 0.78 * 72 * inches(ax)[1] / L
    look: Look = {"linestyle": "", "marker": "|", "clip_on": False}
    for color, edge, order in (("white", 4, 3), (CHANCE, 2, 4)):
        ax.plot(chance, np.arange(L), **look, markersize=min(size, 26), color=color, markeredgewidth=edge, zorder=order)
    ax.plot([], [], **look, markersize=9, color=CHANCE, markeredgewidth=2, label="in use, if masks were independent")


def _layer_names(ax: Axes, held: Census, used: Numbers) -> None:
    """Names at the left; at the right, how many weights there are."""
    L = len(held.layers)
    down, words = some(L, max(2, min(CROWD, int(inches(ax)[1] / 0.16)))), labels(held.layers, 20)
    texts = [f"{words[i]}\n{count(held.sizes[i])}, {100 * used[i]:.0f} % used" for i in down]
    ax.set_yticks(down, texts if L <= CROWD / 2 else [words[i] for i in down], fontsize=8)
    ax.set_ylim(L - 0.4, -0.6)
    ax.tick_params(axis="y", length=0, labelcolor=INK)


def count(n: float) -> str:
    """A number of weights, short."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n:.0f}"


def _words(held: Census) -> str:
    T, P = len(held.names), held.sizes.sum()
    owned, chance = held.exclusive.sum() / P, (held.used_by_chance[-1] * held.sizes).sum() / P
    by_layer = held.exclusive.sum(0) / held.sizes
    fullest, names = int(np.argmax(by_layer)), labels(held.names, 24)
    return (
        f"Capacity{f' of {held.heading}' if held.heading else ''} after {plural(T)}: {percent(owned)} of "
        f"{count(P)} weights are in use, {percent(1 - owned)} are free; independent masks of these sizes would use "
        f"{percent(chance)}. The fullest of {plural(len(by_layer), 'layer')} is {held.layers[fullest]}, "
        f"{percent(by_layer[fullest])} used. The first task, {names[0]}, owns {percent(held.exclusive[0].sum() / P)} "
        f"of the weights, the last, {names[-1]}, {percent(held.exclusive[-1].sum() / P)}."
    )
