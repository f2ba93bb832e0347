"""Finetune: one network, trained on each task in turn with nothing to keep the earlier ones. The lower reference."""

from typing import ClassVar, Literal, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..params import Params, Stateless
from ..tasks import Task
from ._base import Learner, Phase, check_positive
from ._target import PerTask, TargetWeights, own_part

__all__ = ["Finetune"]


@final
class Finetune(Learner):
    """One network trained on task after task: w ← argmin L_t(w), from where the task before left it.

    The lower reference of every plot: what happens if nothing is done against forgetting. With `heads="shared"` the
    map t ↦ w is constant, and the last layer forgets first. With `heads="own"`, in the task-incremental scenario,
    each task keeps its own head and batch-norm statistics, and only the body drifts: much of what looks like
    forgetting goes away.

    Args:
        net: the target network.
        heads: "shared" or "own"; where tasks are not told apart at test, there is but one head anyway.
        lr: step size of Adam.

    Example:
        >>> learner = Finetune(nn.Linear(4, 2), lr=1e-3)
        >>> learner.config
        {'heads': 'shared', 'lr': 0.001}
    """

    one_network: ClassVar[bool] = True

    def __init__(
        self, net: nn.Module | Stateless, *, heads: Literal["shared", "own"] = "shared", lr: float = 1e-3
    ) -> None:
        super().__init__(net)
        check_positive(lr=lr)
        if heads not in ("shared", "own"):
            raise ValueError(f"expected heads='shared' or 'own'; got {heads!r}")
        self.heads = heads
        self.lr = lr
        self.weights = TargetWeights(self.net)
        self.own = PerTask((*self.net.head_names, *self.net.buffers))

    @property
    def _owns(self) -> bool:
        """Whether a task has a part of its own."""
        return self.heads == "own" and self.own_head

    def _start(self) -> None:
        self.weights.set(self.net.initial(self.seed, "weights"))

    def _begin(self, task: Task, phase: Phase) -> None:
        if self._owns and self.num_tasks:
            self.weights.set(own_part(self.net, self.seed, self.num_tasks, self.device))

    def _optimizers(self, phase: Phase) -> dict[str, Optimizer]:
        return {"weights": torch.optim.Adam(self.weights.parameters(), lr=self.lr, fused=True)}

    def _step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        loss = self.loss(self.net(self.weights.params(), x, training=True), y, self.units(self.num_tasks))
        self.descend("weights", loss)
        return {"loss": loss.detach()}

    def _end(self, task: Task) -> None:
        if self._owns:
            self.own.append(self.weights.params())

    def _params(self, t: int) -> Params:
        return self.weights.values() | (self.own.row(t) if self._owns and t < self.num_tasks else {})

    def starting(self, t: int) -> Params | None:
        """The network as it is now; under a new head where tasks own theirs."""
        return self.weights.values() | (own_part(self.net, self.seed, t, self.device) if self._owns else {})
