"""Looks at the validation part while a task is learned, and keeps what did best there."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ..tasks import Task
from ._best import Best

__all__ = ["Watched"]

CHECKS = 10  # looks in a phase
MOST = 1000  # examples looked at


class Watched(nn.Module):
    """The best state of a phase, by accuracy on examples of the validation part.

    Ties go to the later state. Without a validation part nothing is kept, and the last state counts.

    Attributes:
        best: the best state so far, and its score; None outside of a phase.
    """

    def __init__(self) -> None:
        super().__init__()
        self.examples: tuple[Tensor, Tensor] | None = None
        self.best: Best | None = None

    def attend(self, task: Task, generator: torch.Generator) -> None:
        """Draws the examples."""
        data = task.validation
        if data is None:
            self.examples = None
        else:
            self.examples = data.take(torch.randperm(len(data), generator=generator)[:MOST])

    def begin(self, live: Mapping[str, Tensor]) -> None:
        """A phase begins in which the tensors `live` are trained."""
        self.best = Best(live)

    def due(self, step: int, steps: int) -> bool:
        """Whether it is time to compare, after `step` of the phase's `steps`; never where nobody knows their number."""
        return steps > 0 and (step % max(1, steps // CHECKS) == 0 or step == steps)

    def offer(self, live: Mapping[str, Tensor], answer: Callable[[Tensor], Tensor]) -> None:
        """Compares what is live now with the best.

        Args:
            live: the tensors trained.
            answer: inputs → output units `(n,)`, or targets `(n, k)`.
        """
        if self.best is None or self.examples is None:
            return
        x, y = self.examples
        with torch.no_grad():
            said = answer(x)
            score = -(said - y).square().mean() if y.is_floating_point() else (said == y).double().mean()
        self.best.offer(float(score), live)

    def give(self, live: Mapping[str, Tensor]) -> None:
        """The phase ends: the live tensors take their best values."""
        if self.best is not None:
            self.best.give(live)
        self.best = None
