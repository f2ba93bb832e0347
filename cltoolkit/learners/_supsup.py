"""SupSup: one mask for each task over weights that are never trained, and the task found by how sure a mask is."""

from typing import final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..masks import Densities, masked
from ..params import Stateless
from ..tasks import Task
from ._base import Phase, check_positive
from ._mask_learner import Initialization, MaskLearner, Rule

__all__ = ["SupSup"]


@final
class SupSup(MaskLearner):
    """Supermasks in superposition."""

    def __init__(
        self,
        net: nn.Module | Stateless,
        *,
        density: float = 0.1,
        densities: Densities = "uniform",
        rule: Rule = "top_k",
        initialization: Initialization = "signed_constant",
        scale_fan: bool = False,
        lr: float = 1e-2,
    ) -> None:
        super().__init__(
            net,
            rule=rule,
            density=density,
            densities=densities,
            initialization=initialization,
            scale_fan=scale_fan,
        )
        check_positive(lr=lr)
        self.lr = lr

    def _begin(self, task: Task, phase: Phase) -> None:
        self.statistics.reset()
        self._new_scores(self.num_tasks)

    def _optimizers(self, phase: Phase) -> dict[str, Optimizer]:
        return {"mask": torch.optim.Adam([self.scores], lr=self.lr, fused=True)}

    def _step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        weights = masked(self.base, self.scores, self.select(self.scores), signed=self.select.signed)
        logits = self.net(self._with(weights, self.statistics.values()), x, training=True)
        loss = self.loss(logits, y, self.units(self.num_tasks))
        self.descend("mask", loss)
        return {"loss": loss.detach()}

    def _end(self, task: Task) -> None:
        self._keep(self.select(self.scores))
        self.own_statistics.append(self.statistics.values())
