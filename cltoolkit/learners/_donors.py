"""From which earlier task's mask each task's mask started, and what became of it."""

import math

import torch
from torch import Tensor, nn

from ..masks import Choice

__all__ = ["Donors"]


class Donors(nn.Module):
    """The record of the mask initializer: a row for each task begun.

    Attributes:
        donor: `(T,)`, the task from whose mask it started; -1 for a start of its own.
        scores: `(T, T)`, the score of each earlier task; NaN where none was asked.
        levels: `(T, 2)`, the score needed, and that of chance.
        moved: `(T,)`, how many weights the mask has gained or lost since its start; NaN without a donor.
    """

    donor: Tensor
    scores: Tensor
    levels: Tensor
    moved: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("donor", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("scores", torch.zeros(0, 0, dtype=torch.float64))
        self.register_buffer("levels", torch.zeros(0, 2, dtype=torch.float64))
        self.register_buffer("moved", torch.zeros(0, dtype=torch.float64))

    def begin(self, choice: Choice | None) -> None:
        """A task starts from a donor, or by itself."""
        t = len(self.donor)
        row = self.scores.new_full((t + 1,), math.nan)
        levels = self.levels.new_full((2,), math.nan)
        donor = -1
        if choice is not None:
            row[:t] = choice.scores.to(row)
            levels = self.levels.new_tensor([choice.needed, choice.chance])
            donor = -1 if choice.donor is None else choice.donor
        wide = torch.cat([self.scores, self.scores.new_full((t, 1), math.nan)], 1)
        self.scores = torch.cat([wide, row[None]])
        self.levels = torch.cat([self.levels, levels[None]])
        self.donor = torch.cat([self.donor, self.donor.new_tensor([donor])])
        self.moved = torch.cat([self.moved, self.moved.new_full((1,), math.nan)])

    def found(self, mask: Tensor, donors: Tensor | None) -> None:
        """The task's mask `(P,)` is found; that of its donor was `donors`."""
        if donors is not None:
            self.moved[-1] = (mask ^ donors).sum()

    def series(self) -> dict[str, Tensor]:
        """For the record: see the attributes."""
        return {
            "donor": self.donor[:, None],
            "donor_scores": self.scores,
            "donor_margin": self.levels,
            "moved": self.moved[:, None],
        }
