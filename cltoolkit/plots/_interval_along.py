"""Accuracy along the interval: the networks that a task's embeddings make, inside its box and beyond."""

import numpy as np
from matplotlib.axes import Axes

from ..intervals import AlongInterval
from ._axes import COLORS, INK, axes, describe, open_frame, score_limits
from ._interval_axes import plural
from ._interval_record import Look


def along_interval(record: AlongInterval, *, ax: Axes | None = None) -> Axes:
    """Accuracy of the networks h(e + λ ε∘v), out of the middle of the box to its wall at |λ| = 1 and beyond.

    A thin line per direction v, the mean thick, the worst dashed. Inside the box, no line may fall below the certified
    accuracy, the heavy flat line; outside, nothing is promised.

    Args:
        record: what `intervals.along_interval` measured.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Example:
        >>> import numpy as np
        >>> import cltoolkit as cl
        >>> lambdas, accuracy = np.array([-1.5, 0, 1.5]), np.array([[0.4, 0.9, 0.8], [0.7, 0.9, 0.6]])
        >>> walk = cl.intervals.AlongInterval(lambdas, accuracy, center=0.9, certified=0.85)
        >>> print(cl.plots.alt_text(cl.plots.along_interval(walk)))
        Accuracy along 2 directions through the box: 0.900 in the middle, at least 0.900 inside, at least 0.400 beyond.
        Certified inside: 0.850.
    """
    x, y = record.lambdas, record.accuracy
    ax = axes(ax)
    ax.axvspan(-1, 1, color="#f0f0f0", zorder=0.1, label="inside the box")
    one = len(y) == 1
    for i, line in enumerate(y):
        faint: Look = {"linewidth": 1.6} if one else {"linewidth": 0.7, "alpha": 0.5}
        ax.plot(x, line, color=COLORS[0], **faint, label="each direction" if i == 0 else None)
    if not one:
        ax.plot(x, y.mean(0), color=COLORS[0], linewidth=2, label="mean")
        ax.plot(x, y.min(0), color=COLORS[1], linewidth=1.6, linestyle="--", label="worst")
    ax.plot(0, record.center, "o", color=INK, markersize=6, label="middle, λ = 0", zorder=4, linestyle="")
    if np.isfinite(record.certified):
        ax.plot([-1, 1], [record.certified] * 2, color="black", linewidth=3.5, solid_capstyle="butt", label="certified")
    for wall in (-1, 1):
        ax.axvline(wall, color=INK, linestyle=":", linewidth=1)
    score_limits(ax, np.append(y, record.certified))
    ax.set(xlabel="λ: position along the interval (±1: the walls of the box)", ylabel="accuracy (fraction)")
    ax.set_xlim(min(x.min(), -1.05), max(x.max(), 1.05))
    open_frame(ax)
    ax.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return describe(ax, _words(record))


def _words(record: AlongInterval) -> str:
    beyond = record.accuracy[:, ~record.inside]
    outside = f", at least {beyond.min():.3f} beyond" if beyond.size else ""
    certified = f" Certified inside: {record.certified:.3f}." if np.isfinite(record.certified) else ""
    return (
        f"Accuracy along {plural(len(record.accuracy), 'direction')} through the box: {record.center:.3f} in the "
        f"middle, at least {record.lowest:.3f} inside{outside}.{certified}"
    )
