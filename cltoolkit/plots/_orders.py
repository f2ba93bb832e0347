"""Orders of tasks: what transfer predicts of them, and what training says."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ..orders import OrderRuns, Orders
from ._axes import COLORS, FAINT, INK, axes, describe, labels, open_frame
from ._points import array, limits, write_names
from ._transfer_scatter import number, spearman

if TYPE_CHECKING:
    import pandas as pd

FEW_ORDERS = 30  # up to which each order is a point of its own
NAMED = 12  # measured orders up to which each is written at its point, in task numbers
SHORT = 6  # tasks up to which that is short
ARROW = " → "
LINE = 64  # characters in a line of the legend
RULES = {
    "best": "from the most helpful earlier task",
    "mean": "from all earlier tasks, on average",
    "last": "from the task just before",
}
MEASURED = {
    "learned": "average accuracy of tasks\nwhen they were learned (fraction)",
    "final": "average accuracy of all tasks\nat the end (fraction)",
}


def orders(orders: Orders, measured: OrderRuns | None = None, *, ax: Axes | None = None) -> Axes:
    """What is predicted of all orders of the tasks, with the best, the worst and the given order written out.

    Few orders are a strip of points, many a histogram. With runs, see `orders_measured`.

    Args:
        orders: an Orders, from `orders.predict_orders`.
        measured: an OrderRuns: then its orders are drawn, predicted against measured.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Example:
        >>> cl.plots.orders(cl.orders.predict_orders(matrix))  # doctest: +SKIP
    """
    if measured is not None:
        return orders_measured(measured.compare(orders), ax=ax)
    values = array(orders.values)
    marked = _marked(orders)
    ax = axes(ax, height=2.6 + 0.17 * len(marked))
    if len(values) <= FEW_ORDERS:
        ax.plot(values, _strip(values), linestyle="", marker="o", color=FAINT, markersize=5, alpha=0.8, zorder=2)
        ax.set(ylim=(-0.5, max(3.0, _strip(values).max() + 1)), yticks=[])
    else:
        ax.hist(
            values,
            bins=min(50, max(10, int(2 * len(values) ** (1 / 3)))),
            color="#c9d6e2",
            edgecolor="white",
            linewidth=0.4,
        )
        ax.set_ylabel("number of orders")
    for i, (what, k) in enumerate(marked.items()):
        said = _wrapped(f"{what} {values[k]:.3g}:  {_line(_names(orders, k))}")
        ax.axvline(values[k], color=COLORS[i], linestyle=("-", "--", ":")[i], linewidth=1.5, label=said, zorder=3)
    open_frame(ax)
    ax.set_xlabel(f"predicted value of an order\n(mean transfer to a task {RULES.get(orders.rule, orders.rule)})")
    _legend(ax)
    return describe(ax, _words(orders, marked))


def orders_measured(frame: "pd.DataFrame", *, ax: Axes | None = None) -> Axes:
    """Orders that were trained: measured against predicted, with intervals over seeds.

    Args:
        frame: what `OrderRuns.compare` returned.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if the frame is empty.

    Example:
        >>> cl.plots.orders_measured(runs.compare(predicted))  # doctest: +SKIP
    """
    if not len(frame):
        raise ValueError("expected a row for each order that was trained; the frame is empty")
    x, y, low, high = (frame[name].to_numpy(dtype=float) for name in ("predicted", "measured", "low", "high"))
    ax = axes(ax, height=3.8)
    bounded = np.isfinite(low) & np.isfinite(high)
    ends = np.stack([y - low, high - y])[:, bounded]
    ax.errorbar(x[bounded], y[bounded], yerr=ends, linestyle="", color=FAINT, linewidth=1, capsize=3, alpha=0.7)
    ax.plot(x, y, linestyle="", marker="o", markersize=4, color=INK, zorder=2)
    limits(ax, x, np.concatenate([y, low[bounded], high[bounded]]))
    _mark(ax, x, y, [str(names).split(ARROW) for names in frame["names"]])
    if len(x) <= NAMED and len(frame["order"].iloc[0]) <= SHORT:
        write_names(ax, np.stack([x, y], 1), [" ".join(map(str, order)) for order in frame["order"]], size=7)
        ax.text(0.98, 0.02, "numbers: tasks in order", transform=ax.transAxes, ha="right", fontsize=7, color=FAINT)
    rho, measure = spearman(x, y), frame.attrs.get("measure", "")
    ax.text(0.02, 0.98, f"Spearman's ρ {number(rho)}", transform=ax.transAxes, va="top", fontsize=8, color=INK)
    open_frame(ax)
    ax.set(
        xlabel="predicted value of an order (mean transfer)",
        ylabel=MEASURED.get(measure, "measured accuracy (fraction)"),
    )
    _legend(ax)
    return describe(ax, _measured_words(frame, y, rho))


def _mark(ax: Axes, x: NDArray[np.float64], y: NDArray[np.float64], orders: list[list[str]]) -> None:
    """Rings around the best and the worst measured order and the best predicted one, which the legend writes out."""
    marked = [("best measured", y, y.argmax()), ("worst measured", y, y.argmin()), ("best predicted", x, x.argmax())]
    for i, (what, values, k) in enumerate(marked):
        said = _wrapped(f"{what} {values[k]:.3g}:  {_line(orders[int(k)])}")
        size = (11, 11, 9)[i]
        ax.plot(x[k], y[k], "^vD"[i], color=COLORS[i], fillstyle="none", mew=1.6, markersize=size, label=said, zorder=3)


def _wrapped(text: str) -> str:
    """In lines that fit over narrow axes, too."""
    return textwrap.fill(text, LINE, subsequent_indent="      ")


def _legend(ax: Axes) -> None:
    """Orders written out above the axes, where there is room for a line."""
    ax.legend(
        fontsize=7.5, frameon=False, loc="lower left", bbox_to_anchor=(-0.02, 1.0), handlelength=2.2, labelspacing=0.7
    )


def _strip(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heights that put values that are nearly alike on top of each other."""
    heights, near = np.zeros(len(values)), 0.02 * (float(np.ptp(values)) or 1.0)
    for rank, k in enumerate(np.argsort(values, kind="stable")):
        before = np.argsort(values, kind="stable")[:rank]
        taken = set(heights[before][np.abs(values[before] - values[k]) < near])
        heights[k] = next(h for h in range(len(values)) if h not in taken)
    return heights


def _marked(orders: Orders) -> dict[str, int]:
    """The rows of the best order, the worst, and the tasks as given, if that is among them."""
    values = array(orders.values)
    marked = {"best": int(values.argmax()), "worst": int(values.argmin())}
    given = np.flatnonzero((orders.orders == np.arange(orders.orders.shape[1])).all(1))
    return marked | ({"as given": int(given[0])} if given.size else {})


def _line(names: Sequence[str], length: int = 66) -> str:
    """An order as names, cut to what a line holds: each name first, then names in the middle."""
    for cut in (18, 12, 8):
        every = labels(names, cut)
        text = ARROW.join(every)
        if len(text) <= length:
            return text
    kept = next((k for k in range(len(every) // 2, 1, -1) if len(ARROW.join(_ends(every, k))) <= length), 1)
    return ARROW.join(_ends(every, kept))


def _ends(names: Sequence[str], kept: int) -> list[str]:
    return [*names[:kept], "…", *names[-kept:]]


def _names(orders: Orders, k: int) -> list[str]:
    """The tasks of an order, by name."""
    return [orders.names[t] for t in orders.orders[k]]


def _words(orders: Orders, marked: dict[str, int]) -> str:
    K, T = orders.orders.shape
    kind = "all" if orders.complete else "some"
    said = [f"{what} {orders.values[k]:.3g}, {_line(_names(orders, k), 200)}" for what, k in marked.items()]
    return f"Predicted values of {kind} {K} orders of {T} tasks, rule {orders.rule}: {'; '.join(said)}."


def _measured_words(frame: "pd.DataFrame", y: NDArray[np.float64], rho: float) -> str:
    best, worst = int(np.nanargmax(y)), int(np.nanargmin(y))
    names: Sequence[str] = [str(name) for name in frame["names"]]
    return (
        f"Predicted against measured value of {len(y)} order{'s' * (len(y) > 1)}, Spearman's ρ {number(rho)}. "
        f"Best measured {y[best]:.3g}, {names[best]}; worst {y[worst]:.3g}, {names[worst]}."
    )
