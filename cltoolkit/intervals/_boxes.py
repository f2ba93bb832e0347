"""Boxes of weights by name: how wide they are, whether one holds another, and by how much it does not."""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor

from ..params import Params
from ._rounding import round_up
from ._tensor import IntervalTensor, box

__all__ = [
    "Bounds",
    "as_dtype",
    "collapsed",
    "contained",
    "drift",
    "fingerprint",
    "hull",
    "inflate",
    "joined",
    "layer_widths",
    "sample",
    "scaled",
    "widths",
]

Bounds = Mapping[str, Tensor]
QUARTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


def joined(boxes: Sequence[IntervalTensor]) -> IntervalTensor:
    """`torch.cat` of boxes along their first dimension.

    Example:
        >>> unit = IntervalTensor(torch.zeros(2), torch.ones(2))
        >>> joined([unit, unit]).shape
        torch.Size([4])
    """
    return cast(IntervalTensor, torch.cat(list(boxes)))


def widths(bounds: Bounds) -> Tensor:
    """Quartiles of the widths u − l of all interval weights: least, 25 %, 50 %, 75 %, largest.

    Args:
        bounds: name → IntervalTensor; plain tensors (batch-norm statistics, heads that are points) do not count.

    Returns:
        `(5,)`; zeros where there is no interval.

    Example:
        >>> widths({"w": IntervalTensor(torch.zeros(3), torch.tensor([0.5, 1.0, 1.5]))})
        tensor([1.0000, 1.5000, 2.0000, 2.5000, 3.0000])
    """
    return _quantiles(_all_widths(bounds), QUARTILES)


def layer_widths(bounds: Bounds) -> dict[str, Tensor]:
    """The middle quartiles (25 %, 50 %, 75 %) of the widths of each interval weight: name → `(3,)`.

    Example:
        >>> layer_widths({"w": IntervalTensor(torch.zeros(3), torch.tensor([0.5, 1.0, 1.5])), "n": torch.zeros(2)})
        {'w': tensor([1.5000, 2.0000, 2.5000])}
    """
    return {name: _quantiles(b.width.flatten(), QUARTILES[1:4]) for name, b in _intervals(bounds).items()}


def collapsed(bounds: Bounds, below: float = 1e-8) -> Tensor:
    """The fraction of interval weights whose width is less than `below`; 1 where there is no interval.

    Example:
        >>> collapsed({"w": IntervalTensor(torch.zeros(4), torch.tensor([0.0, 1e-9, 0.1, 0.2]))})
        tensor(0.5000)
    """
    every = _all_widths(bounds)
    return (every < below).to(every.dtype).mean() if len(every) else torch.ones(())


def contained(inner: Bounds, outer: Bounds) -> bool:
    """Whether every weight's interval lies in that of the same name; decided exactly, whatever c ± r round to.

    Args:
        inner: name → IntervalTensor or plain tensor (a point).
        outer: likewise; what is a plain tensor there must be equal.

    Raises:
        ValueError: if the names differ.

    Example:
        >>> unit = IntervalTensor(torch.zeros(2), torch.ones(2))
        >>> contained({"w": torch.ones(2)}, {"w": unit}), contained({"w": torch.full((2,), 1.1)}, {"w": unit})
        (True, False)
    """
    return drift(outer, inner) == 0


def drift(old: Bounds, new: Bounds) -> float:
    """The least δ with Θ_new ⊆ Θ_old ⊕ δ: max over weights of l_old − l_new, u_new − u_old and 0, rounded up.

    0 if and only if the new box lies in the old one, to the last bit.

    Args:
        old: name → IntervalTensor, or a plain tensor, which is not widened and so must not move at all.
        new: likewise.

    Returns:
        δ ≥ 0; infinity if a plain tensor of `old` differs, or the new box is not finite.

    Raises:
        ValueError: if the names or shapes differ.

    Example:
        >>> old = {"w": IntervalTensor(torch.zeros(2), torch.ones(2))}
        >>> round(drift(old, {"w": IntervalTensor(torch.full((2,), 0.25), torch.ones(2))}), 6)
        0.25
    """
    _check_names(old, new)
    parts = [_moved(old[name], new[name]) for name in old if old[name].is_floating_point()]
    return max((float(part) for part in parts), default=0.0)


def inflate(bounds: Bounds, drift: float) -> dict[str, Tensor]:
    """Θ ⊕ δ: every interval weight's radius grows by δ, rounded up if rigorous; plain tensors stay.

    Example:
        >>> inflate({"w": IntervalTensor(torch.zeros(2), torch.ones(2))}, 0.5)["w"].radius
        tensor([1.5000, 1.5000])
    """
    return _with_radii(bounds, lambda radius: radius + drift) if drift else dict(bounds)


def scaled(bounds: Bounds, scale: float) -> dict[str, Tensor]:
    """⟨c, α r⟩: every interval weight's radius times α ≥ 0, rounded up if rigorous; plain tensors stay.

    Example:
        >>> scaled({"w": IntervalTensor(torch.zeros(2), torch.ones(2))}, 0.5)["w"].radius
        tensor([0.5000, 0.5000])
    """
    return _with_radii(bounds, lambda radius: radius * scale) if scale != 1 else dict(bounds)


def as_dtype(bounds: Bounds, dtype: torch.dtype, rigorous: bool) -> dict[str, Tensor]:
    """The same bounds in another precision; if rigorous, no smaller than they were.

    Args:
        bounds: name → IntervalTensor or plain tensor.
        dtype: floating point. Plain tensors are rounded to it.
        rigorous: the flag that the boxes carry from here on; then radii grow by what rounding moves their centers.

    Example:
        >>> moved = as_dtype({"w": IntervalTensor(torch.zeros(2), torch.ones(2))}, torch.float64, True)["w"]
        >>> moved.dtype, moved.rigorous
        (torch.float64, True)
    """
    return {name: _as_dtype(value, dtype, rigorous) for name, value in bounds.items()}


def hull(bounds: Bounds, point: Params) -> dict[str, Tensor]:
    """The least boxes around the same centers that hold a point too; its plain tensors are taken as they are.

    Example:
        >>> hull({"w": IntervalTensor(torch.zeros(2), torch.ones(2))}, {"w": torch.tensor([0.0, 3.0])})["w"].radius
        tensor([1., 3.])
    """
    _check_names(bounds, point)
    return {name: _hull(value, point[name]) for name, value in bounds.items()}


def sample(bounds: Bounds, generator: torch.Generator, *, corners: bool = False) -> Params:
    """Weights drawn from the box: uniform, or a random corner of it. They lie inside, to the last bit.

    Args:
        bounds: name → IntervalTensor or plain tensor (kept).
        generator: draws, on its own device.
        corners: whether every weight takes one of its two ends.

    Example:
        >>> bounds = {"w": IntervalTensor(torch.zeros(3), torch.ones(3))}
        >>> sample(bounds, torch.Generator().manual_seed(0), corners=True)["w"].abs()
        tensor([1., 1., 1.])
    """
    return {name: _sample(value, generator, corners) for name, value in bounds.items()}


def fingerprint(bounds: Bounds) -> str:
    """SHA-256 over names, shapes, dtypes and bytes: of center and radius where a value is an interval."""
    sha = hashlib.sha256()
    for name in sorted(bounds):
        value = bounds[name]
        for part in (value.center, value.radius) if isinstance(value, IntervalTensor) else (value,):
            sha.update(f"{name} {part.dtype} {tuple(part.shape)};".encode())
            sha.update(part.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()


def inner_ends(value: IntervalTensor) -> tuple[Tensor, Tensor]:
    """The least and the largest number of the dtype inside [c − r, c + r]."""
    low, rest = exact_sum(value.center, -value.radius)
    high, more = exact_sum(value.center, value.radius)
    infinity = torch.full_like(low, torch.inf)
    low = torch.where(rest > 0, torch.nextafter(low, infinity), low)
    return low, torch.where(more < 0, torch.nextafter(high, -infinity), high)


def exact_sum(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """a + b = s + e exactly: the rounded sum and its error (Knuth's TwoSum)."""
    s = a + b
    part = s - a
    return s, (a - (s - part)) + (b - part)


def _intervals(bounds: Bounds) -> dict[str, IntervalTensor]:
    return {name: value for name, value in bounds.items() if isinstance(value, IntervalTensor)}


def _all_widths(bounds: Bounds) -> Tensor:
    parts = [value.width.flatten() for value in _intervals(bounds).values()]
    return torch.cat(parts) if parts else torch.zeros(0)


def _quantiles(values: Tensor, shares: tuple[float, ...]) -> Tensor:
    """Quantiles with linear interpolation; `torch.quantile` refuses more than 16 million values."""
    if not len(values):
        return values.new_zeros(len(shares))
    ordered = values.sort().values
    places = [share * (len(values) - 1) for share in shares]
    ends = [(ordered[math.floor(place)], ordered[math.ceil(place)], place % 1) for place in places]
    return torch.stack([low + (high - low) * part for low, high, part in ends])


def _check_names(a: Bounds, b: Bounds) -> None:
    if set(a) != set(b):
        odd = sorted(set(a) ^ set(b))[:5]
        raise ValueError(f"expected two boxes of the same weights; only one of them has {odd}")
    odd = [name for name in a if a[name].shape != b[name].shape]
    if odd:
        raise ValueError(f"expected two boxes of the same weights; shapes differ for {odd[:5]}")


def _moved(old: Tensor, new: Tensor) -> Tensor:
    """The drift of one weight, a float64 scalar."""
    if not isinstance(old, IntervalTensor):
        same = _is_point(new) & (_center(new) == _center(old)).all()
        return torch.where(same, 0.0, torch.inf)
    below = _excess(_end(old, -1), _end(new, -1))
    above = _excess(_end(new, 1), _end(old, 1))
    return torch.maximum(below, above).nan_to_num(torch.inf, torch.inf).flatten().amax() if old.numel() else below.sum()


def _end(value: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """One end of an interval, exactly, as a sum of two float64 numbers."""
    radius = value.radius.detach().double() if isinstance(value, IntervalTensor) else torch.zeros_like(_center(value))
    return exact_sum(_center(value), side * radius)


def _center(value: Tensor) -> Tensor:
    return (value.center if isinstance(value, IntervalTensor) else value).detach().double()


def _is_point(value: Tensor) -> Tensor:
    radius = value.radius if isinstance(value, IntervalTensor) else torch.zeros_like(value)
    return (radius == 0).all()


def _excess(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> Tensor:
    """max(a − b, 0) of exact sums: rounded up, and 0 only if a ≤ b.

    The sign is exact because rounding is monotone: sums that round differently are ordered as their roundings are.
    """
    larger = (a[0] > b[0]) | ((a[0] == b[0]) & (a[1] > b[1]))
    most, rest = a[0] - b[0], a[1] - b[1]
    value = (most + rest) + 1e-15 * (most.abs() + rest.abs())
    value = torch.where(torch.isnan(a[0] + b[0]), torch.nan, value)
    return torch.where(larger | torch.isnan(value), value, torch.zeros_like(value))


def _with_radii(bounds: Bounds, change: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    return {name: _with_radius(v, change) if isinstance(v, IntervalTensor) else v for name, v in bounds.items()}


def _with_radius(value: IntervalTensor, change: Callable[[Tensor], Tensor]) -> IntervalTensor:
    radius = change(value.radius)
    return box(value.center, round_up(radius) if value.rigorous else radius, rigorous=value.rigorous)


def _as_dtype(value: Tensor, dtype: torch.dtype, rigorous: bool) -> Tensor:
    if not isinstance(value, IntervalTensor):
        return value.detach().to(dtype) if value.is_floating_point() else value
    center, radius = value.center.detach(), value.radius.detach()
    moved = center.to(dtype)
    if not rigorous or torch.promote_types(center.dtype, dtype) == dtype:  # every number is one of the new dtype too
        return box(moved, radius.to(dtype), nonnegative=value.nonnegative, rigorous=rigorous)
    wider = round_up(round_up(radius.double()) + (moved.double() - center.double()).abs())
    return box(moved, round_up(wider.to(dtype)), rigorous=True)


def _hull(value: Tensor, point: Tensor) -> Tensor:
    if not isinstance(value, IntervalTensor):
        return point
    low, high = inner_ends(value)
    center = value.center
    away = round_up(round_up((point.to(center.dtype) - center).abs()))
    outside = (point < low) | (point > high)
    return box(center, torch.where(outside, away, value.radius), rigorous=value.rigorous)


def _sample(value: Tensor, generator: torch.Generator, corners: bool) -> Tensor:
    if not isinstance(value, IntervalTensor):
        return value.detach()
    place = torch.rand(value.shape, dtype=value.dtype, device=generator.device, generator=generator)
    place = place.to(value.device)
    low, high = inner_ends(value)
    if corners:
        return torch.where(place < 0.5, low, high).detach()
    return (value.center + value.radius * (2 * place - 1)).clamp(low, high).detach()
