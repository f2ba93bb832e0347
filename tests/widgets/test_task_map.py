"""Maps of tasks: what they show is what the record says, and how far they can be trusted is always said."""

import base64

import numpy as np
import pytest
import tiny
import torch
import traitlets
from numpy.testing import assert_allclose

import cltoolkit as cl
from cltoolkit import embeddings as em
from cltoolkit import plots
from cltoolkit.learners import Learner
from cltoolkit.transferability import TransferMatrix
from cltoolkit.widgets import RunExplorer, TaskMap, link

EVIL = """<img src=x onerror="document.title='hit'">"""


def made(times, names=None, halves=None):
    """A run with these embeddings after each task, each `(t, d)`, and these half-widths."""
    T, d = len(times), np.shape(times[0])[1]
    accuracy = np.full((T + 1, T), 0.5)
    accuracy[1:] += 0.4 * np.tri(T)
    series = {"embeddings": padded(times, T, d)}
    if halves is not None:
        series["half_widths"] = padded([halves[: t + 1] for t in range(T)], T, d)
    tasks = [{"name": name} for name in names or [f"t{j}" for j in range(T)]]
    config = {"learner": {"name": "HyperNet"}, "sequence": {"tasks": tasks}, "seed": 3}
    return cl.Run(accuracy, config, series=series)


def padded(times, T, d):
    rows = np.full((T, T, d), np.nan)
    for t, points in enumerate(times):
        rows[t, : len(points)] = points
    return rows


def still(T, d, **rest):
    """A run whose embeddings never move, as those of HyperNet do not."""
    points = np.random.default_rng(T + d).normal(size=(T, d))
    return made([points[: t + 1] for t in range(T)], **rest)


def moving(T, d):
    """A run whose embeddings drift."""
    generator = np.random.default_rng(T * d)
    points = generator.normal(size=(T, d))
    return made([points[: t + 1] + 0.1 * generator.normal(size=(t + 1, d)) for t in range(T)])


def matrix(names, estimator="h_score"):
    values = np.random.default_rng(1).uniform(1, 2, (len(names),) * 2)
    return TransferMatrix(values, estimator, tuple(names), tuple(names))


@pytest.fixture(scope="module")
def trained() -> tuple[Learner, cl.Run]:
    learner = tiny.learner("HyperNet")
    return learner, cl.train(learner, tiny.sequence(4), epochs=2, progress=False)


@pytest.fixture(scope="module")
def nested() -> cl.Run:
    return cl.train(tiny.learner("HyperInterval"), tiny.sequence(3, scenario="domain"), epochs=3, progress=False)


def told(view, method, t):
    return view.answer("map", "embedding", method, t)


# What is offered


def test_only_what_the_record_and_the_arguments_have_is_offered(trained):
    learner, run = trained
    assert TaskMap(run).ways == ["embedding", "dimensions"]
    assert TaskMap(run, transfer=matrix(run.task_names)).ways == ["embedding", "dimensions", "transfer"]
    assert TaskMap(run, learner=learner).ways == ["embedding", "dimensions", "weights"]
    several = {"one": matrix(run.task_names), "other": matrix(run.task_names, "leep")}
    assert TaskMap(run, transfer=several).ways == ["embedding", "dimensions", "transfer:one", "transfer:other"]


def test_one_coordinate_makes_a_line_and_no_pair_of_dimensions():
    view = TaskMap(still(3, 1))
    assert view.ways == ["embedding"]
    assert_allclose(np.asarray(told(view, "pca", 3)["points"])[:, 1], 0)
    assert told(view, "pca", 3)["variance"] == pytest.approx(1)


def test_a_run_with_nothing_to_place_tasks_by_is_told_what_to_give():
    bare = cl.Run(np.array([[0.5, 0.5], [0.9, 0.5], [0.8, 1.0]]))
    with pytest.raises(ValueError, match=r"HyperNet, HEmbedding and HyperInterval keep.*`transfer=`.*`learner=`"):
        TaskMap(bare)


def test_a_learner_with_one_network_for_all_tasks_has_no_map_of_weights():
    learner = tiny.learner("Finetune")
    run = cl.train(learner, tiny.sequence(2), epochs=1, progress=False)
    with pytest.raises(ValueError, match="Finetune answers all tasks with the same weights"):
        TaskMap(run, learner=learner)


def test_a_run_that_has_learned_nothing_is_refused():
    with pytest.raises(ValueError, match="learned none: train it first"):
        TaskMap(cl.Run(np.full((3, 2), np.nan)))


def test_an_interrupted_run_shows_the_tasks_it_has_learned():
    run = still(4, 3)
    run.accuracy[3:] = np.nan
    run.series["embeddings"][2:] = np.nan
    view = TaskMap(run)
    assert view.moment == 2
    assert len(view.taskmap.points) == 2
    with pytest.raises(traitlets.TraitError, match="expected moment from 1 to 2; got 3"):
        view.moment = 3


def test_scores_of_other_tasks_are_refused():
    with pytest.raises(ValueError, match=r"run's tasks.*as sources"):
        TaskMap(still(3, 2), transfer=matrix(["a", "b", "c"]))
    with pytest.raises(TypeError, match="expected a TransferMatrix"):
        TaskMap(still(3, 2), transfer={"scores": np.eye(3)})


def test_a_learner_of_more_tasks_is_refused(trained):
    with pytest.raises(ValueError, match="expected the learner of this run of 3 tasks; got one that knows 4"):
        TaskMap(still(3, 2), learner=trained[0])


# Maps


def test_laying_maps_on_each_other_leaves_their_stress_as_it_is():
    run = moving(6, 5)
    view = TaskMap(run)
    for t, points in enumerate(run.embeddings, start=1):
        assert told(view, "mds", t)["stress"] == pytest.approx(em.map_tasks(points).stress, abs=1e-9)


def test_the_last_maps_are_those_of_map_tasks():
    run = moving(6, 5)
    view = TaskMap(run)
    for method in ("mds", "pca"):
        view.method = method
        expected = em.map_tasks(run.embeddings[-1], method=method)
        assert_allclose(view.taskmap.points, expected.points, atol=1e-9)
        assert view.taskmap.stress == pytest.approx(expected.stress)
        assert view.taskmap.variance == (None if method == "mds" else pytest.approx(expected.variance))


def test_tasks_that_only_turn_together_stay_where_they_are_on_maps_laid_on_each_other():
    points = np.random.default_rng(0).normal(size=(5, 2))
    turns = [np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in (0.3, 1.9, 4.0, 2.2, 0.7)]
    view = TaskMap(made([points[: t + 1] @ turn for t, turn in enumerate(turns)]))
    last = told(view, "mds", 5)["points"]
    for t in range(2, 6):
        assert_allclose(told(view, "mds", t)["points"], last[:t], atol=1e-5)


def test_what_moves_in_the_plane_has_moved():
    view = TaskMap(still(6, 4))
    last = told(view, "pca", 6)["points"]
    assert all(told(view, "pca", t)["points"] == last[:t] for t in range(1, 7))
    run = moving(6, 4)
    view = TaskMap(run)
    for t in range(1, 6):
        shown = np.subtract(told(view, "pca", t + 1)["points"][:t], told(view, "pca", t)["points"])
        true = run.embeddings[t][:t] - run.embeddings[t - 1]
        assert (np.linalg.norm(shown, axis=1) <= np.linalg.norm(true, axis=1) + 1e-5).all()


def test_words_say_whether_tasks_or_only_the_map_have_moved():
    assert "No embedding has moved since its task was learned: what moves is the map" in TaskMap(still(4, 3)).alt_text
    assert "The embedding that has moved farthest is that of" in TaskMap(moving(4, 3)).alt_text


def test_by_transfer_true_distances_are_those_of_the_scores():
    run = still(4, 2)
    scores = matrix(run.task_names)
    view = TaskMap(run, transfer={"mine": scores})
    view.by = "transfer"
    assert view.by == "transfer:mine"
    assert_allclose(view.taskmap.distances, em.score_distances(scores.values))


def test_by_weights_true_distances_are_those_of_the_generated_weights(trained):
    learner, run = trained
    view = TaskMap(run, learner=learner)
    view.by = "weights"
    flat = torch.stack([torch.cat([learner.params(t)[n].flatten() for n in learner.net.shapes]) for t in range(4)])
    assert_allclose(view.taskmap.distances, torch.cdist(flat.double(), flat.double()).detach(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["SupSup", "Separate", "HyperInterval"])
def test_every_learner_with_weights_for_each_task_has_a_map_of_them(name):
    learner = tiny.learner(name)
    run = cl.train(learner, tiny.sequence(3), epochs=1, progress=False)
    before = tiny.copied(learner.state_dict())
    view = TaskMap(run, learner=learner)
    view.by = "weights"
    assert view.taskmap.points.shape == (3, 2)
    assert tiny.differing(before, learner.state_dict()) == []


# How far to trust them


@pytest.mark.parametrize("by", ["embedding", "dimensions", "transfer"])
@pytest.mark.parametrize("method", ["mds", "pca"])
def test_stress_is_said_in_number_and_word_as_the_still_picture_says_it(by, method):
    run = still(5, 3)
    view = TaskMap(run, transfer=matrix(run.task_names))
    view.by, view.method = by, method
    stress = view.taskmap.stress
    title = view.figure().axes[0].get_title()
    said = title[title.index("stress") :]
    assert said.startswith(f"stress {stress:.3f} (")
    assert said in view.alt_text


def test_verdicts_are_in_the_words_of_the_plots():
    from cltoolkit.widgets._task_words import trust

    for stress in (0.0, 0.025, 0.026, 0.05, 0.1, 0.101, 0.2, 0.21, 3.0, float("inf")):
        points = np.array([[0.0, 0.0], [1.0, 0.0]])
        found = em.TaskMap(points, stress, "mds", np.ones((2, 2)), ("a", "b"))
        figure = plots.sheet([lambda ax, found=found: plots.task_map(found, ax=ax)])
        assert figure.axes[0].get_title().endswith(trust(found))


def test_dimensions_in_which_tasks_coincide_are_of_unknown_stress():
    points = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 2.0], [5.0, 3.0, 0.0]])
    view = TaskMap(made([points[: t + 1] for t in range(3)]))
    view.by, view.moment = "dimensions", 2
    assert "stress unknown" in view.alt_text


# Dimensions and intervals


def test_what_boxes_share_is_what_the_learner_keeps(nested):
    view = TaskMap(nested)
    for t in range(nested.T):
        assert_allclose(view.boxes.common[t], nested.series["intersection"][t, t], atol=1e-6)
        assert_allclose(view.boxes.universal[t], nested.series["universal"][t, t], atol=1e-6)


def test_the_universal_point_lies_in_every_box_or_there_is_none(nested):
    view = TaskMap(nested)
    ends = view.boxes.ends(nested.T)
    point = view.boxes.universal[-1]
    assert ((ends[..., 0] <= point) & (point <= ends[..., 1])).all()
    apart = TaskMap(still(4, 3, halves=np.full((4, 3), 1e-3)))
    assert np.isnan(apart.boxes.universal[1:]).all()
    apart.by = "dimensions"
    assert "share nothing in 3 of 3 dimensions, so there is no universal point" in apart.alt_text


def test_dimensions_are_the_embeddings_own(nested):
    view = TaskMap(nested)
    view.by, view.x, view.y, view.moment = "dimensions", 3, 1, 2
    assert_allclose(view.taskmap.points, nested.embeddings[1][:, [3, 1]])
    ax = view.figure().axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("embedding dimension 3", "embedding dimension 1")
    assert len(ax.patches) == 2


def test_near_a_picked_task_the_still_picture_is_of_its_box(nested):
    view = TaskMap(nested)
    view.by, view.task, view.near = "dimensions", 0, True
    left, right = view.figure().axes[0].get_xlim()
    low, high = view.boxes.ends(nested.T)[0, 0]
    assert left < low < high < right
    assert right - left == pytest.approx(1.5 * (high - low))


# Many tasks


def test_maps_of_many_tasks_wait_until_they_are_asked_for():
    view = TaskMap(still(50, 3))
    assert view.method == "pca"
    assert view.answers == {}
    view.method = "mds"
    before = view.alt
    view.moment = 20
    assert view.alt == before
    answered = told(view, "mds", 20)
    assert answered["stress"] == pytest.approx(em.map_tasks(view.run.embeddings[19]).stress, abs=1e-9)
    view.task = 4
    assert "after 20 of 50 tasks" in view.alt


def test_an_exported_page_takes_along_what_it_has_room_for():
    few, many = TaskMap(still(5, 3)), TaskMap(still(200, 2))
    assert len(list(few.questions())) == 2 * 5
    assert {method: len(moments) for method, moments in many.content["taken"].items()} == {"pca": 200, "mds": 5}
    assert many.content["taken"]["mds"][-1] == 200


# As every view


def test_a_figure_has_the_map_and_the_paths_that_led_to_it():
    run = still(4, 3)
    view = TaskMap(run, transfer=matrix(run.task_names))
    assert "Paths of 4 task embeddings" in plots.alt_text(view.figure())
    view.moment = 1
    assert len(view.figure().axes) == 1
    view.by = "transfer"
    assert "Distances on a map of 4 tasks" in plots.alt_text(view.figure())


def test_words_name_the_task_picked_and_its_true_nearest():
    view = TaskMap(made([np.array([[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]])[: t + 1] for t in range(3)]))
    view.task = 2
    assert view.alt_text.endswith("Picked is t2; nearest to it is t1, 4 away.")
    view.moment = 1
    assert view.alt_text.endswith("Picked is t2, not learned by then.")


@pytest.mark.parametrize(
    ("trait", "value", "words"),
    [
        ("by", "weight", "expected by out of embedding, dimensions; got 'weight'"),
        ("method", "tsne", "expected method out of mds, pca; got 'tsne'"),
        ("moment", 0, "expected moment from 1 to 3; got 0"),
        ("x", 4, "expected x from 0 to 3; got 4"),
        ("y", -1, "expected y from 0 to 3; got -1"),
        ("task", 3, "expected a task from 0 to 2"),
    ],
)
def test_what_cannot_be_chosen_is_refused_with_what_can(trait, value, words):
    with pytest.raises(traitlets.TraitError, match=words):
        setattr(TaskMap(still(3, 4)), trait, value)


def test_unknown_questions_have_no_answer():
    view = TaskMap(still(3, 4))
    for question in (("what",), ("map", "weights", "mds", 1), ("map", "embedding", "mds")):
        with pytest.raises(LookupError, match="has no answer"):
            view.answer(*question)
    with pytest.raises(traitlets.TraitError, match="moment"):
        view.answer("map", "embedding", "mds", 0)


def test_it_has_one_repr_a_picture_and_words():
    view = TaskMap(still(3, 4))
    data, about = view._repr_mimebundle_()
    assert data["text/plain"] == repr(view) == "TaskMap(HyperNet, seed 3)"
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert about["image/png"]["alt"] == view.alt_text


def test_names_reach_a_page_as_text_and_it_asks_nobody(tmp_path):
    page = TaskMap(still(2, 3, names=[EVIL, "b"])).to_html()
    assert EVIL not in page
    assert "http" not in page.replace("http-equiv", "")
    assert TaskMap(still(2, 3)).to_html(tmp_path / "map.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_task_picked_elsewhere_is_picked_on_the_map():
    run = still(3, 2)
    one, other = RunExplorer(run), TaskMap(run)
    link(one, other)
    one.task = 2
    assert other.task == 2
