"""What learners with intervals share: every weight of every task as an interval, and an eye on how wide these are."""

import warnings
from abc import abstractmethod
from typing import final

import torch
from torch import Tensor

from ..intervals import Bounds, collapsed, widths
from ._base import Learner

__all__ = ["IntervalLearner", "VacuousWarning"]


class VacuousWarning(UserWarning):
    """Intervals so narrow that a certificate over them says nothing beyond the network itself."""


class IntervalLearner(Learner):
    """A learner that gives a box Θ_t of weights for every task t, and answers task t with a point of it.

    What is certified over Θ_t holds for every network in it: whatever later tasks do to the weights, as long as they
    stay in the box, the answers that were certified stay right. Besides what `Learner` asks for, a method gives
    `_bounds`.
    """

    @abstractmethod
    def _bounds(self, t: int) -> dict[str, Tensor]:
        """Every weight and buffer that answers task t by name: an IntervalTensor, or a tensor where it is exact."""

    @final
    @torch.no_grad()
    def bounds(self, t: int) -> dict[str, Tensor]:
        """The box Θ_t: every parameter of the target network as an `IntervalTensor`, its buffers as tensors.

        A weight that is the task's own and never moves (a point head) is a tensor as well. `params(t)` lies inside.

        Raises:
            IndexError: if task t is not learned.
        """
        self._check_known(t)
        return self._bounds(t)

    def interval_series(self) -> dict[str, Tensor]:
        """How wide the tasks' weights are: "width" `(t, 5)`, quantiles from least to most; "collapsed" `(t, 1)`."""
        every = [self.bounds(t) for t in range(self.known)]
        return {
            "width": torch.stack([widths(bounds) for bounds in every]),
            "collapsed": torch.stack([collapsed(bounds).reshape(1) for bounds in every]),
        }

    def series(self) -> dict[str, Tensor]:
        """How wide the tasks' weights are."""
        return self.interval_series()

    @final
    def warn_if_vacuous(self, bounds: Bounds) -> None:
        """Warns where half of the weights or more have no width; this waits for the device, so not in every step."""
        share = float(collapsed(bounds))
        if share >= 0.5:
            warnings.warn(
                f"{self.name}, task {self.num_tasks}, step {self.steps}: {share:.0%} of the weights have intervals "
                "narrower than 1e-8, so a certificate over them is vacuous. Give the intervals more room, or the worst "
                "case less weight.",
                VacuousWarning,
                stacklevel=3,
            )
