"""Which task an input is from, where nobody says: asked of every task's weights, and the surest answer taken."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor
from torch.func import vmap

from ..params import Params, Stateless
from ..tasks import closed

__all__ = ["Finder", "by_doubt"]

# Inputs (n, *input_shape) → the task (n,) that each seems to come from, and the output unit (n,) that answers it.
Finder = Callable[[Tensor], tuple[Tensor, Tensor]]

AT_ONCE = 1000  # inputs in one pass under the weights of all tasks


class _Doubting(Protocol):
    """What `by_doubt` asks of a learner."""

    net: Stateless
    outputs: list[tuple[int, ...]]

    @property
    def known(self) -> int: ...

    def stacked_params(self) -> Params: ...

    def doubt(self, x: Tensor, logits: Tensor) -> Tensor: ...


def by_doubt(learner: _Doubting) -> Finder:
    """The task whose weights doubt their answer least: t̂(x) = argmin_t doubt_t(x), and the answer of those weights.

    All tasks' weights are made once, and each batch goes through all of them: T forward passes.
    """
    every = learner.stacked_params()
    outputs = learner.outputs[: learner.known]

    def surest(x: Tensor) -> tuple[Tensor, Tensor]:
        logits = vmap(learner.net, in_dims=(0, None))(every, x)
        logits = logits + torch.stack([closed(units, logits) for units in outputs])[:, None]
        tasks = learner.doubt(x, logits).argmin(0)
        return tasks, logits[tasks, torch.arange(len(x), device=x.device)].argmax(1)

    def infer(x: Tensor) -> tuple[Tensor, Tensor]:
        tasks, units = zip(*map(surest, x.split(AT_ONCE)), strict=True)
        return torch.cat(tasks), torch.cat(units)

    return infer
