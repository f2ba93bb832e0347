"""Plots of transfer and of how tasks lie: what is drawn is what the record holds, at any number of tasks."""

from types import SimpleNamespace

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from plot_contract import (
    draws_where_it_is_told,
    is_drawn_with_tick_labels_apart,
    makes_one_figure_of_column_width,
    says_what_it_shows,
)
from scipy import stats

from cltoolkit import plots
from cltoolkit.embeddings import align, h_embedding, map_tasks, place
from cltoolkit.orders import Orders, predict_orders
from cltoolkit.plots import _agreement, _cells, _orders, _points, _related, _transfer_matrix, _transfer_scatter
from cltoolkit.transferability import TransferMatrix, agreement

LONG = "a rather long name, number {} of many others"


def named(T, name="digits {}"):
    return tuple(name.format(j) for j in range(T))


def a_matrix(T=4, estimator="h_score", name="digits {}", samples=None, **given):
    """Scores of made-up tasks; gains if the estimator is one."""
    values = np.random.default_rng([T, len(estimator)]).normal(0.0 if estimator.endswith("gain") else 2.0, 0.5, (T, T))
    if samples is not None:
        samples = values + 0.2 * np.random.default_rng(T).standard_normal((samples, T, T))
        values = samples.mean(0)
    return TransferMatrix(values, estimator, named(T, name), named(T, name), samples=samples, **given)


def a_run(T=4, *, dim=5, drift=0.0, seed=0, name="digits {}", **settings):
    """A made-up run of HEmbedding: from the third task on, embeddings lie near their H-embeddings."""
    draw = np.random.default_rng([seed, T])
    embeddings = draw.normal(size=(T, dim)) + drift * draw.normal(size=(T, T, dim))
    h = np.where(np.arange(T)[:, None] >= 2, embeddings[-1] + 0.2, np.nan)
    cosine = (embeddings[-1] * h).sum(1) / np.linalg.norm(embeddings[-1], axis=1) / np.linalg.norm(h, axis=1)
    apart = np.where(np.tri(T, k=-1, dtype=bool) & (np.arange(T)[:, None] >= 2), draw.random((T, T)), np.nan)
    known = np.tri(T, dtype=bool)  # [i, j]: task j is learned after i + 1 tasks
    rows = {"h_embeddings": h, "cosine": cosine[:, None], "residual": 0.1 * cosine[:, None], "discrepancy": apart}
    series = {key: np.where(known[..., None], value, np.nan) for key, value in rows.items()}
    return SimpleNamespace(
        accuracy=draw.random((T + 1, T)),
        curves={},
        anytime={},
        name="HEmbedding",
        seed=seed,
        task_names=list(named(T, name)),
        config={"learner": {"name": "HEmbedding", "config": {"guidance": "decoder"} | settings}},
        series=series | {"embeddings": np.where(known[..., None], embeddings, np.nan)},
    )


def a_frame(T):
    """The comparison of some orders of T tasks with made-up runs."""
    predicted = predict_orders(a_matrix(T, name=LONG)).best(15)
    measured = 0.8 + 0.1 * np.random.default_rng(T).random(len(predicted))
    return predicted.assign(measured=measured, low=measured - 0.02, high=measured + 0.03, seeds=3)


def an_agreement(T):
    scores = {name: a_matrix(T, name) for name in ("h_score", "leep", "nce")}
    return agreement(scores, {gain: a_matrix(T, gain) for gain in ("linear_probe_gain", "fine_tune_gain")})


def placed(n, **given):
    earlier = torch.randn(n, 2, generator=torch.Generator().manual_seed(n))
    return h_embedding(torch.linspace(1, 3, n), earlier, **given), earlier


def points(T, dim=5):
    return np.random.default_rng(T).normal(size=(T, dim))


PLOTS = {
    "scores": lambda T, ax=None: plots.transfer_matrix(a_matrix(T, name=LONG, floor=np.full((T, T), 0.9)), ax=ax),
    "gains": lambda T, ax=None: plots.transfer_matrix(a_matrix(T, "fine_tune_gain", LONG, samples=3), ax=ax),
    "ranks": lambda T, ax=None: plots.transfer_matrix(a_matrix(T, name=LONG), show="ranks", ax=ax),
    "shares": lambda T, ax=None: plots.transfer_matrix(a_matrix(T), show="ahp", order=range(T)[::-1], ax=ax),
    "agreement": lambda T, ax=None: plots.agreement(an_agreement(max(T, 4)), ax=ax),
    "transfer_scatter": lambda T, ax=None: plots.transfer_scatter(
        a_matrix(max(T, 2), name=LONG), a_matrix(max(T, 2), "fine_tune_gain", LONG, samples=3), ax=ax
    ),
    "task_map": lambda T, ax=None: plots.task_map(map_tasks(points(T), names=named(T, LONG)), ax=ax),
    "task_map_targets": lambda T, ax=None: plots.task_map(
        map_tasks(points(T), method="pca"), targets=points(T, 2), ax=ax
    ),
    "shepard": lambda T, ax=None: plots.shepard(map_tasks(points(T)), ax=ax),
    "trilateration": lambda T, ax=None: plots.trilateration(*placed(T), names=named(T, LONG), ax=ax),
    "h_embedding_fit": lambda T, ax=None: plots.h_embedding_fit(
        place(torch.ones(T), torch.eye(T), solver="adam", steps=20), ax=ax
    ),
    "discrepancy": lambda T, ax=None: plots.discrepancy(a_run(T, name=LONG), ax=ax),
    "embedding_trajectories": lambda T, ax=None: plots.embedding_trajectories(a_run(T, drift=0.1, name=LONG), ax=ax),
    "orders": lambda T, ax=None: plots.orders(predict_orders(a_matrix(max(T, 2), name=LONG), samples=200), ax=ax),
    "orders_measured": lambda T, ax=None: plots.orders_measured(a_frame(min(max(T, 2), 20)), ax=ax),
    "guidance": lambda T, ax=None: plots.guidance([a_run(T, name=LONG), a_run(T, guidance="none")], ax=ax),
}
every_plot = pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS)


@pytest.fixture(autouse=True)
def _clean_slate():
    yield
    plt.close("all")


def ticks(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def cells_of(ax):
    """The numbers written into cells, by (row, column)."""
    return {text.get_position()[::-1]: text.get_text() for text in ax.texts}


# What holds for every plot.


@every_plot
def test_draws_on_the_axes_given_and_nothing_else(plot):
    draws_where_it_is_told(plot)


@every_plot
def test_new_axes_are_one_figure_of_column_width(plot):
    makes_one_figure_of_column_width(plot)


@every_plot
def test_axes_are_labeled_and_told_in_words(plot):
    ax = plot(4)
    assert ax.get_xlabel()
    assert ax.get_ylabel() or any(ticks(ax.yaxis)) or not ax.get_yticks().size
    says_what_it_shows(ax)


@every_plot
@pytest.mark.parametrize("T", [1, 2, 21])
def test_any_number_of_tasks_can_be_drawn(plot, T, caplog):
    """With long names that are alike up to the middle, drawn with warnings as errors, and tick labels apart."""
    is_drawn_with_tick_labels_apart(plot(T), caplog)


@pytest.mark.parametrize("plot", [PLOTS[name] for name in ("gains", "task_map", "discrepancy")])
def test_a_hundred_tasks_can_be_drawn(plot):
    plot(100).figure.draw_without_rendering()


# The transfer matrix.


def test_transfer_matrix_shows_every_number_at_its_place():
    values = np.array([[0.9, -0.25, np.nan], [0.5, 0.75, 0.1]])
    matrix = TransferMatrix(values, "h_score", ("a", "b"), ("b", "c", "d"))
    ax = plots.transfer_matrix(matrix)
    assert cells_of(ax) == {(i, j): "×" if np.isnan(v) else f"{v:.2f}" for (i, j), v in np.ndenumerate(values)}
    np.testing.assert_array_equal(ax.images[0].get_array().filled(np.nan), values)
    assert (ticks(ax.yaxis), ticks(ax.xaxis)) == (["a", "b"], ["b", "c", "d"])
    assert "1 cell is unknown" in plots.alt_text(ax)
    assert "Best other source: a for b, b for c, b for d." in plots.alt_text(ax)


def test_cells_of_a_task_on_itself_are_boxed():
    ax = plots.transfer_matrix(TransferMatrix(np.ones((2, 3)), "h_score", ("a", "b"), ("b", "c", "a")))
    boxed = ax.patches[-1].get_path()
    inside = {(i, j) for i, j in np.ndindex(2, 3) if boxed.contains_point((j, i))}
    assert inside == {(0, 2), (1, 0)}


def test_ranks_and_shares_are_those_of_the_matrix():
    matrix = a_matrix(4)
    ranks = plots.transfer_matrix(matrix, show="ranks")
    assert cells_of(ranks) == {cell: f"{rank:g}" for cell, rank in np.ndenumerate(matrix.ranks())}
    shares = plots.transfer_matrix(matrix, show="ahp")
    np.testing.assert_allclose(shares.images[0].get_array(), matrix.normalized())
    with pytest.raises(ValueError, match="expected show to be one of 'values', 'ranks', 'ahp'; got 'rank'"):
        plots.transfer_matrix(matrix, show="rank")


def test_an_order_moves_rows_and_columns_together():
    matrix = a_matrix(4)
    order = [2, 0, 3, 1]
    ax = plots.transfer_matrix(matrix, order=order)
    np.testing.assert_array_equal(ax.images[0].get_array(), matrix.values[np.ix_(order, order)])
    assert ticks(ax.xaxis) == ticks(ax.yaxis) == [matrix.targets[t] for t in order]
    with pytest.raises(ValueError, match=r"a permutation of the tasks 0\.\.3; got"):
        plots.transfer_matrix(matrix, order=[0, 1, 2, 2])
    with pytest.raises(ValueError, match="sources and targets alike"):
        plots.transfer_matrix(TransferMatrix([[1.0]], "h_score", ("a",), ("b",)), order=[0])


def test_scores_under_twice_their_floor_are_hatched():
    values = np.array([[1.0, 0.3], [0.5, 2.0]])
    matrix = TransferMatrix(values, "h_score", ("a", "b"), ("a", "b"), floor=np.full((2, 2), 0.3))
    ax = plots.transfer_matrix(matrix)
    hatched = [patch.get_path() for patch in ax.patches if patch.get_hatch()]
    inside = {(i, j) for i, j in np.ndindex(2, 2) if any(path.contains_point((j, i)) for path in hatched)}
    assert inside == {(0, 1), (1, 0)}
    assert "hatched: under twice the noise floor" in ax.get_xlabel()
    assert "2 of 4 scores are under twice their noise floor" in plots.alt_text(ax)
    assert "hatched" not in plots.transfer_matrix(a_matrix()).get_xlabel()


def test_gains_part_at_zero_and_show_their_sign():
    ax = plots.transfer_matrix(a_matrix(4, "fine_tune_gain"))
    low, high = ax.images[0].get_clim()
    assert low == -high
    assert all(text[0] in "+-" for text in cells_of(ax).values())


def test_numbers_are_faint_where_zero_is_in_the_interval():
    matrix = a_matrix(6, "fine_tune_gain", samples=3)
    low, high = matrix.interval()
    ax = plots.transfer_matrix(matrix)
    faint = {text.get_position()[::-1] for text in ax.texts if text.get_alpha()}
    assert faint == {(i, j) for i, j in np.ndindex(6, 6) if low[i, j] <= 0 <= high[i, j]}
    assert 0 < len(faint) < 36
    assert f"leaves out zero in {36 - len(faint)} of 36 cells" in plots.alt_text(ax)
    assert "faint: 95 % interval includes zero" in ax.get_xlabel()


def test_many_gains_bear_their_sign_where_it_is_known():
    matrix = a_matrix(15, "fine_tune_gain", samples=3)
    ax = plots.transfer_matrix(matrix)
    sure = ~_transfer_matrix.unsure_sign(matrix)
    assert not ax.texts
    for marks, cells in zip(ax.collections[-2:], (sure & (matrix.values < 0), sure & (matrix.values > 0)), strict=True):
        np.testing.assert_array_equal(marks.get_offsets()[:, ::-1], np.argwhere(cells))


def test_numbers_stand_out_from_their_cells_and_nothing_is_white():
    ax = plots.transfer_matrix(TransferMatrix([[0.0, np.nan], [0.1, 1.0]], "leep", ("a", "b"), ("a", "b")))
    assert [text.get_color() for text in ax.texts] == ["white", "black", "white", "black"]
    assert _cells.luminance(ax.images[0])[0, 1] == 1


@pytest.mark.parametrize(("values", "expected"), [([0.0, 9.0], 1), ([0.1, 0.9], 2), ([0.5, 0.51], 3), ([1.0], 2)])
def test_decimals_tell_values_apart(values, expected):
    assert _cells.decimals(np.array([*values, np.nan])) == expected


# Agreement with measured transfer.


def test_agreement_sorts_the_best_to_the_top():
    rows = [
        ("leep", 0.2, 0.1, 0.3),
        ("h_score", 0.8, 0.6, 0.9),
        ("nce", np.nan, np.nan, np.nan),
        ("gbc", 0.1, -0.2, 0.4),
    ]
    frame = pd.DataFrame(rows, columns=["estimator", "value", "low", "high"])
    ax = plots.agreement(frame.assign(truth="fine_tune_gain", measure="pearson", n=6), measure="pearson")
    assert ticks(ax.yaxis) == ["H-score", "LEEP", "GBC", "NCE"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    dots = {line.get_xdata()[0]: line for line in ax.lines if line.get_marker() == "o"}
    assert {x: line.get_ydata()[0] for x, line in dots.items()} == {0.8: 0, 0.2: 1, 0.1: 2}
    assert {x for x, line in dots.items() if line.get_markerfacecolor() == "white"} == {0.1}
    assert "hollow" in ax.get_xlabel()
    assert "H-score +0.80 [+0.60, +0.90]; LEEP +0.20" in plots.alt_text(ax)
    assert "NCE unknown" in plots.alt_text(ax)


def test_each_truth_has_a_color_and_a_marker():
    ax = plots.agreement(an_agreement(5), measure="weighted_kendall")
    keys = ax.get_legend().legend_handles
    assert [key.get_label() for key in keys] == ["gain of a linear probe", "gain of fine-tuning"]
    assert len({key.get_marker() for key in keys}) == len({to_hex(key.get_color()) for key in keys}) == 2
    assert "95 %" in ax.get_xlabel() or "hollow" not in ax.get_xlabel()
    with pytest.raises(
        ValueError, match="rows of measure 'kendall'; the frame has pearson, spearman, weighted_kendall"
    ):
        plots.agreement(an_agreement(5), measure="kendall")


def test_names_of_estimators_are_those_of_the_matrix():
    assert _agreement._label("h_score") == a_matrix(2).label


def test_scatter_has_every_pair_of_two_tasks_matched_by_name():
    scores, truth = a_matrix(4), a_matrix(4, "fine_tune_gain")
    scores.values[1, 2] = np.nan
    order = [3, 1, 0, 2]
    names = tuple(truth.targets[t] for t in order)
    shuffled = TransferMatrix(truth.values[np.ix_(order, order)], truth.estimator, names, names)
    ax = plots.transfer_scatter(scores, shuffled)
    drawn = {xy for line in ax.lines if line.get_marker() != "None" for xy in zip(*line.get_data(), strict=True)}
    pairs = ~np.eye(4, dtype=bool) & ~np.isnan(scores.values)
    assert drawn == set(zip(scores.values[pairs], truth.values[pairs], strict=True))
    rho = stats.spearmanr(scores.values[pairs], truth.values[pairs]).statistic
    assert f"{rho:+.2f} over all pairs" in ax.texts[0].get_text()
    assert "11 pairs" in plots.alt_text(ax)


def test_scatter_needs_pairs_in_common():
    other = TransferMatrix([[1.0]], "fine_tune_gain", ("x",), ("x",))
    with pytest.raises(ValueError, match="share pairs of tasks"):
        plots.transfer_scatter(a_matrix(3), other)


def test_rank_correlation_is_scipys_and_unknown_without_variation():
    x, y = np.random.default_rng(0).integers(0, 5, (2, 20)).astype(float)
    assert _transfer_scatter.spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert np.isnan(_transfer_scatter.spearman(np.ones(4), np.arange(4.0)))
    assert _transfer_scatter.number(np.nan) == "unknown"


# Maps.


def test_task_map_draws_each_point_with_its_name():
    found = map_tasks(points(5), names=list("abcde"))
    ax = plots.task_map(found)
    dots = np.array([line.get_xydata()[0] for line in ax.lines if line.get_marker() == "o"])
    np.testing.assert_array_equal(dots, found.points)
    names = {text.get_text(): text.xy for text in ax.texts if text.get_text() in found.names}
    for name, point in zip(found.names, found.points, strict=True):
        np.testing.assert_array_equal(names[name], point)
    assert f"stress {found.stress:.3f}" in ax.get_title()
    assert ax.get_aspect() == 1


def test_lines_of_a_map_are_thickest_between_the_closest():
    found = map_tasks([[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]])
    widths = {tuple(map(tuple, line.get_xydata())): line.get_linewidth() for line in plots.task_map(found).lines[:3]}
    a, b, c = map(tuple, found.points)
    assert widths[a, b] > widths[b, c] > widths[a, c]
    relation = np.array([[1, 0.1, 0.5], [0.1, 1, 0.9], [0.5, 0.9, 1]])
    lines = plots.task_map(found, relation=relation).lines[:3]
    widths = {tuple(map(tuple, line.get_xydata())): line.get_linewidth() for line in lines}
    assert widths[b, c] > widths[a, c] > widths[a, b]
    assert len(plots.task_map(map_tasks(points(11))).lines) == 11  # no lines past ten tasks


def test_maps_show_how_far_tasks_are_from_where_they_should_lie():
    found = map_tasks(points(4), method="pca")
    targets = found.points + np.array([3.0, 4.0])
    targets[0] = np.nan
    ax = plots.task_map(found, targets=targets)
    (diamonds,) = (line for line in ax.lines if line.get_marker() == "D")
    np.testing.assert_array_equal(diamonds.get_xydata(), targets)
    assert "5 from where they should, on average, and 5 at most" in plots.alt_text(ax)
    with pytest.raises(ValueError, match=r"expected targets of shape \(4, 2\)"):
        plots.task_map(found, targets=targets[:3])


def test_shepard_draws_shown_against_true_distances():
    found = map_tasks(points(6))
    line = plots.shepard(found).lines[1]
    pairs = np.triu_indices(6, 1)
    np.testing.assert_array_equal(line.get_xdata(), found.distances[pairs])
    np.testing.assert_array_equal(line.get_ydata(), found.shown[pairs])


def test_names_stand_apart_where_they_can():
    """Two points a hair apart: their names go to two sides."""
    ax = Figure().subplots()
    close = np.array([[0.0, 0.0], [0.01, 0.0]])
    _points.true_to_scale(ax, np.array([[-1.0, -1.0], [1.0, 1.0]]))
    _points.write_names(ax, close, ["first", "second"])
    assert len({(text.get_ha(), text.get_va()) for text in ax.texts}) == 2


def test_what_cannot_be_named_is_numbered_with_a_key():
    ax = plots.task_map(map_tasks(points(15), names=named(15, LONG)))
    assert [text.get_text() for text in ax.texts[:15]] == [str(i + 1) for i in range(15)]
    assert ax.texts[15].get_text().count("\n") == 14


# The H-embedding.


def test_circles_have_the_distances_asked_for():
    placement, earlier = placed(3)
    ax = plots.trilateration(placement, earlier, names=["a", "b", "c"])
    circles = [patch for patch in ax.patches if isinstance(patch, Circle)]
    np.testing.assert_allclose([circle.center for circle in circles], earlier, rtol=1e-6)
    np.testing.assert_allclose([circle.radius for circle in circles], placement.scale * placement.targets)
    (star,) = (line for line in ax.lines if line.get_marker() == "*" and len(line.get_xdata()))
    for circle in circles:
        assert np.hypot(*(star.get_xydata()[0] - circle.center)) == pytest.approx(circle.radius)
    assert "no residual" in ax.get_title()


def test_residuals_are_as_long_as_they_are():
    placement, earlier = placed(6)
    ax = plots.trilateration(placement, earlier)
    lengths = [np.hypot(*np.diff(line.get_xydata(), axis=0)[0]) for line in ax.lines if line.get_linewidth() == 3]
    np.testing.assert_allclose(lengths, placement.residuals.abs())
    assert f"largest residual {placement.residual:.2g}" in plots.alt_text(ax)


def test_trilateration_needs_the_plane_and_its_own_embeddings():
    placement, earlier = placed(3)
    with pytest.raises(ValueError, match=r"expected embeddings \(n, 2\), in a plane; got shape \(3, 4\)"):
        plots.trilateration(placement, torch.zeros(3, 4))
    with pytest.raises(ValueError, match="expected the 3 embeddings"):
        plots.trilateration(placement, earlier[:2])


def test_fit_draws_the_history_of_adam():
    placement = place(torch.tensor([1.0, 2.0]), torch.eye(2), solver="adam", steps=50)
    ax = plots.h_embedding_fit(placement)
    right = next(other for other in ax.figure.axes if other is not ax)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), placement.history[:, 0])
    np.testing.assert_array_equal(right.lines[0].get_ydata(), placement.history[:, 1])
    with pytest.raises(ValueError, match="place the task with solver='adam'"):
        plots.h_embedding_fit(placed(3)[0])


def test_discrepancy_shows_the_lower_triangle_after_the_last_task():
    run = a_run(5)
    ax = plots.discrepancy(run)
    values = run.series["discrepancy"][-1]
    assert {cell: text for cell, text in cells_of(ax).items() if text} == {
        (j, n): "×" if j < 2 else f"{values[j, n]:.2f}" for j in range(5) for n in range(j)
    }
    (above,) = (patch for patch in ax.patches if patch.get_hatch())
    for j, n in np.ndindex(5, 5):
        assert above.get_path().contains_point((n, j)) == (n >= j)
    assert f"Mean {np.nanmean(values):.3g} over 9 pairs" in plots.alt_text(ax)


def test_discrepancy_takes_numbers_and_teaches():
    numbers = np.tril(np.ones((3, 3)))
    assert "Mean 1 over 3 pairs" in plots.alt_text(plots.discrepancy(numbers))
    assert plots.alt_text(plots.discrepancy(torch.as_tensor(numbers))) == plots.alt_text(plots.discrepancy(numbers))
    with pytest.raises(ValueError, match=r"got shape \(2, 3\)"):
        plots.discrepancy(numbers[:2])
    plain = a_run(3)
    del plain.series["discrepancy"]
    with pytest.raises(ValueError, match="no series 'discrepancy', which learners like HEmbedding keep; it has cosine"):
        plots.discrepancy(plain)


def test_an_unfinished_run_is_drawn_as_far_as_it_went():
    run = a_run(4)
    for values in run.series.values():
        values[3:] = np.nan
    np.testing.assert_array_equal(_related.last(run.series["discrepancy"]), run.series["discrepancy"][2])
    assert "over 2 pairs" in plots.alt_text(plots.discrepancy(run))
    assert "Paths of 3 task embeddings" in plots.alt_text(plots.embedding_trajectories(run))


# Trajectories.


def test_embeddings_that_are_held_fixed_are_points():
    ax = plots.embedding_trajectories(a_run(5))
    assert "No embedding moves" in plots.alt_text(ax)
    assert "No embedding moves" not in plots.alt_text(plots.embedding_trajectories(a_run(5, drift=0.1)))


def test_paths_in_the_plane_are_drawn_as_they_are():
    run = a_run(4, dim=2, drift=0.3)
    ax = plots.embedding_trajectories(run, targets=False)
    paths = [line.get_xydata() for line in ax.lines if line.get_marker() == "."]
    assert len(paths) == 3  # the last task has been in one place only
    for j, path in enumerate(paths):
        np.testing.assert_array_equal(path, run.series["embeddings"][j:, j])
    assert ax.get_xlabel() == "embedding coordinate 1"


def test_one_projection_serves_all_times():
    """Distances between all times and tasks are those of the principal plane; of points in a plane, the true ones."""
    run = a_run(4, dim=2, drift=0.3)
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(7, 7)))[0][:2]
    flat = plots.embedding_trajectories(run, targets=False)
    run.series["embeddings"] = run.series["embeddings"] @ turned + 3.0
    deep = plots.embedding_trajectories(run, targets=False)
    assert "principal axis 1" in deep.get_xlabel()
    paths = [
        np.concatenate([line.get_xydata() for line in ax.lines if line.get_marker() == "."]) for ax in (flat, deep)
    ]
    apart = [np.linalg.norm(path[:, None] - path, axis=-1) for path in paths]
    np.testing.assert_allclose(apart[0], apart[1], atol=1e-9)


def test_h_embeddings_are_joined_to_their_tasks():
    run = a_run(4, dim=2)
    ax = plots.embedding_trajectories(run)
    (diamonds,) = (line for line in ax.lines if line.get_marker() == "D")
    np.testing.assert_array_equal(diamonds.get_xydata(), run.series["h_embeddings"][-1])
    assert not any(line.get_marker() == "D" for line in plots.embedding_trajectories(run, targets=False).lines)


def test_aligned_maps_are_paths_too():
    maps = align([points(i + 1, 2) for i in range(4)])
    ax = plots.embedding_trajectories(maps, names=list("abcd"))
    ends = np.array([line.get_xydata()[0] for line in ax.lines if line.get_markersize() == 6 and len(line.get_xdata())])
    for point in maps[-1]:
        assert (np.abs(ends - point).max(1) < 1e-12).any()
    with pytest.raises(ValueError, match="of one dim"):
        plots.embedding_trajectories([np.zeros((1, 2)), np.zeros((2, 3))])
    with pytest.raises(ValueError, match="at least one task"):
        plots.embedding_trajectories([np.full((2, 2), np.nan)])


# Orders.


def test_orders_write_out_the_best_and_the_worst():
    predicted = predict_orders(a_matrix(3))
    ax = plots.orders(predicted)
    written = [text.get_text() for text in ax.get_legend().get_texts()]
    for line, frame, what in zip(written, (predicted.best(1), predicted.worst(1)), ("best", "worst"), strict=False):
        assert line == f"{what} {frame['predicted'][0]:.3g}:  {frame['names'][0]}"
    assert written[2] == f"as given {predicted.value_of([0, 1, 2]):.3g}:  digits 0 → digits 1 → digits 2"
    np.testing.assert_array_equal(np.sort(ax.lines[0].get_xdata()), np.sort(predicted.values))


def test_histogram_counts_every_order():
    predicted = predict_orders(a_matrix(5))
    ax = plots.orders(predicted)
    assert sum(patch.get_height() for patch in ax.patches) == 120


def test_strips_hide_no_order():
    values = np.array([0.5, 0.5, 0.5, 1.0])
    heights = _orders._strip(values)
    assert len(set(zip(values, heights, strict=True))) == 4


def test_long_orders_are_cut_in_the_middle():
    line = _orders._line([LONG.format(j) for j in range(40)])
    assert len(line) <= 66
    assert " → … → " in line
    assert _orders._line(["a", "b", "c"]) == "a → b → c"


def test_measured_orders_are_drawn_against_predicted_ones():
    frame = a_frame(4)
    ax = plots.orders_measured(frame)
    (dots,) = (line for line in ax.lines if line.get_marker() == "o")
    np.testing.assert_array_equal(dots.get_xydata(), frame[["predicted", "measured"]])
    rho = stats.spearmanr(frame["predicted"], frame["measured"]).statistic
    assert f"Spearman's ρ {rho:+.2f}" in plots.alt_text(ax)
    assert frame["names"][frame["measured"].idxmax()] in plots.alt_text(ax)
    with pytest.raises(ValueError, match="the frame is empty"):
        plots.orders_measured(frame[:0])


def test_orders_with_runs_are_compared():
    frame = a_frame(3)

    class Runs:
        def compare(self, orders):
            assert isinstance(orders, Orders)
            return frame

    with_runs = plots.orders(predict_orders(a_matrix(3)), Runs())
    assert plots.alt_text(with_runs) == plots.alt_text(plots.orders_measured(frame))


# Guidance.


def test_guidance_draws_what_the_run_recorded():
    run = a_run(5)
    lines = {
        show: plots.guidance(run, show=show).lines[0].get_ydata() for show in ("cosine", "discrepancy", "residual")
    }
    np.testing.assert_array_equal(lines["cosine"], run.series["cosine"][-1, :, 0])
    np.testing.assert_array_equal(lines["residual"], run.series["residual"][-1, :, 0])
    rows = run.series["discrepancy"][-1]
    np.testing.assert_allclose(lines["discrepancy"][2:], [np.nanmean(row) for row in rows[2:]])
    assert np.isnan(lines["discrepancy"][:2]).all()
    with pytest.raises(ValueError, match="expected show to be one of 'cosine', 'discrepancy', 'residual'; got 'angle'"):
        plots.guidance(run, show="angle")


def test_runs_are_told_apart_by_their_settings_and_joined_over_seeds():
    runs = [a_run(4, seed=seed, guidance=kind) for kind in ("decoder", "none") for seed in range(3)]
    legend = plots.guidance(runs).get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["decoder (3 seeds)", "none (3 seeds)"]
    assert legend.get_title().get_text() == "guidance"
    own = plots.guidance({"guided": runs[:3], "free": runs[3]}).get_legend()
    assert [text.get_text() for text in own.get_texts()] == ["guided (3 seeds)", "free"]


def test_guidance_is_the_mean_over_seeds():
    runs = [a_run(4, seed=seed) for seed in range(3)]
    line = next(line for line in plots.guidance(runs).lines if line.get_label() == "HEmbedding (3 seeds)")
    np.testing.assert_allclose(line.get_ydata(), np.mean([run.series["cosine"][-1, :, 0] for run in runs], axis=0))


def test_wrong_guidance_teaches():
    with pytest.raises(ValueError, match="no runs came"):
        plots.guidance([])
    with pytest.raises(ValueError, match=r"different numbers of tasks, \[3, 4\]"):
        plots.guidance([a_run(3), a_run(4)])
    assert any("no task has an H-embedding" in text.get_text() for text in plots.guidance(a_run(2)).texts)
