"""The order in which maskable weights are laid end to end."""

import math

import pytest
import torch
from torch import nn

from cltoolkit import networks
from cltoolkit.masks import Layout
from cltoolkit.params import Stateless
from cltoolkit.randomness import seeded

LENET = Stateless(networks.mlp((784,), (300, 100), 10))


def test_every_weight_of_two_dimensions_or_more_is_maskable_and_no_other() -> None:
    with seeded(0, "test"):
        net = nn.Sequential(nn.Conv2d(3, 4, 5), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2))
    layout = Layout.of(Stateless(net))
    assert {name: tuple(shape) for name, shape in layout.shapes.items()} == {
        "0.weight": (4, 3, 5, 5),
        "4.weight": (2, 4),
    }


def test_lenet_has_265200_weights_and_a_hundred_for_each_class() -> None:
    layout = Layout.of(LENET)
    assert layout.size == 265_200 + 100 * 10
    assert layout.sizes == (235_200, 30_000, 1000)


def test_slices_follow_each_other_and_unpacking_undoes_packing() -> None:
    layout, params = Layout.of(LENET), LENET.initial(0)
    assert [where.stop for where in layout.slices.values()] == [235_200, 265_200, 266_200]
    flat = layout.pack(params)
    assert all(torch.equal(flat[where], params[name].flatten()) for name, where in layout.slices.items())
    assert all(torch.equal(value, params[name]) for name, value in layout.unpack(flat).items())


def test_stacked_weights_keep_their_leading_dimensions() -> None:
    layout = Layout.of(LENET)
    stacked = {name: torch.stack([value, 2 * value]) for name, value in LENET.initial(0).items()}
    flat = layout.pack(stacked)
    assert flat.shape == (2, layout.size)
    assert torch.equal(layout.unpack(flat)[layout.names[0]], stacked[layout.names[0]])


@pytest.mark.parametrize(("shape", "fan"), [((3, 7), 7), ((4, 3, 2, 5), 30), ((4, 3, 3), 9)])
def test_fan_in_is_what_one_output_sums_up(shape: tuple[int, ...], fan: int) -> None:
    """Inputs of a linear layer; input channels × kernel area of a convolution."""
    assert Layout({"weight": torch.Size(shape)}).fan_in("weight") == fan == math.prod(shape[1:])


def test_a_network_without_matrices_is_refused() -> None:
    with pytest.raises(ValueError, match="no weight matrix"):
        Layout.of(Stateless(nn.BatchNorm1d(3), head=""))
