"""RunExplorer without a browser: what it holds is what the Runs and `metrics.explain` say."""

from dataclasses import replace

import numpy as np
import pytest
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as made
from made_runs import HOSTILE, a_run
from PIL import Image

from cltoolkit import Run, metrics, plots
from cltoolkit.widgets import RunExplorer
from cltoolkit.widgets._run_lines import anytime_lines, loss_lines, thin
from cltoolkit.widgets._run_metrics import RunMetrics


def numbers(view, name):
    held = view.arrays[name]
    return np.frombuffer(held["data"], "<f4").reshape(held["shape"])


@pytest.fixture(scope="module")
def runs():
    return [a_run(seed=seed, steps=30, evaluated=4) for seed in range(2)] + [a_run(name="Finetune")]


@pytest.fixture
def explorer(runs):
    return RunExplorer(runs)


# What comes in


def test_a_run_a_folder_and_several_of_them(runs, tmp_path):
    folder = runs[0].save(tmp_path / "run")
    for given_runs in (runs[0], folder, str(folder), [folder], iter([runs[0]])):
        view = RunExplorer(given_runs)
        assert np.array_equal(numbers(view, "accuracy")[0], runs[0].accuracy.astype("f4"))


def test_every_run_has_a_label_of_its_own(tmp_path):
    one, other = (Run.open(a_run().save(tmp_path / name)) for name in ("first", "second"))
    labels = RunExplorer([one, other, a_run(), a_run(), a_run(seed=1)]).labels
    assert labels == [
        "HyperNet, seed 0, first",
        "HyperNet, seed 0, second",
        "HyperNet, seed 0 (1)",
        "HyperNet, seed 0 (2)",
        "HyperNet, seed 1",
    ]


def test_a_label_says_the_setting_that_tells_runs_apart():
    runs = [a_run(seed=seed) for seed in (0, 1, 0, 1)]
    for run, beta in zip(runs, (0.1, 0.1, 1.0, 1.0), strict=True):
        run.config["learner"] = {"name": "HyperNet", "config": {"beta": beta, "lr": 0.01}}
    assert RunExplorer(runs).labels == [
        f"HyperNet (beta = {beta}), seed {seed}" for beta in (0.1, 1.0) for seed in (0, 1)
    ]


def test_runs_that_cannot_be_laid_on_each_other_say_why():
    with pytest.raises(
        ValueError, match=r"same tasks in the same order.*4 tasks \(0/1.*3 tasks.*one explorer for each"
    ):
        RunExplorer([a_run(4), a_run(3)])
    with pytest.raises(ValueError, match="same tasks"):
        RunExplorer([a_run(2, tasks=["a", "b"]), a_run(2, tasks=["b", "a"])])
    with pytest.raises(ValueError, match="at least one Run"):
        RunExplorer([])
    for wrong in (5, [a_run(), 5], np.eye(3)):
        with pytest.raises(TypeError, match="expected a Run, the folder of one"):
            RunExplorer(wrong)


def test_a_bare_matrix_has_numbers_for_names():
    view = RunExplorer(Run(np.full((3, 2), 0.5)))
    assert view.task_names == ["0", "1"]
    assert repr(view) == "RunExplorer(run, seed 0)"


# Metrics


@given(made(np.float64, st.integers(1, 4).map(lambda T: (T + 1, T)), elements=st.floats(0, 1) | st.just(np.nan)))
@settings(max_examples=25)
def test_metrics_are_those_of_explain(accuracy):
    T = accuracy.shape[1]
    run = replace(a_run(T, evaluated=2), accuracy=accuracy)
    held = RunMetrics([run])
    for name in held.names():
        explained = metrics.explain(name, run)
        assert held.dialects(name) == list(explained.value)
        assert held.doubts[0].get(name, "") == explained.warning
        for dialect, value in explained.value.items():
            at, cells = held.at(name, dialect), explained.cells[dialect]
            assert np.array_equal(held.values[0, at], value, equal_nan=True)
            assert np.array_equal(held.mask(0, name, dialect), cells)
            slopes = held.slopes(0, name, dialect)
            assert slopes == pytest.approx(explained.slope[dialect][cells].tolist(), rel=1e-5, nan_ok=True)
            for (i, j), slope in zip(np.argwhere(cells).tolist(), slopes, strict=True):
                assert held.slope(0, name, dialect, i, j) == pytest.approx(slope, rel=1e-5, nan_ok=True)


def test_every_metric_that_needs_no_reference_is_there(runs):
    held = RunMetrics(runs)
    keys = {dialect["key"] for metric in held.told for dialect in metric["dialects"]}
    assert keys == set(metrics.table(runs[0]))
    assert len(keys) <= 24, "float32 holds whole numbers of 24 bits; the cells need a second array now"


def test_a_metric_that_only_some_runs_have_is_unknown_for_the_others(runs):
    held = RunMetrics(runs)
    at = held.at("aaa", "steps")
    assert np.isfinite(held.values[:2, at]).all()
    assert np.isnan(held.values[2, at])
    assert held.slopes(2, "aaa", "steps") == []
    assert np.isnan(held.slope(2, "aaa", "steps", 0, 0))


def test_runs_of_the_same_tasks_share_their_cells(runs):
    assert len(RunMetrics(runs).cells) == 1
    empty = a_run()
    empty.config["sequence"]["tasks"][1]["test"] = 0
    held = RunMetrics([*runs, empty])
    assert held.cells_of == [0, 0, 0, 1]
    assert held.mask(0, "acc", "samples")[-1].all()
    assert held.mask(3, "acc", "samples")[-1].tolist() == [True, False, True, True]


# Lines


@given(made(np.float64, st.integers(1, 400), elements=st.floats(-5, 5) | st.just(np.nan)), st.integers(4, 60))
@settings(max_examples=25)
def test_a_thinned_line_keeps_its_ends_and_its_extremes(y, most):
    kept = thin(y, most)
    assert len(kept) <= max(most, len(y) if len(y) <= most else most)
    assert (np.diff(kept) > 0).all()
    assert {0, len(y) - 1} <= set(kept.tolist())
    if np.isfinite(y).any():
        assert np.nanmin(y[kept]) == np.nanmin(y)
        assert np.nanmax(y[kept]) == np.nanmax(y)


def test_a_short_line_is_kept_whole():
    assert thin(np.arange(7.0), 7).tolist() == list(range(7))


@pytest.mark.parametrize(("T", "steps"), [(1, 5), (4, 2000), (200, 30)])
def test_losses_are_lines_of_a_thousand_points_with_a_gap_between_tasks(T, steps):
    run = a_run(T, steps=steps)
    names, lines, begins = loss_lines(run)
    assert names == ["loss", "regularizer"]
    assert lines.shape[2] <= 1000
    assert begins == [steps * t for t in range(T + 1)]
    x, y = lines[0]
    assert np.nanmax(y) == run.curves["loss"].max()
    assert np.nanmin(y) == run.curves["loss"].min()
    assert np.isnan(y[np.flatnonzero(~np.isnan(x[:-1]) & np.isnan(x[1:])) + 1]).all()
    assert len(np.flatnonzero(np.isnan(x[: np.flatnonzero(~np.isnan(x))[-1]]))) == T - 1


def test_a_run_without_losses_or_evaluations_has_no_lines():
    view = RunExplorer(a_run())
    assert view.content["losses"] == [[]]
    assert view.content["during"] == [False]
    assert not {"curves 0", "anytime 0"} & set(view.arrays)


def test_accuracies_during_training_hold_those_of_the_matrix():
    run = a_run(3, evaluated=5)
    lines, begins = anytime_lines(run)
    assert begins == [0, 50, 100, 150]
    for j in range(3):
        x, y = lines[j]
        for t, begin in enumerate(begins):
            assert run.accuracy[t, j] in y[x == begin]


# What is chosen


def test_what_there_is_not_cannot_be_chosen(explorer):
    for name, wrong in [("run", -1), ("run", 3), ("other", 3), ("moment", 5), ("metric", "bwd"), ("view", "table")]:
        before = getattr(explorer, name)
        with pytest.raises(traitlets.TraitError, match="expected"):
            setattr(explorer, name, wrong)
        assert getattr(explorer, name) == before
    explorer.metric = "bwt"
    with pytest.raises(traitlets.TraitError, match="expected a dialect of bwt: one of gem, diaz"):
        explorer.dialect = "mammoth"


def test_another_metric_begins_with_its_own_dialect(explorer, comms):
    explorer.metric, explorer.dialect = "forgetting", "mammoth"
    explorer.metric = "bwt"
    assert explorer.dialect == ""
    explorer.dialect = "diaz"
    explorer.metric = "fwt"
    assert explorer.dialect == "diaz"


def test_the_front_end_chooses_metric_and_dialect_in_one_message(runs, comms):
    view = RunExplorer(runs)
    view.comm.set(metric="forgetting", dialect="mammoth")
    assert (view.metric, view.dialect) == ("forgetting", "mammoth")


def test_slopes_are_asked_for(runs, comms):
    view = RunExplorer(runs)
    cells = metrics.explain("bwt", runs[0])
    heard = view.comm.ask("slopes", 0, "bwt", "gem")["answer"]
    assert heard == pytest.approx(cells.slope["gem"][cells.cells["gem"]].tolist(), rel=1e-5)
    assert view.comm.ask("slope", 0, "bwt", "gem", 4, 0)["answer"] == pytest.approx(1 / 3)
    for wrong in (["slopes", 9, "bwt", "gem"], ["slopes", 0, "bwt", "no"], ["slope", 0, "no", "gem", 0, 0], ["slopes"]):
        assert "error" in view.comm.ask(*wrong)


def test_an_exported_page_takes_slopes_along_while_they_are_few(runs):
    view = RunExplorer(runs)
    dialects = sum(len(metric["dialects"]) for metric in view.content["metrics"])
    assert len(list(view.questions())) == 3 * dialects
    assert list(RunExplorer(a_run(21)).questions()) == []
    crowd = list(RunExplorer([a_run(20, seed=seed) for seed in range(25)]).questions())
    assert {question[1] for question in crowd} == set(range(23))


# Pictures and words


@pytest.mark.parametrize("view", ["history", "average", "curves", "anytime"])
@pytest.mark.parametrize("chosen", [{}, {"other": 2}, {"metric": "bwt"}, {"task": 1}, {"task": 1, "moment": 3}])
def test_every_state_has_its_still_picture(explorer, view, chosen):
    explorer.view = view
    for name, value in chosen.items():
        setattr(explorer, name, value)
    titles = [ax.get_title() for ax in explorer.figure().axes]
    assert ("Finetune, seed 0" in titles) == ("other" in chosen)
    assert plots.alt_text(explorer.figure())


def test_the_still_picture_lights_up_the_cells_of_the_metric(explorer, runs, monkeypatch):
    lit = []
    draw = plots.accuracy_matrix
    monkeypatch.setattr(
        plots, "accuracy_matrix", lambda run, *, highlight, ax: lit.append(highlight) or draw(run, ax=ax)
    )
    explorer.figure()
    explorer.task = 1
    explorer.figure()
    explorer.moment = 3
    explorer.figure()
    explorer.metric = "bwt"
    explorer.figure()
    assert lit[0] is None
    assert np.argwhere(lit[1]).tolist() == [[i, 1] for i in range(5)]
    assert np.argwhere(lit[2]).tolist() == [[3, 1]]
    assert np.array_equal(lit[3], metrics.explain("bwt", runs[0]).cells["gem"])


def test_a_run_without_losses_shows_its_history_instead():
    view = RunExplorer(a_run())
    view.view = "curves"
    assert "before training and after each task" in plots.alt_text(view.figure())


def test_words_hold_the_numbers(explorer, runs):
    values = metrics.table(runs[0])
    assert f"Average accuracy at the end {values['acc']:.3f}." in explorer.alt_text
    explorer.metric, explorer.dialect = "forgetting", "mammoth"
    assert f"Forgetting (mammoth): {values['forgetting_mammoth']:.4f}, lower is better" in explorer.alt_text
    assert "from 9 of 20 cells" in explorer.alt_text
    explorer.other = 2
    assert f"{values['acc'] - metrics.table(runs[2])['acc']:+.3f}".replace("-", "−") in explorer.alt_text


def test_words_say_what_became_of_the_cell(explorer):
    run = Run(np.array([[0.5, 0.5], [1.0, 0.4], [0.71, np.nan]]), a_run(2).config)
    view = RunExplorer(run)
    view.task = 0
    said = {}
    for view.moment in (-1, 0, 1, 2):
        said[view.moment] = view.alt_text.splitlines()[-1]
    assert said[-1] == said[2] == "After 2/3, task 0/1: 0.71; right after it was learned 1.00: −0.29."
    assert said[0] == "Before training, task 0/1: 0.50; it is not learned yet."
    assert said[1] == "After 0/1, task 0/1: 1.00, right after it was learned."
    view.task, view.moment = 1, 2
    assert view.alt_text.endswith("After 2/3, task 2/3: unknown, right after it was learned.")


@pytest.mark.parametrize(
    "run",
    [
        a_run(1),
        a_run(60),
        a_run(5, tasks=HOSTILE, name=HOSTILE[0]),
        replace(a_run(3), accuracy=np.full((4, 3), np.nan)),
        replace(a_run(3), accuracy=3 * a_run(3).accuracy - 2),
    ],
    ids=["one task", "60 tasks", "hostile names", "nothing known", "beyond 0 and 1"],
)
def test_any_run_has_a_picture_words_and_a_page(run):
    view = RunExplorer(run)
    view.task, view.metric = run.T - 1, "bwt"
    data, metadata = view._repr_mimebundle_()
    assert "nan" not in metadata["image/png"]["alt"]
    assert "nan" not in view.alt_text
    assert len(data["image/png"]) < 200_000
    assert "</script><b>" not in view.to_html()


def test_the_picture_is_small(explorer, tmp_path):
    (tmp_path / "a.png").write_bytes(plots.png(explorer.figure()))
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "P"
        assert image.width < 900
    assert (tmp_path / "a.png").stat().st_size < 50_000


def test_the_same_runs_give_the_same_page(runs):
    assert RunExplorer(runs).to_html() == RunExplorer(runs).to_html()
