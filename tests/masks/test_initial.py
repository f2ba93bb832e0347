"""What weights and scores begin with."""

import math

import pytest
import torch

from cltoolkit import networks
from cltoolkit.masks import Layout, kept_counts, random_scores, signed_constant
from cltoolkit.params import Stateless

LENET = Stateless(networks.mlp((784,), (300, 100), 10))
RESNET = Stateless(networks.resnet18((3, 32, 32), 5, width=20))


@pytest.mark.parametrize("net", [LENET, RESNET])
def test_weights_are_a_constant_with_fair_signs(net: Stateless) -> None:
    """|W| = √(2 / fan_in), and as many of one sign as of the other, within 4 standard deviations."""
    layout = Layout.of(net)
    weights = layout.unpack(signed_constant(layout, net.initial(0)))
    for name, value in weights.items():
        torch.testing.assert_close(value.abs(), torch.full_like(value, math.sqrt(2 / layout.fan_in(name))))
        assert abs(float(value.sign().sum())) <= 4 * math.sqrt(value.numel())


def test_signs_are_those_of_the_network_and_of_its_seed() -> None:
    layout, initial = Layout.of(LENET), LENET.initial(0)
    weights = signed_constant(layout, initial)
    assert torch.equal(weights < 0, layout.pack(initial) < 0)
    assert not torch.equal(weights, signed_constant(layout, LENET.initial(1)))


def test_a_scaled_fan_keeps_the_variance_of_what_a_mask_leaves() -> None:
    """k_l c_l² / out = 2: each output still sums up weights whose squares add up to 2, on average."""
    layout = Layout.of(LENET)
    kept = kept_counts(layout, 0.05, "erdos_renyi")
    weights = layout.unpack(signed_constant(layout, LENET.initial(0), kept=kept))
    for k, (name, value) in zip(kept, weights.items(), strict=True):
        constant = float(value.abs().max())
        assert k * constant**2 / layout.shapes[name][0] == pytest.approx(2)


def test_scores_are_uniform_within_one_over_the_root_of_the_fan() -> None:
    layout = Layout.of(LENET)
    for name, value in layout.unpack(random_scores(layout, 0, 0)).items():
        bound, n = 1 / math.sqrt(layout.fan_in(name)), value.numel()
        assert float(value.abs().max()) <= bound
        assert abs(float(value.mean())) <= 4 * bound / math.sqrt(3 * n)
        assert float(value.std()) == pytest.approx(bound / math.sqrt(3), rel=4 / math.sqrt(n))


def test_scores_of_tasks_layers_and_seeds_know_nothing_of_each_other() -> None:
    layout = Layout({"a": torch.Size([50, 100]), "b": torch.Size([50, 100])})
    draws = [random_scores(layout, seed, task) for seed, task in ((0, 0), (0, 1), (1, 0))]
    rows = torch.stack([part for draw in draws for part in draw.view(2, -1)])  # (6, 5000)
    between = torch.corrcoef(rows) - torch.eye(6)
    assert float(between.abs().max()) <= 5 / math.sqrt(rows.shape[1])


def test_the_same_key_gives_the_same_scores_whatever_was_drawn_before() -> None:
    layout = Layout.of(LENET)
    first = random_scores(layout, 0, 4)
    random_scores(layout, 0, 5)
    assert torch.equal(first, random_scores(layout, 0, 4))


def test_a_layers_scores_do_not_depend_on_the_other_layers() -> None:
    small = Layout({"a": torch.Size([3, 4])})
    large = Layout({"b": torch.Size([5, 6]), "a": torch.Size([3, 4])})
    assert torch.equal(random_scores(small, 0, 0), random_scores(large, 0, 0)[large.slices["a"]])
