"""Several pictures on one sheet, and a sheet as a small PNG: what a page shows where nothing moves."""

import io
import warnings
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from ._axes import WIDTH

__all__ = ["Figure", "Panel", "png", "sheet"]

Panel = Callable[[Axes], Axes]
SHADES = 256  # colors of a PNG: a third of the bytes, and no difference to see in charts


def sheet(panels: Sequence[Panel], *, columns: int = 2, size: tuple[float, float] = (WIDTH / 1.5, 3.2)) -> Figure:
    """Draws plots beside and below each other, row by row, on a figure that pyplot knows nothing of.

    Args:
        panels: functions of axes, such as `lambda ax: accuracy_matrix(run, ax=ax)`.
        columns: how many stand side by side, at most.
        size: width and height of each, in inches.

    Returns:
        The figure; `alt_text(figure)` says what is on it.

    Raises:
        ValueError: if there are no panels, or no columns.

    Example:
        >>> from cltoolkit.plots import alt_text, examples
        >>> from cltoolkit.sequences import split_digits
        >>> sequence = split_digits()
        >>> figure = sheet([lambda ax: examples(sequence, ax=ax)])
        >>> len(figure.axes) > 0
        True
    """
    if not panels or columns < 1:
        raise ValueError(f"expected one panel or more in one column or more; got {len(panels)} in {columns}")
    wide = min(columns, len(panels))
    rows = -(-len(panels) // wide)
    figure = Figure(figsize=(wide * size[0], rows * size[1]), layout="constrained")
    FigureCanvasAgg(figure)
    for i, draw in enumerate(panels):
        draw(figure.add_subplot(rows, wide, i + 1))
    return figure


def png(figure: Figure, *, dpi: int = 80, shades: int = SHADES, tight: bool = False) -> bytes:
    """The figure as a PNG of few colors, the same bytes for the same figure.

    Args:
        figure: any figure.
        dpi: pixels per inch.
        shades: colors, at most 256.
        tight: whether the margins are cut to what is drawn.

    Returns:
        The file.
    """
    drawn = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from font")  # drawn as a box; the words have the name
        figure.savefig(
            drawn, format="png", dpi=dpi, metadata={"Software": None}, bbox_inches="tight" if tight else None
        )
    with Image.open(drawn) as image:
        flat = image.convert("RGB").quantize(
            shades, method=Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE
        )
    small = io.BytesIO()
    flat.save(small, format="png", optimize=True)
    return small.getvalue()
