"""Rules of arithmetic, entry by entry: sums, differences, products, quotients, powers; and of masks."""

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from . import _kernels as kernels
from ._outward import between, ends_of, eps, slack, tiny
from ._products import any_rigorous, halves, is_nonnegative
from ._shapes import like
from ._table import RULES, rule
from ._tensor import IntervalTensor, MissingRuleError, box

Operand = Tensor | float


@rule(torch.add, Tensor.add, Tensor.add_, Tensor.__radd__)
def add(input: Operand, other: Operand, *, alpha: float = 1) -> IntervalTensor:
    return _sum(input, other, alpha)


@rule(torch.sub, torch.subtract, Tensor.sub, Tensor.subtract, Tensor.sub_, Tensor.__sub__)
def sub(input: Operand, other: Operand, *, alpha: float = 1) -> IntervalTensor:
    return _sum(input, other, -alpha)


@rule(torch.rsub, Tensor.__rsub__)
def rsub(input: Operand, other: Operand, *, alpha: float = 1) -> IntervalTensor:
    return _sum(other, input, -alpha)


def _sum(a: Operand, b: Operand, alpha: float) -> IntervalTensor:
    """a + α b, exact: centers add up, and so do radii, where a point has none."""
    (first, radius), (second, second_radius) = _halves(a), _halves(b)
    if abs(alpha) != 1:
        second = abs(alpha) * second
        second_radius = None if second_radius is None else abs(alpha) * second_radius
    center = first + second if alpha >= 0 else first - second
    if radius is not None and second_radius is not None:
        radius = radius + second_radius
    radius = cast(Tensor, second_radius if radius is None else radius).expand(center.shape).to(center)
    rigorous = any_rigorous(*_tensors(a, b))
    if rigorous:
        radius = slack(center, radius, 2)
        for term in (first, second):
            if abs(alpha) != 1 or not isinstance(term, Tensor):  # a number of Python's is rounded to the tensor's type
                radius = radius + 2 * eps(center) * abs(term) + tiny(center)
    known = _at_least_zero(a) and _at_least_zero(b) and alpha >= 0
    return box(center, radius, nonnegative=known, rigorous=rigorous)


@rule(torch.mul, torch.multiply, Tensor.mul, Tensor.multiply, Tensor.mul_, Tensor.__rmul__)
def mul(input: Operand, other: Operand) -> IntervalTensor:
    """Exact for two independent boxes; x * x does not know that both are one."""
    a, b = _halves(input), _halves(other)
    rigorous = any_rigorous(*_tensors(input, other))
    known = _at_least_zero(input) and _at_least_zero(other)
    return box(*_product(*a, *b, rigorous=rigorous), nonnegative=known, rigorous=rigorous)


def _product(
    a: Any, a_radius: Tensor | None, b: Any, b_radius: Tensor | None, *, rigorous: bool
) -> tuple[Tensor, Tensor]:
    if a_radius is not None and b_radius is not None:
        if rigorous:
            return kernels.product(a, a_radius, b, b_radius, rigorous=True)
        return hull_of_products(a, a_radius, b, b_radius)
    radius = a_radius * abs(b) if a_radius is not None else cast(Tensor, b_radius) * abs(a)
    center = a * b
    return center, slack(center, radius, 2) + tiny(center) if rigorous else radius


def hull_of_products(a: Tensor, r: Tensor, b: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """The exact range of ⟨a, r⟩ ⟨b, s⟩, without its four corners.

    With p = |b| r, q = |a| s, t = r s and k = min(p, q, t) it is ⟨a b + sgn(a b) k, p + q + t − k⟩. The end farther
    from 0 is always |a b| + p + q + t; k is t where neither box reaches across 0, q where the first does, p where the
    second does, and the smaller of these where both do.

    Example:
        >>> one = torch.ones(())
        >>> hull_of_products(2 * one, one, 3 * one, one)                                  # [1, 3] · [2, 4]
        (tensor(7.), tensor(5.))
    """
    p, q, t = b.abs() * r, a.abs() * s, r * s
    k = torch.minimum(torch.minimum(p, q), t)
    middle = a * b
    return middle + middle.sign() * k, p + q + (t - k)


@rule(torch.div, torch.divide, torch.true_divide, Tensor.div, Tensor.divide, Tensor.true_divide, Tensor.div_)
def div(input: Operand, other: Operand, *, rounding_mode: str | None = None) -> IntervalTensor:
    if rounding_mode is not None:
        raise MissingRuleError("torch.div with rounding_mode on boxes: no rule bounds it; leave rounding_mode out")
    if isinstance(other, IntervalTensor):
        return mul(input, reciprocal(other))
    (center, radius), divisor = _halves(input), _halves(other)[0]
    center, radius = center / divisor, cast(Tensor, radius) / abs(divisor)
    rigorous = any_rigorous(*_tensors(input))
    wide = slack(center, radius, 2) + tiny(center) if rigorous else radius
    return box(center, wide, nonnegative=_at_least_zero(input) and _at_least_zero(other), rigorous=rigorous)


@rule(Tensor.__rdiv__, Tensor.__rtruediv__)
def rdiv(input: IntervalTensor, other: Operand) -> IntervalTensor:
    return mul(reciprocal(input), other)


@rule(torch.reciprocal, Tensor.reciprocal, Tensor.reciprocal_)
def reciprocal(input: IntervalTensor) -> IntervalTensor:
    """1 / x falls where x > 0; a box that reaches 0 has no finite bound, and comes out infinite or NaN."""
    if not input.nonnegative:
        raise MissingRuleError(
            f"torch.reciprocal or division by a box {tuple(input.shape)} that may hold 0; only boxes known to be "
            "nonnegative are bounded: pass it through relu or exp, or make it with nonnegative=True"
        )
    lower, upper = 1 / input.upper, 1 / input.lower
    if input.rigorous:
        lower, upper = lower * (1 - 2 * eps(lower)), upper * (1 + 2 * eps(upper)) + tiny(upper)
    return between(lower, upper, nonnegative=True, rigorous=input.rigorous)


@rule(torch.neg, torch.negative, Tensor.neg, Tensor.negative, Tensor.neg_)
def neg(input: IntervalTensor) -> IntervalTensor:
    return box(-input.center, input.radius, rigorous=input.rigorous)


@rule(torch.positive, Tensor.positive)
def positive(input: IntervalTensor) -> IntervalTensor:
    return input


@rule(torch.maximum, Tensor.maximum)
def maximum(input: Tensor, other: Tensor) -> IntervalTensor:
    return _of_ends(torch.maximum, input, other, is_nonnegative(input) or is_nonnegative(other))


@rule(torch.minimum, Tensor.minimum)
def minimum(input: Tensor, other: Tensor) -> IntervalTensor:
    return _of_ends(torch.minimum, input, other, is_nonnegative(input) and is_nonnegative(other))


def _of_ends(function: Callable[..., Tensor], a: Tensor, b: Tensor, nonnegative: bool) -> IntervalTensor:
    """A function that grows with both arguments and does not round."""
    (low, high), (other_low, other_high) = ends_of(a), ends_of(b)
    lower, upper = function(low, other_low), function(high, other_high)
    return between(lower, upper, nonnegative=nonnegative, rigorous=any_rigorous(a, b))


def _masked(function: Callable[..., Tensor]) -> Callable[..., IntervalTensor]:
    """The rule of dropout: one mask for center and radius, so the box holds what this very mask leaves."""

    def masked(input: IntervalTensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> IntervalTensor:
        if not training or p == 0:
            return input
        mask = function(torch.ones_like(input.center), p, True)
        center, radius = input.center * mask, input.radius * mask
        return like(input, center, slack(center, radius, 2) if input.rigorous else radius)

    return masked


for _dropout in (F.dropout, F.dropout1d, F.dropout2d, F.dropout3d):
    RULES[_dropout] = _masked(_dropout)


def _halves(value: Operand) -> tuple[Any, Tensor | None]:
    return halves(value) if isinstance(value, Tensor) else (value, None)


def _tensors(*values: Operand) -> list[Tensor]:
    return [value for value in values if isinstance(value, Tensor)]


def _at_least_zero(value: Operand) -> bool:
    """Whether it is known without looking at a tensor's values."""
    return is_nonnegative(value) if isinstance(value, Tensor) else value >= 0
