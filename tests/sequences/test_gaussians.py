"""Related Gaussians: the relation that is asked for is the one that is there."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from cltoolkit.sequences import related_gaussians
from cltoolkit.sequences._gaussians import _related


def means(task):
    """Class means as the examples show them, centered over classes."""
    x = torch.stack([task.train.x[task.train.y == c].mean(0) for c in range(len(task.classes))])
    return x - x.mean(0)


def cosines(m):
    """`(T, T)` of configurations `(T, k, d)`."""
    flat = m.flatten(1)
    flat = flat / flat.norm(dim=1, keepdim=True)
    return flat @ flat.T


@given(st.integers(1, 5), st.integers(2, 4), st.integers(0, 3), st.data())
def test_true_means_are_related_exactly_as_asked(tasks, classes, seed, data):
    factors = torch.rand(tasks, 3, generator=torch.Generator().manual_seed(data.draw(st.integers(0, 99)))).double()
    factors = factors / factors.norm(dim=1, keepdim=True)
    relation = factors @ factors.T
    m = _related(relation, classes, 6, seed)
    assert_close(cosines(m), relation)
    assert_close(m.flatten(1).norm(dim=1), torch.ones(tasks).double())
    assert_close(m.mean(1), torch.zeros(tasks, 6).double(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("relatedness", [0, 0.3, 0.8, 1])
@pytest.mark.parametrize("classes", [2, 5])
def test_examples_show_the_relation(relatedness, classes):
    made = related_gaussians(4, relatedness=relatedness, classes=classes, train=4000, validation=0)
    assert_close(cosines(torch.stack([means(task) for task in made])), made.relation, rtol=0, atol=0.03)
    assert made.relation[0, 1] == pytest.approx(relatedness)
    assert torch.equal(made.relation.diagonal(), torch.ones(4))


def test_fully_related_tasks_are_one_task_with_other_examples():
    a, b = related_gaussians(2, relatedness=1, train=4000, validation=0)
    assert_close(means(a), means(b), rtol=0, atol=0.1)
    assert not torch.equal(a.train.x, b.train.x)


@pytest.mark.parametrize("separation", [1.0, 4.0])
@pytest.mark.parametrize("classes", [2, 5])
def test_separation_is_the_root_mean_square_distance_of_class_means(separation, classes):
    for task in related_gaussians(3, separation=separation, classes=classes, train=4000, validation=0):
        squares = torch.pdist(means(task)).square()
        assert squares.mean().sqrt() == pytest.approx(separation, rel=0.05)


def test_best_possible_error_of_two_classes_is_as_stated():
    """The classifier that knows the means errs with probability Φ(−separation / 2)."""
    task = related_gaussians(1, separation=2.0, train=4000, test=20000, validation=0)[0]
    a, b = (task.train.x[task.train.y == c].mean(0) for c in (0, 1))
    wrong = ((task.test.x - (a + b) / 2) @ (b - a) > 0).long() != task.test.y
    assert wrong.float().mean() == pytest.approx(
        torch.distributions.Normal(0, 1).cdf(torch.tensor(-1.0)).item(), abs=0.01
    )


def test_relation_follows_the_order_of_tasks():
    made = related_gaussians(3, relatedness=0.8, groups=[0, 0, 1])
    assert_close(made.relation, torch.tensor([[1, 0.8, 0], [0.8, 1, 0], [0, 0, 1]]))
    assert_close(made.reorder([2, 0]).relation, torch.eye(2))
    assert torch.equal(related_gaussians(3, relatedness=0.8, groups=[0, 0, 1], order=[2, 0]).relation, torch.eye(2))


def test_a_whole_matrix_may_be_given():
    relation = [[1, 0.9, 0.1], [0.9, 1, 0.2], [0.1, 0.2, 1]]
    made = related_gaussians(3, relatedness=relation, train=4000, validation=0)
    assert_close(made.relation, torch.tensor(relation))
    assert_close(cosines(torch.stack([means(task) for task in made])), made.relation, rtol=0, atol=0.03)
    assert made.recipe["arguments"]["relatedness"] == relation


def test_sizes_are_as_asked():
    made = related_gaussians(2, dim=7, classes=3, train=20, test=30, validation=0.1)
    assert [len(part) for part in made[0].parts.values()] == [54, 90, 6]
    assert made.input_shape == (7,)
    assert made.num_classes == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"relatedness": 1.2}, r"relatedness in \[0, 1\]; got values from 1 to 1.2"),
        ({"relatedness": -0.5}, r"relatedness in \[0, 1\]"),
        ({"relatedness": [[1, 0], [0, 1]]}, r"\(3, 3\) matrix; got shape \(2, 2\)"),
        ({"relatedness": [[1, 0, 0], [0.5, 1, 0], [0, 0, 1]]}, "symmetric"),
        ({"relatedness": [[0.5, 0, 0], [0, 1, 0], [0, 0, 1]]}, "ones on its diagonal"),
        ({"relatedness": [[1, 0.9, 0], [0.9, 1, 0.9], [0, 0.9, 1]]}, "negative eigenvalue.*strangers"),
        ({"groups": [0, 1]}, "each of the 3 tasks; got 2"),
        ({"dim": 2}, "no room in 2 dimensions.*at least 3"),
        ({"classes": 1}, "two classes"),
        ({"num_tasks": 0}, "at least one task"),
        ({"train": 1}, "class 0 has 1 example, too few"),
        ({"test": 0}, "no test examples"),
    ],
)
def test_what_does_not_fit_is_said(options, message):
    with pytest.raises(ValueError, match=message):
        related_gaussians(**({"num_tasks": 3} | options))
