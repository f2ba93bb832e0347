"""How well each source serves each target, cell by cell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ..transferability import TransferMatrix
from ._axes import describe, short
from ._cells import (
    ANNOTATED,
    DIVERGING,
    SEQUENTIAL,
    cell_axes,
    cell_names,
    decimals,
    diagonal,
    hatch,
    heat,
    mark,
    numbers,
    signs,
)

FLOORS = 2.0  # times its noise floor that a score must reach to say something of the labels


def transfer_matrix(
    matrix: TransferMatrix,
    *,
    show: Literal["values", "ranks", "ahp"] = "values",
    order: Sequence[int] | NDArray[np.int64] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The transfer matrix as a picture: how well each source (row) serves each target (column).

    Boxed cells are tasks on themselves; crossed ones are unknown; hatched ones are scores under twice their noise
    floor, which say little of the labels. Of measured gains, colors part at zero, and only those whose 95 % interval
    leaves out zero stand bold (or, past twelve tasks, bear their sign).

    Args:
        matrix: a TransferMatrix.
        show: "values"; "ranks" of the sources for each target, 1 the best; "ahp", shares of each column (sum 1).
        order: a permutation of the tasks, for rows and columns, as `embeddings.dendrogram_order` gives it.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if `show` is unknown, or `order` is no permutation of tasks that are sources and targets alike.

    Example:
        >>> cl.plots.transfer_matrix(matrix, show="ranks")  # doctest: +SKIP
    """
    if show not in VIEWS:
        raise ValueError(f"expected show to be one of {', '.join(map(repr, VIEWS))}; got {show!r}")
    index = _order(matrix, order)
    rows, columns = (np.arange(n) if index is None else index for n in matrix.values.shape)
    cells = np.ix_(rows, columns)
    view = VIEWS[show](matrix)
    values, texts = view.values[cells], view.texts[cells]
    ax = cell_axes(ax, *values.shape)
    image = heat(ax, values, low=view.low, high=view.high, cmap=view.cmap, label=view.label)
    unknown, weak, unsure = np.isnan(values), below_floor(matrix)[cells], unsure_sign(matrix)[cells]
    mark(ax, unknown, facecolor="white", edgecolor="#bbbbbb", linewidth=0.4)
    hatch(ax, image, weak)
    own = np.array([[source == target for target in matrix.targets] for source in matrix.sources])[cells]
    diagonal(ax, own)
    signed = show == "values" and is_gain(matrix)
    if max(values.shape) <= ANNOTATED:
        numbers(ax, image, texts, unsure if signed and matrix.samples is not None else None)
    else:
        signs(ax, unknown, "x")
        signs(ax, signed & (values < 0) & ~unsure, "_")
        signs(ax, signed & (values > 0) & ~unsure, "+")
    cell_names(ax, [matrix.sources[i] for i in rows], [matrix.targets[j] for j in columns])
    notes = [
        "hatched: under twice the noise floor" if weak.any() else "",
        _sure_note(max(values.shape) <= ANNOTATED) if signed and unsure.any() else "",
    ]
    ax.set(xlabel="\n".join(filter(None, ["target (task to learn)", *notes])), ylabel="source (task learned before)")
    return describe(ax, _words(matrix, show, weak, unsure if signed else None))


@dataclass(frozen=True)
class View:
    """What is drawn of a matrix: values and their texts `(S, T)`, colors and their limits."""

    values: NDArray[np.float64]
    texts: NDArray[np.str_]
    low: float
    high: float
    cmap: str
    label: str


def _values(matrix: TransferMatrix) -> View:
    values, gain = matrix.values, is_gain(matrix)
    sign = "+" if gain else ""
    texts = _texts(values, f"{sign}.{decimals(values)}f")
    if gain:
        bound = float(np.nanmax(np.abs(values), initial=1e-3))
        return View(values, texts, -bound, bound, DIVERGING, f"{matrix.label}\n(accuracy more than from scratch)")
    return View(values, texts, *_limits(values), SEQUENTIAL, f"{matrix.label} (larger: easier transfer)")


def _ranks(matrix: TransferMatrix) -> View:
    ranks, sources = matrix.ranks(), len(matrix.sources)
    label = f"rank of the source for its target\nby {matrix.label} (1: best)"
    return View(ranks, _texts(ranks, "g"), 1.0, float(max(sources, 2)), f"{SEQUENTIAL}_r", label)


def _shares(matrix: TransferMatrix) -> View:
    shares = matrix.normalized()
    label = f"share of the source in its target's\n{matrix.label} (each column sums to 1)"
    return View(shares, _texts(shares, f".{max(2, decimals(shares))}f"), *_limits(shares), SEQUENTIAL, label)


VIEWS: dict[str, Callable[[TransferMatrix], View]] = {"values": _values, "ranks": _ranks, "ahp": _shares}


def is_gain(matrix: TransferMatrix) -> bool:
    """Whether the matrix holds measured differences, whose zero means no transfer."""
    return matrix.estimator.endswith("_gain")


def below_floor(matrix: TransferMatrix) -> NDArray[np.bool_]:
    """`(S, T)`, scores under twice what features that say nothing of the labels would have."""
    if matrix.floor is None or is_gain(matrix):
        return np.zeros(matrix.values.shape, dtype=bool)
    return np.asarray(matrix.values < FLOORS * matrix.floor)


def unsure_sign(matrix: TransferMatrix) -> NDArray[np.bool_]:
    """`(S, T)`, cells whose 95 % interval does not leave out zero; none where there are no repetitions."""
    if matrix.samples is None:
        return np.zeros(matrix.values.shape, dtype=bool)
    low, high = matrix.interval()
    return ~((low > 0) | (high < 0)) & ~np.isnan(matrix.values)


def _texts(values: NDArray[np.float64], form: str) -> NDArray[np.str_]:
    return np.array([["×" if np.isnan(v) else format(v, form) for v in row] for row in values])


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)


def _order(matrix: TransferMatrix, order: Sequence[int] | NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    if order is None:
        return None
    index, T = np.asarray(order), len(matrix.targets)
    if matrix.sources != matrix.targets:
        raise ValueError(
            f"expected sources and targets alike, to put both in one `order`; got {len(matrix.sources)} sources and "
            f"{T} targets of other names; leave `order` out"
        )
    if index.dtype.kind not in "iu" or index.shape != (T,) or set(index.tolist()) != set(range(T)):
        raise ValueError(f"expected `order` as a permutation of the tasks 0..{T - 1}; got {index.tolist()}")
    return index.astype(np.int64)


def _sure_note(numbered: bool) -> str:
    if numbered:
        return "faint: 95 % interval includes zero"
    return "+ and −: sign known at 95 %"


def _words(matrix: TransferMatrix, show: str, weak: NDArray[np.bool_], unsure: NDArray[np.bool_] | None) -> str:
    S, T = matrix.values.shape
    what = {"values": "", "ranks": ", as ranks of the sources for each target", "ahp": ", as shares of each target"}
    unknown = int(np.isnan(matrix.values).sum())
    known = S * T - unknown
    parts = [
        f"Transfer matrix, {matrix.label}{what[show]}: {S} source{'s' * (S > 1)} as rows, "
        f"{T} target{'s' * (T > 1)} as columns.",
        _range(matrix) if known else "No score is known.",
        _best(matrix) if T <= ANNOTATED and known else "",
        f"{weak.sum()} of {known} scores are under twice their noise floor." if weak.any() else "",
        f"The 95 % interval leaves out zero in {known - int(unsure.sum())} of {known} cells."
        if unsure is not None and matrix.samples is not None
        else "",
        f"{unknown} cell{'s are' if unknown > 1 else ' is'} unknown." if unknown else "",
    ]
    return " ".join(filter(None, parts))


def _range(matrix: TransferMatrix) -> str:
    low, high = (np.unravel_index(f(matrix.values), matrix.values.shape) for f in (np.nanargmin, np.nanargmax))
    said = [f"{matrix.values[s, t]:.3g} ({matrix.sources[s]} on {matrix.targets[t]})" for s, t in (low, high)]
    return f"From {said[0]} to {said[1]}."


def _best(matrix: TransferMatrix) -> str:
    """The best source of each target, itself aside."""
    found = []
    for j, target in enumerate(matrix.targets):
        others = [
            (value, source)
            for value, source in zip(matrix.values[:, j], matrix.sources, strict=True)
            if source != target and not np.isnan(value)
        ]
        if others:
            found.append(f"{short(max(others)[1], 24)} for {short(target, 24)}")
    return f"Best other source: {', '.join(found)}." if found else ""
