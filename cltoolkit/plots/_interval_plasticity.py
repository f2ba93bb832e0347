"""What room later tasks have left."""

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes

from .. import metrics
from ._axes import axes, describe, marker, open_frame, short, style
from ._interval_axes import plural, task_ticks
from ._interval_record import Numbers, when_learned
from ._record import groups
from ._related import Related


def plasticity(run_or_runs: Related | Iterable[Related], *, ax: Axes | None = None) -> Axes:
    """The log-volume of the weights' box after each task, mean log r per weight: the room left for tasks to come.

    Boxes are nested, so it only falls. Over several seeds the line is the mean and the band its 95 % t-interval.

    Args:
        run_or_runs: a Run with series "log_volume", or several, of one or more learners.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if no run came, one kept no volumes, or runs of one learner differ in their number of tasks.

    References:
        Wołczyk et al., Continual Learning with Guarantees via Weight Interval Constraints, ICML 2022.

    Example:
        >>> cl.plots.plasticity(run)  # doctest: +SKIP
    """
    runs = groups(run_or_runs if isinstance(run_or_runs, Iterable) else [run_or_runs])
    lines = {name: _lines(name, members) for name, members in runs.items()}  # type: ignore[arg-type]
    ax, ends = axes(ax), []
    for i, (name, values) in enumerate(lines.items()):
        center, half = metrics.mean_and_interval(values)
        x, line = np.arange(len(center)), style(i, len(lines))
        label = short(name, 34) + (f" ({len(values)} seeds)" if len(values) > 1 else "")
        ax.plot(x, center, **line, marker=marker(i, len(lines)) or "o", markersize=4, label=label)
        ax.fill_between(x, center - half, center + half, color=line["color"], alpha=0.15, linewidth=0)
        known = center[np.isfinite(center)]
        ends.append(f"{name} from {known[0]:.4g} to {known[-1]:.4g}" if known.size else f"{name} unknown")
    longest = max((run for members in runs.values() for run in members), key=lambda run: len(run.task_names))
    task_ticks(ax, list(longest.task_names))
    ax.set(xlabel="after training on task", ylabel="log-volume of the weights' box\n(mean log r)")
    open_frame(ax)
    if len(lines) > 1:
        ax.legend(fontsize=8, frameon=False, loc="best")
    T = plural(len(longest.task_names))
    return describe(ax, f"Log-volume of the box of weights after each of {T}: {', '.join(ends)}.")


def _lines(name: str, runs: list[Related]) -> Numbers:
    """`(runs, T)`; a box without volume is unknown, for its logarithm is."""
    values = [when_learned(run, "log_volume")[:, 0] for run in runs]
    lengths = sorted({len(row) for row in values})
    if len(lengths) > 1:
        raise ValueError(f"runs of {name} have different numbers of tasks, {lengths}; draw them on the same `ax`")
    stacked = np.stack(values)
    return np.where(np.isfinite(stacked), stacked, np.nan)
