"""What the timings share: target networks with data, a plain training step, and a HyperNet that knows some tasks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cltoolkit import Examples, Task, networks
from cltoolkit.learners import HyperNet, Learner

__all__ = ["FULL", "LARGE", "SMALL", "TINY", "Subject", "after", "hypernet", "hypernet_step", "plain_step", "step_of"]

Method = TypeVar("Method", bound=Learner)

FULL: dict[str, Any] = {"output": "full", "hidden": (75, 75)}  # the published hypernetwork of split MNIST


@dataclass(frozen=True)
class Subject:
    """A target network, an MLP, and the batches that it is trained on: noise, in memory."""

    pixels: int
    hidden: tuple[int, ...]
    classes: int
    batch: int

    def net(self) -> nn.Module:
        """The network."""
        return networks.mlp((self.pixels,), self.hidden, self.classes)

    def data(self, n: int) -> tuple[Tensor, Tensor]:
        """Inputs `(n, pixels)` and labels `(n,)`."""
        generator = torch.Generator().manual_seed(0)
        return torch.rand(n, self.pixels, generator=generator), torch.arange(n) % self.classes

    def __str__(self) -> str:
        return f"MLP {'-'.join(map(str, (self.pixels, *self.hidden, self.classes)))}, batch {self.batch}"


LARGE = Subject(784, (400, 400), 2, 128)  # split MNIST
SMALL = Subject(64, (64, 64), 10, 32)  # permuted digits
TINY = Subject(784, (16, 16), 2, 128)  # a smoke run


def plain_step(subject: Subject) -> Callable[[], object]:
    """A training step of the target alone, in plain PyTorch: forward, backward, fused Adam."""
    net, (x, y) = subject.net(), subject.data(subject.batch)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()

    return step


def hypernet(subject: Subject, earlier: int, **settings: Any) -> HyperNet:
    """A HyperNet that has begun a task with `earlier` tasks behind it."""
    return after(HyperNet(subject.net(), **settings), subject, earlier)


def after(learner: Method, subject: Subject, earlier: int) -> Method:
    """The learner with `earlier` tasks behind it and another begun.

    These were begun and ended without a step in between: its time does not depend on what the weights are.
    """
    learner.start(seed=0)
    examples = Examples(*subject.data(4 * subject.classes))
    task = Task("any", examples, examples)
    (phase,) = learner.phases(task)
    for _ in range(earlier):
        learner.begin(task, phase)
        learner.end(task)
    learner.begin(task, phase)
    return learner


def hypernet_step(subject: Subject, earlier: int, **settings: Any) -> Callable[[], object]:
    """A training step of such a HyperNet, as the training loop takes it."""
    return step_of(hypernet(subject, earlier, **settings), subject)


def step_of(learner: Learner, subject: Subject) -> Callable[[], object]:
    """A training step of a learner that has begun a task."""
    x, y = subject.data(subject.batch)
    return lambda: learner.step(x, y)
