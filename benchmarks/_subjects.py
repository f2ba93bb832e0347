"""What the timings share: one target network with data, a plain step of it, and a HyperNet that knows some tasks."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cltoolkit import Examples, Task, networks
from cltoolkit.learners import HyperNet

__all__ = [
    "BATCH",
    "CLASSES",
    "FULL",
    "HIDDEN",
    "PIXELS",
    "batch",
    "hypernet",
    "hypernet_step",
    "plain_step",
    "sizes",
    "target",
]

PIXELS, HIDDEN, CLASSES, BATCH = 784, (400, 400), 2, 128
FULL = {"output": "full", "hidden": (75, 75)}  # the published hypernetwork of split MNIST
QUICK = (16, 16)  # hidden widths of a smoke run


def sizes(quick: bool) -> tuple[int, ...]:
    """Hidden widths of the target."""
    return QUICK if quick else HIDDEN


def target(quick: bool = False) -> nn.Module:
    """The target network, MLP 784-400-400-2."""
    return networks.mlp((PIXELS,), sizes(quick), CLASSES)


def batch(n: int = BATCH) -> tuple[Tensor, Tensor]:
    """Inputs `(n, 784)` and labels `(n,)`, synthetic."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(n, PIXELS, generator=generator), torch.arange(n) % CLASSES


def plain_step(quick: bool = False) -> Callable[[], object]:
    """A training step of the target alone, in plain PyTorch: forward, backward, fused Adam."""
    net, (x, y) = target(quick), batch()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()

    return step


def hypernet(earlier: int, *, quick: bool = False, **settings: object) -> HyperNet:
    """A HyperNet that has begun a task with `earlier` tasks behind it.

    These were begun and ended without a step in between: its time does not depend on what the weights are.
    """
    learner = HyperNet(target(quick), **settings)
    learner.start(seed=0)
    examples = Examples(*batch(CLASSES))
    task = Task("any", examples, examples)
    (phase,) = learner.phases(task)
    for _ in range(earlier):
        learner.begin(task, phase)
        learner.end(task)
    learner.begin(task, phase)
    return learner


def hypernet_step(earlier: int, *, quick: bool = False, **settings: object) -> Callable[[], object]:
    """A training step of such a HyperNet, as the training loop takes it."""
    learner, (x, y) = hypernet(earlier, quick=quick, **settings), batch()
    return lambda: learner.step(x, y)
