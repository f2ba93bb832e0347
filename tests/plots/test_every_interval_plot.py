"""What holds for every plot of intervals: it draws where it is told, says what it shows, and reads in grey."""

from types import SimpleNamespace

import matplotlib as mpl

mpl.use("Agg")

import made_intervals as made
import matplotlib.pyplot as plt
import numpy as np
import pytest
from plot_contract import (
    draws_where_it_is_told,
    is_drawn_with_tick_labels_apart,
    makes_one_figure_of_column_width,
    says_what_it_shows,
)

from cltoolkit import plots

LONG = made.LONG


def certificates(T):
    return [made.a_certificate(t, certified=max(0.1, 1 - 0.1 * t), name=LONG) for t in range(T)]


PLOTS = {
    "intervals": lambda T, ax=None: plots.intervals(made.a_run(T, name=LONG), ax=ax),
    "intervals_apart": lambda T, ax=None: plots.intervals(made.a_run(T, nested=False, name=LONG), ax=ax),
    "half_widths": lambda T, ax=None: plots.half_widths(made.a_run(T, nested=False, name=LONG), ax=ax),
    "half_widths_even": lambda T, ax=None: plots.half_widths(made.a_run(T), sensitivity=np.ones((T, 8)), ax=ax),
    "weight_widths": lambda T, ax=None: plots.weight_widths(made.bounds(T), ax=ax),
    "weight_widths_points": lambda T, ax=None: plots.weight_widths(made.bounds(T, collapsed=True), ax=ax),
    "weight_widths_quartiles": lambda T, ax=None: plots.weight_widths(
        SimpleNamespace(layer_widths={LONG.format(k): (0.0, 1e-3, 1e-2) for k in range(T)}), ax=ax
    ),
    "interval_widths": lambda T, ax=None: plots.interval_widths(made.a_run(T, name=LONG), ax=ax),
    "nested_boxes": lambda T, ax=None: plots.nested_boxes(made.a_run(T, name=LONG), ax=ax),
    "plasticity": lambda T, ax=None: plots.plasticity(made.a_run(T, name=LONG), ax=ax),
    "margins": lambda T, ax=None: plots.margins(certificates(T), plain=True, ax=ax),
    "certified_by_radius": lambda T, ax=None: plots.certified_by_radius(made.sizes(T, seeds=2), ax=ax),
    "certified_by_drift": lambda T, ax=None: plots.certified_by_drift(made.a_run(T, name=LONG), ax=ax),
    "certified_accuracy": lambda T, ax=None: plots.certified_accuracy(
        made.a_run(T, name=LONG), attacked=np.full(T, 0.9), ax=ax
    ),
    "along_interval": lambda T, ax=None: plots.along_interval(made.a_walk(T), ax=ax),
    "schedule": lambda T, ax=None: plots.schedule(made.a_run(T, name=LONG), ax=ax),
    "interval_regression": lambda T, ax=None: plots.interval_regression(*made.a_regression(T), ax=ax),
    "logit_intervals": lambda T, ax=None: plots.logit_intervals(
        *made.logits(3, T), names=[LONG.format(j) for j in range(T)], ax=ax
    ),
}
every_plot = pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS)


@pytest.fixture(autouse=True)
def _clean_slate():
    yield
    plt.close("all")


def test_every_plot_of_intervals_is_here():
    """By its file's name, so that a new one is not forgotten."""
    theirs = {name for name in plots.__all__ if getattr(plots, name).__module__.split(".")[-1].startswith("_interval")}
    assert {name for name in theirs if not any(key.startswith(name) for key in PLOTS)} == set()


@every_plot
def test_draws_on_the_axes_given_and_nothing_else(plot):
    ax = draws_where_it_is_told(plot)
    assert ax.has_data()


@every_plot
def test_new_axes_are_one_figure_of_column_width(plot):
    makes_one_figure_of_column_width(plot)


@every_plot
def test_axes_are_labeled_and_told_in_words(plot):
    ax = plot(4)
    assert ax.get_xlabel()
    assert ax.get_ylabel() or any(text.get_text() for text in ax.get_yticklabels())
    words = says_what_it_shows(ax)
    assert "  " not in words


@every_plot
@pytest.mark.parametrize("T", [1, 2, 21])
def test_any_number_of_tasks_can_be_drawn(plot, T, caplog):
    """With long names that are alike up to the middle, drawn with warnings as errors, and tick labels apart."""
    is_drawn_with_tick_labels_apart(plot(T), caplog)


@pytest.mark.parametrize("name", ["intervals", "half_widths", "interval_widths", "nested_boxes", "certified_by_drift"])
def test_a_hundred_tasks_can_be_drawn(name):
    PLOTS[name](100).figure.draw_without_rendering()


@pytest.mark.parametrize("name", ["intervals", "plasticity", "certified_by_radius", "certified_accuracy", "schedule"])
def test_lines_are_told_apart_in_grey(name):
    """Those in the legend differ by line style, marker or filling, and not by color alone."""
    ax = PLOTS[name](4)
    named = [line for line in ax.lines if not line.get_label().startswith("_")]
    looks = {(line.get_linestyle(), line.get_marker(), line.get_markerfacecolor() == "white") for line in named}
    assert len(looks) == len(named)


READERS = {
    "embeddings": plots.intervals,
    "half_widths": plots.half_widths,
    "width": plots.interval_widths,
    "watched": plots.nested_boxes,
    "log_volume": plots.plasticity,
    "certified": plots.certified_accuracy,
    "drift_curve": plots.certified_by_drift,
}


@pytest.mark.parametrize("name", READERS)
def test_a_run_without_the_series_teaches_who_keeps_it(name):
    run = made.a_run(2, learner="HyperNet")
    del run.series[name]
    with pytest.raises(ValueError, match=rf"HyperNet, seed 0 has no .*\('{name}'\): train (Hyper|Inter).*; its series"):
        READERS[name](run)


@pytest.mark.parametrize("name", READERS)
def test_the_record_is_left_alone(name):
    run, same = made.a_run(3), made.a_run(3)
    READERS[name](run)
    for key in same.series:
        np.testing.assert_array_equal(run.series[key], same.series[key])


@pytest.mark.parametrize("name", ["embeddings", "half_widths", "width", "certified", "drift_curve"])
def test_the_past_can_be_looked_at(name):
    """An interrupted run has its tasks so far; a finished one can be asked for the same moment."""
    run, short = made.a_run(4), made.a_run(4)
    for key, values in short.series.items():
        short.series[key] = np.where(np.arange(4).reshape(4, *[1] * (values.ndim - 1)) < 2, values, np.nan)
    words = plots.alt_text(READERS[name](short))
    assert "2 tasks" in words
    assert words == plots.alt_text(READERS[name](run, after=2))
    assert words != plots.alt_text(READERS[name](run))
    with pytest.raises(ValueError, match="1 to 4 tasks; got 5"):
        READERS[name](run, after=5)
