"""How much of each new mask earlier tasks hold already."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from .. import metrics
from ._axes import axes, describe, labels, legend_beside, marker, open_frame, short, style
from ._interval_axes import plural, task_ticks
from ._mask_axes import heading, key
from ._mask_record import Census, Given, Numbers, census

Several = Given | Sequence[Given]


def exclusive_share(
    run_or_runs: Several | Mapping[str, Several], *, names: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """100 |M_t ∩ U_t−1| / |M_t|: the share of each mask that earlier masks hold, and so may not be trained again.

    The rest, 100 % less this share, is exclusive. A dotted line shows independent masks of the same sizes, for which
    it is 1 − (1 − d)ᵗ: above it, masks re-use earlier weights more than by chance. Over several seeds a line is their
    mean, with the 95 % t-interval as a band.

    Args:
        run_or_runs: a Run of SupSup or ExSSNeT, or a learner of masks, or its `masks`; several seeds of one in a
            sequence; or a mapping from names to these, a line each.
        names: of the tasks, where masks or learners are given; numbers by default. A Run knows its own.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if none came, a run has no masks, or seeds of one line differ in their number of tasks; or if names
            are not as many as the tasks of each, or came with a Run.

    Example:
        >>> cl.plots.exclusive_share({"d = 0.02": sparse, "d = 0.1": dense})  # doctest: +SKIP
    """
    kinds = run_or_runs if isinstance(run_or_runs, Mapping) else {"": run_or_runs}
    lines = {name: [census(run, names) for run in _listed(runs)] for name, runs in kinds.items()}
    if not all(lines.values()) or not lines:
        raise ValueError("no runs came: give at least one Run of SupSup or ExSSNeT, or its masks")
    ax = axes(ax)
    said, longest = [], max((held[0] for held in lines.values()), key=lambda held: len(held.names))
    task_ticks(ax, longest.names)
    for i, (name, members) in enumerate(lines.items()):
        said.append(_line(ax, i, len(lines), name, members))
    ax.set(xlabel="task, in the order learned", ylabel="share of the mask that earlier\nmasks hold (%)")
    ax.set_ylim(-2, max(10.0, min(102.0, 1.1 * ax.dataLim.y1)))
    open_frame(ax)
    legend_beside(ax)
    heading(ax, *{held[0].heading for held in lines.values()} if len(lines) == 1 else [])
    return describe(ax, f"Share of each mask that earlier masks hold, {plural(len(longest.names))}. {' '.join(said)}")


def _listed(runs: Several) -> list[Given]:
    return list(runs) if isinstance(runs, Sequence) else [runs]


def _line(ax: Axes, i: int, n: int, name: str, members: list[Census]) -> str:
    """One line with its band and its null model, and what it says."""
    lengths = sorted({len(held.names) for held in members})
    if len(lengths) > 1:
        raise ValueError(f"seeds of {name or 'one line'} have different numbers of tasks, {lengths}; name them apart")
    values = 100 * np.stack([reused(held) for held in members])
    null = 100 * np.stack([reused_by_chance(held) for held in members]).mean(0)
    center, half = metrics.mean_and_interval(values)
    look, t = style(i, n), np.arange(len(center))
    label = (key(name) if name else "measured") + (f" ({len(members)} seeds)" if len(members) > 1 else "")
    mark = marker(i, n) or ("o" if len(t) == 1 else "")
    ax.plot(t, center, **look, marker=mark, markersize=4, markevery=max(1, len(t) // 12), label=label)
    ax.fill_between(t, center - half, center + half, color=look["color"], alpha=0.15, linewidth=0)
    by_chance = "independent masks" if i == n - 1 else None
    ax.plot(
        t, null, color=look["color"] if n > 1 else "#6b6b6b", linestyle=":", linewidth=1, label=by_chance, zorder=1.5
    )
    return _words(name, center, null, labels(members[0].names, 24)[-1])


def reused(held: Census) -> Numbers:
    """|M_t ∩ U_{t−1}| / |M_t|, `(T,)`; NaN of an empty mask."""
    size = held.kept.sum(1)
    return np.where(size > 0, 1 - held.exclusive.sum(1) / np.maximum(size, 1), np.nan)


def reused_by_chance(held: Census) -> Numbers:
    """The same of independent masks of these sizes, layer by layer."""
    size = held.kept.sum(1)
    expected = (held.kept * held.used_by_chance[:-1]).sum(1)
    return np.where(size > 0, expected / np.maximum(size, 1), np.nan)


def _words(name: str, center: Numbers, null: Numbers, last: str) -> str:
    of = f"{short(name, 34)}: " if name else ""
    if len(center) < 2:
        return f"{of}The first mask is all its own."
    return (
        f"{of}{np.nanmean(center[1:]):.1f} % on average from the second task on, {center[-1]:.1f} % of the last mask, "
        f"that of {last}; independent masks would share {np.nanmean(null[1:]):.1f} % and {null[-1]:.1f} %."
    )
