"""Rules of linear maps and of products of matrices."""

from collections.abc import Sequence
from typing import Any, overload

import torch
import torch.nn.functional as F
from torch import Tensor

from . import _kernels as kernels
from ._table import rule
from ._tensor import IntervalTensor, box


@rule(F.linear)
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> IntervalTensor:
    rigorous = any_rigorous(input, weight, bias)
    parts = (*halves(input), *halves(weight), *halves(bias))
    ends = kernels.linear(*parts, nonnegative=is_nonnegative(input), rigorous=rigorous)
    return _boxed(ends, input, weight, bias)


@rule(F.conv1d, torch.conv1d, F.conv2d, torch.conv2d)
def conv(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> IntervalTensor:
    known, rigorous = is_nonnegative(input), any_rigorous(input, weight, bias)
    parts = (*halves(input), *halves(weight), *halves(bias))
    ends = kernels.conv(*parts, stride, padding, dilation, groups, nonnegative=known, rigorous=rigorous)
    return _boxed(ends, input, weight, bias)


@rule(
    torch.matmul,
    torch.mm,
    torch.bmm,
    torch.mv,
    torch.dot,
    Tensor.matmul,
    Tensor.mm,
    Tensor.bmm,
    Tensor.mv,
    Tensor.dot,
    Tensor.__matmul__,
)
def matmul(input: Tensor, other: Tensor) -> IntervalTensor:
    ends = kernels.matmul(
        *halves(input),
        *halves(other),
        nonnegative=is_nonnegative(input),
        other_nonnegative=is_nonnegative(other),
        rigorous=any_rigorous(input, other),
    )
    return _boxed(ends, input, other)


@rule(Tensor.__rmatmul__)
def rmatmul(input: Tensor, other: Tensor) -> IntervalTensor:
    return matmul(other, input)


@rule(torch.addmm, Tensor.addmm)
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Any:
    return beta * input + alpha * matmul(mat1, mat2)


@overload
def halves(value: Tensor) -> tuple[Tensor, Tensor | None]: ...
@overload
def halves(value: Tensor | None) -> tuple[Tensor | None, Tensor | None]: ...
def halves(value: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Center and radius; the radius of what is no interval is None."""
    return (value.center, value.radius) if isinstance(value, IntervalTensor) else (value, None)


def is_nonnegative(value: Tensor | None) -> bool:
    """Whether it is known, without looking, that no entry lies below 0."""
    return isinstance(value, IntervalTensor) and value.nonnegative


def any_rigorous(*values: Tensor | None) -> bool:
    """Whether a result of these values has to cover rounding."""
    return any(isinstance(value, IntervalTensor) and value.rigorous for value in values)


def _boxed(ends: tuple[Tensor, Tensor], *operands: Tensor | None) -> IntervalTensor:
    """The box of a sum of products of the operands, with what is known of it."""
    known = all(operand is None or is_nonnegative(operand) for operand in operands)
    return box(*ends, nonnegative=known, rigorous=any_rigorous(*operands))
