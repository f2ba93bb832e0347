"""Plots of masks: each draws where it is told, says what it shows and reads in grey; what is drawn is what is held."""

from types import SimpleNamespace

import matplotlib as mpl

mpl.use("Agg")

import made_masks as made
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import PathPatch
from plot_contract import (
    draws_where_it_is_told,
    is_drawn_with_tick_labels_apart,
    makes_one_figure_of_column_width,
    says_what_it_shows,
)

from cltoolkit import plots
from cltoolkit.masks import Masks, capacity, exclusive_fractions, independent_exclusive, overlap, owners, storage
from cltoolkit.metrics import mean_and_interval
from cltoolkit.plots import _mask_axes

LONG = made.LONG


def seeds(T, **given):
    return [made.a_run(T, name=LONG, seed=seed, **given) for seed in range(2)]


def learner(T):
    return SimpleNamespace(masks=made.masks(T))


PLOTS = {
    "mask_overlap": lambda T, ax=None: plots.mask_overlap(made.a_run(T, name=LONG), ax=ax),
    "mask_overlap_layer": lambda T, ax=None: plots.mask_overlap(learner(T), layer="0.weight", chance=False, ax=ax),
    "mask_capacity": lambda T, ax=None: plots.mask_capacity(made.a_run(T, name=LONG), ax=ax),
    "mask_capacity_masks": lambda T, ax=None: plots.mask_capacity(made.masks(T), ax=ax),
    "exclusive_share": lambda T, ax=None: plots.exclusive_share(made.a_run(T, name=LONG), ax=ax),
    "exclusive_share_seeds": lambda T, ax=None: plots.exclusive_share(
        {"_sparse": seeds(T, density=0.05), "$dense$": seeds(T, density=0.3)}, ax=ax
    ),
    "weight_owners": lambda T, ax=None: plots.weight_owners(learner(T), "0.weight", ax=ax),
    "weight_owners_kernels": lambda T, ax=None: plots.weight_owners(made.masks(T), "2.weight", upto=1, ax=ax),
    "accuracy_by_density": lambda T, ax=None: plots.accuracy_by_density(made.a_sweep(min(T, 12)), ax=ax),
    "learning_speed": lambda T, ax=None: plots.learning_speed(
        {"_random start": seeds(T), "from a $donor_1$": seeds(T, rate=12)}, ax=ax
    ),
    "learning_speed_loss": lambda T, ax=None: plots.learning_speed({"one": made.a_run(T)}, show="loss", ax=ax),
    "donor_tree": lambda T, ax=None: plots.donor_tree(made.a_run(T, name=LONG), ax=ax),
    "donor_scores": lambda T, ax=None: plots.donor_scores(made.a_run(T, name=LONG), ax=ax),
    "task_gradients": lambda T, ax=None: plots.task_gradients(
        made.gradients(T), true=T - 1, names=[LONG.format(j) for j in range(T)], ax=ax
    ),
    "task_gradients_one": lambda T, ax=None: plots.task_gradients(made.gradients(T)[0], ax=ax),
    "hopfield_recovery": lambda T, ax=None: plots.hopfield_recovery(
        made.a_recovery(T), true=0, names=[LONG.format(j) for j in range(T)], ax=ax
    ),
    "hopfield_search": lambda T, ax=None: plots.hopfield_search(made.a_recovery(T), ax=ax),
    "mask_storage": lambda T, ax=None: plots.mask_storage(learner(T), ax=ax),
}
every_plot = pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS)


@pytest.fixture(autouse=True)
def _clean_slate():
    yield
    plt.close("all")


# What holds for every plot.


def test_every_plot_of_masks_is_here():
    """By its file's name, so that a new one is not forgotten."""
    theirs = {name for name in plots.__all__ if getattr(plots, name).__module__.split(".")[-1].startswith("_mask")}
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
@pytest.mark.parametrize("T", [1, 21])
def test_any_number_of_tasks_can_be_drawn(plot, T, caplog):
    """With long names that are alike up to the middle, drawn with warnings as errors, and tick labels apart."""
    is_drawn_with_tick_labels_apart(plot(T), caplog)


@pytest.mark.parametrize("name", ["mask_overlap", "mask_capacity", "exclusive_share", "donor_tree", "donor_scores"])
def test_a_hundred_tasks_can_be_drawn(name):
    PLOTS[name](100).figure.draw_without_rendering()


@every_plot
def test_names_are_shown_as_they_are(plot):
    """A dollar sign is no formula."""
    ax = plot(3)
    legend = ax.get_legend()
    texts = [*ax.get_xticklabels(), *ax.get_yticklabels(), ax.title, *(legend.get_texts() if legend else [])]
    assert not any(text.get_parse_math() and "$many$" in text.get_text() for text in texts)


@pytest.mark.parametrize(
    "name", ["exclusive_share_seeds", "accuracy_by_density", "learning_speed", "mask_storage", "hopfield_recovery"]
)
def test_lines_are_told_apart_in_grey(name):
    ax = PLOTS[name](4)
    named = [line for line in ax.lines if not line.get_label().startswith("_")]
    looks = {(line.get_linestyle(), line.get_marker()) for line in named}
    assert len(looks) == len(named) > 1


@pytest.mark.parametrize("T", [2, 5, 20, 100])
def test_owners_are_told_apart_in_grey(T):
    """Lightness rises from owner to owner, and paper is lighter than the last."""
    lightness = _mask_axes.owner_colors(T)(np.arange(T))[:, :3] @ [0.299, 0.587, 0.114]
    assert (np.diff(lightness) > 0).all()
    assert lightness[-1] < 0.8 < np.dot(to_rgb(_mask_axes.PAPER), [0.299, 0.587, 0.114])


READERS = {
    "overlap": plots.mask_overlap,
    "kept": plots.mask_capacity,
    "exclusive": plots.exclusive_share,
    "layer_sizes": plots.mask_capacity,
    "donor": plots.donor_tree,
    "donor_scores": plots.donor_scores,
    "donor_margin": plots.donor_scores,
}


@pytest.mark.parametrize("name", READERS)
def test_a_run_without_the_series_teaches_who_keeps_it(name):
    run = made.a_run(2, learner="HyperNet")
    del run.series[name]
    with pytest.raises(
        ValueError, match=rf"HyperNet, seed 0 has no .*\('{name}'\); a Run of .*ExSSNeT.* has them; its"
    ):
        READERS[name](run)


@pytest.mark.parametrize("name", READERS)
def test_the_record_is_left_alone(name):
    run, same = made.a_run(3), made.a_run(3)
    READERS[name](run)
    for key in same.series:
        np.testing.assert_array_equal(run.series[key], same.series[key])


@pytest.mark.parametrize("plot", set(READERS.values()), ids=lambda plot: plot.__name__)
def test_an_interrupted_run_has_its_tasks_so_far(plot):
    run = made.a_run(4)
    late = np.arange(4) >= 2
    for key, values in run.series.items():
        run.series[key] = np.where(late.reshape(4, *[1] * (values.ndim - 1)), np.nan, values)
    words = plots.alt_text(plot(run))
    assert "2 tasks" in words
    assert "nan" not in words
    for key, values in run.series.items():
        run.series[key] = np.full_like(values, np.nan)
    with pytest.raises(ValueError, match="has learned no task yet"):
        plot(run)


@pytest.mark.parametrize(
    "plot", [plots.mask_overlap, plots.mask_capacity, plots.mask_storage, lambda m: plots.weight_owners(m, "0.weight")]
)
def test_no_masks_yet_teaches(plot):
    made_masks = made.masks(1)
    with pytest.raises(ValueError, match="no task is learned yet"):
        plot(Masks(made_masks.bits[:0], made_masks.layout))


NAMED = {
    "mask_overlap": plots.mask_overlap,
    "mask_overlap_layer": lambda given, **names: plots.mask_overlap(given, layer="2.weight", **names),
    "mask_capacity": plots.mask_capacity,
    "exclusive_share": plots.exclusive_share,
    "weight_owners": lambda given, **names: plots.weight_owners(given, "0.weight", **names),
}
every_named = pytest.mark.parametrize("plot", NAMED.values(), ids=NAMED)


def drawn(ax):
    """All texts beside the axes and their bar, as they are once drawn."""
    ax.figure.draw_without_rendering()
    return [text for part in ax.figure.axes for text in (*part.get_xticklabels(), *part.get_yticklabels())]


@every_named
@pytest.mark.parametrize("kind", [made.masks, learner])
def test_tasks_of_masks_are_called_by_the_names_given(plot, kind):
    """In the picture and in words; by their numbers where none are given."""
    for names, given in (["task 1", "task 2"], {}), (["cats", "dogs"], {"names": ("cats", "dogs")}):
        ax = plot(kind(2), **given)
        assert set(names) <= {text.get_text() for text in drawn(ax)}
        assert names[1] in plots.alt_text(ax)
        assert ("task 1" in plots.alt_text(ax)) <= (not given)


@every_named
def test_names_given_are_shown_as_text(plot):
    """Neither a formula nor markup."""
    names = ["$a_b$ <img>", r"_\frac{$1$}", "x & $y^2$"]
    ax = plot(made.masks(3), names=names)
    shown = [text for text in drawn(ax) if text.get_text() in names]
    assert {text.get_text() for text in shown} == set(names)
    assert not any(text.get_parse_math() for text in shown)
    assert any(name in plots.alt_text(ax) for name in names)


@every_named
@pytest.mark.parametrize("names", [[], ["a", "b"], ["a", "b", "c", "d"]], ids=len)
def test_names_are_as_many_as_tasks(plot, names):
    with pytest.raises(ValueError, match=f"a name for each of 3 tasks; got {len(names)}: name them in the order"):
        plot(made.masks(3), names=names)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("plot", [plots.mask_overlap, plots.mask_capacity, plots.exclusive_share])
def test_a_run_knows_the_names_of_its_tasks(plot):
    with pytest.raises(ValueError, match="seed 0 is a Run, which knows the names of its tasks: leave `names` out"):
        plot(made.a_run(2), names=["a", "b"])


def test_owners_are_told_by_name():
    """As many tasks are told of as are looked at; all of them are beside the grid."""
    ax = plots.weight_owners(made.masks(3), "0.weight", upto=2, names=["cats", "dogs", "birds"])
    assert "and dogs the last" in plots.alt_text(ax)
    assert "birds" not in plots.alt_text(ax)
    assert "birds" in {text.get_text() for text in drawn(ax)}


# Each by itself.


def cells(ax):
    return np.ma.filled(ax.images[0].get_array().astype(float), np.nan)


@pytest.mark.parametrize("chance", [True, False])
def test_overlap_of_a_run_is_that_of_its_masks(chance):
    """What a Run kept as counts gives what the masks give: the normalized overlap, chance taken off or not."""
    want = overlap(made.masks(5), chance=chance).numpy()
    np.fill_diagonal(want, np.nan)
    for given in (made.a_run(5), made.masks(5), learner(5)):
        np.testing.assert_allclose(cells(plots.mask_overlap(given, chance=chance)), want, atol=1e-12)


def test_overlap_of_one_layer():
    want = overlap(made.masks(4), "2.weight", chance=True).numpy()
    np.fill_diagonal(want, np.nan)
    np.testing.assert_allclose(cells(plots.mask_overlap(made.masks(4), layer="2.weight")), want, atol=1e-12)
    with pytest.raises(ValueError, match=r"`layer` to be one of 0.weight, 2.weight, head.weight; got 'body'"):
        plots.mask_overlap(made.masks(4), layer="body")
    with pytest.raises(ValueError, match=r"whole masks alone; for layer '0.weight' give the learner or its masks"):
        plots.mask_overlap(made.a_run(4), layer="0.weight")


def test_overlap_parts_at_chance():
    """Colors are symmetric about zero; independent masks lie around it, and related ones above."""
    image = plots.mask_overlap(made.masks(6, shared=0.5)).images[0]
    assert image.norm.vmin == -image.norm.vmax
    assert np.nanmean(cells(image.axes)) > 0.05
    assert abs(np.nanmean(cells(plots.mask_overlap(made.masks(6, shared=0.0))))) < 0.02


def test_bars_of_capacity_are_the_owners_shares():
    """From left to right: each owner's share of each layer, and what is free."""
    masks = made.masks(4)
    ax = plots.mask_capacity(masks)
    widths = np.array([[patch.get_width() for patch in bar] for bar in ax.containers])  # (T + 1, L)
    np.testing.assert_allclose(widths.T * np.array(masks.layout.sizes)[:, None], capacity(masks).numpy(), atol=1e-9)
    np.testing.assert_allclose(widths.sum(0), 1)


def test_capacity_of_a_run_is_that_of_its_masks():
    bars = [[p.get_width() for p in plots.mask_capacity(given).patches] for given in (made.a_run(4), made.masks(4))]
    np.testing.assert_allclose(*bars)


def test_exclusive_share_against_the_null_model():
    """The measured line is 100 % less the exclusive fraction; the dotted one 1 − (1 − d)ᵗ for equal densities."""
    masks = made.masks(5, density=0.1, shapes={"0.weight": (40, 25), "1.weight": (10, 20)})
    measured, null = plots.exclusive_share(masks).lines
    np.testing.assert_allclose(measured.get_ydata(), 100 * (1 - exclusive_fractions(masks).numpy()), atol=1e-9)
    np.testing.assert_allclose(null.get_ydata(), 100 * (1 - independent_exclusive(0.1, 5).numpy()), atol=1e-9)


def test_exclusive_share_of_seeds_is_their_mean():
    runs = [made.masks(4, seed=seed) for seed in range(3)]
    want = np.mean([100 * (1 - exclusive_fractions(masks).numpy()) for masks in runs], axis=0)
    np.testing.assert_allclose(plots.exclusive_share(runs).lines[0].get_ydata(), want)
    with pytest.raises(ValueError, match=r"different numbers of tasks, \[3, 4\]"):
        plots.exclusive_share([made.masks(3), made.masks(4)])
    with pytest.raises(ValueError, match="no runs came"):
        plots.exclusive_share({})


@pytest.mark.parametrize("upto", [None, 1, 2])
def test_weight_grid_is_the_owner_of_each_weight(upto):
    masks = made.masks(3)
    image = plots.weight_owners(masks, "2.weight", upto=upto).images[0]
    first = masks if upto is None else masks.first(upto)
    want = masks.layout.unpack(owners(first))["2.weight"].flatten(1)  # (out, in × kernel)
    np.testing.assert_array_equal(image.get_array(), want)
    colors = image.to_rgba(image.get_array())
    assert to_hex(colors[want.numpy() == -1][0]) == to_hex(_mask_axes.PAPER)


def test_masks_of_units_are_a_row():
    masks = made.masks(3, shapes={"gains": (30,)})
    image = plots.weight_owners(masks, "gains").images[0]
    np.testing.assert_array_equal(image.get_array(), owners(masks)[None])


def test_large_layers_are_drawn_in_part_and_say_so():
    """Whole rows and whole kernels are left out, and every cell that is drawn is a true weight."""
    masks = made.masks(2, shapes={"conv": (500, 90, 3, 3)})
    ax = plots.weight_owners(masks, "conv")
    grid = masks.layout.unpack(owners(masks))["conv"][::3, ::3].flatten(1)
    np.testing.assert_array_equal(ax.images[0].get_array(), grid)
    assert "every 3rd output and every 3rd input" in plots.alt_text(ax)
    assert "every 3rd output" in ax.get_ylabel()
    assert "every 3rd input" in ax.get_xlabel()


def test_unknown_layers_and_tasks_teach():
    with pytest.raises(ValueError, match=r"one of 0.weight, 2.weight, head.weight; got 'nope'"):
        plots.weight_owners(made.masks(2), "nope")
    with pytest.raises(ValueError, match="`upto` to be 1 to 2, the tasks learned; got 3"):
        plots.weight_owners(made.masks(2), "0.weight", upto=3)


def test_accuracy_by_density_is_the_mean_over_seeds():
    frame = pd.DataFrame(made.a_sweep())
    ax = plots.accuracy_by_density(frame)
    assert ax.get_xscale() == "log"
    for line in (line for line in ax.lines if not line.get_label().startswith("_")):
        own = frame[frame["learner"] == line.get_label()].groupby("density")["accuracy"].mean()
        np.testing.assert_allclose(line.get_ydata(), own.to_numpy())
        np.testing.assert_allclose(line.get_xdata(), own.index.to_numpy(), rtol=0.1)
    assert "widest at density 0.02: ExSSNeT is" in plots.alt_text(ax)


def test_densities_that_a_learner_lacks_are_left_out():
    rows = {"learner": ["A", "A", "B"], "density": [0.1, 0.5, 0.1], "seed": [0, 0, 0], "accuracy": [0.6, 0.9, np.nan]}
    words = plots.alt_text(plots.accuracy_by_density(rows))
    assert words == "Accuracy against density, from 0.1 to 0.5, 1 seed: A from 0.600 to 0.900; B unknown."
    with pytest.raises(ValueError, match="seed, accuracy is missing"):
        plots.accuracy_by_density({"learner": ["A"], "density": [0.1]})
    with pytest.raises(ValueError, match=r"above 0 and at most 1.*got \[10\.\]"):
        plots.accuracy_by_density(rows | {"density": [10, 10, 10]})


def test_learning_speed_is_the_accuracy_while_a_task_is_learned():
    run = made.a_run(3)
    here = run.anytime["task"] == 1
    line = plots.learning_speed({"one": run}, task=1).lines[0]
    np.testing.assert_allclose(line.get_xdata(), run.anytime["step"][here] + 1)
    want = run.anytime["accuracy"][here, 1]
    want[-1] = run.accuracy[2, 1]  # after the task's end
    np.testing.assert_allclose(line.get_ydata(), want)


def test_learning_speed_is_the_mean_over_later_tasks_and_seeds():
    runs = [made.a_run(3, seed=seed) for seed in range(3)]
    per_task = [[plots.learning_speed({"": run}, task=t).lines[0].get_ydata() for t in (1, 2)] for run in runs]
    ax = plots.learning_speed({"all": runs})
    np.testing.assert_allclose(ax.lines[0].get_ydata(), mean_and_interval(np.mean(per_task, axis=1))[0])


def test_the_faster_start_reaches_its_share_earlier():
    ax = plots.learning_speed({"slow": seeds(3), "fast": seeds(3, rate=15)})
    slow, fast = (
        collection.get_segments()[0][0][0] for collection in ax.collections if hasattr(collection, "get_segments")
    )
    assert fast < slow


def test_runs_without_evaluations_teach():
    run = made.a_run(2)
    run.anytime = {}
    with pytest.raises(
        ValueError, match=r"not evaluated while task 1 was learned; train with `eval_every`.*show='loss'"
    ):
        plots.learning_speed({"one": run})
    assert plots.learning_speed({"one": run}, show="loss").has_data()
    with pytest.raises(ValueError, match="`task` to be 0 to 1"):
        plots.learning_speed({"one": run}, task=2)
    with pytest.raises(ValueError, match="no runs came"):
        plots.learning_speed({"one": []})
    with pytest.raises(ValueError, match="'accuracy' or 'loss'; got 'speed'"):
        plots.learning_speed({"one": run}, show="speed")


def test_arcs_lead_from_donors_to_tasks():
    run = made.a_run(6)
    chosen = run.series["donor"][-1, :, 0].astype(int)
    arcs = [patch.get_path().vertices for patch in plots.donor_tree(run).patches if isinstance(patch, PathPatch)]
    found = {(round(arc[0, 0]), round(arc[-1, 0])) for arc in arcs}
    assert found == {(k, t) for t, k in enumerate(chosen) if k >= 0}
    assert all(arc[:, 1].max() <= arc[-1, 0] - arc[0, 0] + 1e-9 for arc in arcs)


def test_a_run_in_which_no_task_had_a_donor():
    run = made.a_run(3)
    run.series["donor"][:] = -1.0
    words = plots.alt_text(plots.donor_tree(run))
    assert words.endswith("0 started from an earlier task's mask. Own start: digits 0, digits 1, digits 2.")
    run.series["donor_scores"][:] = np.nan
    assert plots.alt_text(plots.donor_scores(run)).endswith("None is known.")


def test_donor_scores_are_those_of_the_run():
    run = made.a_run(4)
    np.testing.assert_array_equal(cells(plots.donor_scores(run)), run.series["donor_scores"][-1])


def test_a_score_that_is_only_just_what_a_donor_needs_is_not_enough():
    """As the initializer has it: a donor is taken only above."""
    run = made.a_run(3)
    run.series["donor"][:], run.series["donor_scores"][-1] = -1.0, np.nan
    run.series["donor_scores"][-1, 1, 0], run.series["donor_scores"][-1, 2, :2] = 0.5, (0.4, 0.6)
    run.series["donor_margin"][-1, :, 0] = 0.5
    ax = plots.donor_scores(run)
    assert [text.get_text() for text in ax.texts].count("> 0.50") == 2
    assert "hatched: not above what is needed" in ax.get_xlabel()
    assert "1 of 3 are above what was needed" in plots.alt_text(ax)


def test_bars_are_the_negative_gradients():
    gradients = made.gradients(4)
    heights = [patch.get_height() for patch in plots.task_gradients(torch.from_numpy(gradients)).patches[:4]]
    np.testing.assert_allclose(heights, -gradients.mean(0))
    np.testing.assert_allclose(
        [patch.get_height() for patch in plots.task_gradients(gradients[0]).patches[:4]], -gradients[0]
    )


def test_gradients_of_another_shape_teach():
    with pytest.raises(ValueError, match=r"expected gradients of shape \(T,\), or \(n, T\)"):
        plots.task_gradients(np.zeros((2, 3, 4)))
    with pytest.raises(ValueError, match="`true` to be 0 to 2"):
        plots.task_gradients(np.zeros(3), true=3)
    with pytest.raises(ValueError, match="a name for each of 3 tasks; got 1"):
        plots.task_gradients(np.zeros(3), names=["a"])
    assert plots.alt_text(plots.task_gradients([np.nan, np.nan])).endswith("none is known.")


def test_distances_of_a_recovery_are_drawn_and_told():
    found = made.a_recovery(5)
    lines = plots.hopfield_recovery(found, true=4).lines
    drawn = {tuple(line.get_ydata()) for line in lines}
    assert drawn == {tuple(row) for row in found.distances.numpy().T.astype(float)}
    assert lines[-1].get_label() == "task 5 (true and nearest in the end)"
    np.testing.assert_array_equal(lines[-1].get_ydata(), found.distances[:, 4])
    assert plots.alt_text(lines[0].axes).endswith("units away. This is the true task.")
    words = plots.alt_text(plots.hopfield_recovery(found, true=0))
    assert words.endswith(f"The true task is task 1, {found.distances[-1, 0]} units away.")


def test_recoveries_without_masks_to_compare_with_teach():
    with pytest.raises(ValueError, match=r"HopSupSup\(keep_masks=True\)"):
        plots.hopfield_recovery(made.a_recovery(3, kept=False))
    with pytest.raises(ValueError, match="`true` to be 0 to 2"):
        plots.hopfield_recovery(made.a_recovery(3), true=3)
    with pytest.raises(ValueError, match="a name for each of 3 tasks; got 1"):
        plots.hopfield_recovery(made.a_recovery(3), names=["a"])
    assert plots.hopfield_search(made.a_recovery(3, kept=False)).has_data()


def test_storage_adds_up_over_tasks():
    masks = made.masks(6)
    table = storage(masks).cumsum()
    lines = plots.mask_storage(masks).lines[:4]
    for line, name in zip(lines, ("scores", "indices", "bits", "entropy"), strict=True):
        np.testing.assert_allclose(line.get_ydata(), table[name].to_numpy())
    assert "time" in plots.alt_text(lines[0].axes)
