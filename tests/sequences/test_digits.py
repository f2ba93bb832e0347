"""The digits of scikit-learn: all of them, once each, in parts that never change."""

import pytest
import torch
from sklearn.datasets import load_digits
from torch.testing import assert_close

from cltoolkit.sequences import permuted_digits, rotated_digits, split_digits


def everything(data):
    return data.take(torch.arange(len(data)))


def test_every_digit_comes_once():
    images, targets = load_digits(return_X_y=True)
    rows = sorted((int(t), *map(int, image)) for image, t in zip(images, targets, strict=True))
    found = []
    for task in split_digits():
        for data in task.parts.values():
            x, y = everything(data)
            found += [
                (task.classes[c], *row) for c, row in zip(y.tolist(), (16 * x).int().flatten(1).tolist(), strict=True)
            ]
    assert sorted(found) == rows


def test_parts_are_about_60_10_30_percent():
    for task in split_digits():
        sizes = torch.tensor([len(data) for data in (task.train, task.validation, task.test)])
        assert_close(sizes / sizes.sum(), torch.tensor([0.6, 0.1, 0.3]), rtol=0, atol=0.01)
        assert len(task.test) > 100


def test_inputs_are_images_between_0_and_1():
    x, _ = everything(split_digits()[0].train)
    assert x.shape[1:] == (1, 8, 8)
    assert (x.min(), x.max()) == (0, 1)


def test_test_part_is_the_same_for_all_seeds_and_groupings():
    a, b = (torch.cat([task.test.x for task in made]) for made in (split_digits(seed=1), split_digits(5, seed=2)))
    assert sorted(a.flatten(1).tolist()) == sorted(b.flatten(1).tolist())


def test_grouping_moves_no_example_between_parts():
    for part in ("train", "validation", "test"):
        pairs, halves = (torch.cat([t.parts[part].x for t in split_digits(k)]).flatten(1).tolist() for k in (2, 5))
        assert sorted(pairs) == sorted(halves)


def test_classes_may_be_unequal_and_named():
    made = split_digits(classes={"round": [0, 6, 8, 9], "straight": [1, 7]})
    assert [(t.name, t.classes, t.outputs) for t in made] == [
        ("round", (0, 6, 8, 9), (0, 1, 2, 3)),
        ("straight", (1, 7), (0, 1)),
    ]
    assert [t.classes for t in split_digits([3, 5, 2])] == [(0, 1, 2), (3, 4, 5, 6, 7), (8, 9)]


def test_one_class_in_each_task_needs_the_class_scenario():
    assert split_digits(1, scenario="class", order=[3, 1]).num_classes == 2
    with pytest.raises(ValueError, match="single class 0"):
        split_digits(1)


@pytest.mark.parametrize("make", [lambda: permuted_digits(4), lambda: rotated_digits((0, 20, 90, 180))])
def test_all_tasks_read_one_storage(make):
    made = make()
    for part in ("train", "validation", "test"):
        assert len({task.parts[part].x.data_ptr() for task in made.to("cpu")}) == 1
        assert len({task.parts[part].y.data_ptr() for task in made.as_scenario("class")}) == 1


def test_permuted_tasks_hold_the_same_pixels_in_orders_of_their_own():
    tasks = [everything(task.train)[0].flatten(1) for task in permuted_digits(4)]
    for x in tasks[1:]:
        assert torch.equal(x.sort(1).values, tasks[0].sort(1).values)
    assert len({tuple(x[0].tolist()) for x in tasks}) == 4


def test_more_permuted_tasks_begin_with_the_fewer():
    for a, b in zip(permuted_digits(2), permuted_digits(3)[:2], strict=True):
        assert torch.equal(everything(a.test)[0], everything(b.test)[0])


def test_permutations_differ_by_seed():
    a, b = (everything(permuted_digits(2, seed=seed, validation=0)[1].train)[0] for seed in (0, 1))
    assert not torch.equal(a, b)


def test_quarter_turns_are_exact():
    upright, quarter, half = (everything(task.test)[0] for task in rotated_digits((0, 90, 180)))
    assert_close(quarter, upright.rot90(1, (2, 3)), rtol=0, atol=1e-5)
    assert_close(half, upright.rot90(2, (2, 3)), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: split_digits(3), r"10 classes do not divide into tasks of 3.*\[3, 3, 4\]"),
        (lambda: split_digits([8, 8]), "add up to at most 10"),
        (lambda: split_digits(classes=[[0, 1], [2, 12]]), r"classes\[1\] names \[12\].*has the labels \[0, 1, 2"),
        (lambda: split_digits(classes=[[0, 0]]), "twice"),
        (lambda: split_digits(order=[0, 9]), "from 0 to 4"),
        (lambda: split_digits(scenario="tasks"), "'task', 'domain' or 'class'"),
        (lambda: permuted_digits(0), "at least one task"),
        (lambda: rotated_digits((0, 0)), "different angle"),
        (lambda: rotated_digits(()), "at least one task"),
    ],
)
def test_what_does_not_fit_is_said(make, message):
    with pytest.raises(ValueError, match=message):
        make()
