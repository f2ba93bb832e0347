"""Rules of functions of one number: those that grow, and those with one lowest point."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from . import _kernels as kernels
from ._outward import ULPS, between, ends_of, eps, tiny
from ._products import any_rigorous, is_nonnegative
from ._table import RULES, rule
from ._tensor import IntervalTensor, MissingRuleError, box

Function = Callable[..., Tensor]


class Curve(NamedTuple):
    """What is known of a function of one number.

    Attributes:
        error: of its computed values, in units of `ULPS` · 2 u: "none", "relative" (of |y|), "input" (of |y| + |x|), or
            "unit" (of |y| + 1).
        floor, ceiling: a closed range that computed values never leave.
        turn: where its lowest value is, if it falls before it grows; None if it grows everywhere.
    """

    error: str = "relative"
    floor: float = -math.inf
    ceiling: float = math.inf
    turn: float | None = None


EXACT = Curve("none")
POSITIVE = Curve("none", floor=0)


def range_of(function: Callable[[Tensor], Tensor], curve: Curve, input: IntervalTensor) -> IntervalTensor:
    """The exact range of such a function: from its ends and its lowest point."""
    low, high = input.lower, input.upper
    at_low, at_high = function(low), function(high)
    lower, upper, place = at_low, at_high, low
    if curve.turn is not None:
        place = torch.where(low > curve.turn, low, torch.where(high < curve.turn, high, curve.turn))
        risen = (at_high > at_low) | ((at_high == at_low) & (low > curve.turn))  # at width 0, the side tells the slope
        lower, upper = function(place), torch.where(risen, at_high, at_low)
    if input.rigorous and curve.error != "none":
        farthest = torch.maximum(low.abs(), high.abs())
        lower = (lower - _error(curve.error, place, lower)).clamp(curve.floor, curve.ceiling)
        upper = (upper + _error(curve.error, farthest, upper)).clamp(curve.floor, curve.ceiling)
    return between(lower, upper, nonnegative=curve.floor >= 0, rigorous=input.rigorous)


def _error(kind: str, x: Tensor, y: Tensor) -> Tensor:
    scale = {"relative": y.abs(), "input": y.abs() + x.abs(), "unit": y.abs() + 1}[kind]
    return ULPS * eps(y) * scale + tiny(y)


def _simple(function: Function, curve: Curve) -> Callable[..., IntervalTensor]:
    """The rule of a function whose other arguments change nothing of what is known of its curve."""

    def bound(input: IntervalTensor, *args: Any, inplace: bool = False, **kwargs: Any) -> IntervalTensor:
        numbers = [value for value in args if not isinstance(value, bool)]  # without `inplace`, given by its place
        return range_of(lambda x: function(x, *numbers, **kwargs), curve, input)

    return bound


@rule(F.relu, torch.relu, Tensor.relu, torch.relu_, Tensor.relu_)
def relu(input: IntervalTensor, inplace: bool = False) -> IntervalTensor:
    if input.nonnegative:
        return input
    ends = kernels.relu(input.center, input.radius, rigorous=input.rigorous)
    return box(*ends, nonnegative=True, rigorous=input.rigorous)


# Rules without arguments that matter, by what is known: the function without side effects, and its spellings.
SIMPLE: tuple[tuple[Function, Curve, tuple[Function, ...]], ...] = (
    (torch.sigmoid, Curve(floor=0, ceiling=1), (
        torch.sigmoid, Tensor.sigmoid, F.sigmoid, torch.sigmoid_, Tensor.sigmoid_, torch.special.expit)),
    (F.logsigmoid, Curve(ceiling=0), (F.logsigmoid,)),
    (torch.tanh, Curve(floor=-1, ceiling=1), (torch.tanh, Tensor.tanh, F.tanh, torch.tanh_, Tensor.tanh_)),
    (F.selu, Curve("unit"), (F.selu, torch.selu, torch.selu_, F.selu_)),
    (F.hardsigmoid, Curve("unit", floor=0, ceiling=1), (F.hardsigmoid,)),
    (F.relu6, Curve("none", floor=0, ceiling=6), (F.relu6,)),
    (F.softsign, Curve(floor=-1, ceiling=1), (F.softsign,)),
    (F.tanhshrink, Curve("input"), (F.tanhshrink,)),
    (F.hardshrink, EXACT, (F.hardshrink, Tensor.hardshrink)),
    (F.softshrink, Curve("input"), (F.softshrink,)),
    (torch.exp, Curve(floor=0), (torch.exp, Tensor.exp, torch.exp_, Tensor.exp_)),
    (torch.expm1, Curve(floor=-1), (torch.expm1, Tensor.expm1)),
    (torch.log, Curve(), (torch.log, Tensor.log, torch.log_, Tensor.log_)),
    (torch.log1p, Curve(), (torch.log1p, Tensor.log1p)),
    (torch.sqrt, Curve(floor=0), (torch.sqrt, Tensor.sqrt, torch.sqrt_, Tensor.sqrt_)),
    (torch.atan, Curve(), (torch.atan, Tensor.atan, torch.arctan, Tensor.arctan)),
    (torch.erf, Curve(floor=-1, ceiling=1), (torch.erf, Tensor.erf, torch.special.erf)),
    (torch.abs, Curve("none", floor=0, turn=0), (
        torch.abs, Tensor.abs, torch.abs_, Tensor.abs_, torch.absolute, Tensor.absolute)),
    (torch.square, Curve(floor=0, turn=0), (torch.square, Tensor.square, torch.square_, Tensor.square_)),
    (F.hardswish, Curve("input", floor=-0.375 * (1 + 1e-6), turn=-1.5), (F.hardswish,)),
    (F.silu, Curve("input", turn=-1.2784645427610738), (F.silu,)),
    (F.mish, Curve("input", turn=-1.1924312147838645), (F.mish,)),
)  # fmt: skip
for _function, _curve, _spellings in SIMPLE:
    RULES.update(dict.fromkeys(_spellings, _simple(_function, _curve)))


@rule(F.gelu)
def gelu(input: IntervalTensor, approximate: str = "none") -> IntervalTensor:
    turn = -0.7517915246935645 if approximate == "none" else -0.7524614220710162
    return range_of(lambda x: F.gelu(x, approximate=approximate), Curve("input", turn=turn), input)


@rule(F.leaky_relu, F.leaky_relu_)
def leaky_relu(input: IntervalTensor, negative_slope: float = 0.01, inplace: bool = False) -> IntervalTensor:
    curve = Curve(turn=None if negative_slope >= 0 else 0.0, floor=-math.inf if negative_slope > 0 else 0)
    return range_of(lambda x: F.leaky_relu(x, negative_slope), curve, input)


@rule(F.rrelu, torch.rrelu, F.rrelu_, torch.rrelu_)
def rrelu(
    input: IntervalTensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
) -> IntervalTensor:
    if training:
        raise MissingRuleError("rrelu draws its slopes while it trains; call .eval() on the module for boxes")
    return leaky_relu(input, (lower + upper) / 2)


@rule(F.elu, F.elu_)
def elu(input: IntervalTensor, alpha: float = 1.0, inplace: bool = False) -> IntervalTensor:
    _check_growing("elu", alpha >= 0, f"alpha={alpha}")
    return range_of(lambda x: F.elu(x, alpha), Curve("unit", floor=-alpha * (1 + 1e-6)), input)


@rule(F.celu, torch.celu, torch.celu_, F.celu_)
def celu(input: IntervalTensor, alpha: float = 1.0, inplace: bool = False) -> IntervalTensor:
    _check_growing("celu", alpha > 0, f"alpha={alpha}")
    return range_of(lambda x: F.celu(x, alpha), Curve("unit", floor=-alpha * (1 + 1e-6)), input)


@rule(F.hardtanh, F.hardtanh_)
def hardtanh(
    input: IntervalTensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> IntervalTensor:
    return clamp(input, min_val, max_val)


@rule(torch.clamp, Tensor.clamp, torch.clamp_, Tensor.clamp_, torch.clip, Tensor.clip, torch.clip_, Tensor.clip_)
def clamp(
    input: IntervalTensor, min: float | Tensor | None = None, max: float | Tensor | None = None
) -> IntervalTensor:
    for limit in (min, max):
        if isinstance(limit, IntervalTensor):
            raise MissingRuleError("torch.clamp with a box as a limit; use torch.maximum and torch.minimum")
    known = (isinstance(min, int | float) and min >= 0) or (
        input.nonnegative and (max is None or (isinstance(max, int | float) and max >= 0))
    )
    return range_of(lambda x: x.clamp(min, max), POSITIVE if known else EXACT, input)  # type: ignore[arg-type]


@rule(torch.clamp_min, Tensor.clamp_min, torch.clamp_min_, Tensor.clamp_min_)
def clamp_min(input: IntervalTensor, min: float | Tensor) -> IntervalTensor:
    return clamp(input, min=min)


@rule(torch.clamp_max, Tensor.clamp_max, torch.clamp_max_, Tensor.clamp_max_)
def clamp_max(input: IntervalTensor, max: float | Tensor) -> IntervalTensor:
    return clamp(input, max=max)


@rule(F.threshold, torch.threshold, torch.threshold_)
def threshold(input: IntervalTensor, threshold: float, value: float, inplace: bool = False) -> IntervalTensor:
    _check_growing("threshold", value <= threshold, f"value={value} > threshold={threshold}")
    curve = POSITIVE if value >= 0 else EXACT
    return range_of(lambda x: F.threshold(x, threshold, value), curve, input)


@rule(F.softplus)
def softplus(input: IntervalTensor, beta: float = 1.0, threshold: float = 20.0) -> IntervalTensor:
    """From `threshold` on torch returns x itself, which lies lower: a step down, of e^(−threshold) / β."""
    _check_growing("softplus", beta > 0, f"beta={beta}")
    grown = range_of(lambda x: F.softplus(x, beta, threshold), Curve(floor=0), input)
    low, high, step = input.lower, input.upper, threshold / beta
    top = F.softplus(low.new_full((), step), beta, 2 * abs(threshold) + 1) * (1 + ULPS * eps(low))
    over = (low <= step * (1 + 4 * eps(low))) & (high >= step * (1 - 4 * eps(low)))  # both sides of the step
    lower = torch.where(over, grown.lower.clamp(max=step * (1 - 4 * eps(low))), grown.lower)
    upper = torch.where(over, torch.maximum(grown.upper, top), grown.upper)
    return between(lower, upper, nonnegative=True, rigorous=input.rigorous)


@rule(torch.prelu, Tensor.prelu)
def prelu(input: Tensor, weight: Tensor) -> IntervalTensor:
    """x for x ≥ 0, else w x; the range is taken at the corners of x and w, and at 0 if x reaches both sides."""
    rigorous = any_rigorous(input, weight)
    (low, high), slopes = ends_of(input), [_along_channels(end, input.ndim) for end in ends_of(weight)]
    zero = torch.minimum(torch.maximum(torch.zeros_like(low), low), high)
    places = [(x, slope) for x in (low, high) for slope in slopes] + [(zero, slopes[0]), (zero, slopes[1])]
    values = torch.stack([x.clamp(min=0) + slope * x.clamp(max=0) for x, slope in places])
    lower, upper = values.amin(0), values.amax(0)
    if rigorous:
        lower, upper = (end + sign * (2 * eps(end) * end.abs() + tiny(end)) for end, sign in ((lower, -1), (upper, 1)))
    return between(lower, upper, nonnegative=is_nonnegative(input), rigorous=rigorous)


def _along_channels(slope: Tensor, ndim: int) -> Tensor:
    return slope.reshape(-1, *[1] * (ndim - 2)) if ndim > 2 and slope.numel() > 1 else slope


def _check_growing(name: str, fine: bool, given: str) -> None:
    if not fine:
        raise MissingRuleError(f"{name} with {given} on boxes: it neither grows nor has one lowest point, or steps up")


@rule(torch.pow, Tensor.pow, Tensor.pow_, Tensor.__pow__)
def power(input: Tensor, exponent: float) -> IntervalTensor:
    """Whole powers of any box; other positive ones where it is not negative."""
    if not isinstance(input, IntervalTensor) or not isinstance(exponent, int | float) or exponent <= 0:
        raise MissingRuleError(
            f"torch.pow on boxes has a rule for positive numbers as exponents alone; got {exponent!r}; "
            "write exp(y * log(x)), or .reciprocal() of a positive power"
        )
    even, odd = exponent % 2 == 0, exponent % 2 == 1
    if not (even or odd or input.nonnegative):
        raise MissingRuleError(
            f"torch.pow with the exponent {exponent} on a box that may be negative; pass it through relu first"
        )
    curve = Curve(floor=0 if even or input.nonnegative else -math.inf, turn=0 if even else None)
    return range_of(lambda x: torch.pow(x, exponent), curve, input)
