"""Tasks and networks so small that a test can train on them many times over."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cltoolkit import learners
from cltoolkit.learners import Learner
from cltoolkit.randomness import seeded, stream
from cltoolkit.tasks import Examples, Scenario, Task, TaskSequence

FEATURES = 6
# For learners that are large by default.
SMALL: dict[str, dict[str, Any]] = {
    "HyperNet": {"embedding_dim": 4, "hidden": (8,)},
    "HEmbedding": {"embedding_dim": 4, "hidden": (8,), "guidance_weight": 0.5},
    "HyperInterval": {"embedding_dim": 4, "hidden": (8,), "radius": 1.0},
    "SupSup": {"density": 0.5},
    "ExSSNeT": {"density": 0.3},
    "TaskFreeSupSup": {"patience": 6},
    "HopSupSup": {"recovery_steps": 4, "recovery_batch": 8},
}
NORMED = {"HopSupSup"}  # methods that serve networks with batch norm alone


def sequence(count: int = 3, *, scenario: Scenario = "task", n: int = 22, noise: float = 0.3) -> TaskSequence:
    """Tasks of two classes each, `FEATURES` numbers per input; well apart, and no two tasks alike."""
    return TaskSequence([task(t, n=n, noise=noise) for t in range(count)], name="tiny").as_scenario(scenario)


def task(t: int, *, n: int = 22, noise: float = 0.3, classes: tuple[int, ...] | None = None) -> Task:
    """Task t: the classes 2t and 2t + 1 around centers of their own."""
    generator = stream(0, "tiny", t)
    names = classes or (2 * t, 2 * t + 1)
    centers = 2 * torch.randn(len(names), FEATURES, generator=generator)

    def part(size: int) -> Examples:
        y = torch.arange(size) % len(names)
        return Examples(centers[y] + noise * torch.randn(size, FEATURES, generator=generator), y)

    return Task(f"t{t}", part(n), part(30), part(8), classes=names)


def net(outputs: int = 2, *, batch_norm: bool = False, dropout: bool = False) -> nn.Module:
    """Two layers; its own module and not one of `networks`, so that no recipe helps."""
    with seeded(0, "tiny net"):
        norm = [nn.BatchNorm1d(8)] if batch_norm else []
        drop = [nn.Dropout(0.2)] if dropout else []
        return nn.Sequential(nn.Linear(FEATURES, 8), *norm, nn.ReLU(), *drop, nn.Linear(8, outputs))


def learner(name: str, outputs: int = 2, *, batch_norm: bool = False, dropout: bool = False, **config: Any) -> Learner:
    """A new learner of the method `name`, on a target network that suits it."""
    target = net(outputs, batch_norm=batch_norm or name in NORMED, dropout=dropout)
    return learners.build(name, target, SMALL.get(name, {}) | config)


def copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as they are now, whatever happens to them."""
    return {name: value.detach().clone() for name, value in tensors.items()}


def differing(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> list[str]:
    """The names under which two collections of tensors are not the same to the bit; none is what one wants."""
    shared = set(a) & set(b)
    return sorted((set(a) ^ set(b)) | {name for name in shared if not _same(a[name], b[name])})


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.numpy().tobytes() == b.numpy().tobytes()
