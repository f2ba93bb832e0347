"""How many weights each mask holds, holds as the first, and holds together with the others; counted once."""

import torch
from torch import Tensor, nn

from ..masks import Masks

__all__ = ["Shares"]


class Shares(nn.Module):
    """Counts of weights, a row for each mask found.

    What is counted when a mask is found stays true, so that a task costs O(T P) and not O(T² P).

    Attributes:
        kept: `(T, L)`, the weights of each layer that the mask holds.
        exclusive: `(T, L)`, those that no earlier mask holds.
        overlap: `(T, T)`, those that two masks have in common.
    """

    kept: Tensor
    exclusive: Tensor
    overlap: Tensor

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.register_buffer("kept", torch.zeros(0, layers, dtype=torch.float64))
        self.register_buffer("exclusive", torch.zeros(0, layers, dtype=torch.float64))
        self.register_buffer("overlap", torch.zeros(0, 0, dtype=torch.float64))

    def found(self, mask: Tensor, earlier: Masks) -> None:
        """Counts a new mask `(P,)` beside those before it."""
        new = mask & ~earlier.union(len(earlier))
        self.kept = torch.cat([self.kept, _by_layer(mask, earlier)])
        self.exclusive = torch.cat([self.exclusive, _by_layer(new, earlier)])
        common = earlier.dot(mask.double())
        above = torch.cat([self.overlap, common[:, None]], 1)
        self.overlap = torch.cat([above, torch.cat([common, mask.sum()[None].double()])[None]])


def _by_layer(mask: Tensor, masks: Masks) -> Tensor:
    """`(1, L)` counts."""
    return torch.stack([mask[where].sum() for where in masks.layout.slices.values()])[None].double()
