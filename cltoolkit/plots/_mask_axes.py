"""Axes that plots of masks share: names as they are written, owners in ordered lightness, and their bar."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap

from ._axes import as_written, inches, labels, short, some

PAPER = "white"  # weights that no task owns
LIGHTEST = 0.88  # of viridis, so that the last owner stands apart from paper


def heading(ax: Axes, *parts: str, above: float = 6.0) -> None:
    """A title of the parts that are there, so many points above the axes."""
    words = ", ".join(short(part, 60) for part in parts if part)
    ax.set_title(words, fontsize=10, pad=above)


def percent(share: float) -> str:
    """A share of one, in words."""
    return f"{100 * share:.1f} %"


def key(name: str, length: int = 30) -> str:
    """A name for a legend, which leaves out those that begin with an underscore."""
    return f"\u200a{short(name, length)}" if name.startswith("_") else short(name, length)


def owner_colors(T: int) -> ListedColormap:
    """A color for each owner: dark first, light last, in grey too."""
    return ListedColormap(mpl.colormaps["viridis"](LIGHTEST * np.arange(T) / max(T - 1, 1)))


def owner_bar(ax: Axes, names: Sequence[str]) -> None:
    """The owners' colors beside the axes, with their names: as many as there is room for."""
    T = len(names)
    colors = mpl.cm.ScalarMappable(BoundaryNorm(np.arange(T + 1) - 0.5, T), owner_colors(T))
    bar = ax.figure.colorbar(colors, ax=ax, aspect=25, fraction=0.08, pad=0.02)
    index, words = some(T, int(np.clip(inches(ax)[1] / 0.2, 2, 12))), labels(names, 14)
    bar.set_ticks(index, labels=[words[i] for i in index])
    bar.ax.tick_params(labelsize=8, length=0)
    bar.ax.minorticks_off()
    bar.outline.set_visible(False)
    bar.set_label("owner", fontsize=9)
    as_written(bar.ax)
