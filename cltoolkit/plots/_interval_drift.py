"""Certificates without data: what was certified against drift, and how far boxes have drifted since."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from ..intervals import DRIFTS, certified_at
from ._axes import FEW, axes, describe, labels, legend_beside, look, open_frame, score_limits, some, style
from ._interval_axes import from_zero, plural
from ._interval_record import Kept, Look, Moment, Numbers, moment


def certified_by_drift(
    run: Kept, *, drifts: Sequence[float] = DRIFTS, after: int | None = None, ax: Axes | None = None
) -> Axes:
    """Certified accuracy of each task against drift, as it was stored with the task, and where it stands by now.

    While task t's data were there, its box was widened by δ in every weight and certified: a step of the line. Later,
    without these data, the distance δ_t by which the box has left its old place is measured; the mark on the line is
    then a certificate for task t as it is now.

    Args:
        run: a Run with series "drift_curve", and "drift"; or a learner's own `series()`.
        drifts: `(G,)`, the δ at which the curves were taken.
        after: how many tasks were learned; by default all.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if the run kept no such curves, or they are of another length than `drifts`.

    Example:
        >>> import cltoolkit as cl
        >>> kept = {"drift_curve": [[1, 0.9, 0.5], [0.8, 0.8, 0.7]], "drift": [[5e-3], [0]]}
        >>> print(cl.plots.alt_text(cl.plots.certified_by_drift(kept, drifts=(0, 1e-3, 1e-2))))
        Certified accuracy against drift, 2 tasks. Drifts measured from 0 to 0.005; certified without data 0.650 on
        average, least 0.500 for task 1.
    """
    now = moment(run, after)
    curves, grid = now["drift_curve"], np.asarray(drifts, dtype=np.float64)
    if curves.shape[1:] != grid.shape:
        raise ValueError(f"expected {curves.shape[1]} drifts, one for each point of the curves; got {grid.shape}")
    measured = now["drift"][:, 0] if "drift" in now else np.full(len(curves), np.nan)
    held = np.array([_at(curve, drifts, drift) for curve, drift in zip(curves, measured, strict=True)])
    ax, n = axes(ax), len(curves)
    words, named = labels(now.names), range(n) if n <= FEW else some(n, 10)
    for i, curve in enumerate(curves):
        ax.plot(grid, curve, **style(i, n), drawstyle="steps-pre")
        mark: Look = look(i, n) | {"markersize": 7 if n <= FEW else 5, "markeredgecolor": "black"}
        ax.plot(measured[i], held[i], linestyle="", **mark, zorder=3, clip_on=False)
        ax.plot([], [], **style(i, n) | mark, label=words[i] if i in named else None)
    score_limits(ax, np.append(curves, held))
    from_zero(ax, np.concatenate([grid, measured[np.isfinite(measured)]]))
    ax.set(xlabel="drift δ of every end of the box (mark: as measured)", ylabel="certified accuracy (fraction)")
    open_frame(ax)
    ax.set_title(now.heading, fontsize=10)
    legend_beside(ax, "task")
    return describe(ax, _words(now, measured, held))


def _at(curve: Numbers, drifts: Sequence[float], drift: float) -> float:
    """What the curve promises at a drift; unknown where none was measured."""
    return float("nan") if np.isnan(drift) else certified_at(curve, drifts, drift)


def _words(now: Moment, measured: Numbers, held: Numbers) -> str:
    of = f" of {now.heading}" if now.heading else ""
    first = f"Certified accuracy against drift{of}, {plural(len(held))}."
    if not np.isfinite(held).any():
        return f"{first} No drift was measured."
    worst = int(np.nanargmin(held))
    return (
        f"{first} Drifts measured from {np.nanmin(measured):.2g} to {np.nanmax(measured):.2g}; certified without data "
        f"{np.nanmean(held):.3f} on average, least {held[worst]:.3f} for {now.names[worst]}."
    )
