"""The Mantel test is its definition: a correlation over pairs, judged by renaming tasks."""

from itertools import permutations

import numpy as np
import pytest
import torch

from cltoolkit.embeddings import _mantel as room
from cltoolkit.embeddings import mantel


def distances(seed, n=7, d=3):
    points = np.random.default_rng(seed).normal(size=(n, d))
    return np.linalg.norm(points[:, None] - points, axis=-1)


@pytest.mark.parametrize("measure", ["spearman", "pearson"])
def test_the_statistic_is_the_correlation_over_pairs(measure):
    from scipy import stats

    a, b = distances(0).round(1), distances(1).round(1)  # with ties
    pairs = np.triu_indices(7, 1)
    correlation = {"spearman": stats.spearmanr, "pearson": stats.pearsonr}[measure](a[pairs], b[pairs])[0]
    assert mantel(a, b, measure=measure, permutations=0).statistic == pytest.approx(correlation)


@pytest.mark.parametrize("measure", ["spearman", "pearson"])
def test_p_is_near_that_of_all_renamings(measure):
    from scipy import stats

    a, n = distances(0, n=5), 5
    b = a + 0.6 * distances(1, n=n)
    pairs = np.triu_indices(n, 1)
    correlate = {"spearman": stats.spearmanr, "pearson": stats.pearsonr}[measure]
    observed = correlate(a[pairs], b[pairs])[0]
    every = [correlate(a[np.ix_(o, o)][pairs], b[pairs])[0] for o in map(list, permutations(range(n)))]
    exact = np.mean([r >= observed - 1e-12 for r in every])
    drawn = 20000
    result = mantel(a, b, measure=measure, permutations=drawn)
    assert abs(result.p_value - exact) < 5 * np.sqrt(exact * (1 - exact) / drawn) + 1 / drawn
    assert (result.permutations, result.measure) == (drawn, measure)


def test_p_is_uniform_where_there_is_no_relation():
    values = [mantel(distances(s), distances(1000 + s), permutations=199).p_value for s in range(200)]
    assert np.mean(np.array(values) <= 0.05) < 0.11
    assert 0.4 < np.mean(values) < 0.6


def test_it_is_one_sided():
    a = distances(0, n=9)
    assert mantel(a, a**2).p_value == pytest.approx(1e-4)
    assert mantel(a, a**2).statistic == pytest.approx(1)
    against = mantel(a, (a.max() - a) * (1 - np.eye(9)))
    assert against.statistic == pytest.approx(-1)
    assert against.p_value == 1.0


def test_ranks_know_no_monotone_change_and_the_test_no_order_of_tasks():
    a, b = distances(0), distances(1)
    assert mantel(np.exp(a), b) == mantel(a, b)
    order = np.random.default_rng(0).permutation(7)
    both = mantel(a[np.ix_(order, order)], b[np.ix_(order, order)])
    assert both.statistic == pytest.approx(mantel(a, b).statistic)


def test_it_is_repeatable_and_chunks_do_not_matter(monkeypatch):
    a, b = distances(0), distances(1)
    whole = mantel(a, b, permutations=500, seed=3)
    monkeypatch.setattr(room, "CHUNK", 49 * 64)
    assert mantel(a, b, permutations=500, seed=3) == whole
    assert mantel(torch.tensor(a), b, permutations=500, seed=3) == whole


@pytest.mark.parametrize(
    ("a", "options", "message"),
    [
        (distances(0) + np.triu(np.ones((7, 7)), 1), {}, "symmetric a"),
        (np.full((7, 7), np.nan), {}, "row 0, column 0 holds nan"),
        (1 - np.eye(7), {}, "all distances of 'a' are equal"),
        (distances(0, n=6), {}, "the same tasks"),
        (distances(0, n=2), {}, "at least 3 tasks"),
        (np.ones((7, 6)), {}, r"a \(T, T\)"),
        (distances(0), {"measure": "kendall"}, "spearman, pearson"),
        (distances(0), {"permutations": -1}, "got -1"),
    ],
)
def test_what_cannot_be_tested_is_refused(a, options, message):
    with pytest.raises(ValueError, match=message):
        mantel(a, distances(1), **options)
