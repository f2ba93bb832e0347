"""Maps: exact where the plane can be, honest about what it cannot, and unmoved by turning what they show."""

import math

import numpy as np
import pytest
import torch

from cltoolkit.embeddings import align, dendrogram_order, linkage, map_tasks


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def between(points):
    return np.linalg.norm(points[:, None] - points, axis=-1)


def turned(points, seed=1):
    """Rotated or mirrored, and shifted."""
    d = points.shape[1]
    return points @ np.linalg.qr(normal(d, d, seed=seed))[0] + normal(d, seed=seed)


@pytest.mark.parametrize("method", ["mds", "pca"])
def test_what_lies_in_a_plane_is_shown_exactly(method):
    flat = normal(9, 2)
    hidden = np.hstack([flat, np.zeros((9, 4))])
    shown = map_tasks(turned(hidden), method=method)
    np.testing.assert_allclose(shown.shown, between(flat), atol=1e-9)
    assert shown.stress < 1e-9


@pytest.mark.parametrize("method", ["mds", "pca"])
def test_a_map_is_the_same_however_its_points_are_turned(method):
    points = normal(8, 5)
    first, second = map_tasks(points, method=method), map_tasks(turned(points), method=method)
    np.testing.assert_allclose(first.points, second.points, atol=1e-6)
    np.testing.assert_array_equal(first.points, map_tasks(torch.tensor(points), method=method).points)


@pytest.mark.parametrize("method", ["mds", "pca"])
def test_a_map_is_centered_and_along_its_principal_axes(method):
    points = map_tasks(normal(8, 5), dim=3, method=method).points
    np.testing.assert_allclose(points.mean(0), 0, atol=1e-12)
    moments = points.T @ points
    np.testing.assert_allclose(moments, np.diag(moments.diagonal()), atol=1e-9)
    assert bool((np.diff(moments.diagonal()) <= 0).all())
    farthest = np.abs(points).argmax(0)
    assert bool((points[farthest, np.arange(3)] > 0).all())


def test_stress_is_kruskals():
    shown = map_tasks(normal(8, 5))
    pairs = np.triu_indices(8, 1)
    delta, true = between(shown.points)[pairs], shown.distances[pairs]
    assert shown.stress == pytest.approx(math.sqrt(((delta - true) ** 2).sum() / (delta**2).sum()))


def test_mds_has_less_raw_stress_than_pca_and_is_a_minimum():
    points = normal(12, 6)
    true = between(points)

    def raw(positions):
        return ((between(positions) - true) ** 2).sum()

    mds, pca = (map_tasks(points, method=method).points for method in ("mds", "pca"))
    assert raw(mds) < raw(pca)
    for seed in range(20):
        assert raw(mds + 1e-3 * normal(12, 2, seed=seed)) > raw(mds)


def test_mds_agrees_with_scikit_learn_from_the_same_start():
    import warnings

    from sklearn.manifold import smacof

    true = between(normal(7, 4))
    ours = map_tasks(true, distances=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of its coming defaults
        theirs, stress = smacof(true, n_components=2, init=ours.points + 0.0, n_init=1, max_iter=1000, eps=1e-15)
    assert ((ours.shown - true) ** 2).sum() / 2 == pytest.approx(stress, rel=1e-6)
    np.testing.assert_allclose(between(theirs), ours.shown, atol=1e-4)


def test_pca_tells_its_share_of_the_variance():
    points = normal(9, 4)
    shown = map_tasks(points, method="pca")
    values = np.linalg.eigvalsh(np.cov(points.T))[::-1]
    assert shown.variance == pytest.approx(values[:2].sum() / values.sum())
    assert map_tasks(points).variance is None
    assert "of the variance" in repr(shown)


@pytest.mark.parametrize("method", ["mds", "pca"])
@pytest.mark.parametrize(
    "points", [np.zeros((1, 3)), np.array([[0.0, 0, 0], [3, 4, 0]]), np.ones((4, 3)), np.array([[0.0], [1], [3]])]
)
def test_few_and_identical_tasks_are_shown_exactly(points, method):
    shown = map_tasks(points, method=method)
    assert shown.points.shape == (len(points), 2)
    np.testing.assert_allclose(shown.shown, between(points), atol=1e-9)
    assert shown.stress < 1e-9


def test_copies_of_a_task_fall_together():
    points = normal(5, 4)
    shown = map_tasks(np.vstack([points, points])).points
    np.testing.assert_allclose(shown[:5], shown[5:], atol=1e-9)


def test_distances_that_no_points_have_are_mapped_as_well_as_can_be():
    impossible = np.array([[0, 1.0, 1, 9], [1, 0, 1, 1], [1, 1, 0, 1], [9, 1, 1, 0]])
    shown = map_tasks(impossible, distances=True)
    assert np.isfinite(shown.points).all()
    assert shown.stress > 0.2
    equal = map_tasks(1 - np.eye(6), distances=True)
    assert 0.1 < equal.stress < 0.5


def test_names():
    assert map_tasks(normal(3, 2)).names == ("0", "1", "2")
    assert map_tasks(normal(3, 2), names=["a", "b", "c"]).names == ("a", "b", "c")
    with pytest.raises(ValueError, match="each of 3 tasks"):
        map_tasks(normal(3, 2), names=["a"])


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (np.ones((3, 2)), {"method": "tsne"}, "mds, pca"),
        (np.ones((3, 2)), {"dim": 0}, "dim=0"),
        (np.ones((3, 2)), {"distances": True}, r"\(3, 2\)"),
        (np.array([[0, 1.0], [2, 0]]), {"distances": True}, "symmetric"),
        (np.eye(3), {"distances": True}, "similarities"),
        (1 - np.eye(3), {"distances": True, "method": "pca"}, "'pca' projects points"),
        (np.array([[0.0, np.nan]]), {}, "column 1 holds nan"),
        (np.ones(3), {}, "a row for each task"),
    ],
)
def test_what_cannot_be_mapped_is_refused(values, options, message):
    with pytest.raises(ValueError, match=message):
        map_tasks(values, **options)


def test_alignment_undoes_any_motion():
    rows = normal(6, 2)
    path = [turned(rows[: i + 1], seed=i) for i in range(6)]
    path[2] = path[2] * [1, -1]  # mirrored too
    aligned = align(path)
    np.testing.assert_array_equal(aligned[0], path[0])
    for i in range(1, 6):
        np.testing.assert_allclose(aligned[i][:i], aligned[i - 1], atol=1e-9)
        np.testing.assert_allclose(between(aligned[i]), between(path[i]), atol=1e-9)


def test_alignment_is_the_best_motion():
    target, points = normal(5, 2), normal(5, 2, seed=1)
    best = ((align([target, points])[1] - target) ** 2).sum()
    for seed in range(100):
        other = turned(points, seed=seed)
        other = other - other.mean(0) + target.mean(0)
        assert ((other - target) ** 2).sum() >= best - 1e-12


@pytest.mark.parametrize("shared", [1, 2])
def test_what_shared_tasks_leave_open_is_left_as_it_is(shared):
    rows = np.array([[0.0, 0], [2, 0], [0, 1], [5, 5]])
    moved = align([rows[:shared], rows + 3])[1]
    np.testing.assert_allclose(moved, rows, atol=1e-12)


def test_alignment_of_nothing_and_of_misfits():
    assert align([]) == []
    with pytest.raises(ValueError, match="one dimension"):
        align([np.ones((1, 2)), np.ones((2, 3))])


def test_the_dendrogram_puts_neighbors_side_by_side():
    line = np.array([4.0, 0.0, 3.0, 1.0, 2.2])
    order = dendrogram_order(between(line[:, None]))
    assert list(line[order]) in (sorted(line), sorted(line, reverse=True))


def test_the_first_merge_is_the_closest_pair_and_the_last_a_mean():
    true = between(normal(6, 3))
    merges = linkage(true)
    assert merges.shape == (5, 4)
    assert merges[0, 2] == pytest.approx(true[np.triu_indices(6, 1)].min())
    assert sorted(dendrogram_order(true)) == list(range(6))


def test_dendrograms_of_one_and_two_tasks():
    assert list(dendrogram_order(np.zeros((1, 1)))) == [0]
    assert sorted(dendrogram_order(1 - np.eye(2))) == [0, 1]
    with pytest.raises(ValueError, match="symmetric"):
        linkage(np.array([[0, 1.0], [2, 0]]))
