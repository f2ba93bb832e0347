"""Distances between tasks: symmetric, zero to oneself, and in agreement with their definitions."""

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from cltoolkit.embeddings import (
    NORMALIZERS,
    discrepancy,
    embedding_distances,
    place,
    score_distances,
    target_distances,
    weight_distances,
)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_score_distances_are_means_of_both_directions(normalizer):
    scores = normal(5, 5).abs()
    D = score_distances(scores, normalizer)
    assert torch.equal(D, D.T)
    assert not bool(D.diagonal().any())
    to_4 = target_distances(scores[[0, 1, 2, 3], 4], normalizer)
    to_1 = target_distances(scores[[0, 2, 3, 4], 1], normalizer)
    assert_close(D[1, 4], (to_4[1] + to_1[3]) / 2)


def test_scores_of_tasks_for_themselves_are_not_read():
    scores = normal(4, 4).abs()
    assert_close(score_distances(scores.clone().fill_diagonal_(math.nan)), score_distances(scores))
    assert_close(score_distances(scores.numpy()), score_distances(scores))
    assert_close(score_distances([[5.0]]), torch.zeros(1, 1, dtype=torch.float64))


def test_missing_scores_are_refused():
    scores = np.ones((3, 3))
    scores[0, 1] = np.nan
    with pytest.raises(ValueError, match="source 0"):
        score_distances(scores)
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        score_distances(np.ones((2, 3)))


def test_embedding_distances_are_euclidean_and_exact_for_near_points():
    points = 1e4 + 1e-4 * normal(6, 3)
    direct = (points[:, None] - points).norm(dim=-1)
    assert_close(embedding_distances(points), direct, rtol=1e-12, atol=0)
    batch = normal(2, 4, 3)
    assert_close(embedding_distances(batch)[1], embedding_distances(batch[1]))


def test_weight_distances_by_name_are_those_of_all_weights_end_to_end():
    stacked = {"a": normal(3, 2, 4), "b": normal(3, seed=1), "steps": torch.arange(3), "mean": normal(3, 5, seed=2)}
    flat = torch.cat([stacked["a"].flatten(1), stacked["b"][:, None]], 1)
    assert_close(weight_distances(stacked, names=["a", "b"]), embedding_distances(flat))
    assert_close(weight_distances(flat), embedding_distances(flat))
    every = torch.cat([flat, stacked["mean"]], 1)
    assert_close(weight_distances(stacked), embedding_distances(every))


def test_relative_weight_distances_have_no_unit():
    flat = normal(4, 50)
    assert_close(weight_distances(9 * flat, relative=True), weight_distances(flat, relative=True))
    opposite = torch.stack([flat[0], -flat[0], torch.zeros(50).double(), torch.zeros(50).double()])
    D = weight_distances(opposite, relative=True)
    assert float(D[0, 1]) == pytest.approx(2)
    assert float(D[2, 3]) == 0.0
    with pytest.raises(ValueError, match="weights of each task"):
        weight_distances({"steps": torch.arange(3)})


def test_discrepancy_of_a_placement_is_its_residual():
    known, targets = normal(5, 2), torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0])
    placed = place(targets, known)
    every = torch.cat([known, placed.embedding[None]])
    wanted = torch.full((6, 6), math.nan, dtype=torch.float64)
    wanted[5, :5] = placed.targets
    scale = torch.full((6,), math.nan, dtype=torch.float64)
    scale[5] = placed.scale
    found = discrepancy(every, wanted, scale)
    assert_close(found[5, :5], placed.residuals.abs())
    assert bool(found[:5].isnan().all())
    several = discrepancy(every.expand(3, 6, 2), wanted.expand(3, 6, 6), scale[:, None].expand(3, 6, 1))
    assert_close(several[2], found, equal_nan=True)


def test_discrepancy_refuses_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"expected targets \(4, 4\)"):
        discrepancy(normal(4, 2), normal(4, 3), 1.0)
    with pytest.raises(ValueError, match="scale"):
        discrepancy(normal(4, 2), normal(4, 4), torch.ones(3))
