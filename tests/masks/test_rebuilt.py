"""Scores made of a mask's bits: they choose that mask, and are the fresh ones in another order."""

import pytest
import torch
from torch import Tensor

from cltoolkit.masks import Layout, Threshold, TopK, kept_counts, random_scores, rebuilt_scores
from cltoolkit.randomness import stream

LAYOUT = Layout(
    {"0.weight": torch.Size([40, 25]), "1.weight": torch.Size([7, 3, 3, 3]), "2.weight": torch.Size([3, 7])}
)


def mask_of(density: float, key: int = 0) -> tuple[TopK, Tensor]:
    select = TopK(LAYOUT, kept_counts(LAYOUT, density))
    return select, select(random_scores(LAYOUT, 1, key)).bool()


@pytest.mark.parametrize("density", [0.02, 0.1, 0.5, 1.0])
def test_they_choose_the_mask_and_are_the_fresh_ones_layer_by_layer(density):
    select, mask = mask_of(density)
    fresh = random_scores(LAYOUT, 0, 1)
    scores = rebuilt_scores(mask, fresh, LAYOUT)
    assert torch.equal(select(scores).bool(), mask)
    for where in LAYOUT.slices.values():
        assert torch.equal(scores[where].sort().values, fresh[where].sort().values)


@pytest.mark.parametrize("gap", [1.0, 1.5, 4.0])
def test_a_gap_chooses_the_same_mask_from_further_away(gap):
    select, mask = mask_of(0.1)
    near, far = (rebuilt_scores(mask, random_scores(LAYOUT, 0, 1), LAYOUT, gap=g) for g in (1.0, gap))
    assert torch.equal(select(far).bool(), mask)
    assert torch.equal(far[~mask], near[~mask])
    assert torch.equal(far[mask], near[mask] * gap)


@pytest.mark.parametrize("gap", [0.5, float("nan")])
def test_a_gap_that_would_choose_another_mask_is_refused(gap):
    _, mask = mask_of(0.1)
    with pytest.raises(ValueError, match="gap of at least 1"):
        rebuilt_scores(mask, random_scores(LAYOUT, 0, 1), LAYOUT, gap=gap)


def test_the_order_within_and_without_stays():
    _, mask = mask_of(0.3)
    fresh = random_scores(LAYOUT, 0, 1)
    scores = rebuilt_scores(mask, fresh, LAYOUT)
    for where in LAYOUT.slices.values():
        for part in (mask[where], ~mask[where]):
            assert torch.equal(scores[where][part].abs().argsort(), fresh[where][part].abs().argsort())


def test_scores_that_choose_the_mask_already_stay():
    select, _ = mask_of(0.1)
    fresh = random_scores(LAYOUT, 0, 1)
    assert torch.equal(rebuilt_scores(select(fresh).bool(), fresh, LAYOUT), fresh)


@pytest.mark.parametrize("density", [0.1, 0.5])
def test_ties_at_the_border_are_broken_for_the_mask(density):
    """Few different magnitudes: without care the first of equal ones would be chosen."""
    select, mask = mask_of(density)
    fresh = torch.randint(1, 4, (LAYOUT.size,), generator=stream(0, "test rebuilt")) / 3
    fresh = torch.where(torch.arange(LAYOUT.size) % 2 == 0, fresh, -fresh)
    scores = rebuilt_scores(mask, fresh, LAYOUT)
    assert torch.equal(select(scores).bool(), mask)
    assert float((scores.sort().values - fresh.sort().values).abs().max()) < 1e-6


def test_a_threshold_mask_is_in_the_signs():
    mask = random_scores(LAYOUT, 2, 0) >= 0.01
    fresh = random_scores(LAYOUT, 0, 1)
    fresh[:5] = 0
    scores = rebuilt_scores(mask, fresh, LAYOUT, rule="threshold")
    assert torch.equal(Threshold()(scores).bool(), mask)
    assert float((scores.abs() - fresh.abs()).abs().max()) < 1e-30


def test_it_is_a_tensor_of_its_own():
    select, mask = mask_of(0.1)
    fresh = random_scores(LAYOUT, 0, 1)
    before = fresh.clone()
    for given in (mask, select(fresh).bool()):
        rebuilt_scores(given, fresh, LAYOUT).zero_()
    assert torch.equal(fresh, before)


@pytest.mark.parametrize("mask", [torch.ones(LAYOUT.size), torch.ones(3, dtype=torch.bool)])
def test_what_does_not_fit_is_refused(mask):
    with pytest.raises(ValueError, match="bool mask"):
        rebuilt_scores(mask, torch.zeros(LAYOUT.size), LAYOUT)
