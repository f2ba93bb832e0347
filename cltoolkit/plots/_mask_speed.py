"""How fast tasks are learned, with one start and with another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes

from .. import metrics
from ..plots import _timeline
from ._axes import axes, describe, marker, open_frame, score_limits, short, style
from ._curves import smooth
from ._interval_axes import plural
from ._mask_axes import heading, key
from ._mask_record import Numbers
from ._record import Record, title

SHARE = 0.9  # of the final accuracy, whose steps are marked
Show = Literal["accuracy", "loss"]


def learning_speed(
    runs: Mapping[str, Record | Sequence[Record]],
    *,
    task: int | None = None,
    show: Show = "accuracy",
    ax: Axes | None = None,
) -> Axes:
    """Accuracy on a task against the steps spent on it: which start learns faster?

    A line shows the steps that all its tasks and seeds have in common: their mean, and over several seeds the 95 %
    t-interval as a band. A dotted line drops from where 90 % of the final accuracy is reached, on average.

    Args:
        runs: Runs trained with `eval_every` set, or several (seeds) of one kind in a sequence, by the name of their
            line.
        task: which task, from 0 on; by default the mean over all but the first, which can start from no other.
        show: "accuracy" on test data, or "loss" on the batches, which every run logs.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if no run came, one was not evaluated during training, or has no such task.

    Example:
        >>> cl.plots.learning_speed({"random start": plain, "KKT": started}, task=3)  # doctest: +SKIP
    """
    if show not in ("accuracy", "loss"):
        raise ValueError(f"expected show to be 'accuracy' or 'loss'; got {show!r}")
    kinds = {name: list(given) if isinstance(given, Sequence) else [given] for name, given in runs.items()}
    if not kinds or not all(kinds.values()):
        raise ValueError("no runs came: give at least one Run for each name")
    lines = {name: _line_of(members, task, show) for name, members in kinds.items()}
    ax = axes(ax)
    for i, (name, line) in enumerate(lines.items()):
        _draw(ax, i, len(lines), name, line)
    what = "test accuracy on the task\n(fraction)" if show == "accuracy" else "loss on the task (mean per batch)"
    ax.set(xlabel="training steps (batches) on the task", ylabel=what)
    ax.set_xlim(0, 1.02 * max(line.steps[-1] for line in lines.values()))
    if show == "accuracy":
        score_limits(ax, np.concatenate([line.values.ravel() for line in lines.values()]))
    open_frame(ax)
    ax.legend(fontsize=8, frameon=False, loc="lower right" if show == "accuracy" else "upper right")
    which = _which(task, next(iter(kinds.values()))[0])
    heading(ax, which)
    return describe(ax, _words(lines, which, show))


@dataclass(frozen=True)
class Line:
    """Runs of one kind."""

    steps: Numbers  # (E,), those at which all tasks of all runs were measured
    values: Numbers  # (runs, E), means over tasks
    reached: Numbers  # (runs,), steps to 90 % of the final accuracy, means over tasks; NaN of losses


def _line_of(members: Sequence[Record], task: int | None, show: Show) -> Line:
    """What was measured of all of a kind's runs and tasks, at the steps they have in common."""
    read = _accuracy if show == "accuracy" else _loss
    found = [[read(run, t) for t in _tasks(run, task)] for run in members]
    common = set.intersection(*({int(s) for s in steps} for run in found for steps, _ in run))
    if not common:
        raise ValueError("the tasks have no step in common at which all were measured; look at one with `task=`")
    steps = np.array(sorted(common), dtype=np.float64)
    values = np.array([np.mean([v[np.isin(s, steps)] for s, v in run], axis=0) for run in found])
    if show == "loss":
        return Line(
            steps, np.stack([smooth(row, max(1, len(steps) // 25)) for row in values]), np.full(len(found), np.nan)
        )
    reached = np.array([np.mean([metrics.steps_to(v, s, SHARE) for s, v in run]) for run in found])
    return Line(steps, values, reached)


def _tasks(run: Record, task: int | None) -> list[int]:
    """The one asked for; or those learned, the first left out unless it is the only one."""
    R = np.asarray(run.accuracy)
    T = R.shape[1]
    if task is not None and not 0 <= task < T:
        raise ValueError(f"expected `task` to be 0 to {T - 1}, the tasks of {title(run)}; got {task}")
    return [task] if task is not None else [t for t in range(1, T) if np.isfinite(R[t + 1, t])] or [0]


def _accuracy(run: Record, t: int) -> tuple[Numbers, Numbers]:
    """Steps done and accuracy on task t while it was learned, the one after it last."""
    log = run.anytime
    here = np.asarray(log.get("task", np.zeros(0))) == t
    if not here.any():
        raise ValueError(
            f"{title(run)} was not evaluated while task {t} was learned; train with `eval_every` set to a few steps, "
            "or look at show='loss'"
        )
    steps = np.asarray(log["step"], dtype=np.float64)[here] + 1
    values = np.asarray(log["accuracy"], dtype=np.float64)[here, t]
    begins, final = _timeline.starts(run), float(np.asarray(run.accuracy)[t + 1, t])
    end = float(begins[t + 1] - begins[t])
    if np.isfinite(final):  # after the last step the task's best state may be taken back
        earlier = steps < end
        steps, values = np.append(steps[earlier], end), np.append(values[earlier], final)
    return steps, values


def _loss(run: Record, t: int) -> tuple[Numbers, Numbers]:
    log = run.curves
    here = np.asarray(log.get("task", np.zeros(0))) == t
    if "loss" not in log or not here.any():
        raise ValueError(f"{title(run)} has no logged loss of task {t}; train with `log_every` set to fewer steps")
    return np.asarray(log["step"], dtype=np.float64)[here] + 1, np.asarray(log["loss"], dtype=np.float64)[here]


def _draw(ax: Axes, i: int, n: int, name: str, line: Line) -> None:
    center, half = metrics.mean_and_interval(line.values)
    look, seeds = style(i, n), len(line.values)
    reached = float(np.mean(line.reached))
    notes = [plural(seeds, "seed")] * (seeds > 1) + [f"90 % after {reached:.0f} steps"] * bool(np.isfinite(reached))
    label = key(name) + (f" ({', '.join(notes)})" if notes else "")
    mark = marker(i, n) or ("o" if len(center) == 1 else "")
    ax.plot(line.steps, center, **look, marker=mark, markersize=4, markevery=max(1, len(center) // 10), label=label)
    ax.fill_between(line.steps, center - half, center + half, color=look["color"], alpha=0.15, linewidth=0)
    if np.isfinite(reached):
        height = float(np.interp(reached, line.steps, center))
        ax.vlines(reached, 0, height, color=look["color"], linestyle=":", linewidth=1.2, zorder=1.5)


def _which(task: int | None, run: Record) -> str:
    """What the curves are of."""
    tasks = _tasks(run, task)
    if task is None and tasks != [0]:
        return f"mean over {plural(len(tasks))}, all but the first"
    return f"task {short(run.task_names[tasks[0]], 40)}"


def _words(lines: Mapping[str, Line], which: str, show: Show) -> str:
    said = []
    for name, line in lines.items():
        center, _ = metrics.mean_and_interval(line.values)
        reached, half = metrics.mean_and_interval(line.reached)
        within = f" ± {half:.0f}" if np.isfinite(half) else ""
        speed = f", 90 % of it after {reached:.0f}{within} steps" if np.isfinite(reached) else ""
        seeds = f" ({plural(len(line.values), 'seed')})" if len(line.values) > 1 else ""
        said.append(f"{short(name, 34)}{seeds} ends at {center[-1]:.3f}{speed}")
    what = "Test accuracy" if show == "accuracy" else "Loss"
    return f"{what} against training steps, {which}: {'; '.join(said)}."
