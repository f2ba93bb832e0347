"""The plan of blocks: within the budget, whatever the network; and what it counts is what a pass holds."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cltoolkit import Stateless, networks
from cltoolkit.masks._blocks import LEAST, Demand, demand, plan_blocks
from cltoolkit.randomness import seeded

MIB = 2**20


class TextNet(nn.Module):
    """Convolutions of three widths over 128 tokens of 768 numbers, the maxima joined."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv1d(768, 200, width) for width in (3, 4, 5))
        self.head = nn.Linear(600, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2)
        return self.head(torch.cat([torch.relu(each(x)).amax(2) for each in self.convolutions], 1))


NETWORKS = {
    "text": (TextNet, (128, 768)),
    "fully connected": (lambda: networks.mlp((1, 28, 28), (300, 100), 10), (1, 28, 28)),
    "residual": (lambda: networks.resnet18((3, 32, 32), 10, width=20), (3, 32, 32)),
}


@pytest.mark.parametrize("memory", [128 * MIB, 256 * MIB, 1024 * MIB])
@pytest.mark.parametrize("name", NETWORKS)
def test_fifty_masks_stay_within_the_budget(name, memory):
    build, shape = NETWORKS[name]
    with seeded(0, "test blocks"):
        target = Stateless(build())
    need = demand(target, target.initial(0), torch.zeros(1, *shape))
    plan = plan_blocks(need, masks=50, examples=2048, memory=memory)
    assert 0 < plan.bytes <= memory
    assert 1 <= plan.masks <= 50
    # What is certainly there at once: weights and features of a block, and the inputs.
    inputs = need.inputs * (2048 if plan.held else plan.batch)
    assert plan.bytes >= inputs + plan.masks * (need.weights + 2048 * need.outputs)


@given(
    weights=st.integers(1, 10**8),
    activations=st.integers(1, 10**6),
    outputs=st.integers(1, 10**4),
    inputs=st.integers(1, 10**6),
    masks=st.integers(1, 100),
    examples=st.integers(2, 2048),
    memory=st.integers(64 * MIB, 4096 * MIB),
)
@settings(max_examples=25)
def test_any_plan_is_within_the_budget_or_as_small_as_can_be(
    weights, activations, outputs, inputs, masks, examples, memory
):
    need = Demand(weights, activations, outputs, inputs)
    plan = plan_blocks(need, masks=masks, examples=examples, memory=memory)
    assert 1 <= plan.masks <= masks
    assert 1 <= plan.batch <= examples
    assert plan.bytes <= memory or (plan.masks == 1 and plan.batch <= LEAST)


def test_more_memory_never_means_fewer_masks_of_a_small_network():
    need = Demand(weights=4 * 266_200, activations=4 * 1_600, outputs=4 * 110, inputs=4 * 784)
    found = [plan_blocks(need, masks=50, examples=2000, memory=m * MIB).masks for m in (64, 128, 256, 512, 1024)]
    assert found == sorted(found)
    assert found[-1] == 50


def test_what_lives_at_once_is_counted():
    """Of a chain of layers: what one layer makes while its input still lives."""
    with seeded(0, "test blocks"):
        layers = (nn.Linear(10, 1000), nn.Tanh(), nn.Linear(1000, 5), nn.Tanh(), nn.Linear(5, 2))
    target = Stateless(nn.Sequential(*layers))
    need = demand(target, target.initial(0), torch.zeros(1, 10))
    assert need.weights == 4 * target.size
    assert need.inputs == 4 * 10
    assert need.outputs == 4 * (5 + 2)
    assert 4 * 2000 <= need.activations <= 4 * 2100
