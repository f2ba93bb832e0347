"""An estimator of transfer against transfer as it was measured, pair by pair."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from .. import transferability
from ..transferability import TransferMatrix
from ._axes import CROWD, FAINT, FEW, INK, axes, describe, legend_beside, look, short
from ._transfer_matrix import is_gain

FEWEST = 3  # sources of one target whose order says anything


def transfer_scatter(scores: TransferMatrix, truth: TransferMatrix, *, ax: Axes | None = None) -> Axes:
    """An estimator against measured transfer: a point for each pair of a source and another task as target.

    Scores of different targets need not have the same scale: up to seven targets have a color and marker each, and
    Spearman's ρ is given over all pairs and as the mean within targets.

    Args:
        scores: a TransferMatrix of an estimator.
        truth: a TransferMatrix of measured transfer; with repetitions, 95 % intervals are drawn.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if the two share no pair with both values known.

    Example:
        >>> cl.plots.transfer_scatter(scores["h_score"], truth["fine_tune_gain"])  # doctest: +SKIP
    """
    sources = [name for name in scores.sources if name in truth.sources]
    targets = [name for name in scores.targets if name in truth.targets]
    x, y = (_part(matrix, matrix.values, sources, targets) for matrix in (scores, truth))
    other = np.array([[source != target for target in targets] for source in sources], dtype=bool)
    pairs = other.reshape(len(sources), len(targets)) & np.isfinite(x) & np.isfinite(y)
    if not pairs.any():
        raise ValueError(
            f"expected matrices that share pairs of tasks; {scores!r} and {truth!r} have none with both values known"
        )
    ax = axes(ax)
    if is_gain(truth):
        ax.axhline(0, color=FAINT, linewidth=1, zorder=0.5)
    many = len(targets) > FEW
    low, high = (_part(truth, end, sources, targets) for end in truth.interval())
    for j, target in enumerate(targets):
        at = pairs[:, j]
        dot = look(0, 1) if many else look(j, len(targets))
        size = 3 if len(targets) > CROWD else 5
        ends = np.abs(np.array([low[at, j], high[at, j]]) - y[at, j])
        if at.any() and np.isfinite(ends).all():
            ax.errorbar(x[at, j], y[at, j], yerr=ends, linestyle="", color=dot["color"], alpha=0.35, linewidth=0.8)
        label = None if many else short(target, 18)
        ax.plot(
            x[at, j],
            y[at, j],
            linestyle="",
            markersize=size,
            alpha=0.9 if not many else 0.6 if len(targets) <= CROWD else 0.25,
            **dot,
            label=label,
        )
    pooled, within = spearman(x[pairs], y[pairs]), _within(x, y, pairs)
    said = f"Spearman's ρ: {number(pooled)} over all pairs\nmean within targets: {number(within)}"
    ax.text(0.02, 0.98, said, transform=ax.transAxes, va="top", fontsize=8, color=INK)
    ax.margins(y=0.2)
    ax.set(xlabel=f"{scores.label} (larger: easier transfer)", ylabel=_measured_label(truth))
    ax.spines[["top", "right"]].set_visible(False)
    if 1 < len(targets) <= FEW:
        legend_beside(ax, "target")
    words = f"{scores.label} against {truth.label}: {int(pairs.sum())} pairs of a source and another task as target. "
    return describe(ax, words + said.replace("\n", "; ") + ".")


def _measured_label(truth: TransferMatrix) -> str:
    return f"{truth.label}\n(accuracy more than from scratch)" if is_gain(truth) else truth.label


def _part(
    matrix: TransferMatrix, values: NDArray[np.float64], sources: list[str], targets: list[str]
) -> NDArray[np.float64]:
    """The cells of these names, `(len(sources), len(targets))`."""
    rows, columns = [matrix.sources.index(name) for name in sources], [matrix.targets.index(name) for name in targets]
    return values[np.ix_(np.array(rows, dtype=int), np.array(columns, dtype=int))]


def spearman(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Rank correlation of two rows; NaN of none, and where one of them does not vary."""
    return float(transferability.spearman(x[None], y[None])[0]) if len(x) else float("nan")


def _within(x: NDArray[np.float64], y: NDArray[np.float64], pairs: NDArray[np.bool_]) -> float:
    each = [spearman(x[at, j], y[at, j]) for j, at in enumerate(pairs.T) if at.sum() >= FEWEST]
    known = [value for value in each if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def number(value: float) -> str:
    """A correlation with its sign, or "unknown"."""
    return f"{value:+.2f}" if np.isfinite(value) else "unknown"
