"""Plots of intervals, one by one: what is drawn is what the record holds."""

import matplotlib as mpl

mpl.use("Agg")

from types import SimpleNamespace

import made_intervals as made
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.cbook import STEP_LOOKUP_MAP
from matplotlib.patches import Rectangle, StepPatch
from numpy.testing import assert_allclose, assert_array_equal

from cltoolkit import plots
from cltoolkit.intervals import DRIFTS, AlongInterval, IntervalTensor, certified_at, margins
from cltoolkit.plots._interval_axes import from_zero

WORST = "attacked: the worst network found"


@pytest.fixture(autouse=True)
def _clean_slate():
    yield
    plt.close("all")


def labeled(ax, label):
    (line,) = (line for line in ax.lines if line.get_label() == label)
    return line


def height(line, at):
    """Where a line in steps stands over `at`."""
    return np.interp(at, *STEP_LOOKUP_MAP[line.get_drawstyle()](*line.get_data()))


def ends(collection):
    """Lower and upper ends of vertical segments, `(n, 2)`."""
    return np.array([segment[:, 1] for segment in collection.get_segments()])


def beside(ax):
    return [text.get_text() for text in ax.texts]


# Intervals around embeddings.


def test_every_task_has_its_segments():
    run = made.a_run(3)
    ax = plots.intervals(run, coordinates=[5, 0])
    center, half = run.series["embeddings"][2], run.series["half_widths"][2]
    for j in range(3):
        expected = np.stack([center[j] - half[j], center[j] + half[j]], 1)[[5, 0]]
        assert_allclose(ends(ax.collections[j]), expected)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["5", "0"]
    assert ax.get_title() == "HyperInterval, seed 0: γ = 1, d = 8, 3 tasks"


def test_what_all_share_is_the_records_intersection():
    run = made.a_run(3)
    ax = plots.intervals(run)
    lower, upper = run.series["intersection"][2, 2]
    assert_allclose([(bar.get_y(), bar.get_y() + bar.get_height()) for bar in ax.patches], np.stack([lower, upper], 1))
    assert_allclose(ends(ax.collections[3]), np.stack([lower, upper], 1))
    assert_allclose(labeled(ax, "universal point e*").get_ydata(), run.series["universal"][2, 2])
    assert f"They share a box, of mean width {(upper - lower).mean():.3g}." in plots.alt_text(ax)


def test_an_empty_intersection_is_shown_as_such():
    kept = {"embeddings": [[0.0, 0.0], [0.1, 3.0]], "half_widths": [[0.5, 0.5], [0.5, 0.5]]}
    ax = plots.intervals(kept)
    assert_allclose(labeled(ax, "nothing is shared").get_ydata(), [1.5])  # the middle of the gap from 0.5 to 2.5
    assert "universal point e*" not in [line.get_label() for line in ax.lines]
    assert "They share nothing in 1 of 2 coordinates." in plots.alt_text(ax)
    assert len(ax.patches) == 1


def test_what_is_unknown_is_neither_shared_nor_apart():
    run = made.a_run(3)
    run.series["half_widths"][2, 1, 2] = np.nan
    ax = plots.intervals(run)
    assert "What they share is unknown in 1 of 8 coordinates." in plots.alt_text(ax)
    assert len(ax.patches) == 7
    assert "nothing is shared" not in [line.get_label() for line in ax.lines]


def test_some_tasks_alone_share_more():
    run = made.a_run(4)
    ax = plots.intervals(run, tasks=[0, 2])
    center, half = run.series["embeddings"][3, [0, 2]], run.series["half_widths"][3, [0, 2]]
    lower, upper = (center - half).max(0), (center + half).min(0)
    assert_allclose(labeled(ax, "universal point e*").get_ydata(), (lower + upper) / 2)
    with pytest.raises(ValueError, match="tasks out of 0 to 3"):
        plots.intervals(run, tasks=[4])
    with pytest.raises(ValueError, match="coordinates out of 0 to 7"):
        plots.intervals(run, coordinates=[8])


def test_a_learners_own_series_will_do():
    run = made.a_run(3)
    kept = {name: torch.from_numpy(values[2]) for name, values in run.series.items()}
    assert plots.alt_text(plots.intervals(kept)) == plots.alt_text(plots.intervals(run)).replace(
        " of HyperInterval, seed 0", ""
    )
    with pytest.raises(ValueError, match="3, as it is now; got 2"):
        plots.intervals(kept, after=2)
    with pytest.raises(ValueError, match="the learner has no interval widths"):
        plots.interval_widths({"embeddings": kept["embeddings"]})
    with pytest.raises(ValueError, match="learned no task yet"):
        plots.intervals({"embeddings": torch.zeros(0, 4), "half_widths": torch.zeros(0, 4)})


# Half-widths.


def test_half_widths_show_every_number():
    run = made.a_run(2, nested=False, d=3)
    values = run.series["half_widths"][1]
    ax = plots.half_widths(run)
    assert_array_equal(ax.images[0].get_array().filled(np.nan), values)
    assert {text.get_position()[::-1] for text in ax.texts} == set(np.ndindex(2, 3))
    assert "sum to γ = 1." in plots.alt_text(ax)


def test_rings_are_as_large_as_the_weights_respond():
    run, sensitivity = made.a_run(2, nested=False, d=3), np.array([[0, 1, 2], [3, 4, np.nan]])
    ax = plots.half_widths(run, sensitivity=sensitivity)
    sizes = ax.collections[0].get_sizes().reshape(2, 3)
    assert_allclose(sizes / sizes[1, 1], np.nan_to_num(sensitivity) / 4)
    with pytest.raises(ValueError, match=r"for each half-width, \(2, 3\); got \(3, 2\)"):
        plots.half_widths(run, sensitivity=sensitivity.T)


# Widths of weights.


@pytest.mark.parametrize("collapsed", [False, True])
def test_every_weight_is_counted_once(collapsed):
    bounds = made.bounds(2, collapsed=collapsed)
    ax = plots.weight_widths(bounds)
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == [name for name in bounds if name != "head.weight"]
    for row, name in enumerate(names):
        points = int((bounds[name].width < 1e-8).sum())
        assert f"{points} of {bounds[name].numel()}" in beside(ax)
        (bars,) = (p for p in ax.patches if p.get_data().baseline == row and not p.get_hatch())
        heights = row - bars.get_data().values
        wide = bounds[name].width.numpy().ravel()
        expected = np.histogram(wide[wide >= 1e-8], bars.get_data().edges)[0]
        assert expected.sum() == len(wide) - points
        assert_allclose(heights, 0.85 * expected / expected.max(), atol=1e-12)
    assert any(patch.get_hatch() for patch in ax.patches) == collapsed


def test_collapsed_weights_stand_apart_by_their_share():
    box = IntervalTensor(torch.zeros(4), torch.tensor([0.0, 1e-9, 1e-3, 1e-2]))
    (stripes,) = (patch for patch in plots.weight_widths({"w": box}).patches if patch.get_hatch())
    assert_allclose(stripes.get_data().edges, [1e-9, 1e-8])
    assert_allclose(-stripes.get_data().values, [0.85 * 0.5])


def test_all_points_are_drawn_and_no_interval_teaches():
    ax = plots.weight_widths({"w": IntervalTensor(torch.zeros(3), torch.zeros(3))})
    ax.figure.draw_without_rendering()
    assert "3 of 3 (100 %) shorter than 1e-8" in plots.alt_text(ax)
    with pytest.raises(ValueError, match="got 1 plain tensors: give learner"):
        plots.weight_widths({"w": torch.zeros(3)})
    with pytest.raises(ValueError, match="has none"):
        plots.weight_widths(SimpleNamespace(layer_widths={}))


def test_interval_widths_are_the_series():
    run = made.a_run(3)
    run.series["width"][2, 2] = [1e-4, 1e-3, 2e-3, 3e-3, 1e-2]
    ax = plots.interval_widths(run)
    assert_allclose(ends(ax.collections[0])[2], [1e-4, 1e-2])
    assert_allclose(ends(ax.collections[1])[2], [1e-3, 3e-3])
    assert_allclose(labeled(ax, "median").get_ydata()[2], 2e-3)
    assert beside(ax) == ["75 %"]
    assert "Vacuous, with medians under 1e-8: digits 1." in plots.alt_text(ax)


def test_widths_that_later_tasks_changed_are_marked():
    run = made.a_run(3)
    assert "median when learned" not in [line.get_label() for line in plots.interval_widths(run).lines]
    run.series["width"][0, 0] *= 2
    line = labeled(plots.interval_widths(run), "median when learned")
    assert_allclose(line.get_xydata(), [[0, run.series["width"][0, 0, 2]]])


# InterContiNet's boxes.


def test_boxes_are_those_of_the_two_weights():
    run = made.a_run(3)
    ax = plots.nested_boxes(run, weights=(2, 0))
    shapes = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    for t, shape in enumerate(shapes):
        (left, right), (low, high) = run.series["watched"][t, t, [2, 0]]
        assert_allclose(shape.get_bbox().extents, [left, low, right, high])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("watched weight 2", "watched weight 0")
    assert "Each lies within the one before." in plots.alt_text(ax)


def test_a_box_that_is_not_nested_is_told():
    boxes = torch.tensor([[[0.0, 1.0], [0.0, 1.0]], [[0.0, 1.0], [0.5, 1.5]]])
    assert "Not within the one before: task 2." in plots.alt_text(plots.nested_boxes(boxes))
    with pytest.raises(ValueError, match="two of the 2 weights"):
        plots.nested_boxes(boxes, weights=(0, 2))
    with pytest.raises(ValueError, match="expected lower and upper ends"):
        plots.nested_boxes(boxes[0])
    with pytest.raises(ValueError, match="none that are known"):
        plots.nested_boxes(boxes * torch.nan)


def test_plasticity_is_the_volume_when_each_task_was_learned():
    runs = [made.a_run(4, seed=seed, learner="InterContiNet") for seed in range(3)]
    values = np.array([np.diagonal(run.series["log_volume"][..., 0]) for run in runs])
    (line,) = plots.plasticity(runs).lines
    assert_allclose(line.get_ydata(), values.mean(0))
    runs[0].series["log_volume"][:] = -np.inf
    assert "unknown" in plots.alt_text(plots.plasticity(runs[0]))
    with pytest.raises(ValueError, match=r"different numbers of tasks, \[3, 4\]"):
        plots.plasticity([made.a_run(3), made.a_run(4)])


# Certificates.


def test_margins_above_zero_are_filled_and_counted():
    certificate = SimpleNamespace(task=4, name="", margins=np.array([-1.0, 0.0, 0.25, 0.5, 1.0, np.inf]))
    ax = plots.margins(certificate)
    certified, others = (p for p in ax.patches if isinstance(p, StepPatch))
    assert (bool(certified.get_hatch()), bool(others.get_hatch())) == (False, True)
    edges = certified.get_data().edges
    assert np.abs(edges).min() < 1e-12
    assert certified.get_data().edges[:-1][certified.get_data().values < 0].min() >= -1e-12
    assert others.get_data().edges[1:][others.get_data().values < 0].max() <= 1e-12
    assert len(np.flatnonzero(certified.get_data().values < 0)) == 3
    assert [text.get_text() for text in ax.get_yticklabels()] == ["task 4"]
    assert beside(ax) == ["66.7 % certified"]  # one class alone is certified, though nothing is drawn of it


def test_margins_teach_what_is_missing():
    with pytest.raises(ValueError, match="0 certificates without a finite one"):
        plots.margins([])


@pytest.mark.parametrize("table", [dict, pd.DataFrame])
def test_accuracy_by_radius_is_the_table(table):
    rows = made.sizes(5)
    ax = plots.certified_by_radius(table(rows))
    certified = labeled(ax, "certified: every network in the box")
    assert_array_equal(certified.get_xdata(), rows["scale"])
    assert_array_equal(certified.get_ydata(), rows["certified"])
    assert labeled(ax, WORST).get_ydata()[-1] == rows["attacked"][-1]


@settings(max_examples=25)
@given(st.lists(st.tuples(st.floats(0.01, 2), st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=6), st.data())
def test_between_two_sizes_lines_promise_no_more_than_is_known(rows, data):
    """What is certified of the larger box, and what was found in the smaller one; the worst lies between them."""
    steps, *ends = np.array(rows).T
    scales, (low, high) = np.cumsum(steps), -np.sort(-np.sort(ends, axis=0), axis=1)
    ax = plots.certified_by_radius({"scale": scales, "certified": low, "attacked": high})
    k = data.draw(st.integers(0, len(scales) - 2))
    at = scales[k] + data.draw(st.floats(0.1, 0.9)) * (scales[k + 1] - scales[k])
    certified, attacked = (height(labeled(ax, name), at) for name in ("certified: every network in the box", WORST))
    assert_allclose([certified, attacked], [low[k + 1], high[k]], atol=1e-9)
    (band,) = (each for each in ax.collections if each.get_label() == "the worst lies here")
    corners = np.concatenate([path.vertices for path in band.get_paths()])
    own = corners[(corners[:, 0] >= scales[k]) & (corners[:, 0] <= scales[k + 1]), 1]
    assert {low[k + 1], high[k]} <= set(own.tolist())
    plt.close("all")


def test_accuracy_over_seeds_is_averaged_with_its_range():
    rows = made.sizes(5, seeds=3, attacked=False)
    ax = plots.certified_by_radius(rows)
    values = rows["certified"].reshape(3, 5)
    assert_allclose(labeled(ax, "certified: every network in the box").get_ydata(), values.mean(0))
    band = ax.collections[-1].get_paths()[0].get_extents()
    assert_allclose([band.y0, band.y1], [values.min(), values.max()])
    with pytest.raises(ValueError, match="gamma is missing"):
        plots.certified_by_radius(rows, against="gamma")
    with pytest.raises(ValueError, match="columns of one length"):
        plots.certified_by_radius({"scale": [0, 1], "certified": [1]})


def test_marks_of_drift_stand_on_what_the_curve_promises():
    run = made.a_run(4)
    ax = plots.certified_by_drift(run)
    drift, curve = run.series["drift"][3, :, 0], run.series["drift_curve"][3]
    marks = [line for line in ax.lines if line.get_linestyle() == "None" and len(line.get_xdata()) == 1]
    assert_allclose([line.get_xdata()[0] for line in marks], drift)
    held = [certified_at(row, DRIFTS, delta) for row, delta in zip(curve, drift, strict=True)]
    assert_allclose([line.get_ydata()[0] for line in marks], held)
    steps = [line for line in ax.lines if line.get_drawstyle() == "steps-pre"]
    assert_array_equal([line.get_ydata() for line in steps], curve)
    with pytest.raises(ValueError, match=f"expected {len(DRIFTS)} drifts"):
        plots.certified_by_drift(run, drifts=(0.0, 1.0))


def test_a_drift_beyond_the_curve_promises_nothing():
    kept = {"drift_curve": [[1.0, 0.9]], "drift": [[2.0]]}
    assert "least 0.000 for task 1" in plots.alt_text(plots.certified_by_drift(kept, drifts=(0.0, 1.0)))
    unknown = {"drift_curve": [[1.0, 0.9]]}
    assert "No drift was measured." in plots.alt_text(plots.certified_by_drift(unknown, drifts=(0.0, 1.0)))


def test_accuracies_of_tasks_are_marked_one_under_another():
    run = made.a_run(3)
    ax = plots.certified_accuracy(run, attacked=[0.9, 0.8, 0.7])
    assert_array_equal(labeled(ax, "clean").get_ydata(), run.accuracy[3])
    assert_array_equal(labeled(ax, "attacked").get_ydata(), [0.9, 0.8, 0.7])
    assert_array_equal(labeled(ax, "certified").get_ydata(), run.series["certified"][2, :, 0])
    without = labeled(ax, "certified without data,\non training or validation examples")
    assert_array_equal(without.get_ydata(), run.series["certified_by_drift"][2, :, 0])
    with pytest.raises(ValueError, match=r"attacked accuracy of 3 tasks, \(3,\)"):
        plots.certified_accuracy(run, attacked=[0.9])
    run.series["certified"][2, 1] = np.nan
    assert "nan" not in plots.alt_text(plots.certified_accuracy(run))


@pytest.mark.parametrize(("sizes", "part"), [((38, 20), "validation"), ((0, 0), "training")])
def test_the_legend_says_on_which_examples_accuracy_was_measured(sizes, part):
    run = made.a_run(2)
    run.config["sequence"] = {"tasks": [{"validation": size} for size in sizes]}
    ax = plots.certified_accuracy(run)
    assert ax.get_legend().get_title().get_text() == "on test examples"
    assert labeled(ax, f"certified without data,\non {part} examples")
    assert f"(that on {part} examples)" in plots.alt_text(ax)
    del run.series["certified_by_drift"]
    assert part not in plots.alt_text(plots.certified_accuracy(run))


def test_accuracy_along_the_interval_is_the_walk():
    walk = made.a_walk(3)
    ax = plots.along_interval(walk)
    assert_array_equal([line.get_ydata() for line in ax.lines[:3]], walk.accuracy)
    assert_allclose(labeled(ax, "worst").get_ydata(), walk.accuracy.min(0))
    flat = labeled(ax, "certified")
    assert_array_equal([flat.get_xdata(), flat.get_ydata()], [[-1, 1], [0.78, 0.78]])
    unknown = AlongInterval(np.array([0.0]), np.array([[0.5]]), 0.5)
    assert "Certified" not in plots.alt_text(plots.along_interval(unknown))


# Training, regression, and single examples.


def test_schedules_have_an_axis_of_their_own():
    run = made.a_run(2, steps=10)
    ax = plots.schedule(run)
    (right,) = (other for other in ax.figure.axes if other is not ax and other.get_ylabel())
    kappa, gamma = (line.get_ydata() for line in right.lines)
    assert_allclose(kappa[np.isfinite(kappa)], run.curves["kappa"])
    assert_allclose(gamma[np.isfinite(gamma)] * 2.0, run.curves["radius"])
    assert "κ from 1 to 0.5, γ from 0 to 2." in plots.alt_text(ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()][:2] == [
        "loss of the network used",
        "loss of the worst in the box",
    ]
    del run.curves["worst"]
    with pytest.raises(ValueError, match="logged no worst, which HyperInterval logs"):
        plots.schedule(run)


def test_regression_is_drawn_in_the_order_of_its_inputs():
    x, y, lower, middle, upper = made.a_regression()
    ax = plots.interval_regression(torch.tensor(x)[:, None], y, lower, middle, upper)
    assert_array_equal(labeled(ax, "network used").get_xdata(), np.sort(x))
    assert_array_equal(labeled(ax, "truth").get_ydata(), y[np.argsort(x)])
    assert "50 of 50 true values lie within it" in plots.alt_text(ax)
    plots.interval_regression(x + 1, None, lower, middle, upper, ax=ax)
    assert len(ax.get_legend().get_texts()) == 3
    with pytest.raises(ValueError, match="lower, middle, upper"):
        plots.interval_regression(x, y, upper, middle, lower)
    with pytest.raises(ValueError, match="50 values"):
        plots.interval_regression(x, y[:-1], lower, middle, upper)


def test_margins_written_are_those_of_the_logits():
    logits, y = made.logits(6, 4)
    ax = plots.logit_intervals(logits, y, examples=[5, 0])
    expected = margins(logits, y)
    verdicts = [text.split("\n") for text in beside(ax)]
    assert [verdict[0] for verdict in verdicts] == ["example 5", "example 0"]
    for i, verdict in zip((5, 0), verdicts, strict=True):
        assert float(verdict[1].removeprefix("margin ")) == pytest.approx(float(expected[i]), rel=5e-3)
        assert verdict[2] == ("certified" if expected[i] > 0 else "not certified")


def test_units_that_may_not_answer_are_not_drawn():
    logits, _ = made.logits(2, 5)
    y = [1, 3]
    ax = plots.logit_intervals(logits, y, units=(3, 1), margins=[0.5, -0.5], names=list("abcde"))
    assert [text.get_text() for text in ax.get_yticklabels()] == ["d", "b", "d", "b"]
    assert "Example 0, label b: margin +0.5, certified." in plots.alt_text(ax)
    with pytest.raises(ValueError, match=r"among the units \[3, 2\]; got \[1\]"):
        plots.logit_intervals(logits, y, units=(3, 2))
    with pytest.raises(ValueError, match="a label for each of 2 rows"):
        plots.logit_intervals(logits, [1])
    with pytest.raises(ValueError, match="examples out of 0 to 1"):
        plots.logit_intervals(logits, y, examples=[2])


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([0, 1, 2, 3], "linear"),
        (np.linspace(0, 3, 200), "linear"),
        (DRIFTS, "symlog"),
        (DRIFTS[1:], "log"),
        ([], "linear"),
    ],
)
def test_axes_are_logarithmic_where_values_bunch_near_zero(values, scale):
    ax = plt.subplots()[1]
    from_zero(ax, np.asarray(values, dtype=float))
    assert ax.get_xscale() == scale
