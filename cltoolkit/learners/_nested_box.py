"""The box of weights that shrinks from task to task, and where within it the next one lies."""

import math

import torch
from torch import Tensor, nn

from ._contraction import Box, contract, exact, inside

__all__ = ["NestedBox"]


class NestedBox(nn.Module):
    """The last box ⟨c, r⟩, and the trainable ŝ and k̂ that make the next inside it; many weights laid end to end.

    Args:
        normalize_shift: see `contract`.
        normalize_scale: see `contract`.
    """

    center: nn.Parameter
    shift: nn.Parameter
    scale: nn.Parameter
    radius: Tensor

    def __init__(self, *, normalize_shift: bool, normalize_scale: bool) -> None:
        super().__init__()
        self.normalize_shift = normalize_shift
        self.normalize_scale = normalize_scale
        self.allocate(0)

    def allocate(self, size: int) -> None:
        """Makes room for so many weights: points at 0."""
        self.center = nn.Parameter(torch.zeros(size))
        self.shift = nn.Parameter(torch.zeros(size))
        self.scale = nn.Parameter(torch.full((size,), math.inf))
        self.register_buffer("radius", torch.zeros(size))

    @property
    def last(self) -> Box:
        """The box from which the next begins."""
        return Box(self.center.detach(), self.radius)

    def moved(self) -> Box:
        """Where ŝ and k̂ lead, differentiable; up to rounding inside the last box."""
        return contract(
            *self.last,
            self.shift,
            self.scale,
            normalize_shift=self.normalize_shift,
            normalize_scale=self.normalize_scale,
        )

    @torch.no_grad()
    def now(self) -> Box:
        """The same, inside the last box to the bit."""
        return inside(self.moved(), self.last)

    @torch.no_grad()
    def open(self, radius: float) -> None:
        """Gives every weight, a point so far, the same radius."""
        self.set(exact(self.center, torch.full_like(self.center, radius)))

    @torch.no_grad()
    def set(self, box: Box) -> None:
        """Makes a box the last one; the next is all of it, until ŝ and k̂ move."""
        self.center.copy_(box.center)
        self.radius.copy_(box.radius)
        self.shift.zero_()
        self.scale.fill_(math.inf)
