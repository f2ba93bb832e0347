"""Rounding outward of what is computed entry by entry: bounds of real values that hold computed ones too."""

import torch
from torch import Tensor

from ._tensor import IntervalTensor, box

__all__ = ["ULPS", "away", "between", "ends_of", "eps", "slack", "tiny"]

# Torch's exp, tanh, sigmoid, ... are within about 2 ulp of the real values (3 measured at worst, in float32); they need
# not be monotone, so the bound holds their distance to the real value twice, and some more.
ULPS = 8


def eps(value: Tensor) -> float:
    """2 u: the distance of 1 to the next number."""
    return torch.finfo(value.dtype).eps


def tiny(value: Tensor) -> float:
    """The smallest normal number, which covers underflow."""
    return torch.finfo(value.dtype).tiny


def away(value: Tensor, share: float = 1) -> Tensor:
    """A radius enlarged by `share` · 4 u of itself, which covers a few additions; 0 stays 0.

    Differences and sums never underflow, so nothing is added; and no denormal number, slow on CPUs, comes up.
    """
    return value * (1 + 2 * share * eps(value))


def slack(center: Tensor, radius: Tensor, share: float = 1) -> Tensor:
    """A radius that covers relative errors of `share` · u in its center, in itself, and in values computed anywhere."""
    return away(radius, 2 * share) + (2 * share * eps(center)) * center.abs()


def between(lower: Tensor, upper: Tensor, *, nonnegative: bool = False, rigorous: bool = False) -> IntervalTensor:
    """The box with these ends; if rigorous, it holds both of them whatever its center was rounded to."""
    center = (lower + upper) / 2
    # Functions computed in pieces may turn two near ends round: their radius is 0, and not negative.
    radius = away(torch.maximum(upper - center, center - lower)) if rigorous else ((upper - lower) / 2).clamp(min=0)
    return box(center, radius, nonnegative=nonnegative, rigorous=rigorous)


def ends_of(value: Tensor) -> tuple[Tensor, Tensor]:
    """Lower and upper end; those of a point are itself."""
    return (value.lower, value.upper) if isinstance(value, IntervalTensor) else (value, value)
