"""Average accuracy on the tasks seen so far."""

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from .. import metrics
from ._axes import FAINT, FEW, LINES, axes, describe, legend_beside, marker, open_frame, score_limits, short, style
from ._record import Record, groups, is_reference


def average_so_far(run_or_runs: Record | Iterable[Record], *, ax: Axes | None = None) -> Axes:
    """Average accuracy on the tasks seen so far, ACCₖ, against their number k: one line per learner.

    Over several seeds the line is the mean and the band its 95 % t-interval. References (finetune, joint, separate) are
    grey.

    Args:
        run_or_runs: a Run, or several, of one or more learners; those of one learner need the same number of tasks.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if no run came, or one learner's runs differ in their number of tasks.
    """
    runs = groups(run_or_runs if isinstance(run_or_runs, Iterable) else [run_or_runs])
    others = [name for name in runs if not is_reference(name)]
    references = [name for name in runs if is_reference(name)]
    ax = axes(ax)
    ends, everything, longest = [], [], 1
    for name, members in runs.items():
        lines = _lines(name, members)
        center, half = metrics.mean_and_interval(lines)
        grey = is_reference(name)
        look = (
            {"color": FAINT, "linestyle": LINES[1 + references.index(name) % 3], "linewidth": 1.6}
            if grey
            else style(others.index(name), len(others))
        )
        k = np.arange(1, len(center) + 1)
        mark = ("" if grey else marker(others.index(name), len(others))) or ("o" if len(k) == 1 else "")
        label = short(name, 34) + (f" ({len(members)} seeds)" if len(members) > 1 else "")
        ax.plot(k, center, **look, marker=mark, markersize=4, markevery=max(1, len(k) // 10), label=label)
        if len(members) > 1:
            ax.fill_between(k, center - half, center + half, color=look["color"], alpha=0.15, linewidth=0)
        known = center[np.isfinite(center)]
        ends.append(f"{name} {known[-1]:.3f}" if known.size else f"{name} unknown")
        everything.append(lines.ravel())
        longest = max(longest, len(k))
    score_limits(ax, np.concatenate(everything))
    ax.set(xlabel="tasks seen so far, k", ylabel="average test accuracy\non them (fraction)")
    ax.set_xlim(min(0.9, 1 - 0.02 * longest), longest + max(0.1, 0.02 * longest))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=10, steps=[1, 2, 5, 10]))
    open_frame(ax)
    if len(runs) > FEW:
        legend_beside(ax)
    else:
        ax.legend(fontsize=8, frameon=False, loc="best")
    words = f"Average accuracy on the tasks seen so far, over up to {longest} task{'s' * (longest > 1)}. At the end: "
    return describe(ax, words + ", ".join(ends) + ".")


def _lines(name: str, runs: list[Record]) -> np.ndarray:
    """ACCₖ of every run, `(runs, T)`."""
    lengths = sorted({np.asarray(run.accuracy).shape[1] for run in runs})
    if len(lengths) > 1:
        raise ValueError(
            f"runs of {name} have different numbers of tasks, {lengths}; draw them one by one on the same `ax`"
        )
    return np.array([metrics.average_so_far(run.accuracy) for run in runs])
