"""Learners side by side, over seeds."""

from collections.abc import Callable, Iterable

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from .. import metrics
from ._axes import COLORS, FAINT, INK, axes, describe, short
from ._record import Record, groups, is_reference


def compare(runs: Iterable[Record], metric: str | Callable[[Record], float] = "acc", *, ax: Axes | None = None) -> Axes:
    """One metric of several learners: a small point per run, a large one for the mean with its 95 % t-interval.

    The best stands on top. References (finetune, joint, separate) are hollow and grey, a dotted line at their mean.

    Args:
        runs: Runs. Those that differ in their seed alone are one row; settings that tell rows apart are in their names.
        metric: a name of `metrics.table`, or a function of a Run, of which more is better.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if no run came, or no metric has that name (the message has the nearest).

    Example:
        >>> cl.plots.compare(runs, metric="bwt")  # doctest: +SKIP
    """
    values = {name: np.array([_value(run, metric) for run in members]) for name, members in groups(runs).items()}
    what, unit, better = _meaning(metric)
    means = {name: metrics.mean_and_interval(v) for name, v in values.items()}
    order = sorted(values, key=lambda name: _rank(float(means[name][0]), better))
    ax = axes(ax, height=1.25 + 0.38 * len(order))
    for y, name in enumerate(order):
        _row(ax, y, values[name], float(means[name][0]), float(means[name][1]), is_reference(name))
    ax.set_yticks(range(len(order)), [f"{short(name, 34)} (n = {len(values[name])})" for name in order], fontsize=9)
    ax.set_ylim(len(order) - 0.5, -0.5)
    ax.set_xlabel(f"{what}\n({unit}{better} is better)")
    ax.margins(x=0.06)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.grid(axis="x", color="#e5e5e5", linewidth=0.6)
    ax.set_axisbelow(True)
    return describe(
        ax, f"{what} ({unit}{better} is better). " + " ".join(_said(name, values[name], *means[name]) for name in order)
    )


def _value(run: Record, metric: str | Callable[[Record], float]) -> float:
    if callable(metric):
        return float(metric(run))
    values = metrics.table(run)
    if metric not in values:
        metrics.label(metric)  # a name that does not exist raises here, with the nearest that does
        raise ValueError(
            f"{metric!r} needs what {run.name} does not hold; give a function of a Run instead of its name"
        )
    return values[metric]


def _meaning(metric: str | Callable[[Record], float]) -> tuple[str, str, str]:
    if callable(metric):
        return metric.__name__.strip("<>").replace("_", " "), "", "higher"
    return metrics.label(metric), f"{metrics.unit(metric)}; ", metrics.direction(metric)


def _rank(mean: float, better: str) -> tuple[bool, float]:
    """The best first, the unknown last."""
    return bool(np.isnan(mean)), mean if better == "lower" else -mean


def _row(ax: Axes, y: int, values: NDArray[np.float64], mean: float, half: float, reference: bool) -> None:
    if np.isnan(mean):
        ax.text(0.02, y, "unknown", transform=ax.get_yaxis_transform(), va="center", fontsize=8, color=FAINT)
        return
    color = FAINT if reference else COLORS[0]
    if reference:
        ax.axvline(mean, color=FAINT, linestyle=":", linewidth=1, zorder=0.5)
    spread = np.linspace(-0.16, 0.16, len(values)) if len(values) > 1 else np.zeros(1)
    ax.plot(values, y + spread, linestyle="", marker=".", markersize=5, color=color, alpha=0.6, zorder=2)
    if not np.isnan(half):
        ax.errorbar(mean, y, xerr=half, color=INK if not reference else FAINT, linewidth=1.4, capsize=3, zorder=3)
    face = "white" if reference else color
    ax.plot(
        mean, y, marker="s" if reference else "o", markersize=7, markerfacecolor=face, markeredgecolor=color, zorder=4
    )


def _said(name: str, values: NDArray[np.float64], mean: NDArray[np.float64], half: NDArray[np.float64]) -> str:
    if np.isnan(mean):
        return f"{name}: unknown."
    n = len(values)
    return f"{name}: {mean:.3f}" + ("" if np.isnan(half) else f" ± {half:.3f}") + f" over {n} seed{'s' * (n > 1)}."
