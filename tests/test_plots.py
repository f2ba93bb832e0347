"""Plots: what is drawn is what the record holds, on the axes given, and nothing else changes."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import SimpleNamespace

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Polygon

from cltoolkit import Run, metrics, plots
from cltoolkit.plots import _axes, _curves, _timeline


def a_run(T: int = 3, name: str = "HyperNet", seed: int = 0, steps: int = 20, **changes: object) -> SimpleNamespace:
    """A made-up run: `steps` logged steps per task, evaluated after every fifth, tasks not yet begun unknown there."""
    draw = np.random.default_rng([seed, T])
    task, step = np.repeat(np.arange(T), steps), np.tile(np.arange(steps), T)
    often = step % 5 == 4
    seen = np.arange(T) <= task[often][:, None]
    fields = {
        "accuracy": draw.random((T + 1, T)),
        "task_names": [f"digits {j}" for j in range(T)],
        "curves": {
            "task": task,
            "epoch": np.zeros_like(task),
            "step": step,
            "loss": 0.1 + draw.random(len(task)),
            "regularizer": np.where(task > 0, 0.1 + draw.random(len(task)), np.nan),
        },
        "anytime": {
            "task": task[often],
            "step": step[often],
            "accuracy": np.where(seen, draw.random((int(often.sum()), T)), np.nan),
        },
        "name": name,
        "seed": seed,
        "config": {},
    }
    return SimpleNamespace(**(fields | changes))


def no_evaluations(T: int = 3, **changes: object) -> SimpleNamespace:
    return a_run(T, anytime={}, **changes)


PLOTS: dict[str, Callable[..., Axes]] = {
    "accuracy_matrix": plots.accuracy_matrix,
    "curves": plots.curves,
    "anytime": plots.anytime,
    "after": lambda run, ax=None: plots.anytime(SimpleNamespace(**(vars(run) | {"anytime": {}})), ax=ax),
    "average_so_far": plots.average_so_far,
    "compare": lambda run, ax=None: plots.compare([run], ax=ax),
}
every_plot = pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS)


@pytest.fixture(autouse=True)
def _clean_slate() -> Iterator[None]:
    yield
    plt.close("all")


def ticks(axis: object) -> list[str]:
    return [text.get_text() for text in axis.get_ticklabels()]  # type: ignore[attr-defined]


# What holds for every plot.


@every_plot
def test_draws_on_the_axes_given_and_nothing_else(plot: Callable[..., Axes]) -> None:
    before, ax = mpl.rcParams.copy(), Figure().subplots()
    assert plot(a_run(), ax=ax) is ax
    assert ax.has_data()
    assert plt.get_fignums() == []
    assert mpl.rcParams == before


@every_plot
def test_new_axes_are_one_figure_of_column_width(plot: Callable[..., Axes]) -> None:
    ax = plot(a_run())
    assert plt.get_fignums() == [ax.figure.number]
    assert ax.figure.get_size_inches()[0] <= 6.4
    assert ax.figure.get_layout_engine() is not None


@every_plot
def test_axes_are_labeled_and_told_in_words(plot: Callable[..., Axes]) -> None:
    ax = plot(a_run())
    assert ax.get_xlabel()
    assert ax.get_ylabel() or ticks(ax.yaxis) == ["HyperNet (n = 1)"]
    words = plots.alt_text(ax)
    assert words.endswith(".")
    assert "nan" not in words


@every_plot
@pytest.mark.parametrize("T", [1, 2, 20, 100])
def test_labels_never_overlap(plot: Callable[..., Axes], T: int) -> None:
    """With long names that are alike up to the middle, at any number of tasks, drawn with warnings as errors."""
    ax = plot(a_run(T, steps=5, task_names=[f"a rather long name, number {j} of many others" for j in range(T)]))
    ax.figure.draw_without_rendering()
    for axis in (ax.xaxis, ax.yaxis):
        boxes = [
            text.get_window_extent()
            for text in axis.get_ticklabels()
            if text.get_text() and text.get_rotation() in (0, 90)
        ]
        shown = [(box.x0, box.y0, box.x1, box.y1) for box in boxes]
        assert not any(
            a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3] for i, a in enumerate(shown) for b in shown[:i]
        )


@every_plot
def test_unknown_cells_are_survived(plot: Callable[..., Axes]) -> None:
    run = a_run()
    run.accuracy[0] = np.nan
    run.accuracy[2:] = np.nan
    ax = plot(run)
    ax.figure.draw_without_rendering()
    assert "nan" not in plots.alt_text(ax)
    nothing = a_run(accuracy=np.full((4, 3), np.nan))
    assert "nan" not in plots.alt_text(plot(nothing))


@every_plot
def test_scores_beyond_zero_to_one_are_in_the_picture(plot: Callable[..., Axes]) -> None:
    run = a_run()
    run.accuracy[:] = np.linspace(-2, 3, 12).reshape(4, 3)
    plot(run).figure.draw_without_rendering()


@every_plot
def test_the_record_is_left_alone(plot: Callable[..., Axes]) -> None:
    run, same = a_run(), a_run()
    plot(run)
    np.testing.assert_array_equal(run.accuracy, same.accuracy)
    for name in run.curves:
        np.testing.assert_array_equal(run.curves[name], same.curves[name])


def test_only_plots_have_alternative_texts() -> None:
    with pytest.raises(ValueError, match="no alternative text"):
        plots.alt_text(Figure().subplots())


def test_the_package_alone_loads_no_matplotlib() -> None:
    code = "import sys, cltoolkit, cltoolkit.metrics; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# The accuracy matrix.


def test_matrix_shows_every_number_at_its_place() -> None:
    run = a_run()
    run.accuracy[1, 2] = np.nan
    ax = plots.accuracy_matrix(run)
    texts = {text.get_position()[::-1]: text.get_text() for text in ax.texts}
    expected = {(i, j): "×" if np.isnan(a) else f"{a:.2f}" for (i, j), a in np.ndenumerate(run.accuracy)}
    assert texts == expected
    np.testing.assert_array_equal(ax.images[0].get_array().filled(np.nan), run.accuracy)
    assert ticks(ax.xaxis) == ["digits 0", "digits 1", "digits 2"]
    assert ticks(ax.yaxis) == ["before", "after digits 0", "after digits 1", "after digits 2"]
    assert "1 cells are unknown" in plots.alt_text(ax)


def test_matrix_numbers_stand_out_from_their_cells() -> None:
    ax = plots.accuracy_matrix(a_run(2, accuracy=np.array([[0.0, 0.1], [1.0, 0.05], [0.95, 1.0]])))
    assert [text.get_color() for text in ax.texts] == ["white", "white", "black", "white", "black", "black"]


def test_matrix_past_twelve_tasks_has_colors_only() -> None:
    run = a_run(13)
    run.accuracy[0, :5] = np.nan
    ax = plots.accuracy_matrix(run)
    assert not ax.texts
    crosses = ax.collections[-1].get_offsets()
    np.testing.assert_array_equal(crosses, [[j, 0] for j in range(5)])


@pytest.mark.parametrize("T", [1, 2, 5])
def test_matrix_marks_learned_cells_and_hatches_future_ones(T: int) -> None:
    ax = plots.accuracy_matrix(a_run(T))
    (future,) = (patch for patch in ax.patches if isinstance(patch, Polygon))
    assert future.get_hatch()
    for i, j in np.ndindex(T + 1, T):
        assert future.get_path().contains_point((j, i)) == (j >= i)
    boxes = [patch for patch in ax.patches if isinstance(patch, PathPatch)][-1].get_path().to_polygons()
    assert [tuple(corners.min(0) + 0.5) for corners in boxes] == [(j, j + 1) for j in range(T)]


def test_matrix_lights_up_the_cells_a_metric_uses() -> None:
    run = a_run()
    cells = metrics.explain("bwt", run).cells["gem"]
    ax = plots.accuracy_matrix(run, highlight=cells)
    bold = {text.get_position()[::-1] for text in ax.texts if text.get_fontweight() == "bold"}
    assert bold == {tuple(cell) for cell in np.argwhere(cells)}
    assert "4 cells are highlighted" in plots.alt_text(ax)
    with pytest.raises(ValueError, match=r"accuracy matrix, \(4, 3\); got \(3, 3\)"):
        plots.accuracy_matrix(run, highlight=cells[1:])


# Curves.


def test_curves_lay_tasks_end_to_end() -> None:
    run = a_run()
    ax = plots.curves(run, "loss")
    x = np.concatenate([line.get_xdata() for line in ax.lines[:3]])
    y = np.concatenate([line.get_ydata() for line in ax.lines[:3]])
    np.testing.assert_array_equal(x, np.arange(1, 61))
    np.testing.assert_array_equal(y, run.curves["loss"])
    assert [line.get_xdata()[0] for line in ax.lines[3:]] == [20, 40]
    (top,) = ax.child_axes
    assert ticks(top.xaxis) == run.task_names
    np.testing.assert_allclose(top.get_xticks(), [10, 30, 50])
    assert ax.get_ylabel() == "loss (mean per batch)"


def test_all_losses_are_drawn_and_named_by_default() -> None:
    ax = plots.curves(a_run())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["loss", "regularizer"]
    looks = {(line.get_color(), line.get_linestyle()) for line in ax.lines if not line.get_label().startswith("_")}
    assert len({color for color, _ in looks}) == len({style for _, style in looks}) == 2


def test_long_curves_are_smoothed_over_a_faint_original() -> None:
    run = a_run(2, steps=400)
    ax = plots.curves(run, ["loss"])
    raw = [line for line in ax.lines if line.get_alpha() == 0.25]
    np.testing.assert_array_equal(np.concatenate([line.get_ydata() for line in raw]), run.curves["loss"])
    smoothed = [line for line in ax.lines if line.get_alpha() is None and len(line.get_xdata()) == 400]
    assert len(raw) == len(smoothed) == 2
    assert all(np.std(s.get_ydata()) < 0.5 * np.std(r.get_ydata()) for r, s in zip(raw, smoothed, strict=True))


def test_smoothing_keeps_constants_and_straight_lines() -> None:
    np.testing.assert_allclose(_curves.smooth(np.full(50, 0.7), 9), 0.7)
    line = np.linspace(0, 1, 50)
    np.testing.assert_allclose(_curves.smooth(line, 9)[4:-4], line[4:-4])
    np.testing.assert_array_equal(_curves.smooth(line, 1), line)


def test_wide_ranges_get_a_logarithmic_axis() -> None:
    run = a_run()
    assert plots.curves(run).get_yscale() == "linear"
    run.curves["loss"] = np.geomspace(1, 1e-3, 60)
    assert plots.curves(run).get_yscale() == "log"
    run.curves["loss"][7] = 0
    assert plots.curves(run).get_yscale() == "linear"


def test_wrong_losses_teach() -> None:
    with pytest.raises(ValueError, match="did you mean 'regularizer'"):
        plots.curves(a_run(), ["regulariser"])
    with pytest.raises(ValueError, match="no logged losses"):
        plots.curves(a_run(curves={}))


# During training.


def test_timeline_counts_steps_across_tasks() -> None:
    run = a_run(3, steps=20)
    np.testing.assert_array_equal(_timeline.starts(run), [0, 20, 40, 60])
    np.testing.assert_array_equal(_timeline.positions(run.curves, _timeline.starts(run)), np.arange(1, 61))
    unfinished = a_run(3, curves={"task": np.array([0, 0, 1]), "step": np.array([0, 9, 4])}, anytime={})
    np.testing.assert_array_equal(_timeline.starts(unfinished), [0, 10, 15, 15])


def test_anytime_joins_evaluations_before_during_and_after() -> None:
    run = a_run(2, steps=20)
    ax = plots.anytime(run)
    (first,) = (line for line in ax.lines if line.get_label() == "digits 0")
    np.testing.assert_array_equal(first.get_xdata(), [0, 5, 10, 15, 20, 20, 25, 30, 35, 40, 40])
    during = run.anytime["accuracy"][:, 0]
    expected = [run.accuracy[0, 0], *during[:4], run.accuracy[1, 0], *during[4:], run.accuracy[2, 0]]
    np.testing.assert_array_equal(first.get_ydata(), expected)
    lowest = min(*during[4:], run.accuracy[2, 0])
    assert f"lowest accuracy on an earlier task is {lowest:.3f}" in plots.alt_text(ax)


def test_anytime_falls_back_to_the_matrix() -> None:
    run = no_evaluations()
    ax = plots.anytime(run)
    for j, name in enumerate(run.task_names):
        (line,) = (line for line in ax.lines if line.get_label() == name)
        np.testing.assert_array_equal(line.get_xdata(), np.arange(j, 4))
        np.testing.assert_array_equal(line.get_ydata(), run.accuracy[j:, j])
    assert ticks(ax.xaxis) == ["before", *run.task_names]
    assert ax.get_xlabel() == "after training on task"


def test_few_tasks_are_told_apart_in_grey() -> None:
    ax = plots.anytime(no_evaluations(7))
    lines = [line for line in ax.lines if not line.get_label().startswith("_")]
    assert len({line.get_marker() for line in lines}) == len({line.get_color() for line in lines}) == 7


def test_many_tasks_share_a_short_legend() -> None:
    ax = plots.anytime(no_evaluations(100))
    assert len(ax.get_legend().get_texts()) == 10


# Averages and comparisons.


def test_average_so_far_is_the_metric() -> None:
    run = a_run(5)
    (line,) = plots.average_so_far(run).lines
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(line.get_ydata(), metrics.average_so_far(run.accuracy))


def test_average_so_far_over_seeds_has_a_band() -> None:
    runs = [a_run(5, seed=seed) for seed in range(4)] + [a_run(3, "Joint")]
    ax = plots.average_so_far(runs)
    curves = np.array([metrics.average_so_far(run.accuracy) for run in runs[:4]])
    np.testing.assert_allclose(ax.lines[0].get_ydata(), curves.mean(0))
    assert len(ax.collections) == 1
    assert [line.get_label() for line in ax.lines] == ["HyperNet (4 seeds)", "Joint"]
    assert ax.lines[1].get_color() == _axes.FAINT
    with pytest.raises(ValueError, match=r"different numbers of tasks, \[3, 5\]"):
        plots.average_so_far([a_run(5), a_run(3)])


def test_interval_is_students() -> None:
    values = np.array([0.90, 0.92, 0.97, 0.95])
    center, half = metrics.mean_and_interval(values)
    assert center == pytest.approx(0.935)
    assert half == pytest.approx(3.182446 * values.std(ddof=1) / 2, rel=1e-6)  # t of 3 degrees of freedom, 97.5 %
    assert np.isnan(metrics.mean_and_interval(values[:1])[1])
    center, half = metrics.mean_and_interval(np.array([0.5, np.nan]))
    assert center == 0.5
    assert np.isnan(half)
    assert np.isnan(metrics.mean_and_interval(np.array([np.nan]))[0])


def flat(name: str, level: float, seed: int = 0) -> SimpleNamespace:
    return a_run(name=name, seed=seed, accuracy=np.full((4, 3), level))


def test_compare_sorts_the_best_to_the_top() -> None:
    runs = [flat("A", 0.6), flat("B", 0.9), flat("B", 0.8, seed=1), flat("Joint", 0.95), flat("Unknown", np.nan)]
    ax = plots.compare(runs)
    assert ticks(ax.yaxis) == ["Joint (n = 1)", "B (n = 2)", "A (n = 1)", "Unknown (n = 1)"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    assert ax.get_xlabel() == "average accuracy (gem)\n(fraction; higher is better)"
    assert "B: 0.850 ± 0.635 over 2 seeds." in plots.alt_text(ax)  # 12.706 · 0.0707 / √2
    points = next(line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_marker() == ".")
    np.testing.assert_allclose(points.get_xdata(), [0.9, 0.8])


def test_compare_keeps_settings_apart() -> None:
    runs = [
        Run(np.full((4, 3), level), {"learner": {"name": "Finetune", "config": {"heads": heads}}, "seed": seed})
        for heads, level in (("own", 0.9), ("shared", 0.6))
        for seed in (0, 1)
    ]
    ax = plots.compare(runs)
    assert ticks(ax.yaxis) == ["Finetune (heads = own) (n = 2)", "Finetune (heads = shared) (n = 2)"]
    assert all(line.get_markerfacecolor() == "white" for line in ax.lines if line.get_marker() == "s")


def test_compare_knows_which_metrics_are_better_low() -> None:
    worse = a_run(name="Worse", accuracy=np.array([[0, 0, 0], [1, 0, 0], [0.5, 1, 0], [0.0, 0.5, 1]]))
    ax = plots.compare([worse, flat("Still", 0.5)], metric="forgetting")
    assert ticks(ax.yaxis) == ["Still (n = 1)", "Worse (n = 1)"]


def test_compare_draws_references_apart() -> None:
    ax = plots.compare([flat("Finetune", 0.4), flat("HyperNet", 0.9)])
    means = {line.get_marker(): line for line in ax.lines if line.get_marker() in "os" and len(line.get_xdata()) == 1}
    assert means["s"].get_markerfacecolor() == "white"
    assert means["s"].get_xdata()[0] == pytest.approx(0.4)
    assert means["o"].get_markerfacecolor() != "white"
    assert sum(line.get_linestyle() == ":" for line in ax.lines) == 1


def test_compare_takes_any_function_of_a_run() -> None:
    def last_task(run: SimpleNamespace) -> float:
        return float(run.accuracy[-1, -1])

    ax = plots.compare([flat("A", 0.25)], metric=last_task)
    assert ax.get_xlabel().startswith("last task")


def test_wrong_comparisons_teach() -> None:
    with pytest.raises(ValueError, match="did you mean 'bwt'"):
        plots.compare([a_run()], metric="bwd")
    with pytest.raises(ValueError, match="give a function of a Run"):
        plots.compare([a_run()], metric="plasticity_gain")
    with pytest.raises(ValueError, match="no runs came"):
        plots.compare([])


# Labels.


def test_names_are_cut_in_the_middle_and_stay_apart() -> None:
    assert _axes.short("split cifar-100, classes 90-99", 16) == "split ci…s 90-99"
    assert len(_axes.short("x" * 99, 16)) == 16
    assert _axes.labels(["a", "b"]) == ["a", "b"]
    alike = _axes.labels([f"a long name {j} with a long end" for j in range(3)], 12)
    assert len(set(alike)) == 3
    assert all(len(name) <= 12 for name in alike)


@pytest.mark.parametrize("n", [1, 2, 7, 20, 21, 100, 12345])
def test_some_indices_are_few_and_even(n: int) -> None:
    index = _axes.some(n, 20)
    assert index[0] == 0
    assert len(index) <= 20
    assert len({b - a for a, b in pairwise(index)}) <= 1
    assert max(index) < n
