"""Fisher embeddings equal the closed form where there is one, and put related tasks near each other."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from cltoolkit.embeddings import fisher_distances, fisher_embedding
from cltoolkit.params import Stateless
from cltoolkit.randomness import seeded
from cltoolkit.tasks import Examples


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def network(make):
    with seeded(0, "test"):
        return Stateless(make())


def mlp():
    return network(lambda: nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4)))


def examples(n=20, d=5, seed=0):
    return Examples(normal(n, d, seed=seed), torch.arange(n) % 4)


def test_a_linear_softmax_has_the_closed_form():
    """With logits z = V (W x + b): ∂ log p_y / ∂(Wx + b) = V_y − Σ p V, so F_W = E x² · Var_{y ~ p}(V_y)."""
    net = network(lambda: nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 4)))
    params = {name: value.double() for name, value in net.initial(0).items()}
    data = Examples(normal(12, 5).double(), torch.zeros(12, dtype=torch.long))
    units = [0, 2, 3]
    V = params["1.weight"][units]
    p = net(params, data.x)[:, units].softmax(1)  # (n, 3)
    variance = p @ V.square() - (p @ V).square()  # (n, 3)
    expected_weight = (variance[:, :, None] * data.x[:, None].square()).mean(0)
    expected_bias = variance.mean(0)
    F = fisher_embedding(net, params, data, units, pool="weights")
    assert_close(F, torch.cat([expected_weight.flatten(), expected_bias]))
    pooled = fisher_embedding(net, params, data, units)
    assert_close(pooled, torch.cat([expected_weight.mean(1), expected_bias]))


def test_it_is_the_mean_of_squared_gradients_one_by_one():
    net, data, units = mlp(), examples(), [1, 3]
    params = net.initial(0)
    total = torch.zeros(36, dtype=torch.float64)
    for x in data.x:
        leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
        log_p = net(leaves, x[None])[0, units].log_softmax(0)
        for y in range(2):
            grads = torch.autograd.grad(log_p[y], [leaves["0.weight"], leaves["0.bias"]], retain_graph=True)
            total += log_p[y].detach().exp() * torch.cat([g.flatten() for g in grads]).square().double() / 20
    F = fisher_embedding(net, params, data, units, pool="weights")
    assert_close(F, total, rtol=1e-5, atol=1e-9)


def test_batches_and_units_change_nothing_but_memory():
    net, data = mlp(), examples()
    params = net.initial(0)
    before = {name: value.clone() for name, value in params.items()}
    whole = fisher_embedding(net, params, data, torch.tensor([0, 1]), batch_size=20)
    assert_close(fisher_embedding(net, params, data, (1, 0), batch_size=3), whole, rtol=1e-6, atol=1e-12)
    assert params.keys() == before.keys()
    assert all(torch.equal(params[name], before[name]) for name in before)
    assert not bool(fisher_embedding(net, params, data, [2]).any())  # one unit: nothing to predict


def test_samples_are_drawn_by_seed():
    net, data = mlp(), examples(50)
    params = net.initial(0)
    a, again, other = (fisher_embedding(net, params, data, [0, 1], samples=10, seed=s) for s in (0, 0, 1))
    assert torch.equal(a, again)
    assert not torch.equal(a, other)
    every = fisher_embedding(net, params, data, [0, 1], samples=None)
    assert_close(fisher_embedding(net, params, data, [0, 1], samples=50), every)


def test_convolutions_with_batch_norm_have_one_number_for_each_filter():
    net = network(
        lambda: nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 16, 2))
    )
    params = net.initial(0)
    data = Examples(normal(6, 1, 6, 6), torch.zeros(6, dtype=torch.long))
    F = fisher_embedding(net, params, data, [0, 1])
    assert F.shape == (12,)  # filters, biases, gains and offsets of three channels
    assert bool((F > 0).any())
    assert torch.equal(params["1.running_mean"], torch.zeros(3))


def test_related_tasks_lie_closer():
    """One body; heads of tasks 0 and 1 read nearly the same features, that of task 2 others."""
    net = network(lambda: nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)))
    params = net.initial(0)
    data = Examples(normal(200, 8), torch.zeros(200, dtype=torch.long))
    heads = torch.zeros(3, 2, 8)
    heads[0, 0, :4] = heads[1, 0, :4] = 2.0
    heads[1, 0, :4] += 0.3 * normal(4, seed=4)
    heads[2, 0, 4:] = 2.0
    F = torch.stack([fisher_embedding(net, params | {"2.weight": head}, data, [0, 1]) for head in heads])
    D = fisher_distances(F)
    assert D[0, 1] < 0.2 < 0.8 < D[0, 2]


def test_fisher_distances_are_symmetric_bounded_and_by_definition():
    F = normal(5, 30).double().square()
    D = fisher_distances(F)
    assert_close(D, D.T)
    assert not bool(D.diagonal().any())
    assert bool(((D >= 0) & (D <= 1)).all())
    a, b = F[1] / (F[1] + F[3]), F[3] / (F[1] + F[3])
    assert_close(D[1, 3], 1 - torch.nn.functional.cosine_similarity(a, b, dim=0))


def test_what_has_no_fisher_embedding_is_refused():
    net, data = mlp(), examples()
    params = net.initial(0)
    with pytest.raises(ValueError, match="filters, weights"):
        fisher_embedding(net, params, data, [0, 1], pool="layers")
    with pytest.raises(ValueError, match="20 and 0"):
        fisher_embedding(net, params, data, [])
    with pytest.raises(ValueError, match="batch_size=0"):
        fisher_embedding(net, params, data, [0, 1], batch_size=0)
    head = network(lambda: nn.Linear(5, 2))
    with pytest.raises(ValueError, match="all head"):
        fisher_embedding(head, head.initial(0), data, [0, 1])
    with pytest.raises(ValueError, match="task 1 is all 0"):
        fisher_distances(torch.tensor([[1.0, 2.0], [0.0, 0.0]]))
    with pytest.raises(ValueError, match="not negative"):
        fisher_distances(torch.tensor([[1.0, -2.0]]))
