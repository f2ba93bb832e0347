"""Clean, certified and attacked accuracy, task by task."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from ._axes import COLORS, CROWD, INK, MARKERS, axes, describe, legend_beside, open_frame, score_limits
from ._interval_axes import plural, task_ticks
from ._interval_record import Look, Moment, Numbers, moment
from ._related import Related

WITHOUT = "certified without data"
MARKS: dict[str, Look] = {
    "clean": {"marker": MARKERS[0], "color": COLORS[0]},
    "attacked": {"marker": MARKERS[1], "color": COLORS[1], "markerfacecolor": "white"},
    "certified": {"marker": MARKERS[2], "color": COLORS[2]},
    WITHOUT: {"marker": "_", "color": "black", "markeredgewidth": 1.6},
}


def certified_accuracy(
    run: Related, *, attacked: ArrayLike | None = None, after: int | None = None, ax: Axes | None = None
) -> Axes:
    """Per task, how well its network answers and what is certified of every network in its box.

    The worst network in the box is no worse than certified, and no better than the one that an attack found; these are
    about test examples. The black bar is what the certificate taken at the task's own time is worth by now, without its
    data. It is about other examples, of the validation part (of the training part, where there is none), and so may
    stand above or below the rest.

    Args:
        run: a Run with series "certified", and "certified_by_drift" if it is known.
        attacked: `(t,)`, accuracy of the worst network found in each task's box, on its test part.
        after: how many tasks were learned; by default all.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if the run kept no certified accuracy, or `attacked` has another length.

    Example:
        >>> cl.plots.certified_accuracy(run)  # doctest: +SKIP
    """
    now = moment(run, after)
    values = _values(run, now, attacked)
    ax, t = axes(ax), len(now.names)
    every = np.stack(list(values.values()))  # (kinds, t)
    known = np.isfinite(every).any(0)
    low, high = np.nanmin(every[:, known], 0), np.nanmax(every[:, known], 0)
    ax.vlines(np.flatnonzero(known), low, high, color="#a0a0a0", linewidth=1.2 if t <= CROWD else 0.6, zorder=1)
    size = 7 if t <= CROWD else 3.5
    for name, found in values.items():
        label = f"{name},\non {watched_part(run)} examples" if name == WITHOUT else name
        ax.plot(np.arange(t), found, linestyle="", **MARKS[name], markersize=size, label=label, zorder=3)
    score_limits(ax, every)
    task_ticks(ax, now.names)
    ax.set(xlabel="task", ylabel="accuracy (fraction)")
    open_frame(ax)
    ax.set_title(now.heading, fontsize=10, color=INK)
    legend_beside(ax, "on test examples")
    return describe(ax, _words(now, values, watched_part(run)))


def watched_part(run: Related) -> str:
    """The part that certificates without data are about, of which a learner with intervals sees itself."""
    described: Mapping[str, Any] = run.config.get("sequence", {})
    found = {"validation" if task.get("validation") else "training" for task in described.get("tasks", [])}
    return " or ".join(sorted(found or {"training", "validation"}))


def _values(run: Related, now: Moment, attacked: ArrayLike | None) -> dict[str, Numbers]:
    """`(t,)` of each kind that is known."""
    t = len(now.names)
    values = {"clean": np.asarray(run.accuracy, dtype=np.float64)[t, :t]}
    if attacked is not None:
        values["attacked"] = np.asarray(attacked, dtype=np.float64)
        if values["attacked"].shape != (t,):
            raise ValueError(f"expected attacked accuracy of {plural(t)}, ({t},); got {values['attacked'].shape}")
    values["certified"] = now["certified"][:, 0]
    if "certified_by_drift" in now:
        values[WITHOUT] = now["certified_by_drift"][:, 0]
    return values


def _words(now: Moment, values: dict[str, Numbers], watched: str) -> str:
    said = [f"{name} {np.nanmean(found):.3f}" for name, found in values.items() if np.isfinite(found).any()]
    first = (
        f"Accuracy of {now.heading} on test examples of {plural(len(now.names))}, on average: "
        f"{', '.join(said) or 'unknown'}"
    )
    first += f" (that on {watched} examples)." if WITHOUT in values and said else "."
    certified = values["certified"]
    if not np.isfinite(certified).any():
        return first
    worst = int(np.nanargmin(certified))
    return f"{first} Least certified: {now.names[worst]}, {certified[worst]:.3f}."
