"""Rules of functions that only move entries about: center and radius move alike, and what is known stays known."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ._facts import attribute, name_of
from ._products import any_rigorous, is_nonnegative
from ._table import RULES, rule
from ._tensor import IntervalTensor, MissingRuleError, box


def _moved(function: Callable[..., Any]) -> Callable[..., Any]:
    """The rule of a function that moves the entries of its first argument."""

    def moved(input: IntervalTensor, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(input, IntervalTensor):
            raise MissingRuleError(
                f"{name_of(function)} of a plain tensor was given a box as its index or shape; such arguments are exact"
            )
        centers, radii = function(input.center, *args, **kwargs), function(input.radius, *args, **kwargs)
        if isinstance(centers, Tensor):
            return like(input, centers, radii)
        return tuple(like(input, c, r) for c, r in zip(centers, radii, strict=True))

    return moved


def like(input: IntervalTensor, center: Tensor, radius: Tensor) -> IntervalTensor:
    """A box of values of which the same is known."""
    return box(center, radius, nonnegative=input.nonnegative, rigorous=input.rigorous)


MOVERS = (
    torch.flatten, Tensor.flatten, torch.unflatten, Tensor.unflatten, torch.reshape, Tensor.reshape, Tensor.view,
    torch.ravel, Tensor.ravel,
    torch.unsqueeze, Tensor.unsqueeze, torch.squeeze, Tensor.squeeze, Tensor.expand,
    torch.broadcast_to, Tensor.broadcast_to,
    torch.transpose, Tensor.transpose, torch.swapaxes, Tensor.swapaxes, torch.t, Tensor.t,
    attribute("T"), attribute("mT"),
    torch.permute, Tensor.permute, torch.movedim, Tensor.movedim,
    torch.split, Tensor.split, Tensor.split_with_sizes, torch.chunk, Tensor.chunk, torch.unbind, Tensor.unbind,
    torch.tensor_split, Tensor.tensor_split, torch.narrow, Tensor.narrow, torch.select, Tensor.select,
    Tensor.__getitem__, torch.index_select, Tensor.index_select, torch.gather, Tensor.gather,
    torch.diagonal, Tensor.diagonal,
    Tensor.repeat, torch.tile, Tensor.tile, torch.repeat_interleave, Tensor.repeat_interleave,
    torch.roll, Tensor.roll, torch.flip, Tensor.flip,
    torch.pixel_shuffle, torch.pixel_unshuffle, torch.channel_shuffle, F.unfold,
    Tensor.contiguous, torch.clone, Tensor.clone, torch.detach, Tensor.detach, attribute("data"),
    Tensor.cpu, Tensor.cuda,
)  # fmt: skip
RULES.update({function: _moved(function) for function in MOVERS})


# Functions that make an exact tensor of the box's shape, dtype and device.
MAKERS = (
    torch.zeros_like, torch.ones_like, torch.full_like, torch.empty_like,
    Tensor.new_zeros, Tensor.new_ones, Tensor.new_full, Tensor.new_empty, Tensor.new_tensor,
)  # fmt: skip


def _made(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda input, *args, **kwargs: function(input.center, *args, **kwargs)


RULES.update({function: _made(function) for function in MAKERS})


@rule(Tensor.view_as, Tensor.reshape_as)
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    return input.reshape(other.shape)


@rule(Tensor.expand_as)
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    return input.expand(other.shape)


@rule(torch.cat, torch.concat, torch.concatenate)
def cat(tensors: Sequence[Tensor], dim: int = 0) -> IntervalTensor:
    return _joined(torch.cat, tensors, dim)


@rule(torch.stack)
def stack(tensors: Sequence[Tensor], dim: int = 0) -> IntervalTensor:
    return _joined(torch.stack, tensors, dim)


def _joined(join: Callable[..., Tensor], tensors: Sequence[Tensor], dim: int) -> IntervalTensor:
    """Boxes and points side by side."""
    boxes = [as_box(value) for value in tensors]
    return box(
        join([part.center for part in boxes], dim),
        join([part.radius for part in boxes], dim),
        nonnegative=all(map(is_nonnegative, tensors)),
        rigorous=any_rigorous(*tensors),
    )


@rule(torch.where)
def where(condition: Tensor, input: Tensor | float, other: Tensor | float) -> IntervalTensor:
    if isinstance(condition, IntervalTensor):
        raise MissingRuleError("torch.where was given a box as its condition; conditions are exact")
    (c, r), (other_c, other_r) = _parts(input, condition), _parts(other, condition)
    known = _known_nonnegative(input) and _known_nonnegative(other)
    center, radius = torch.where(condition, c, other_c), torch.where(condition, r, other_r)
    return box(center, radius.to(center), nonnegative=known, rigorous=_rigorous(input, other))


@rule(torch.masked_fill, Tensor.masked_fill, Tensor.masked_fill_)
def masked_fill(input: IntervalTensor, mask: Tensor, value: float) -> IntervalTensor:
    filled = input.center.masked_fill(mask, value), input.radius.masked_fill(mask, 0)
    return box(*filled, nonnegative=input.nonnegative and _known_nonnegative(value), rigorous=input.rigorous)


@rule(F.pad)
def pad(
    input: IntervalTensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> IntervalTensor:
    radius = F.pad(input.radius, pad, mode, 0 if mode == "constant" else None)
    known = input.nonnegative and (value is None or _known_nonnegative(value))
    return box(F.pad(input.center, pad, mode, value), radius, nonnegative=known, rigorous=input.rigorous)


def as_box(value: Tensor) -> IntervalTensor:
    """The value itself, or a point as a box of radius 0."""
    return value if isinstance(value, IntervalTensor) else box(value, torch.zeros_like(value))


def _parts(value: Tensor | float, beside: Tensor) -> tuple[Tensor, Tensor]:
    if isinstance(value, IntervalTensor):
        return value.center, value.radius
    point = torch.as_tensor(value, device=beside.device)
    return point, torch.zeros_like(point)


def _known_nonnegative(value: Tensor | float) -> bool:
    return is_nonnegative(value) if isinstance(value, Tensor) else value >= 0


def _rigorous(*values: Tensor | float) -> bool:
    return any_rigorous(*(value for value in values if isinstance(value, Tensor)))
