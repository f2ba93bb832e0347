"""Sheets of several pictures, and small PNGs of them."""

import io
import sys

import matplotlib as mpl
import numpy as np
import pytest
from made_runs import HOSTILE, a_run
from PIL import Image

from cltoolkit import plots

RUN = a_run(4)


def one(ax):
    return plots.accuracy_matrix(RUN, ax=ax)


def other(ax):
    return plots.average_so_far(RUN, ax=ax)


def image(figure, **settings):
    return Image.open(io.BytesIO(plots.png(figure, **settings)))


@pytest.mark.parametrize(("count", "columns", "grid"), [(1, 2, (1, 1)), (2, 2, (1, 2)), (3, 2, (2, 2)), (3, 1, (3, 1))])
def test_panels_stand_row_by_row(count, columns, grid):
    figure = plots.sheet([one] * count, columns=columns, size=(3, 2))
    rows, wide = grid
    assert figure.get_size_inches().tolist() == [3 * wide, 2 * rows]
    figure.draw_without_rendering()
    panels = [ax for ax in figure.axes if ax.get_title()]
    places = [(-ax.get_position().y0, ax.get_position().x0) for ax in panels]
    assert len(panels) == count
    assert np.round(places, 3).tolist() == sorted(np.round(places, 3).tolist())


def test_the_words_of_a_sheet_are_those_of_its_panels():
    figure = plots.sheet([one, other])
    words = plots.alt_text(figure)
    assert words.startswith("Accuracy matrix of HyperNet")
    assert "Average accuracy on the tasks seen so far" in words


def test_pyplot_and_its_settings_know_nothing_of_a_sheet():
    before = mpl.rcParams.copy()
    plots.png(plots.sheet([one]))
    assert mpl.rcParams == before
    assert "matplotlib.pyplot" not in sys.modules or sys.modules["matplotlib.pyplot"].get_fignums() == []


@pytest.mark.parametrize(("panels", "columns"), [([], 2), ([one], 0)])
def test_nothing_to_draw_is_refused(panels, columns):
    with pytest.raises(ValueError, match="expected one panel or more in one column or more; got"):
        plots.sheet(panels, columns=columns)


@pytest.mark.parametrize("names", [HOSTILE[:4], ("$\\bad$", "$x^2$", "a$b", "c$d"), ("n" * 300, "a", "b", "c")])
def test_any_name_is_drawn_as_it_is(names):
    """No formulas, no errors, and no warnings, which are errors here."""
    figure = plots.sheet([lambda ax: plots.accuracy_matrix(a_run(4, tasks=names, name=names[0]), ax=ax)])
    assert plots.png(figure).startswith(b"\x89PNG")


def test_a_logarithmic_axis_keeps_its_powers():
    run = a_run(2, steps=50)
    run.curves["loss"] = np.logspace(0, -5, 100)
    figure = plots.sheet([lambda ax: plots.curves(run, ["loss"], ax=ax)])
    figure.draw_without_rendering()
    labels = [label for label in figure.axes[0].get_yticklabels() if label.get_text()]
    assert labels
    assert all(label.get_parse_math() for label in labels)


def test_the_same_figure_gives_the_same_bytes_and_few_colors():
    files = [plots.png(plots.sheet([one, other]), shades=32) for _ in range(2)]
    assert files[0] == files[1]
    small = Image.open(io.BytesIO(files[0]))
    assert small.mode == "P"
    assert len(small.getcolors()) <= 32


def test_fewer_colors_look_the_same():
    figure = plots.sheet([one])
    many, few = (np.asarray(image(figure, shades=shades).convert("RGB"), dtype=float) for shades in (256, 64))
    assert np.abs(many - few).mean() < 4


def test_a_finer_picture_has_more_pixels():
    figure = plots.sheet([one], size=(3, 2))
    assert image(figure, dpi=50).size == (150, 100)
    assert image(figure, dpi=100).size == (300, 200)
