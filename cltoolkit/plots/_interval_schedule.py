"""How the weight of the worst case and the size of boxes grow in training, and what the losses do meanwhile."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from . import _timeline
from ._axes import COLORS, LINES, describe
from ._curves import curves
from ._interval_record import Look
from ._record import Record, title

LOSSES = ("loss", "worst")
SCHEDULES = {"kappa": "κ", "radius": "γ"}


def schedule(run: Record, *, ax: Axes | None = None) -> Axes:
    """The loss of the network used and of the worst in its box (left), with κ and γ as they are scheduled (right).

    κ is the weight of the plain loss, 1 − κ that of the worst case; γ, the size of the embedding's box, is drawn as a
    share of the largest it reaches.

    Args:
        run: a Run of HyperInterval, with logged steps.
        ax: axes to draw on; new ones by default. The right axis is a twin of them.

    Returns:
        The axes of the losses; `alt_text` tells what they show.

    Raises:
        ValueError: if the run logged no worst-case loss, or no schedule.

    Example:
        >>> cl.plots.schedule(run)  # doctest: +SKIP
    """
    _check(run)
    losses = [name for name in LOSSES if name in run.curves]
    ax = curves(run, losses, ax=ax)
    x = _timeline.positions(run.curves, _timeline.starts(run))
    task = np.asarray(run.curves["task"], dtype=np.int64)
    right, said = ax.twinx(), []
    for i, (name, symbol) in enumerate((name, symbol) for name, symbol in SCHEDULES.items() if name in run.curves):
        values = np.asarray(run.curves[name], dtype=np.float64)
        most = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
        scale, unit = (1.0, "") if name == "kappa" or most == 1 else (most, f" / {most:.3g}")
        look: Look = {"color": (COLORS[2], COLORS[6])[i], "linestyle": LINES[2 + i], "linewidth": 1.4}
        right.plot(*_apart(x, values / scale, task), **look, label=f"{symbol}{unit} (right)")
        said.append(f"{symbol} from {_first(values):.3g} to {_first(values[::-1]):.3g}")
    right.set(ylim=(-0.03, 1.08), ylabel="κ, and γ as a share of its largest")
    right.spines[["top", "left"]].set_visible(False)
    _legend(ax, right)
    _, *rest = [f"{name} {_first(np.asarray(run.curves[name])[::-1]):.3g}" for name in ("task", *losses)]
    return describe(ax, f"Schedules of {title(run)}: {', '.join(said)}. Losses at the end: {', '.join(rest)}.")


def _check(run: Record) -> None:
    missing = [name for name in ("worst", "kappa", "radius") if name not in run.curves]
    if "worst" in missing or {"kappa", "radius"} <= set(missing):
        has = ", ".join(run.curves) or "nothing"
        raise ValueError(
            f"{title(run)} logged no {' and no '.join(missing)}, which HyperInterval logs with `log_every` set; "
            f"it has {has}"
        )


def _apart(
    x: NDArray[np.int64], y: NDArray[np.float64], task: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A line with a gap between tasks, where schedules begin anew."""
    breaks = np.flatnonzero(np.diff(task)) + 1
    return np.insert(x.astype(np.float64), breaks, np.nan), np.insert(y, breaks, np.nan)


def _first(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known[0]) if known.size else 0.0


def _legend(ax: Axes, right: Axes) -> None:
    """One legend below for both axes."""
    own = ax.get_legend()
    if own is not None:
        own.remove()
    names = {"loss": "loss of the network used", "worst": "loss of the worst in the box"}
    handles, called = ax.get_legend_handles_labels()
    more, others = right.get_legend_handles_labels()
    words = [*(names.get(name, name) for name in called), *others]
    place: Look = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.22), "ncols": 2}
    ax.legend([*handles, *more], words, fontsize=8, frameon=False, **place)
