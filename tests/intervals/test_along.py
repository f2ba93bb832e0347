"""Accuracy along the interval: what is measured is what each network does by itself."""

import numpy as np
import pytest
import torch
from torch import nn

from cltoolkit.hypernetworks import Hypernetwork
from cltoolkit.intervals._along import AlongInterval, along_interval
from cltoolkit.params import Stateless, unpack
from cltoolkit.randomness import seeded, stream
from cltoolkit.tasks import Examples


@pytest.fixture
def case():
    """A network, weights made of embeddings in four coordinates, and examples whose labels a middle network gave."""
    with seeded(0, "along"):
        net = Stateless(nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 4)))
    directions = torch.randn(4, net.size, generator=stream(0, "along"))

    def generate(e):
        return unpack(torch.tanh(e @ directions), net.shapes)

    center = torch.tensor([0.5, -0.2, 0.1, 0.3])
    x = torch.randn(60, 3, generator=stream(1, "along"))
    y = net({name: value[0] for name, value in generate(center[None]).items()}, x).argmax(1)
    return net, generate, center, torch.tensor([0.4, 0.1, 0.0, 0.2]), Examples(x, y)


def one_by_one(case, walk, directions, units=None):
    net, generate, center, half_width, data = case
    x, y = data.take(torch.arange(len(data)))
    units = range(4) if units is None else units
    found = np.zeros(walk.accuracy.shape)
    for d, v in enumerate(directions):
        for i, step in enumerate(walk.lambdas):
            e = center + float(step) * half_width * v
            logits = net({name: value[0] for name, value in generate(e[None]).items()}, x)
            answers = torch.tensor(units)[logits[:, list(units)].argmax(1)]
            found[d, i] = (answers == y).double().mean()
    return found


@pytest.mark.parametrize("units", [None, (0, 2), (3, 1)])
def test_every_network_is_the_one_at_its_place(case, units):
    directions = torch.tensor([[1.0, -1.0, 1.0, 1.0], [0.0, 0.5, -0.25, 0.0]])
    walk = along_interval(*case, units, lambdas=[-1.5, -1, 0, 0.3, 1.2], directions=directions)
    np.testing.assert_allclose(walk.accuracy, one_by_one(case, walk, directions, units))


def test_all_directions_meet_in_the_middle(case):
    walk = along_interval(*case, certified=0.25)
    assert walk.accuracy.shape == (8, 31)
    np.testing.assert_array_equal(walk.accuracy[:, 15], walk.center)
    assert (walk.lambdas[15], walk.center, walk.certified) == (0, 1, 0.25)
    assert walk.inside.sum() == 21
    assert walk.lowest == walk.accuracy[:, walk.inside].min()


def test_an_interval_without_width_is_one_network(case):
    net, generate, center, half_width, data = case
    walk = along_interval(net, generate, center, 0 * half_width, data)
    assert (walk.accuracy == walk.center).all()


def test_directions_drawn_are_corners_and_the_seeds(case):
    first, same, other = (along_interval(*case, lambdas=[1.0], directions=20, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.accuracy, same.accuracy)
    assert not np.array_equal(first.accuracy, other.accuracy)
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 4)
    possible = along_interval(*case, lambdas=[1.0], directions=corners)
    assert set(first.accuracy[:, 0]) <= set(possible.accuracy[:, 0])


def test_large_data_are_met_in_parts(case, monkeypatch):
    whole = along_interval(*case)
    monkeypatch.setattr("cltoolkit.intervals._along.BATCH", 7)
    np.testing.assert_array_equal(along_interval(*case).accuracy, whole.accuracy)


def test_a_hypernetwork_generates_them(case):
    net, _, center, half_width, data = case
    hypernet = Hypernetwork(net.shapes, embedding_dim=4, hidden=(8,), generator=stream(0, "h"))
    walk = along_interval(net, lambda e: unpack(hypernet(e), net.shapes), center, half_width, data, directions=2)
    assert isinstance(walk, AlongInterval)
    assert ((walk.accuracy >= 0) & (walk.accuracy <= 1)).all()


def test_what_does_not_fit_teaches(case):
    net, generate, center, half_width, data = case
    with pytest.raises(ValueError, match="pick one task's row"):
        along_interval(net, generate, center[None], half_width[None], data)
    with pytest.raises(ValueError, match="at least 0"):
        along_interval(net, generate, center, -half_width, data)
    with pytest.raises(ValueError, match=r"within \[-1, 1\]"):
        along_interval(*case, directions=2 * torch.ones(1, 4))
    with pytest.raises(ValueError, match="at least one direction"):
        along_interval(*case, directions=0)
    with pytest.raises(ValueError, match="got none"):
        along_interval(net, generate, center, half_width, data.subset(torch.arange(0)))
