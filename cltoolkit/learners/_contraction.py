"""Boxes within boxes: how an interval of weights moves and shrinks without ever leaving the one before."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Box", "contract", "ends", "exact", "inside", "is_inside", "largest_factor"]

_BITS = 50  # of an end, in float64: two to spare, so that center ± radius is exact


class Box(NamedTuple):
    """The box ⟨c, r⟩ = [c − r, c + r] of many weights at once, float32; from `exact` or `inside`, ends are exact."""

    center: Tensor
    radius: Tensor


def contract(
    center: Tensor,
    radius: Tensor,
    shift: Tensor,
    scale: Tensor,
    *,
    normalize_shift: bool = True,
    normalize_scale: bool = False,
) -> Box:
    """A box inside ⟨c, r⟩, whatever ŝ and k̂ are.

        s = tanh(ŝ / r),  k = σ(k̂) (1 − |s|),  c' = c + s r,  r' = k r,

    Inside because |c' − c| + r' = (|s| + k) r ≤ r in real arithmetic; `inside` takes care of rounding. Differentiable.

    Args:
        center: c, any shape.
        radius: r ≥ 0, of the same shape.
        shift: ŝ, of the same shape; 0 leaves the center where it is.
        scale: k̂, of the same shape; +∞ leaves as much room as the shift does.
        normalize_shift: whether ŝ is a distance (∂c'/∂ŝ ≈ 1 near 0 at every radius), or else a share of the radius,
            s = tanh(ŝ).
        normalize_scale: whether k̂ is divided by r as well.

    Returns:
        The box ⟨c', r'⟩.

    References:
        Wołczyk et al., Continual Learning with Guarantees via Weight Interval Constraints, ICML 2022.

    Example:
        >>> one = torch.tensor([1.0])
        >>> contract(0.5 * one, one, shift=0.3 * one, scale=5 * one)
        Box(center=tensor([0.7913]), radius=tensor([0.7039]))
    """
    unit = radius.clamp(min=1e-8)
    s = torch.tanh(shift / unit if normalize_shift else shift)
    k = torch.sigmoid(scale / unit if normalize_scale else scale) * (1 - s.abs())
    return Box(center + s * radius, k * radius)


def ends(box: Box) -> tuple[Tensor, Tensor]:
    """Lower and upper ends in float64; of a box from `exact` or `inside` to the last bit."""
    center, radius = box.center.double(), box.radius.double()
    return center - radius, center + radius


def exact(center: Tensor, radius: Tensor) -> Box:
    """A box whose ends are float64 numbers: center and radius rounded, by a part in 2⁵⁰ of the larger, to one grid."""
    step = _grid(*ends(Box(center, radius)))
    return Box(_onto(center.double(), step, torch.round).float(), _onto(radius.double(), step, torch.floor).float())


def inside(box: Box, outer: Box) -> Box:
    """`box`, clipped and rounded so that it lies inside `outer`: c' clamped, r' what room is left at most.

    Args:
        box: about where it should be; float32.
        outer: from `exact` or `inside`.

    Returns:
        A box whose ends, as exact float64 numbers, lie in those of `outer`; never of negative radius.

    Example:
        >>> outer = exact(torch.tensor([0.1]), torch.tensor([0.1]))
        >>> ends(inside(Box(torch.tensor([0.15]), torch.tensor([0.2])), outer))
        (tensor([0.1000], dtype=torch.float64), tensor([0.2000], dtype=torch.float64))
    """
    lower, upper = ends(outer)
    step = _grid(lower, upper)
    near = box.center.double().clamp(lower, upper).float()
    held = torch.where((near < lower) | (near > upper), outer.center, near)  # float32 may have no number so near an end
    center = _onto(held.double(), step, torch.round)
    room = torch.minimum(center - lower, upper - center)
    radius = _down(torch.minimum(box.radius.double(), room).clamp(min=0))
    return Box(center.float(), _onto(radius.double(), step, torch.floor).float())


def is_inside(box: Box, outer: Box) -> bool:
    """Whether every interval of `box` lies in that of `outer`, in float64."""
    (lower, upper), (least, most) = ends(box), ends(outer)
    return bool(((lower >= least) & (upper <= most)).all())


def largest_factor(
    certified: Callable[[float, Tensor], Tensor], correct: Tensor, share: float, *, octaves: int = 24, steps: int = 12
) -> tuple[float, float]:
    """The largest factor α ≤ 1 of all radii at which enough examples are certified, by bisection of log α.

    A smaller box certifies what a larger one does. So each halving asks only about examples whose answer it can
    change: all of them once, at α = 1, and soon few.

    Args:
        certified: for a factor and the numbers of some examples `(m,)`, whether each is certified `(m,)`.
        correct: `(n,)`, whether each is answered right by the center; α → 0.
        share: τ, of the examples answered right, that shall be certified.
        octaves: α is sought in [2^−octaves, 1].
        steps: halvings of that range.

    Returns:
        α, 0 if no factor in the range serves; and the share of all examples certified at α.

    Example:
        >>> breaks = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5])
        >>> largest_factor(lambda alpha, index: alpha < breaks[index], torch.ones(5, dtype=torch.bool), 0.8)[1]
        0.8
    """
    enough = share * int(correct.sum())

    def ask(alpha: float, index: Tensor, known: Tensor) -> Tensor:
        return known.index_put((index,), certified(alpha, index)) if len(index) else known

    most = ask(1.0, correct.nonzero().flatten(), torch.zeros_like(correct))
    if int(most.sum()) >= enough:
        return 1.0, float(most.sum()) / len(most)
    low, high = -float(octaves), 0.0
    least = ask(2.0**low, (correct & ~most).nonzero().flatten(), most)
    if int(least.sum()) < enough:
        return 0.0, float(correct.sum()) / len(correct)
    for _ in range(steps):
        middle = (low + high) / 2
        now = ask(2.0**middle, (least & ~most).nonzero().flatten(), most)
        if int(now.sum()) >= enough:
            least, low = now, middle
        else:
            most, high = now, middle
    return 2.0**low, float(least.sum()) / len(least)


def _grid(lower: Tensor, upper: Tensor) -> Tensor:
    """The spacing, a power of 2, on which sums as large as these ends are exact in float64."""
    exponent = torch.frexp(torch.maximum(lower.abs(), upper.abs())).exponent
    return torch.ldexp(torch.ones_like(lower), exponent - _BITS)


def _onto(value: Tensor, step: Tensor, how: Callable[[Tensor], Tensor]) -> Tensor:
    """The nearest multiple of `step`, or the nearest below."""
    return how(value / step) * step


def _down(value: Tensor) -> Tensor:
    """The largest float32 number that is not above a float64 one ≥ 0."""
    near = value.float()
    return torch.where(near.double() > value, torch.nextafter(near, torch.zeros_like(near)), near)
