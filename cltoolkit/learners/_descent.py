"""Optimizers by name, and how their step size falls over a phase."""

import math
from collections.abc import Iterable
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.optim import Optimizer

from ._base import check_choice, check_positive

__all__ = ["Descent", "Method", "Schedule"]

Method = Literal["adam", "adamw", "rmsprop", "sgd"]
Schedule = Literal["cosine", "constant"]


class Descent:
    """What takes the steps: an optimizer, its decay and momentum, and the schedule of its step size.

    Args:
        method: its name.
        weight_decay: as the optimizer has it: a term of the gradient, or of the step itself (adamw).
        momentum: of sgd.
        schedule: "cosine": step size η (1 + cos(π i / n)) / 2 in step i of n of a phase; "constant": η.

    Raises:
        ValueError: if a name is unknown or a number cannot be.
    """

    def __init__(self, method: Method, *, weight_decay: float, momentum: float, schedule: Schedule) -> None:
        check_choice("optimizer", method, get_args(Method))
        check_choice("schedule", schedule, get_args(Schedule))
        if not weight_decay >= 0:
            raise ValueError(f"expected weight_decay of at least 0; got {weight_decay!r}")
        if not 0 <= momentum < 1:
            raise ValueError(f"expected momentum from 0 to below 1; got {momentum!r}")
        self.method = method
        self.weight_decay = weight_decay
        self.momentum = momentum
        self.schedule = schedule

    def optimizer(self, parameters: Iterable[Tensor], lr: float) -> Optimizer:
        """A new one, of step size `lr`."""
        check_positive(lr=lr)
        given = list(parameters)
        match self.method:
            case "adam":
                return torch.optim.Adam(given, lr=lr, weight_decay=self.weight_decay, fused=True)
            case "adamw":
                return torch.optim.AdamW(given, lr=lr, weight_decay=self.weight_decay, fused=True)
            case "rmsprop":
                return torch.optim.RMSprop(given, lr=lr, weight_decay=self.weight_decay)
            case "sgd":
                return torch.optim.SGD(given, lr=lr, weight_decay=self.weight_decay, momentum=self.momentum, fused=True)

    def set_step_size(self, optimizer: Optimizer, lr: float, step: int, steps: int) -> None:
        """The step size of step `step` of a phase of `steps`; 0 of these where nobody knows."""
        share = 0.5 * (1 + math.cos(math.pi * step / steps)) if self.schedule == "cosine" and steps else 1.0
        for group in optimizer.param_groups:
            group["lr"] = lr * share
