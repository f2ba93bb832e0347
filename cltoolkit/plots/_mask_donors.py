"""Which earlier task each mask started from, and what made it the one."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Polygon
from matplotlib.path import Path

from ._axes import CROWD, INK, axes, describe, inches, labels
from ._cells import (
    ANNOTATED,
    SEQUENTIAL,
    cell_axes,
    cell_names,
    decimals,
    diagonal,
    hatch,
    heat,
    mark,
    numbers,
    signs,
    stairs,
)
from ._interval_axes import plural, task_ticks
from ._interval_record import Look
from ._mask_axes import heading
from ._mask_record import Numbers, rows
from ._points import shade
from ._record import title
from ._related import Related

NONE = -1


@dataclass(frozen=True)
class Donors:
    """What each task started from."""

    chosen: list[int]  # (T,), −1 for a start of its own
    scores: Numbers  # (T, T), a_k of task t's candidates k < t
    needed: Numbers  # (T,), the score above which a donor was taken
    names: list[str]
    heading: str


def donor_tree(run: Related, *, ax: Axes | None = None) -> Axes:
    """Which earlier task each mask started from: an arc from the donor to the task, as high as they are apart.

    Filled tasks started from a donor, whose score stands on the arc; hollow ones from random scores of their own.

    Args:
        run: a Run of ExSSNeT with an initializer, such as `KNNInitializer`.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if the run has no donors.

    Example:
        >>> cl.plots.donor_tree(run)  # doctest: +SKIP
    """
    found = _read(run)
    T = len(found.names)
    arcs = [(k, t) for t, k in enumerate(found.chosen) if k != NONE]
    ax = axes(ax, height=3.4)
    task_ticks(ax, found.names)
    highest = max((t - k for k, t in arcs), default=1)
    ax.set_ylim(-0.12 * highest, 1.15 * highest)
    size = float(np.clip(72 * inches(ax)[0] / T / 2, 2.5, 9))
    for k, t in arcs:
        _arc(ax, k, t, T, size)
        if len(arcs) <= ANNOTATED and np.isfinite(found.scores[t, k]):
            _score(ax, k, t, found.scores[t, k])
    started = np.array([k != NONE for k in found.chosen])
    look: Look = {
        "linestyle": "",
        "marker": "o",
        "markersize": size,
        "markeredgecolor": INK,
        "clip_on": False,
        "zorder": 4,
    }
    for own, label, face in ((False, "started from a donor", "#4d4d4d"), (True, "own start", "white")):
        x = np.flatnonzero(started != own)
        ax.plot(x, np.zeros(len(x)), **look, markeredgewidth=0.8, markerfacecolor=face, label=label)
    ax.set(xlabel="task, in the order learned", ylabel="tasks apart (donor to task)")
    ax.set_yticks(sorted({1, highest}) if highest < 4 else sorted({1, round(highest / 2), highest}))
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    ax.tick_params(axis="x", length=0)
    ax.legend(fontsize=8, frameon=False, loc="upper left", ncols=2, bbox_to_anchor=(0, 1.02), borderaxespad=0)
    heading(ax, found.heading)
    return describe(ax, _tree_words(found))


def donor_scores(run: Related, *, ax: Axes | None = None) -> Axes:
    """The score a_k of each earlier task k (column) as a start for each task t (row), and the one that was chosen.

    Boxed is the donor chosen; hatched are scores that are not above what a donor needed, chance and the
    margin over it: one that is equal is none.

    Args:
        run: a Run of ExSSNeT with an initializer, such as `KNNInitializer`.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if the run has no donors.

    Example:
        >>> cl.plots.donor_scores(run)  # doctest: +SKIP
    """
    found = _read(run)
    T, values = len(found.names), found.scores
    earlier = np.tri(T, k=-1, dtype=bool)
    unknown = earlier & np.isnan(values)
    known = values[np.isfinite(values)]
    ax = cell_axes(ax, T, T)
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    image = heat(ax, values, low=low, high=high, cmap=SEQUENTIAL, label="score a_k of the candidate")
    ax.add_patch(Polygon(stairs(T), facecolor="#f2f2f2", linewidth=0, zorder=0.5))
    mark(ax, unknown, facecolor="white", edgecolor="#bbbbbb", linewidth=0.4)
    less, few = values <= found.needed[:, None], T <= CROWD
    if few:
        hatch(ax, image, less)
        diagonal(ax, _chosen_cells(found))
    else:
        down, across = np.nonzero(_chosen_cells(found))
        ax.scatter(across, down, s=6, facecolor="white", edgecolor="black", linewidth=0.6)
    if T <= ANNOTATED:
        form = f".{max(2, decimals(values))}f"
        texts = [["×" if np.isnan(v) else format(v, form) for v in row] for row in values]
        numbers(ax, image, np.where(earlier, texts, ""))
        _needed(ax, found.needed)
    else:
        signs(ax, unknown, "x")
    cell_names(ax, found.names, found.names)
    notes = [f"{'boxed' if few else 'dots'}: the donor chosen"] * any(k != NONE for k in found.chosen)
    notes += ["hatched: not above what is needed"] * bool(few and less.any())
    under = f"\n({'; '.join(notes)})" if notes else ""
    ax.set(xlabel=f"candidate: earlier task k{under}", ylabel="task t")
    heading(ax, found.heading)
    return describe(ax, _score_words(found))


def _read(run: Related) -> Donors:
    donors, scores, margin = (rows(run, name) for name in ("donor", "donor_scores", "donor_margin"))
    T = len(donors)
    chosen = [NONE if np.isnan(k) else int(k) for k in donors[:, 0]]
    return Donors(chosen, scores[:, :T], margin[:, 0], list(run.task_names)[:T], title(run))


def _arc(ax: Axes, k: int, t: int, T: int, size: float) -> None:
    """Half an ellipse from the donor up and down to the task, in the donor's shade."""
    angle = np.linspace(np.pi, 0, 40)
    x, y = (k + t) / 2 + (t - k) / 2 * np.cos(angle), (t - k) * np.sin(angle)
    look: Look = {"facecolor": "none", "edgecolor": shade(k, T), "capstyle": "butt"}
    ax.add_patch(PathPatch(Path(np.stack([x, y], 1)), **look, linewidth=1.6 if T <= CROWD else 0.8, zorder=2))
    if T <= CROWD:
        arrow: Look = {"arrowstyle": "-|>", "color": shade(k, T), "shrinkA": 0, "shrinkB": size / 2, "linewidth": 1.2}
        ax.annotate("", (x[-1], y[-1]), (x[-3], y[-3]), arrowprops=arrow, zorder=3)


def _score(ax: Axes, k: int, t: int, score: float) -> None:
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    ax.text((k + t) / 2, t - k, f"{score:.2f}", ha="center", va="center", fontsize=8, color=INK, bbox=paper, zorder=5)


def _chosen_cells(found: Donors) -> np.ndarray:
    cells = np.zeros(found.scores.shape, dtype=bool)
    for t, k in enumerate(found.chosen):
        if k != NONE:
            cells[t, k] = True
    return cells


def _needed(ax: Axes, needed: Numbers) -> None:
    """What a donor's score had to exceed, in the free cell on the diagonal."""
    for t in range(1, len(needed)):
        if np.isfinite(needed[t]):
            ax.text(t, t, f"> {needed[t]:.2f}", ha="center", va="center", fontsize=6.5, color=INK, fontstyle="italic")


def _tree_words(found: Donors) -> str:
    T, names = len(found.names), labels(found.names, 24)
    pairs = [(t, k) for t, k in enumerate(found.chosen) if k != NONE]
    first = f"Donors of the masks of {plural(T)} of {found.heading}: {len(pairs)} started from an earlier task's mask."
    if T > CROWD:
        counts = np.bincount([k for _, k in pairs], minlength=1)
        most = f" The most asked is {names[int(counts.argmax())]}, {plural(int(counts.max()), 'time')}."
        return f"{first}{most if pairs else ''}"
    scores = [f" ({found.scores[t, k]:.2f})" if np.isfinite(found.scores[t, k]) else "" for t, k in pairs]
    said = [f"{names[t]} from {names[k]}{score}" for (t, k), score in zip(pairs, scores, strict=True)]
    own = [name for name, k in zip(names, found.chosen, strict=True) if k == NONE]
    listed = f" {'; '.join(said)}." if said else ""
    return f"{first}{listed} Own start: {', '.join(own)}."


def _score_words(found: Donors) -> str:
    T, names = len(found.names), labels(found.names, 24)
    known = np.isfinite(found.scores)
    first = f"Scores of earlier tasks as starts for each of {plural(T)} of {found.heading}."
    if not known.any():
        return f"{first} None is known."
    t, k = divmod(int(np.nanargmax(found.scores)), T)
    enough = int((found.scores > found.needed[:, None]).sum())
    margins = [found.scores[t, k] - found.needed[t] for t, k in enumerate(found.chosen) if k != NONE]
    margins = [m for m in margins if np.isfinite(m)]
    over = f" Donors chosen are {np.mean(margins):.3f} above what was needed, on average." if margins else ""
    return (
        f"{first} {enough} of {known.sum()} are above what was needed; the highest is {found.scores[t, k]:.3f}, "
        f"{names[k]} for {names[t]}. {plural(len(margins))} started from a donor.{over}"
    )
