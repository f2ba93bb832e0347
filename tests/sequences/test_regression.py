"""Sequences with real-valued targets: the targets are what they are said to be, of inputs where they are said to be."""

import json

import pytest
import torch
from torch.testing import assert_close

from cltoolkit import sequences
from cltoolkit.sequences import gaussian_densities, hermite

BUILDERS = [hermite, gaussian_densities]
every = pytest.mark.parametrize("build", BUILDERS, ids=lambda b: b.__name__)
POLYNOMIALS = [
    lambda x: 2 * x,
    lambda x: 4 * x**2 - 2,
    lambda x: 8 * x**3 - 12 * x,
    lambda x: 16 * x**4 - 48 * x**2 + 12,
    lambda x: 32 * x**5 - 160 * x**3 + 120 * x,
]


def content(sequence):
    """Everything a learner can see."""
    return [(t.name, part, d.x.tolist(), d.y.tolist()) for t in sequence for part, d in t.parts.items()]


@every
def test_sizes_are_the_published_ones(build):
    made = build()
    assert len(made) == 5
    assert made.scenario == "task"
    for task in made:
        assert {part: tuple(data.y.shape) for part, data in task.parts.items()} == {
            "train": (500, 1), "validation": (50, 1), "test": (50, 1),
        }  # fmt: skip


@every
def test_the_seed_decides_and_parts_differ(build):
    assert content(build(seed=1)) == content(build(seed=1))
    assert content(build(seed=1)) != content(build(seed=2))
    for task in build():
        rows = [row for data in task.parts.values() for row in map(tuple, data.x.tolist())]
        assert len(set(rows)) >= len(rows) - 1  # float32 has room for all of them, up to chance


@every
def test_order_scenario_and_recipe(build):
    made = build(seed=3, order=[4, 0, 2]).reorder([2, 1]).as_scenario("domain")
    assert content(made) == content(build(seed=3).reorder([2, 0]))
    again = sequences.build(json.loads(json.dumps(made.recipe)) | {"scenario": "domain"})
    assert content(again) == content(made)
    assert again.scenario == "domain"


@every
def test_parts_are_as_large_as_asked(build):
    task = build(train=7, validation=0, test=3)[1]
    assert {part: len(data) for part, data in task.parts.items()} == {"train": 7, "test": 3}
    with pytest.raises(ValueError, match="scenario='class'"):
        build(scenario="class")


def test_hermite_polynomials_are_those_of_the_textbook_each_on_its_piece():
    for t, (task, polynomial) in enumerate(zip(hermite(), POLYNOMIALS, strict=True)):
        for data in task.parts.values():
            assert_close(data.y, polynomial(data.x.double()).float(), rtol=1e-4, atol=1e-4)
            assert t / 5 - 1e-6 <= data.x.min()
            assert data.x.max() <= (t + 1) / 5 + 1e-6
        assert task.train.x.max() - task.train.x.min() > 0.19


def test_hermite_needs_a_task():
    with pytest.raises(ValueError, match="at least one task; got num_tasks=0"):
        hermite(0)


def test_densities_are_those_of_the_clouds_they_are_drawn_from():
    for task in gaussian_densities(train=4000, scaled=False):
        x = task.train.x.double()
        middle, covariance = x.mean(0), x.T.cov()
        assert task.name == "({:g}, {:g})".format(*(5 * (middle / 5).round()).tolist())
        estimate = torch.distributions.MultivariateNormal(middle, covariance).log_prob(x).exp()
        assert_close(task.train.y[:, 0].double(), estimate, rtol=0.3, atol=0.004)


def test_a_density_is_that_of_the_published_gaussian():
    """μ = (25, 5), Σ = [[2, ½], [½, 1]], with the inverse and the determinant by hand."""
    data, inverse = gaussian_densities(scaled=False)[2].test, torch.tensor([[1.0, -0.5], [-0.5, 2.0]]) / 1.75
    apart = data.x - torch.tensor([25.0, 5.0])
    density = torch.exp(-((apart @ inverse) * apart).sum(1) / 2) / (2 * torch.pi * 1.75**0.5)
    assert_close(data.y[:, 0], density, rtol=1e-4, atol=1e-6)


def test_scaled_densities_are_the_same_in_other_units():
    for ours, published in zip(gaussian_densities(), gaussian_densities(scaled=False), strict=True):
        for part, data in ours.parts.items():
            assert_close(10 * data.x + 15, published.parts[part].x, rtol=1e-5, atol=1e-5)
            assert_close(0.05 * data.y, published.parts[part].y)
        assert 0.9 < ours.train.y.max() < 2.5
