"""Boxes around task embeddings: their half-widths, their nesting, and what they have in common."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

__all__ = ["EmptyIntersectionError", "Intersection", "Nesting", "half_widths", "intersection", "nested_center"]

Nesting = Literal["none", "tanh", "cos"]


class EmptyIntersectionError(ValueError):
    """Boxes of several tasks have no point in common."""


def half_widths(rho: Tensor, radius: float | Tensor) -> Tensor:
    """Half-widths that share one budget: ε = γ softmax(ρ), so that Σ_j ε_j = γ.

    Args:
        rho: ρ, `(..., d)`; equal entries give γ / d each.
        radius: γ, the total over coordinates.

    Returns:
        `(..., d)`, per coordinate.

    References:
        Krukowski et al., HINT: Hypernetwork Approach to Training Weight Interval Regions in Continual Learning, 2024.

    Example:
        >>> half_widths(torch.tensor([0.0, 1.0, -1.0, 0.5]), 0.5)
        tensor([0.0872, 0.2370, 0.0321, 0.1437])
    """
    return radius * rho.softmax(-1)


def nested_center(e: Tensor, radius: float | Tensor, nesting: Nesting = "tanh") -> Tensor:
    """The center of a task's box: σ tanh(e) or σ cos(e) with σ = γ / (2d), or e itself.

    With half-widths of γ / d every box then holds the cube [−σ, σ]^d, however many tasks there are: no intersection is
    ever empty. tanh is unbiased and monotone; cos, the published choice, begins near +σ and is flat at e = 0.

    Args:
        e: `(..., d)`.
        radius: γ, the total half-width over coordinates.
        nesting: "tanh", "cos" or "none".

    Returns:
        `(..., d)`.

    Raises:
        ValueError: if the nesting is unknown.

    References:
        Krukowski et al., HINT, 2024: the universal embedding.

    Example:
        >>> nested_center(torch.tensor([0.0, 1.0, 2.0, 3.0]), 2.0, "cos")
        tensor([ 0.2500,  0.1351, -0.1040, -0.2475])
    """
    if nesting not in get_args(Nesting):
        raise ValueError(f"expected nesting 'none', 'tanh' or 'cos'; got {nesting!r}")
    if nesting == "none":
        return e
    squashed = torch.tanh(e) if nesting == "tanh" else torch.cos(e)
    return radius / (2 * e.shape[-1]) * squashed


@dataclass(frozen=True, eq=False)
class Intersection:
    """What the boxes of several tasks have in common, coordinate by coordinate.

    Args:
        lower: `(d,)`, the largest lower end.
        upper: `(d,)`, the smallest upper end.
        empty: `(d,)` of bool: coordinates in which no point is common to all.
    """

    lower: Tensor
    upper: Tensor
    empty: Tensor

    @property
    def point(self) -> Tensor:
        """e* `(d,)`: the middle; in an empty coordinate that of the gap, which lies in no box (see `require`)."""
        return self.lower + (self.upper - self.lower) / 2

    @property
    def half_width(self) -> Tensor:
        """`(d,)`: half of what is common, 0 in an empty coordinate."""
        return ((self.upper - self.lower) / 2).clamp_min(0)

    def require(self) -> "Intersection":
        """Itself, if no coordinate is empty.

        Raises:
            EmptyIntersectionError: if one is: then no single embedding is covered by every task's box.
        """
        empty = self.empty.nonzero().flatten().tolist()
        if empty:
            i = empty[0]
            raise EmptyIntersectionError(
                f"the tasks share no embedding: in coordinate {i} the largest lower end is {self.lower[i].item():.3g}, "
                f"the smallest upper end {self.upper[i].item():.3g} ({len(empty)} of {len(self.empty)} coordinates "
                "are empty). Raise `radius`, or train with nesting='tanh', which keeps a cube in all boxes."
            )
        return self


def intersection(lower: Tensor, upper: Tensor) -> Intersection:
    """The intersection of boxes: l* = max_t l_t, u* = min_t u_t, and which coordinates of it are empty.

    The published code replaces an empty coordinate by the middle of the gap without a word; here it is marked.

    Args:
        lower: `(T, d)`.
        upper: `(T, d)`.

    Returns:
        An `Intersection`, with `point` e* = (l* + u*) / 2; nothing here waits for the device.

    Raises:
        ValueError: if shapes differ or there is no box.

    Example:
        >>> common = intersection(torch.tensor([[0.0, 0.0], [0.5, 2.0]]), torch.tensor([[1.0, 1.0], [2.0, 3.0]]))
        >>> common.point, common.empty
        (tensor([0.7500, 1.5000]), tensor([False,  True]))
    """
    if lower.ndim != 2 or lower.shape != upper.shape or not len(lower):
        raise ValueError(f"expected lower and upper ends (T, d), T ≥ 1; got {tuple(lower.shape)}, {tuple(upper.shape)}")
    low, high = lower.amax(0), upper.amin(0)
    return Intersection(low, high, low > high)
