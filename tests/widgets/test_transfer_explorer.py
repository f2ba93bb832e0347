"""TransferExplorer: matrices brought to the same rows and columns, ranks and not units compared, plain words."""

import base64
import time

import numpy as np
import pytest
import traitlets

from cltoolkit import embeddings, plots, transferability
from cltoolkit.transferability import TransferMatrix
from cltoolkit.widgets import TransferExplorer, link

NAMES = ("0°", "15°", "30°", "45°")
HOSTILE = "<img src=x onerror=\"document.title='hit'\">"


def matrix(estimator="h_score", seed=0, sources=NAMES, targets=NAMES, repeats=0, **parts):
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=(repeats or 1, len(sources), len(targets)))
    return TransferMatrix(samples.mean(0), estimator, sources, targets, samples=samples if repeats else None, **parts)


def scores():
    return {"h_score": matrix(settings={"samples": 300, "seed": 7}), "leep": matrix("leep", 1)}


def gains():
    return matrix("fine_tune_gain", 2, repeats=3, settings={"repeats": 3, "baseline": [0.1, 0.2, 0.3, 0.4]})


@pytest.fixture
def view():
    return TransferExplorer(scores(), gains())


def numbers(view, name):
    held = view.arrays[name]
    return np.frombuffer(held["data"], "<f4").reshape(held["shape"])


def test_shows_the_first_score_beside_what_was_measured(view):
    assert (view.left, view.right, view.shown, view.order, view.task) == ("h_score", "measured", "values", "given", -1)
    assert repr(view) == "TransferExplorer(2 scores and measured, 4 sources on 4 targets)"
    assert view.task_names == list(NAMES)


def test_one_matrix_alone_stands_beside_itself():
    view = TransferExplorer(matrix())
    assert (view.left, view.right) == ("h_score", "h_score")
    assert view.content["agreement"] == {"rows": [], "words": ""}
    assert "unknown" not in view.alt_text


@pytest.mark.parametrize(
    ("trait", "value", "said"),
    [
        ("left", "fine_tune_gain", "expected one of h_score, leep, measured"),
        ("task", 4, "task"),
        ("shown", "ahp", "shown"),
    ],
)
def test_traits_take_only_what_there_is(view, trait, value, said):
    with pytest.raises(traitlets.TraitError, match=said):
        setattr(view, trait, value)


def test_numbers_handed_over_are_those_of_the_matrices(view):
    for i, held in enumerate([*scores().values(), gains()]):
        np.testing.assert_allclose(numbers(view, f"values {i}"), held.values, rtol=1e-6)
        np.testing.assert_array_equal(numbers(view, f"ranks {i}"), held.ranks())
    np.testing.assert_allclose([numbers(view, "low 2"), numbers(view, "high 2")], gains().interval(), rtol=1e-5)
    assert "low 0" not in view.arrays
    assert "floor 0" not in view.arrays


def test_names_may_come_in_any_order():
    straight, turned = matrix(), [2, 0, 3, 1]
    names = tuple(NAMES[t] for t in turned)
    settings = {"baseline": [10.0, 11.0, 12.0, 13.0]}
    other = TransferMatrix(
        straight.values[np.ix_(turned, turned)],
        "leep",
        names,
        names,
        floor=straight.values[np.ix_(turned, turned)],
        settings={"baseline": [settings["baseline"][t] for t in turned]},
    )
    view = TransferExplorer({"h_score": straight, "leep": other})
    np.testing.assert_array_equal(numbers(view, "values 0"), numbers(view, "values 1"))
    np.testing.assert_array_equal(numbers(view, "floor 1"), numbers(view, "values 1"))
    assert view.content["by_target"][1] == settings
    np.testing.assert_allclose(numbers(view, "rho")[:, 0, 1], 1)


def test_correlations_are_over_pairs_of_different_tasks(view):
    rho, off = numbers(view, "rho"), ~np.eye(4, dtype=bool)
    x, y = scores()["h_score"].values, gains().values
    pooled = transferability.spearman(x[off][None], y[off][None])[0]
    within = transferability.spearman(x.T[off].reshape(4, 3), y.T[off].reshape(4, 3)).mean()
    np.testing.assert_allclose(rho[:, 0, 2], [pooled, within], rtol=1e-5)
    np.testing.assert_array_equal(rho, rho.transpose(0, 2, 1))


def test_the_table_is_that_of_agreement(view):
    frame = transferability.agreement(scores(), gains())
    spearman = frame[frame.measure == "spearman"].set_index("estimator").value
    order = spearman.sort_values(ascending=False).index
    rows = view.content["agreement"]["rows"]
    assert [row[0] for row in rows] == [scores()[name].label for name in order]
    for row, name in zip(rows, order, strict=True):
        assert row[2].startswith(f"{spearman[name]:+.2f}".replace("-", "−"))
        assert row[3] == "4"


def test_says_who_cannot_be_told_apart():
    names = tuple(f"t{t}" for t in range(12))
    truth = matrix("fine_tune_gain", 5, names, names)
    near = TransferMatrix(
        truth.values + 0.02 * matrix(seed=1, sources=names, targets=names).values, "leep", names, names
    )
    view = TransferExplorer(
        {"good": truth, "near": near, "bad": TransferMatrix(-truth.values, "gbc", names, names)}, truth
    )
    words = view.content["agreement"]["words"]
    assert "good agrees best" in words
    assert "Below it, with intervals apart: bad" in words or "near and bad" in words
    noise = TransferExplorer({"noise": matrix(seed=9, sources=names, targets=names)}, truth)
    assert "No agreement is shown for noise: zero lies in the interval." in noise.alt_text


def test_names_with_a_comma_of_their_own_are_told_apart():
    truth = gains()
    worst = {
        name: TransferMatrix(-truth.values, name, NAMES, NAMES) for name in ("h_score_adjusted", "h_score_shrinkage")
    }
    words = TransferExplorer({"leep": TransferMatrix(truth.values, "leep", NAMES, NAMES)} | worst, truth).alt_text
    assert "Below it, with intervals apart: H-score, adjusted; and H-score, shrinkage." in words


def test_similar_tasks_stand_side_by_side_as_the_left_matrix_has_it(view):
    for held, order in zip(scores().values(), view.content["orders"], strict=False):
        expected = embeddings.dendrogram_order(embeddings.score_distances(held.values))
        assert order == expected.tolist()


def test_rectangular_matrices_with_gaps_are_shown_as_they_are():
    values = np.random.default_rng(0).normal(size=(5, 3))
    values[0, 0] = values[2, 1] = np.nan
    names, targets = tuple("abcde"), ("x", "y", "z")
    view = TransferExplorer(
        {"leep": TransferMatrix(values, "leep", names, targets)}, matrix("fine_tune_gain", 1, names, targets)
    )
    assert view.content["orders"] == [None, None]
    view.order, view.shown, view.task = "similar", "ranks", 2
    assert "2 unknown" in view.alt_text
    assert "Best other source for z" in view.alt_text
    view.figure()
    view.to_html()


def test_too_few_tasks_for_agreement_are_said_so():
    two = TransferExplorer(
        matrix(sources=("a", "b"), targets=("a", "b")), matrix("fine_tune_gain", 1, ("a", "b"), ("a", "b"))
    )
    assert two.content["agreement"]["words"].startswith("No agreement can be computed: expected at least 3 pairs")
    two.figure()


def test_says_how_each_matrix_was_made(view):
    assert view.content["made"][0] == "h_score: samples 300, seed 7"
    assert view.content["made"][2] == "fine_tune_gain: repeats 3; mean of 3 repetitions"
    assert view.content["by_target"][2] == {"baseline": [0.1, 0.2, 0.3, 0.4]}


def test_words_follow_the_state(view):
    assert "Left, H-score: from" in view.alt_text
    view.left, view.task = "leep", 1
    assert "Left, LEEP: from" in view.alt
    column = scores()["leep"].values[:, 1].copy()
    column[1] = -np.inf
    assert f"Best other source for 15°: {NAMES[int(column.argmax())]} by LEEP" in view.alt_text
    assert "nan" not in view.alt_text


@pytest.mark.parametrize("shown", ["values", "ranks", "difference"])
def test_the_figure_shows_both_the_pairs_and_the_agreement(view, shown):
    view.shown, view.order = shown, "similar"
    figure = view.figure()
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == ["H-score", "measured gain of fine-tuning"]
    assert "Spearman" in plots.alt_text(figure)
    assert ("ranks" in plots.alt_text(figure)) == (shown != "values")


def test_the_bundle_holds_a_picture_and_words(view):
    data, about = view._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == repr(view)
    assert about["image/png"]["alt"] == view.alt_text


def test_names_of_strangers_stay_text():
    names = (HOSTILE, "b", "c", "d")
    view = TransferExplorer({HOSTILE: matrix(sources=names, targets=names)}, matrix("fine_tune_gain", 1, names, names))
    page = view.to_html()
    assert HOSTILE not in page
    assert "://" not in page
    assert "<img" not in page


def test_linked_views_pick_together(view):
    other = TransferExplorer(matrix())
    both = link(view, other)
    view.task = 3
    assert other.task == 3
    both.unlink()


@pytest.mark.parametrize(
    ("given", "measured", "error", "said"),
    [
        ({}, None, ValueError, "at least one transfer matrix"),
        ({"measured": matrix()}, None, ValueError, "of other names"),
        (scores(), scores(), TypeError, "measured=truth"),
        ({"a": 1}, None, TypeError, "expected a TransferMatrix as 'a'"),
        (scores(), matrix(targets=("a", "b")), ValueError, "same sources and targets; 'measured' differs"),
    ],
)
def test_errors_teach(given, measured, error, said):
    with pytest.raises(error, match=said):
        TransferExplorer(given, measured)


def test_two_hundred_tasks_are_ready_within_seconds():
    names = tuple(f"task {t}" for t in range(200))
    begin = time.perf_counter()
    TransferExplorer({"leep": matrix("leep", 0, names, names)}, matrix("fine_tune_gain", 1, names, names))
    assert time.perf_counter() - begin < 8


def test_nothing_is_said_to_be_minus_zero():
    closeness = -np.abs(np.subtract.outer([0.0, 15.0, 30.0, 45.0], [0.0, 15.0, 30.0, 45.0]))
    assert "to 0 (0° on 0°)" in TransferExplorer(TransferMatrix(closeness, "closeness", NAMES, NAMES)).alt_text
