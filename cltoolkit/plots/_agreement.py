"""Estimators of transfer against transfer as it was measured."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ..transferability import TransferMatrix
from ._axes import FAINT, axes, describe, look, short

if TYPE_CHECKING:
    import pandas as pd

MEASURES = {
    "spearman": "Spearman's ρ (rank correlation)",
    "weighted_kendall": "weighted Kendall's τ (the best ranks count most)",
    "pearson": "Pearson's r (linear correlation)",
}


def agreement(
    frame: "pd.DataFrame",
    *,
    measure: Literal["spearman", "weighted_kendall", "pearson"] = "spearman",
    ax: Axes | None = None,
) -> Axes:
    """How well each estimator agrees with measured transfer: a dot with its interval, the best on top.

    Dots are hollow where the interval holds zero.

    Args:
        frame: what `transferability.agreement` returned: a row for each estimator, truth and measure.
        measure: which of its measures: "spearman", "weighted_kendall" or "pearson".
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if the frame holds no row of this measure.

    Example:
        >>> frame = cl.transferability.agreement(scores, truth)  # doctest: +SKIP
        >>> cl.plots.agreement(frame, measure="weighted_kendall")  # doctest: +SKIP
    """
    held = sorted(set(frame["measure"]))
    rows = frame[frame["measure"] == measure].to_dict("records")
    if not rows:
        raise ValueError(f"expected rows of measure {measure!r}; the frame has {', '.join(held) or 'no rows'}")
    truths = list(dict.fromkeys(row["truth"] for row in rows))
    order = _ranked(rows)
    ax = axes(ax, height=1.3 + 0.16 * len(order) * (1 + len(truths)))
    ax.axvline(0, color=FAINT, linewidth=1, zorder=0.5)
    for y in range(1, len(order), 2):
        ax.axhspan(y - 0.5, y + 0.5, color="#f4f4f4", linewidth=0, zorder=0)
    for row in rows:
        i = truths.index(row["truth"])
        _dot(ax, row, order.index(row["estimator"]) + _offset(i, len(truths)), i, len(truths))
    ax.set_yticks(range(len(order)), [short(_label(name), 26) for name in order], fontsize=9)
    ax.set_ylim(len(order) - 0.5, -0.5)
    ax.set_xlim(*_limits(rows))
    level = f"{100 * frame.attrs['level']:g} % " if "level" in frame.attrs else ""
    hollow = f"\nhollow: the {level}interval includes zero" if any(_unsure(row) for row in rows) else ""
    ax.set_xlabel(f"{MEASURES.get(measure, measure)}\nwith {_truth(truths)} (1: the same, 0: none){hollow}")
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.grid(axis="x", color="#e5e5e5", linewidth=0.6)
    ax.set_axisbelow(True)
    if len(truths) > 1:
        handles = [_key(i, truth, len(truths)) for i, truth in enumerate(truths)]
        ax.legend(handles=handles, fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return describe(ax, _words(rows, order, truths, measure))


def _ranked(rows: list[dict[str, Any]]) -> list[str]:
    """Estimators by their mean value over truths, the highest first, the unknown last."""
    names = list(dict.fromkeys(row["estimator"] for row in rows))
    values = {name: [row["value"] for row in rows if row["estimator"] == name] for name in names}
    known = {name: [v for v in vs if np.isfinite(v)] for name, vs in values.items()}
    return sorted(names, key=lambda name: -float(np.mean(known[name])) if known[name] else np.inf)


def _offset(i: int, n: int) -> float:
    return 0.0 if n == 1 else 0.4 * (i / (n - 1) - 0.5)


def _dot(ax: Axes, row: dict[str, Any], y: float, i: int, n: int) -> None:
    if not np.isfinite(row["value"]):
        ax.text(0.02, y, "unknown", transform=ax.get_yaxis_transform(), va="center", fontsize=8, color=FAINT)
        return
    dot = look(i, n)
    if np.isfinite(row["low"]) and np.isfinite(row["high"]):
        ax.plot([row["low"], row["high"]], [y, y], color=dot["color"], linewidth=1.4, zorder=2)
        ax.plot([row["low"], row["high"]], [y, y], linestyle="", marker="|", color=dot["color"], markersize=6)
    face = "white" if _unsure(row) else dot["color"]
    ax.plot(row["value"], y, linestyle="", **dot, markersize=6, markerfacecolor=face, zorder=3)


def _unsure(row: dict[str, Any]) -> bool:
    """Whether the interval holds zero."""
    return bool(row["low"] <= 0 <= row["high"])


def _key(i: int, truth: str, n: int) -> Line2D:
    return Line2D([], [], linestyle="-", markersize=6, linewidth=1.4, label=short(_label(truth), 30), **look(i, n))


def _limits(rows: list[dict[str, Any]]) -> tuple[float, float]:
    ends = np.array([row[key] for row in rows for key in ("value", "low", "high")], dtype=float)
    known = ends[np.isfinite(ends)]
    return float(known.min(initial=0.0)) - 0.05, float(known.max(initial=1.0)) + 0.05


def _truth(truths: list[str]) -> str:
    return f"the {_label(truths[0])}" if len(truths) == 1 else "measured transfer"


def _label(name: str) -> str:
    """The estimator's name as axes have it."""
    return TransferMatrix(np.zeros((1, 1)), name, ("source",), ("target",)).label


def _words(rows: list[dict[str, Any]], order: list[str], truths: list[str], measure: str) -> str:
    said = []
    for name in order:
        for row in rows:
            if row["estimator"] == name:
                of = f" with {_label(row['truth'])}" if len(truths) > 1 else ""
                said.append(f"{_label(name)}{of} {_value(row)}")
    return f"{MEASURES.get(measure, measure)} of estimators with {_truth(truths)}: {'; '.join(said)}."


def _value(row: dict[str, Any]) -> str:
    if not np.isfinite(row["value"]):
        return "unknown"
    interval = f" [{row['low']:+.2f}, {row['high']:+.2f}]" if np.isfinite(row["low"] + row["high"]) else ""
    return f"{row['value']:+.2f}{interval}"
