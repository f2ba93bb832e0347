"""A small network that reads digits, and boxes around its weights: what certificates are tested on."""

from functools import cache

import torch
import torch.nn.functional as F

from cltoolkit import networks
from cltoolkit.intervals import IntervalTensor
from cltoolkit.params import Stateless
from cltoolkit.randomness import stream
from cltoolkit.tasks import Examples


@cache
def digits():
    """Train and test examples of scikit-learn's digits, `(n, 1, 8, 8)` in [0, 1]."""
    from sklearn.datasets import load_digits

    found = load_digits()
    x, y = torch.tensor(found.images, dtype=torch.float32)[:, None] / 16, torch.tensor(found.target)
    order = torch.randperm(len(y), generator=stream(0, "digits"))
    return Examples(x[order[:1200]], y[order[:1200]]), Examples(x[order[1200:]], y[order[1200:]])


@cache
def trained(kind="mlp", steps=150):
    """A `Stateless` and its weights: "mlp" 64-64-64-10, or a narrow residual network without or with batch norm."""
    module = {
        "mlp": lambda: networks.mlp((1, 8, 8), (64, 64), 10),
        "linear": lambda: networks.mlp((1, 8, 8), (), 10),
        "resnet": lambda: networks.resnet18((1, 8, 8), 10, width=4, batch_norm=False),
        "resnet with batch norm": lambda: networks.resnet18((1, 8, 8), 10, width=4, batch_norm=True),
    }[kind]()
    net = Stateless(module, weights="given")
    train, _ = digits()
    return net, fitted(net, train, steps)


def fitted(net: Stateless, data: Examples, steps: int):
    """Weights after some steps of Adam."""
    params = {name: value.clone() for name, value in net.initial(0).items()}
    leaves = [params[name].requires_grad_() for name in net.shapes]
    optimizer = torch.optim.Adam(leaves, lr=3e-3)
    for step in range(steps):
        x, y = data.take(torch.randint(len(data), (128,), generator=stream(0, "batch", step)))
        optimizer.zero_grad()
        F.cross_entropy(net(params, x, training=True), y).backward()
        optimizer.step()
    return {name: value.detach() for name, value in params.items()}


def around(net: Stateless, params, radius: float, *, dtype=torch.float32, rigorous=False):
    """A box of one radius around every weight; buffers as they are."""
    return {
        name: IntervalTensor(v.to(dtype), torch.full_like(v, radius, dtype=dtype), rigorous=rigorous)
        if name in net.shapes
        else v.to(dtype) if v.is_floating_point() else v
        for name, v in params.items()
    }  # fmt: skip
