"""Accuracy against the share of weights that masks keep."""

from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from .. import metrics
from ._axes import axes, describe, inches, labels, marker, open_frame, score_limits, slant, some, style
from ._interval_axes import plural
from ._mask_axes import key
from ._mask_record import Numbers

COLUMNS = ("learner", "density", "seed", "accuracy")
APART = 0.16  # of a density, over which all methods stand side by side, so that their bars do not cover each other


class Table(Protocol):
    """A DataFrame, or a mapping: columns by name."""

    def __contains__(self, name: object) -> bool: ...
    def __getitem__(self, name: Any) -> Any: ...


def accuracy_by_density(frame: Table, *, ax: Axes | None = None) -> Axes:
    """Accuracy against density, the share of weights that a mask keeps: a line for each learner.

    A marker is the mean over seeds, small dots are the seeds, and bars are the 95 % t-interval of the mean. Learners
    stand a little apart at the same density.

    Args:
        frame: a DataFrame, or a mapping of columns, one row for each run: "learner", "density" in (0, 1], "seed",
            "accuracy" (fraction).
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if a column is missing, they differ in length, or a density is out of range.

    Example:
        >>> import cltoolkit as cl
        >>> runs = {"learner": ["A", "A", "B", "B"], "density": [0.1, 0.5] * 2, "seed": [0] * 4}
        >>> ax = cl.plots.accuracy_by_density(runs | {"accuracy": [0.7, 0.9, 0.8, 0.9]})
        >>> print(cl.plots.alt_text(ax))
        Accuracy against density, from 0.1 to 0.5, 1 seed: A from 0.700 to 0.900; B from 0.800 to 0.900. The gap is
        widest at density 0.1: B is 0.100 above A.
    """
    rows = _read(frame)
    names, densities = list(dict.fromkeys(rows["learner"])), np.unique(rows["density"])
    lines = {name: _cells(rows, name, densities) for name in names}
    ax = axes(ax)
    for i, (name, values) in enumerate(zip(labels(names, 30), lines.values(), strict=True)):
        _line(ax, i, len(lines), name, densities, values)
    _density_axis(ax, densities)
    score_limits(ax, rows["accuracy"])
    ax.set(xlabel="density (share of weights kept, log scale)", ylabel="average test accuracy\n(fraction)")
    open_frame(ax)
    ax.legend(fontsize=8, frameon=False, loc="best")
    seeds = len(set(rows["seed"].tolist()))
    return describe(ax, _words(densities, lines, seeds))


def _read(frame: Table) -> dict[str, Any]:
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        raise ValueError(f"expected columns {', '.join(COLUMNS)}, a row for each run; {', '.join(missing)} is missing")
    rows: dict[str, Any] = {name: np.asarray(frame[name]) for name in COLUMNS}
    rows |= {name: rows[name].astype(np.float64) for name in ("density", "accuracy")}
    rows["learner"] = [str(name) for name in rows["learner"]]
    lengths = {name: len(values) for name, values in rows.items()}
    if len(set(lengths.values())) > 1 or not lengths["seed"]:
        raise ValueError(f"expected columns of one length, at least 1; got {lengths}")
    if not ((rows["density"] > 0) & (rows["density"] <= 1)).all():
        raise ValueError(
            f"expected densities above 0 and at most 1, shares of weights kept; got {np.unique(rows['density'])}"
        )
    return rows


def _cells(rows: dict[str, Any], name: str, densities: Numbers) -> Numbers:
    """`(seeds, densities)` of one learner, filled up with NaN."""
    own = np.array([learner == name for learner in rows["learner"]])
    found = [rows["accuracy"][own & (rows["density"] == density)] for density in densities]
    cells = np.full((max(map(len, found)), len(densities)), np.nan)
    for i, values in enumerate(found):
        cells[: len(values), i] = values
    return cells


def _line(ax: Axes, i: int, n: int, name: str, densities: Numbers, values: Numbers) -> None:
    center, half = metrics.mean_and_interval(values)
    look, known = style(i, n), np.isfinite(center)
    x = densities * (1 + min(0.035, APART / n) * (i - (n - 1) / 2))
    mark = marker(i, n) or "o"
    ax.plot(x[known], center[known], **look, marker=mark, markersize=5, label=key(name), zorder=3)
    ax.errorbar(x, center, np.nan_to_num(half), fmt="none", ecolor=look["color"], elinewidth=1, capsize=2.5, zorder=2)
    if len(values) > 1:
        ax.plot(x, values.T, linestyle="", marker=".", markersize=3, color=look["color"], alpha=0.45, zorder=1.5)


def _density_axis(ax: Axes, densities: Numbers) -> None:
    """A logarithmic axis with the densities that were measured, as many as there is room for."""
    ax.set_xscale("log")
    index = some(len(densities), 12)
    names = [f"{densities[i]:.3g}" for i in index]
    gaps = np.diff(np.log(densities[index])) / max(np.log(densities[-1] / densities[0]), 1e-9)
    crowded = len(index) > 1 and gaps.min() * 0.8 * inches(ax)[0] < 0.08 * max(map(len, names)) + 0.08
    ax.xaxis.set_major_locator(FixedLocator(densities[index].tolist()))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(densities[index], names, rotation=45 if crowded else 0, fontsize=8)
    slant(ax.get_xticklabels(), 45 if crowded else 0, "right")
    ax.set_xlim(densities[0] / 1.15, densities[-1] * 1.15)


def _words(densities: Numbers, lines: dict[str, Numbers], seeds: int) -> str:
    means = [metrics.mean_and_interval(values)[0] for values in lines.values()]
    names, said = labels(list(lines), 34), []
    for name, mean in zip(names, means, strict=True):
        known = mean[np.isfinite(mean)]
        said.append(f"{name} " + (f"from {known[0]:.3f} to {known[-1]:.3f}" if known.size else "unknown"))
    return (
        f"Accuracy against density, from {densities[0]:.3g} to {densities[-1]:.3g}, {plural(seeds, 'seed')}: "
        f"{'; '.join(said)}.{_gap(densities, np.stack(means), names)}"
    )


def _gap(densities: Numbers, table: Numbers, names: list[str]) -> str:
    """Where learners differ most; means `(learners, densities)`."""
    both = np.flatnonzero(np.isfinite(table).sum(0) > 1)
    if not both.size:
        return ""
    gaps = np.nanmax(table[:, both], 0) - np.nanmin(table[:, both], 0)
    at = both[np.argmax(gaps)]
    best, worst = (names[f(table[:, at])] for f in (np.nanargmax, np.nanargmin))
    return f" The gap is widest at density {densities[at]:.3g}: {best} is {gaps.max():.3f} above {worst}."
