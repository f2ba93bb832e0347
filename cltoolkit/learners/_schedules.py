"""How the worst case enters training: κ weighs it against the plain loss, and the boxes grow to their full size."""

from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["Growth", "Schedule", "growth", "kappa_at"]

Schedule = Literal["relative", "published"]
SLOPE = 5e-5  # by which the published κ falls in a step
NEW = (0.0, 0.0, 1.0, 0.0, 0.0)
LEAST = 1e-3  # of γ, with which watched growth begins


def growth(step: int, steps: int, *, warmup: float = 0.5, schedule: Schedule = "relative") -> float:
    """The share of γ that boxes have in a step: from 0 to 1 in a straight line over the warm-up, then 1.

    Args:
        step: i, from 0.
        steps: n, of the task; 0 where it is not known, which is past every warm-up.
        warmup: the share of the steps in which boxes grow; one half in the published schedule, whatever is said here.
        schedule: "relative" or "published", which differ in κ alone.

    Returns:
        i / (⌊w n⌋ − 1), at most 1.

    References:
        Krukowski et al., HINT, arXiv 2405.15444, §3 and the code published with it.

    Example:
        >>> round(growth(1250, 5000), 4), growth(2499, 5000), growth(4000, 5000)
        (0.5002, 1.0, 1.0)
    """
    last = int((0.5 if schedule == "published" else warmup) * steps) - 1
    return 1.0 if step >= last else max(step, 0) / last


def kappa_at(
    step: int, steps: int, *, kappa: float = 0.5, warmup: float = 0.5, schedule: Schedule = "relative"
) -> float:
    """κ of a step: the weight of the plain loss, 1 − κ that of the worst case.

    Args:
        step: i, from 0.
        steps: n, of the task; 0 where it is not known.
        kappa: κ at the end.
        warmup: the share of the steps in which κ falls.
        schedule: "relative": κ falls from 1 in a straight line and reaches its end with the warm-up. "published": it
            falls by 5e-5 a step however long the task is, and jumps to its end at half time.

    Returns:
        κ_i.

    Example:
        >>> [round(kappa_at(i, 2000, schedule="published"), 5) for i in (0, 500, 999, 1000)]
        [1.0, 0.975, 0.95005, 0.5]
        >>> [kappa_at(i, 2001) for i in (0, 333, 999, 1500)]
        [1.0, 0.8333333333333334, 0.5, 0.5]
    """
    if schedule == "relative":
        return 1 - (1 - kappa) * growth(step, steps, warmup=warmup)
    return kappa if step >= steps // 2 else max(1 - SLOPE * step, kappa)


class Growth(nn.Module):
    """The share p of γ that a task's boxes have: `growth`, or slowed down where boxes have grown too wide.

    How wide is too wide is not known beforehand, to the order of magnitude. So where growth may be slowed down, p is
    not the progress s of `growth` but 1000^(s − 1), from a thousandth to 1. What p has reached with the end of the
    warm-up it keeps.

    Args:
        warmup: the share of a task's steps in which boxes grow.
        schedule: as `growth` has it.
        watched: whether `check` will be asked.

    Attributes:
        state: `(5,)` float64: the progress at the last change of pace, what `growth` was then, the pace since (1 is
            that of `growth`), the last progress at which all was found well, and the best accuracy of the task so far.
    """

    state: Tensor

    def __init__(self, *, warmup: float, schedule: Schedule, watched: bool) -> None:
        super().__init__()
        self.watched = watched
        self.warmup = warmup
        self.schedule: Schedule = schedule
        self.register_buffer("state", torch.tensor(NEW, dtype=torch.float64))
        self._known: tuple[float, ...] | None = None  # the state on the host, so that no step waits for the device

    def begin(self) -> None:
        """A new task."""
        self._set(*NEW)

    def forget(self) -> None:
        """The state was loaded from a saved one."""
        self._known = None

    def share(self, step: int, steps: int) -> float:
        """p in a step of a task of so many; 1 where their number is not known."""
        if not steps:
            return 1.0
        progress = self._progress(step, steps)
        return LEAST ** (1 - progress) if self.watched else progress

    def check(self, step: int, steps: int, *, certified: float, right: float, least: float) -> None:
        """Lets p grow on while certified accuracy is at least `least` times the task's best accuracy so far.

        If it is less, growth goes back to where all was well last (half the way, if that was nowhere), and on from
        there at half its pace.
        """
        base, since, pace, well, best = self._state()
        best, progress = max(best, right), self._progress(step, steps)
        if certified >= least * best:
            self._set(base, since, pace, progress, best)
        else:
            self._set(well or progress / 2, self._planned(step, steps), pace / 2, well, best)

    def last(self, steps: int) -> int:
        """The step in which the warm-up ends."""
        return int((0.5 if self.schedule == "published" else self.warmup) * steps) - 1

    def _progress(self, step: int, steps: int) -> float:
        base, since, pace, _, _ = self._state()
        return min(1.0, base + pace * (self._planned(step, steps) - since))

    def _planned(self, step: int, steps: int) -> float:
        return growth(step, steps, warmup=self.warmup, schedule=self.schedule)

    def _state(self) -> tuple[float, ...]:
        if self._known is None:
            self._known = tuple(self.state.tolist())
        return self._known

    def _set(self, *state: float) -> None:
        self._known = state
        self.state.copy_(self.state.new_tensor(state))
