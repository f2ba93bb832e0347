"""From which earlier task's mask each task's mask starts, and what becomes of it (KKT)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from ..masks import Chunks, KNNInitializer, Masks, rebuilt_scores
from ..params import Stateless
from ..tasks import Data
from ._base import check_choice

__all__ = ["Donors", "Keep", "as_initializer"]

Keep = Literal["scores", "half", "mask"]
GAP = 1.5  # between scores inside and outside of a mask that is started from; trained scores have one, too


def as_initializer(given: KNNInitializer | Mapping[str, Any] | str | None) -> KNNInitializer | None:
    """An initializer from its settings, or from the name of its estimator."""
    if isinstance(given, str):
        return KNNInitializer(estimator=given)
    return KNNInitializer(**given) if isinstance(given, Mapping) else given


class Donors(nn.Module):
    """Chooses donors, starts from what they give, and keeps the record: a row for each task begun.

    Args:
        initializer: chooses; None if no task has a donor.
        keep: what is kept of a task for later ones to start from, besides its mask.
        rule: how scores select a mask.
        size: P.

    Attributes:
        donor: `(T,)`, the task from whose mask it started; -1 for a start of its own.
        candidates: `(T, T)`, the score of each earlier task; NaN where none was asked.
        levels: `(T, 2)`, the score needed, and that of chance.
        moved: `(T,)`, how many weights the mask has gained or lost since its start; NaN without a donor.
        scores: `(T, P)`, those with which each mask was found; `(0, P)` if they are not kept.
    """

    donor: Tensor
    candidates: Tensor
    levels: Tensor
    moved: Tensor
    scores: Tensor

    def __init__(
        self, initializer: KNNInitializer | None, *, keep: Keep, rule: Literal["top_k", "threshold"], size: int
    ) -> None:
        super().__init__()
        check_choice("keep", keep, get_args(Keep))
        self.initializer = initializer
        self.keep = keep
        self.rule: Literal["top_k", "threshold"] = rule
        self.register_buffer("donor", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("candidates", torch.zeros(0, 0, dtype=torch.float64))
        self.register_buffer("levels", torch.zeros(0, 2, dtype=torch.float64))
        self.register_buffer("moved", torch.zeros(0, dtype=torch.float64))
        self.register_buffer("scores", torch.zeros(0, size, dtype=torch.half if keep == "half" else torch.float32))

    @property
    def last(self) -> int | None:
        """The donor of the task begun last."""
        donor = int(self.donor[-1])
        return None if donor < 0 else donor

    def begin(self, net: Stateless, sources: Chunks, data: Data, units: Sequence[Sequence[int]], seed: int) -> None:
        """Asks for the donor of a task with this training data, among as many earlier ones as have `units`."""
        t = len(units)
        row, levels, donor = self.candidates.new_full((t + 1,), math.nan), (math.nan, math.nan), None
        if self.initializer is not None and t:
            choice = self.initializer(net, sources, data, count=t, units=units, seed=seed)
            row[:t], levels, donor = choice.scores.to(row), (choice.needed, choice.chance), choice.donor
        wide = torch.cat([self.candidates, self.candidates.new_full((t, 1), math.nan)], 1)
        self.candidates = torch.cat([wide, row[None]])
        self.levels = torch.cat([self.levels, self.levels.new_tensor(levels)[None]])
        self.donor = torch.cat([self.donor, self.donor.new_tensor([-1 if donor is None else donor])])
        self.moved = torch.cat([self.moved, self.moved.new_full((1,), math.nan)])

    def start(self, fresh: Tensor, masks: Masks) -> Tensor:
        """The scores `(P,)` that the task begun starts with: a donor's, or ones that select its mask, or fresh ones."""
        if self.last is None:
            return fresh
        if self.keep == "mask":
            return rebuilt_scores(masks[self.last], fresh, masks.layout, rule=self.rule, gap=GAP)
        return self.scores[self.last].to(fresh.dtype)

    def found(self, mask: Tensor, masks: Masks, scores: Tensor) -> None:
        """The task's mask `(P,)` is found, by scores `(P,)`; `masks` are the earlier ones."""
        if self.last is not None:
            self.moved[-1] = (mask ^ masks[self.last]).sum()
        if self.initializer is not None and self.keep != "mask":
            self.scores = torch.cat([self.scores, scores.detach().to(self.scores.dtype)[None]])

    def series(self) -> dict[str, Tensor]:
        """For the record: see the attributes."""
        return {
            "donor": self.donor[:, None],
            "donor_scores": self.candidates,
            "donor_margin": self.levels,
            "moved": self.moved[:, None],
        }
