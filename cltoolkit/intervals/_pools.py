"""Rules of pooling and of sums: averages of centers and radii, maxima of ends."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ._moves import as_type
from ._outward import between, tiny
from ._rounding import gamma
from ._shapes import like
from ._table import RULES, rule
from ._tensor import IntervalTensor

Axes = int | Sequence[int] | None


def _highest(function: Callable[..., Tensor]) -> Callable[..., IntervalTensor]:
    """The rule of a function that picks entries by their order: exact, and without rounding.

    Pooling with indices comes under another name, and has no rule: which entry is largest differs over a box.
    """

    def bound(input: IntervalTensor, *args: Any, return_indices: bool = False, **kwargs: Any) -> IntervalTensor:
        lower, upper = function(input.lower, *args, **kwargs), function(input.upper, *args, **kwargs)
        return between(lower, upper, nonnegative=input.nonnegative, rigorous=input.rigorous)

    return bound


for _pool in (
    F.max_pool1d, F.max_pool2d, F.max_pool3d, torch.max_pool1d, torch.max_pool2d, torch.max_pool3d,
    F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d,
    torch.amax, Tensor.amax, torch.amin, Tensor.amin,
):  # fmt: skip
    RULES[_pool] = _highest(_pool)


def averaged(function: Callable[[Tensor], Tensor], input: IntervalTensor, terms: int) -> IntervalTensor:
    """A sum with weights ≥ 0 of at most `terms` entries: center and radius alike, exact.

    Rounding moves the center, and any value computed in any order, by at most γ of the sum of absolute values.
    """
    center, radius = function(input.center), function(input.radius)
    if input.rigorous:
        share = gamma(terms + 3, center.dtype)
        radius = radius * (1 + 4 * share) + 3 * share * function(input.center.abs()) + tiny(radius)
    return like(input, center, radius)


def _averaged(function: Callable[..., Tensor], dims: int) -> Callable[..., IntervalTensor]:
    """The rule of average pooling over windows in the last `dims` dimensions."""

    def bound(input: IntervalTensor, kernel_size: int | Sequence[int], *args: Any, **kwargs: Any) -> IntervalTensor:
        sides = (kernel_size,) * dims if isinstance(kernel_size, int) else kernel_size
        return averaged(lambda x: function(x, kernel_size, *args, **kwargs), input, math.prod(sides))

    return bound


def _adaptive(function: Callable[..., Tensor], dims: int) -> Callable[..., IntervalTensor]:
    """The rule of average pooling to a given size; no window is longer than ⌈in / out⌉ + 1."""

    def bound(input: IntervalTensor, output_size: int | Sequence[int | None] | None) -> IntervalTensor:
        sizes = output_size if isinstance(output_size, Sequence) else (output_size,) * dims
        sides = zip(input.shape[-dims:], sizes, strict=False)
        terms = math.prod(-(-side // (size or side)) + 1 for side, size in sides)
        return averaged(lambda x: function(x, output_size), input, terms)

    return bound


RULES.update({
    F.avg_pool1d: _averaged(F.avg_pool1d, 1),
    F.avg_pool2d: _averaged(F.avg_pool2d, 2),
    F.avg_pool3d: _averaged(F.avg_pool3d, 3),
    F.adaptive_avg_pool1d: _adaptive(F.adaptive_avg_pool1d, 1),
    F.adaptive_avg_pool2d: _adaptive(F.adaptive_avg_pool2d, 2),
    F.adaptive_avg_pool3d: _adaptive(F.adaptive_avg_pool3d, 3),
})  # fmt: skip


@rule(torch.mean, Tensor.mean)
def mean(
    input: IntervalTensor, dim: Axes = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> IntervalTensor:
    return _over(torch.mean, input, dim, keepdim, dtype)


@rule(torch.sum, Tensor.sum)
def sum(
    input: IntervalTensor, dim: Axes = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> IntervalTensor:
    return _over(torch.sum, input, dim, keepdim, dtype)


def _over(
    function: Callable[..., Tensor], input: IntervalTensor, dim: Axes, keepdim: bool, dtype: torch.dtype | None
) -> IntervalTensor:
    """A mean or a sum over some dimensions, or all."""
    input = as_type(input, dtype)
    axes = range(input.ndim) if dim is None else [dim] if isinstance(dim, int) else dim or range(input.ndim)
    terms = math.prod(input.shape[axis] for axis in axes)
    return averaged(lambda x: function(x, dim=tuple(axes), keepdim=keepdim), input, terms)
