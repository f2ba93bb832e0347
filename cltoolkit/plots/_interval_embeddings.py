"""Intervals around task embeddings, coordinate by coordinate, and what all of them share."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from ._axes import CROWD, FEW, INK, axes, describe, labels, legend_beside, look, open_frame, some, style
from ._interval_axes import plural
from ._interval_record import Kept, Look, Moment, Numbers, moment


def intervals(
    run: Kept,
    *,
    after: int | None = None,
    tasks: Sequence[int] | None = None,
    coordinates: int | Sequence[int] = 8,
    ax: Axes | None = None,
) -> Axes:
    """The box [e_t ± ε_t] of each task in embedding space: a segment per task and coordinate, a mark at its center.

    The grey band is what all tasks drawn share in that coordinate; beside them, it stands as a thick segment with a
    star at e*, the embedding of the universal network. Where they share nothing, a cross spans the gap: then there is
    no universal network, and nothing is promised of one.

    Args:
        run: a Run with series "embeddings" and "half_widths"; or a learner's own `series()`, at any time of training.
        after: how many tasks were learned; by default all.
        tasks: which of them to draw, counted from 0; all by default.
        coordinates: how many, from the first on; or which.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if there are no intervals around embeddings, or no such task or coordinate.

    Example:
        >>> import cltoolkit as cl
        >>> kept = {"embeddings": [[0.2, 0.0], [-0.1, 0.3]], "half_widths": [[0.5, 0.5], [0.5, 0.5]]}
        >>> print(cl.plots.alt_text(cl.plots.intervals(kept)))
        Intervals around the embeddings of 2 tasks, 2 of 2 coordinates; γ = 1. They share a box, of mean width 0.7.
    """
    now = moment(run, after)
    chosen = _chosen(tasks, len(now["embeddings"]), "task")
    centers, halves = now["embeddings"][chosen], now["half_widths"][chosen]
    d = centers.shape[1]
    shown = _chosen(range(min(coordinates, d)) if isinstance(coordinates, int) else coordinates, d, "coordinate")
    lower, upper = (centers - halves).max(0), (centers + halves).min(0)
    ax = axes(ax, height=3.8)
    n, step = len(chosen), 0.84 / (len(chosen) + 1)
    places = np.arange(len(shown)) - 0.42
    for i in range(n):
        _task(ax, places + (i + 0.5) * step, centers[i, shown], halves[i, shown], i, n, _names(now, chosen)[i])
    _common(ax, places + (n + 0.5) * step, lower[shown], upper[shown], _star(now, chosen, lower, upper, shown))
    ax.set_xticks(range(len(shown)), [str(k) for k in shown])
    ax.set(xlabel="embedding coordinate", ylabel="e_t ± ε_t", xlim=(-0.55, len(shown) - 0.45))
    for k in range(1, len(shown)):
        ax.axvline(k - 0.5, color="#e5e5e5", linewidth=0.6, zorder=0.2)
    ax.use_sticky_edges = False  # bands must not end at the frame
    open_frame(ax)
    ax.set_title(_heading(now, halves, d), fontsize=10)
    legend_beside(ax)
    return describe(ax, _words(now, halves, lower, upper, len(shown)))


def _chosen(given: Sequence[int] | None, n: int, what: str) -> list[int]:
    chosen = list(range(n)) if given is None else list(given)
    if not chosen or min(chosen) < 0 or max(chosen) >= n:
        raise ValueError(f"expected {what}s out of 0 to {n - 1}, at least one; got {chosen}")
    return chosen


def _names(now: Moment, chosen: Sequence[int]) -> list[str | None]:
    """Labels for the legend: all of few, some of many."""
    words, n = labels([now.names[j] for j in chosen]), len(chosen)
    named = range(n) if n <= FEW else some(n, 10)
    return [words[i] if i in named else None for i in range(n)]


def _task(ax: Axes, x: Numbers, center: Numbers, half: Numbers, i: int, n: int, name: str | None) -> None:
    few = n <= FEW
    line = style(i, n) | ({} if few else {"linestyle": "-"})  # too short for dashes
    width = 2.0 if few else 1.2 if n <= CROWD else 0.5
    ax.vlines(x, center - half, center + half, color=line["color"], linestyle=line["linestyle"], linewidth=width)
    if few:
        ends = np.concatenate([center - half, center + half])
        ax.plot(np.tile(x, 2), ends, linestyle="", marker="_", markersize=5, color=line["color"])
    size = 5 if few else 3.5 if n <= CROWD else 1
    ax.plot(x, center, **line | {"linestyle": ""}, marker=look(i, n)["marker"], markersize=size, zorder=3)
    ax.plot([], [], **line, marker=look(i, n)["marker"], markersize=5, label=name)


def _common(ax: Axes, x: Numbers, lower: Numbers, upper: Numbers, star: Numbers | None) -> None:
    """What tasks share in each coordinate, and where they share nothing."""
    held, middles = upper >= lower, np.arange(len(x))
    band: Look = {"color": "#e3e3e3", "edgecolor": "#b5b5b5", "linewidth": 0.5}
    if held.any():
        ax.bar(middles[held], (upper - lower)[held], 0.92, lower[held], zorder=0.4, label="shared by all", **band)
        ax.vlines(x[held], lower[held], upper[held], color="black", linewidth=4, zorder=2.5)
    if star is not None:
        edge: Look = {"markerfacecolor": "white", "markeredgecolor": "black", "markersize": 10}
        ax.plot(x, star, linestyle="", marker="*", **edge, zorder=4, label="universal point e*")
    gap = lower > upper
    if gap.any():
        ax.vlines(x[gap], upper[gap], lower[gap], color=INK, linestyle=":", linewidth=1.2, zorder=2.5)
        middle = (lower + upper)[gap] / 2
        ax.plot(x[gap], middle, linestyle="", marker="x", color=INK, markersize=7, label="nothing is shared", zorder=4)


def _star(now: Moment, chosen: Sequence[int], lower: Numbers, upper: Numbers, shown: Sequence[int]) -> Numbers | None:
    """e* in the coordinates shown, if there is one: as it was kept, or the middle of what the tasks drawn share."""
    if (lower > upper).any() or not np.isfinite(lower).all():
        return None
    kept = now["universal"] if "universal" in now and len(chosen) == len(now["embeddings"]) else lower[None] * np.nan
    known = kept[np.isfinite(kept).all(1)]
    return np.asarray(known[-1] if len(known) else (lower + upper) / 2)[list(shown)]


def _budget(halves: Numbers) -> str:
    """γ, the sum of a task's half-widths."""
    sums = halves.sum(1)[np.isfinite(halves).all(1)]
    if not len(sums):
        return "unknown"
    least, most = sums.min(), sums.max()
    return f"{most:.3g}" if most - least < 1e-3 * max(most, 1e-300) else f"{least:.3g} to {most:.3g}"


def _heading(now: Moment, halves: Numbers, d: int) -> str:
    return ": ".join(filter(None, [now.heading, f"γ = {_budget(halves)}, d = {d}, {plural(len(halves))}"]))


def _words(now: Moment, halves: Numbers, lower: Numbers, upper: Numbers, shown: int) -> str:
    n, d = halves.shape
    of = f" of {now.heading}" if now.heading else ""
    first = f"Intervals around the embeddings of {plural(n)}{of}, {shown} of {plural(d, 'coordinate')};"
    empty = int((lower > upper).sum())
    if empty:
        return f"{first} γ = {_budget(halves)}. They share nothing in {empty} of {plural(d, 'coordinate')}."
    unknown = int(np.isnan(upper - lower).sum())
    if unknown:
        return f"{first} γ = {_budget(halves)}. What they share is unknown in {unknown} of {plural(d, 'coordinate')}."
    return f"{first} γ = {_budget(halves)}. They share a box, of mean width {(upper - lower).mean():.3g}."
