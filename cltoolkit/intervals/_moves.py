"""Rules of moves to another precision or device, and of questions about gradients."""

from typing import Any

import torch
from torch import Tensor

from ._facts import attribute
from ._table import RULES, rule
from ._tensor import IntervalTensor, MissingRuleError, box


def cast(value: IntervalTensor, center: Tensor, radius: Tensor) -> IntervalTensor:
    """The box ⟨center, radius⟩ made by converting both parts, enlarged by what the conversion lost.

    Going up is exact. Going down moves the center by |c − c'|, which is computed exactly in the higher precision; the
    radius grows by it and by the rounding of c' ± r' (u |c'| each), is rounded up, and stays 0 where nothing was lost.
    """
    if torch.finfo(center.dtype).eps > torch.finfo(value.dtype).eps:
        moved = (value.center - center.to(value.center)).abs() + value.radius
        low = torch.finfo(center.dtype)
        wide = moved * (1 + 4 * low.eps) + low.eps * center.abs().to(moved) + low.tiny
        radius = torch.where(moved > 0, wide, 0).to(center)
    return box(center, radius, nonnegative=value.nonnegative, rigorous=value.rigorous)


def as_type(value: IntervalTensor, dtype: torch.dtype | None) -> IntervalTensor:
    """The box in another precision; None leaves it as it is."""
    return value if dtype is None else cast(value, value.center.to(dtype), value.radius.to(dtype))


def _converted(name: str, function: Any) -> Any:
    def convert(input: IntervalTensor, *args: Any, **kwargs: Any) -> Any:
        center, radius = function(input.center, *args, **kwargs), function(input.radius, *args, **kwargs)
        if not isinstance(center, Tensor):
            return center  # `.type()` asks
        if not center.is_floating_point():
            raise MissingRuleError(f"Tensor.{name} to {center.dtype} on boxes; they stay floating point")
        return cast(input, center, radius)

    return convert


CONVERSIONS: dict[str, Any] = {
    "to": Tensor.to,
    "type": Tensor.type,
    "float": Tensor.float,
    "double": Tensor.double,
    "half": Tensor.half,
    "bfloat16": Tensor.bfloat16,
}
RULES.update({function: _converted(name, function) for name, function in CONVERSIONS.items()})


@rule(Tensor.type_as)
def type_as(input: Tensor, other: Tensor) -> Tensor:
    return input.to(other.dtype)


@rule(attribute("requires_grad"))
def requires_grad(input: IntervalTensor) -> bool:
    return input.center.requires_grad or input.radius.requires_grad


@rule(attribute("is_leaf"))
def is_leaf(input: IntervalTensor) -> bool:
    return input.center.is_leaf and input.radius.is_leaf


@rule(Tensor.is_contiguous)
def is_contiguous(input: IntervalTensor, **kwargs: Any) -> bool:
    return input.center.is_contiguous(**kwargs) and input.radius.is_contiguous(**kwargs)
