"""What every plot promises, whatever it shows; the tests of each family of plots hold theirs to it."""

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from cltoolkit import plots


def draws_where_it_is_told(plot):
    """On the axes given and nothing else; these axes."""
    before, ax = mpl.rcParams.copy(), Figure().subplots()
    assert plot(4, ax=ax) is ax
    assert plt.get_fignums() == []
    assert mpl.rcParams == before
    return ax


def makes_one_figure_of_column_width(plot):
    ax = plot(4)
    assert plt.get_fignums() == [ax.figure.number]
    assert ax.figure.get_size_inches()[0] <= 6.4
    assert ax.figure.get_layout_engine() is not None


def says_what_it_shows(ax):
    """In whole sentences; these."""
    words = plots.alt_text(ax)
    assert words.endswith(".")
    assert "nan" not in words
    return words


def is_drawn_with_tick_labels_apart(ax, caplog):
    """With warnings as errors."""
    ax.figure.draw_without_rendering()
    assert not caplog.records
    for axis in (ax.xaxis, ax.yaxis):
        shown = [text for text in axis.get_ticklabels() if text.get_text() and text.get_rotation() in (0, 90)]
        boxes = [text.get_window_extent().extents for text in shown]
        assert not any(
            a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3] for i, a in enumerate(boxes) for b in boxes[:i]
        )
