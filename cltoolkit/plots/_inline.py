"""Figures in notebooks as small PNGs that say in words what they show."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from ._axes import alt_text
from ._sheet import SHADES, png

__all__ = ["inline"]


def inline(dpi: int = 72, shades: int = SHADES) -> None:
    """From now on, figures in this notebook are stored as PNGs of few colors, with their alternative text.

    A notebook's file gets a third of the size, and a page made from it can be read aloud. Figures of other libraries
    are stored as small, without words. Outside of a notebook nothing happens.

    Args:
        dpi: pixels per inch.
        shades: colors of a picture, at most 256.
    """
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None or shell.display_formatter is None:
        return
    plt.switch_backend(plt.get_backend())  # loaded now: loaded later, it would put its own way of storing back

    def still(figure: Figure) -> tuple[bytes, dict[str, Any]]:
        words = alt_text(figure)
        return png(figure, dpi=dpi, shades=shades, tight=True), {"alt": words} if words else {}

    shell.display_formatter.formatters["image/png"].for_type(Figure, still)
