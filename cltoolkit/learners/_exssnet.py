"""ExSSNeT: a mask for each task, and then the training of those of its weights that no earlier mask holds."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..masks import Densities, masked, placed
from ..params import Params, Stateless
from ..tasks import Task
from ._base import Phase, check_positive
from ._mask_learner import Initialization, MaskLearner, Rule

__all__ = ["ExSSNeT"]


@final
class ExSSNeT(MaskLearner):
    """Exclusive supermask subnetworks."""

    theta: Tensor

    def __init__(
        self,
        net: nn.Module | Stateless,
        *,
        density: float = 0.1,
        densities: Densities = "uniform",
        rule: Rule = "top_k",
        initialization: Initialization = "signed_constant",
        scale_fan: bool = False,
        exclusive: bool = True,
        mask_share: float = 0.5,
        lr: float = 1e-2,
        lr_weights: float = 1e-3,
    ) -> None:
        super().__init__(
            net,
            rule=rule,
            density=density,
            densities=densities,
            initialization=initialization,
            scale_fan=scale_fan,
        )
        check_positive(lr=lr, lr_weights=lr_weights)
        self.exclusive = exclusive
        self.mask_share = mask_share
        self.lr = lr
        self.lr_weights = lr_weights
        self.register_buffer("theta", torch.zeros(0))
        self._fixed: tuple[Tensor, Tensor] | None = None

    def phases(self, task: Task) -> Sequence[Phase]:
        return (Phase("mask", self.mask_share), Phase("weights", 1 - self.mask_share))

    def _begin(self, task: Task, phase: Phase) -> None:
        self._fixed = None
        if phase.name == "mask":
            self.statistics.reset()
            self._new_scores(self.num_tasks)
        else:
            self._keep(self.select(self.scores))
            self.theta = self.base[self._place()[1]]

    def _place(self) -> tuple[Tensor, Tensor]:
        """What stays as it is `(P,)`, and where the exclusive weights lie `(m,)`."""
        if self._fixed is None:
            own = self.masks[self.num_tasks]
            free = own & ~type(self.masks)(self.bits[: self.num_tasks], self.layout).used() if self.exclusive else own
            self._fixed = (self.base * own, free.nonzero()[:, 0])
        return self._fixed

    def _optimizers(self, phase: Phase) -> dict[str, Optimizer]:
        if phase.name == "mask":
            return {"mask": torch.optim.Adam([self.scores], lr=self.lr, fused=True)}
        self.theta.requires_grad_()
        return {"weights": torch.optim.Adam([self.theta], lr=self.lr_weights, fused=True)}

    def _step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        if self.phase.name == "mask":
            weights = masked(self.base, self.scores, self.select(self.scores), signed=self.select.signed)
        else:
            weights = placed(self.theta, *self._place())
        logits = self.net(self._with(weights, self.statistics.values()), x, training=True)
        loss = self.loss(logits, y, self.units(self.num_tasks))
        self.descend(self.phase.name, loss)
        return {"loss": loss.detach()}

    def _current(self) -> Tensor:
        if self.phase.name == "mask":
            return super()._current()
        return placed(self.theta, *self._place())

    def _end(self, task: Task) -> None:
        self.base = self.base.index_copy(0, self._place()[1], self.theta.detach())
        self.own_statistics.append(self.statistics.values())
        self.theta = self.theta.detach()[:0]
        self._fixed = None
