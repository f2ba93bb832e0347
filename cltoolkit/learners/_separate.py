"""Separate: a network of its own for every task. What each task reaches alone, at T times the memory."""

from typing import ClassVar, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..params import Params, Stateless
from ..tasks import Task
from ._base import Learner, Phase, check_positive
from ._target import PerTask, TargetWeights

__all__ = ["Separate"]


@final
class Separate(Learner):
    """A new network for each task: nothing is forgotten, nothing is shared, memory grows by a network per task.

    The reference s_j of what a task reaches alone, from which learning gain and intransigence are measured.

    Args:
        net: the target network.
        lr: step size of Adam.

    Example:
        >>> Separate(nn.Linear(4, 2)).config
        {'lr': 0.001}
    """

    one_network: ClassVar[bool] = False

    def __init__(self, net: nn.Module | Stateless, *, lr: float = 1e-3) -> None:
        super().__init__(net)
        check_positive(lr=lr)
        self.lr = lr
        self.weights = TargetWeights(self.net)
        self.networks = PerTask((*self.net.shapes, *self.net.buffers))

    def _start(self) -> None:
        self.weights.set(self.net.initial(self.seed, "weights"))

    def _begin(self, task: Task, phase: Phase) -> None:
        self.weights.set(self._new(self.num_tasks))

    def _new(self, t: int) -> Params:
        """Task t's network before training; the first is the one that every learner starts from."""
        return self.net.initial(self.seed, "weights", *([t] if t else []))

    def _optimizers(self, phase: Phase) -> dict[str, Optimizer]:
        return {"weights": torch.optim.Adam(self.weights.parameters(), lr=self.lr, fused=True)}

    def _step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        loss = self.loss(self.net(self.weights.params(), x, training=True), y, self.units(self.num_tasks))
        self.descend("weights", loss)
        return {"loss": loss.detach()}

    def _end(self, task: Task) -> None:
        self.networks.append(self.weights.params())

    def _params(self, t: int) -> Params:
        return self.networks.row(t) if t < self.num_tasks else self.weights.values()

    def starting(self, t: int) -> Params | None:
        """A network that has learned nothing."""
        return {name: value.to(self.device) for name, value in self._new(t).items()}
