"""What holds for every builder: parts do not meet, order and scenario are views, the seed decides, a recipe builds "
"it again."""

import json
from collections import Counter

import pytest
import torch

from cltoolkit import sequences
from cltoolkit.sequences import from_arrays, permuted_digits, related_gaussians, rotated_digits, split_digits

X = torch.rand(120, 2, 3, generator=torch.Generator().manual_seed(0))
Y = torch.arange(120) % 6


def arrays(**options):
    return from_arrays(X, Y, classes_per_task=2, **options)


def gaussians(**options):
    return related_gaussians(3, train=20, test=20, **options)


def permuted(**options):
    return permuted_digits(3, **options)


def rotated(**options):
    return rotated_digits((0, 45, 90), **options)


BUILDERS = [split_digits, permuted, rotated, gaussians, arrays]
every = pytest.mark.parametrize("build", BUILDERS, ids=lambda b: b.__name__)


def stored(data):
    """The rows as they are stored, which tells them apart."""
    return Counter(map(tuple, data.x.flatten(1).tolist()))


def content(sequence):
    """Everything a learner can see."""
    return [
        (task.name, task.classes, task.outputs, part, *map(torch.Tensor.tolist, data.take(torch.arange(len(data)))))
        for task in sequence
        for part, data in task.parts.items()
    ]


@every
def test_no_example_is_in_two_parts(build):
    for task in build():
        train, test, validation = map(stored, task.parts.values())
        assert not train & test
        assert not train & validation
        assert not validation & test


@every
def test_validation_is_taken_from_training_examples_alone(build):
    for whole, divided in zip(build(validation=0), build(), strict=True):
        assert stored(divided.test) == stored(whole.test)
        assert stored(divided.train) + stored(divided.validation) == stored(whole.train)
        assert whole.validation is None


@every
@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_validation_has_its_fraction_of_every_class(build, fraction):
    for whole, divided in zip(build(validation=0), build(validation=fraction), strict=True):
        counts = torch.bincount(whole.train.y)
        drawn = torch.bincount(divided.validation.y)
        assert torch.equal(drawn, (fraction * counts).round().long())


@every
def test_the_seed_decides(build):
    assert content(build(seed=1)) == content(build(seed=1))
    assert content(build(seed=1)) != content(build(seed=2))


@every
@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_order_and_scenario_are_views(build, scenario):
    order = [2, 0]
    built = build(order=order, scenario=scenario)
    assert content(built) == content(build().reorder(order).as_scenario(scenario))
    assert content(built.as_scenario("task")) == content(build(order=order))
    assert built.scenario == scenario


@every
def test_class_labels_lead_back_to_original_labels(build):
    local, units = build(), build(scenario="class")
    union = dict.fromkeys(c for task in local for c in task.classes)
    assert units.num_classes == len(union)
    for a, b in zip(local, units, strict=True):
        for part in a.parts:
            originals = [list(union)[u] for u in b.parts[part].y.tolist()]
            assert originals == [a.classes[c] for c in a.parts[part].y.tolist()]


@every
def test_recipe_builds_the_same_again(build):
    made = build(seed=3, order=[1, 2, 0], scenario="domain").reorder([2, 1]).as_scenario("class")
    if build is arrays:
        assert made.recipe is None
        return
    recipe = json.loads(json.dumps(made.recipe)) | {"scenario": made.scenario}
    again = sequences.build(recipe)
    assert content(again) == content(made)
    assert again[0].name == build()[0].name


@every
def test_no_global_generator_is_drawn_from(build):
    before = torch.get_rng_state()
    build()
    assert torch.equal(torch.get_rng_state(), before)


@every
@pytest.mark.parametrize("fraction", [-0.1, 1.0])
def test_validation_is_a_fraction(build, fraction):
    with pytest.raises(ValueError, match="0 <= validation < 1"):
        build(validation=fraction)


def test_names_are_those_that_build():
    assert set(sequences.names()) == set(sequences.__all__) - {
        "build", "names", "crop", "crop_flip", "flip", "from_arrays", "from_dataset",
        "Cached", "HashedTokens", "HuggingFace",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"name": "split_digit", "arguments": {}}, "did you mean 'split_digits'"),
        ({"name": "split_digits", "arguments": {"sede": 1}}, "did you mean 'seed'"),
        ({"arguments": {}}, "expected a recipe"),
        ({"name": "split_digits", "order": [7]}, "from 0 to 4"),
    ],
)
def test_build_says_what_is_wrong(recipe, message):
    with pytest.raises(ValueError, match=message):
        sequences.build(recipe)
