"""Boxes within boxes: the intervals of two weights, task after task."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike
from torch import Tensor

from ._axes import FEW, axes, describe, labels, legend_beside, look, some, style
from ._interval_axes import plural
from ._interval_record import Numbers, when_learned
from ._points import array
from ._record import title
from ._related import Related


def nested_boxes(
    run_or_boxes: Related | ArrayLike | Tensor,
    *,
    weights: tuple[int, int] = (0, 1),
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The intervals of two weights after each task, as rectangles: every one must lie inside the one before.

    A point marks the middle. What the first rectangle has lost is room that no later task can use again.

    Args:
        run_or_boxes: a Run with series "watched"; or lower and upper ends over tasks, `(T, m, 2)`.
        weights: which two of the m weights watched.
        names: of the tasks; by default those of the run, or numbers.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if the run watched no weights, or there are no such two.

    References:
        Wołczyk et al., Continual Learning with Guarantees via Weight Interval Constraints, ICML 2022.

    Example:
        >>> import cltoolkit as cl
        >>> boxes = [[[-1, 1], [-1, 1]], [[-0.5, 0.5], [0, 1]]]
        >>> print(cl.plots.alt_text(cl.plots.nested_boxes(boxes)))
        Intervals of weights 0 and 1 after each of 2 tasks. Each lies within the one before. The last has 25 % of the
        first one's area.
    """
    boxes, called, heading = _read(run_or_boxes, names)
    a, b = _pair(weights, boxes.shape[1])
    pairs = boxes[:, [a, b]]  # (T, 2, 2)
    learned = np.flatnonzero(np.isfinite(pairs).all((1, 2)))
    if not len(learned):
        raise ValueError("expected the intervals after at least one task; got none that are known")
    pairs, words = pairs[learned], labels([called[t] for t in learned])
    ax, n = axes(ax, width=5.4, height=3.9), len(pairs)
    named = range(n) if n <= FEW else some(n, 10)
    for i, ((left, right), (low, high)) in enumerate(pairs):
        line, label = style(i, n), words[i] if i in named else None
        shape = Rectangle((left, low), right - left, high - low, fill=False, edgecolor=line["color"])
        shape.set(linestyle=line["linestyle"], linewidth=line["linewidth"])
        ax.add_patch(shape)
        mark = look(i, n)
        ax.plot((left + right) / 2, (low + high) / 2, **mark, markersize=5 if n <= FEW else 3, linestyle="")
        ax.plot([], [], **line, marker=mark["marker"], markersize=4, label=label)
    ax.margins(0.08)
    ax.autoscale_view()
    ax.set(xlabel=f"watched weight {a}", ylabel=f"watched weight {b}")
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_title(heading, fontsize=10)
    legend_beside(ax, "after task")
    return describe(ax, _words(pairs, (a, b), words, heading))


def _read(given: Related | ArrayLike | Tensor, names: Sequence[str] | None) -> tuple[Numbers, list[str], str]:
    """Boxes `(T, m, 2)`, names of the tasks, and a heading."""
    if isinstance(given, Tensor | np.ndarray | Sequence):
        boxes, heading = array(given), ""
        called = [f"task {t + 1}" for t in range(len(boxes))] if names is None else list(names)
    else:
        run: Related = given  # type: ignore[assignment]
        boxes, heading = when_learned(run, "watched"), title(run)
        called = list(run.task_names if names is None else names)
    if boxes.ndim != 3 or boxes.shape[2] != 2 or len(boxes) != len(called):
        raise ValueError(f"expected lower and upper ends (T, m, 2), T = {len(called)} names; got shape {boxes.shape}")
    return boxes, called, heading


def _pair(weights: tuple[int, int], m: int) -> tuple[int, int]:
    if len(weights) != 2 or not all(0 <= k < m for k in weights):
        raise ValueError(f"expected two of the {m} weights watched, counted from 0; got {weights}")
    return weights


def _words(pairs: Numbers, weights: tuple[int, int], names: Sequence[str], heading: str) -> str:
    of = f" of {heading}" if heading else ""
    first = f"Intervals of weights {weights[0]} and {weights[1]}{of} after each of {plural(len(pairs))}."
    lower, upper = pairs[..., 0], pairs[..., 1]
    out = np.flatnonzero((np.diff(lower, axis=0) < 0).any(1) | (np.diff(upper, axis=0) > 0).any(1)) + 1
    held = "Each lies within the one before." if not len(out) else f"Not within the one before: {names[out[0]]}."
    area = (upper - lower).prod(1)
    left = f" The last has {100 * area[-1] / area[0]:.3g} % of the first one's area." if area[0] > 0 else ""
    return f"{first} {held if len(pairs) > 1 else ''}{left}".replace("  ", " ").strip()
