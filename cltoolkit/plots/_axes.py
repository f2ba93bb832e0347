"""Axes, colors, labels and alternative texts: what all plots share."""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FuncFormatter

WIDTH = 6.4  # inches, of new figures at most
INK = "#333333"
FAINT = "#8c8c8c"

# Okabe & Ito's colors, told apart by the color-blind; with a line style and a marker each, told apart in grey too.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
LINES = ("-", "--", "-.", ":", (0, (7, 2)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 2)))
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
_DASHES = ((), (6, 3), (7, 2, 2, 2), (2, 2), (10, 3), (4, 2, 1, 2, 1, 2), (1, 3))  # LINES in pixels on and off
FEW = len(COLORS)  # lines that can be named apart
CROWD = 20  # tasks past which there is no room for each

_ALT_TEXTS: WeakKeyDictionary[Axes, str] = WeakKeyDictionary()


def alt_text(ax: Axes | Figure) -> str:
    """What a plot shows, in words: for those who cannot see it, and for the `alt` of a page.

    Args:
        ax: axes that a function of this room drew on; of a figure, all of its axes that have a text are read in turn.

    Returns:
        A few plain sentences.

    Raises:
        ValueError: if no function of this room drew on these axes.
    """
    if isinstance(ax, Figure):
        return " ".join(_ALT_TEXTS[each] for each in ax.axes if each in _ALT_TEXTS)
    if ax not in _ALT_TEXTS:
        raise ValueError("these axes have no alternative text: only functions of cltoolkit.plots give them one")
    return _ALT_TEXTS[ax]


def theme() -> dict[str, Any]:
    """Colors, dashes, markers and color maps in JSON's types, so that other views look like these plots.

    Example:
        >>> sorted(theme())
        ['colors', 'dashes', 'diverging', 'markers', 'ordinal', 'sequential']
    """
    maps = {"sequential": "cividis", "diverging": "RdBu", "ordinal": "viridis"}
    return {
        "colors": list(COLORS),
        "dashes": [list(_DASHES[i]) for i in range(FEW)],
        "markers": list(MARKERS),
        **{use: [to_hex(mpl.colormaps[name](i / 255)) for i in range(256)] for use, name in maps.items()},
    }


def describe(ax: Axes, text: str) -> Axes:
    """Registers the alternative text of axes; the last thing that a plot does."""
    as_written(ax)
    _ALT_TEXTS[ax] = text
    return ax


def as_written(ax: Axes) -> None:
    """Shows texts as they are: names of tasks and layers may hold dollar signs, which would set them as formulas."""
    numbers = {label for axis in ax.findobj(Axis) for label in _numbers_along(axis)}
    for text in ax.findobj(Text):
        if isinstance(text, Text) and "$" in text.get_text() and text not in numbers:
            text.set_parse_math(False)


def _numbers_along(axis: Artist) -> list[Text]:
    """Tick labels that are computed and no names: powers are formulas, and stay so."""
    if not isinstance(axis, Axis) or isinstance(axis.get_major_formatter(), (FixedFormatter, FuncFormatter)):
        return []
    return [label for tick in axis.get_major_ticks() for label in (tick.label1, tick.label2)]


def axes(ax: Axes | None, width: float = WIDTH, height: float = 3.6) -> Axes:
    """The axes given, or new ones of a size in inches."""
    if ax is not None:
        return ax
    return plt.subplots(figsize=(min(width, WIDTH), height), layout="constrained")[1]


def style(i: int, n: int) -> dict[str, Any]:
    """The look of line i of n: named apart while they are few, else shaded in their order."""
    if n <= FEW:
        return {"color": COLORS[i], "linestyle": LINES[i], "linewidth": 1.6}
    shade = mpl.colormaps["viridis"](0.9 * i / (n - 1))
    return {"color": shade, "linestyle": LINES[i % 4 if n <= CROWD else 0], "linewidth": 1.4 if n <= CROWD else 0.8}


def marker(i: int, n: int) -> str:
    """Marker of line i of n."""
    return MARKERS[i % FEW] if n <= FEW else ""


def look(i: int, n: int) -> dict[str, Any]:
    """Color and marker of point i of n."""
    return {"color": style(i, n)["color"], "marker": marker(i, n) or "o"}


def short(name: str, length: int = 18) -> str:
    """A name cut to a length, in the middle, for names often differ at their ends; the cut is visible."""
    return name if len(name) <= length else f"{name[: length // 2]}…{name[-((length - 1) // 2) :]}"


def labels(names: Sequence[str], length: int = 18) -> list[str]:
    """Names cut to a length; numbered where the cut makes them alike."""
    cut = [short(name, length) for name in names]
    if len(set(cut)) == len(cut):
        return cut
    return [f"{i + 1}: {short(name, length - 4)}" for i, name in enumerate(names)]


def some(n: int, most: int) -> list[int]:
    """Round-numbered indices out of 0..n − 1, at most `most` of them; the first always."""
    steps = (base * 10**power for power in range(9) for base in (1, 2, 5))
    return list(range(0, n, next(step for step in steps if -(-n // step) <= most)))


def named(names: Sequence[str], room: float, most: int = CROWD) -> tuple[list[int], list[str], int]:
    """Which labels to write along a horizontal axis, and how.

    Args:
        names: of everything along the axis.
        room: its length in inches.
        most: how many labels may stand upright side by side.

    Returns:
        Indices, labels cut to a sensible length, and the rotation in degrees: 0 where they fit, else 45 or 90.
    """
    index = some(len(names), most)
    every = labels(names, 16)
    chosen = [every[i] for i in index]
    each = room / max(len(index), 1)
    if max(map(len, chosen), default=0) * 0.08 <= each:
        return index, chosen, 0
    return index, chosen, 45 if each > 0.45 else 90


def inches(ax: Axes) -> tuple[float, float]:
    """Width and height of the axes on paper, roughly: what is written around them is not drawn yet."""
    box = ax.get_position()
    size = ax.figure.get_figure(root=True).get_size_inches()
    return float(box.width * size[0]), float(box.height * size[1])


def task_names_on_top(ax: Axes, starts: Sequence[float], end: float, names: Sequence[str]) -> None:
    """Thin lines where tasks begin, and their names above, each over the middle of its stretch."""
    for start in starts[1:]:
        ax.axvline(start, color=FAINT, linewidth=0.6 if len(starts) <= 30 else 0.2, zorder=0.5)
    index, words, rotation = named(names, 0.9 * inches(ax)[0])
    edges = [*starts, end]
    top = ax.secondary_xaxis("top")
    top.set_xticks([(edges[i] + edges[i + 1]) / 2 for i in index], words)
    top.tick_params(length=0, labelsize=8, labelcolor=INK, labelrotation=rotation)
    slant(top.get_xticklabels(), rotation, "left")
    top.spines["top"].set_visible(False)


def open_frame(ax: Axes) -> None:
    """Leaves the axes two sides and a faint horizontal grid."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#e5e5e5", linewidth=0.6)
    ax.set_axisbelow(True)


def score_limits(ax: Axes, values: Any) -> None:
    """Up to one, and down to the tenth below the lowest value, or to zero; wider for scores that leave zero to one."""
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    lowest, high = known.min(initial=1.0), max(1.0, known.max(initial=1.0))
    low = max(0.0, np.floor(10 * lowest - 0.5) / 10) if lowest >= 0 else lowest
    margin = 0.03 * (high - low)
    ax.set_ylim(low - margin, high + margin)


def legend_beside(ax: Axes, title: str | None = None) -> None:
    """A legend to the right of the axes, where no line can be under it."""
    ax.legend(title=title, title_fontsize=8, fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))


def slant(texts: Sequence[Text], rotation: int, end: str) -> None:
    """Sets slanted labels by their end (`left` above an axis, `right` below), so that each points at its tick."""
    for text in texts:
        text.set(ha=end if rotation == 45 else "center", rotation_mode="anchor" if rotation == 45 else "default")
