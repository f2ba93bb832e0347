"""Affine rules: what keeps track of the shared noise. Each returns a form; the box comes from the interval rules."""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ._affine import AffineTensor, Form, affine_rule, box_of, form_of, is_rigorous
from ._tensor import IntervalTensor

__all__: list[str] = []

Bilinear = Callable[[Tensor, Tensor], Tensor]
PAIRS = 2**26  # multiplications per example up to which generators are multiplied pair by pair


# Products


@affine_rule(F.linear)
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Form:
    return _product(F.linear, input, weight, bias, terms=weight.shape[-1])


@affine_rule(F.conv1d, torch.conv1d, F.conv2d, torch.conv2d)
def conv(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Form:
    function: Callable[..., Tensor] = F.conv1d if weight.ndim == 3 else F.conv2d

    def convolved(x: Tensor, w: Tensor) -> Tensor:
        return function(x, w, None, stride, padding, dilation, groups)

    if bias is not None:
        bias = bias.reshape(-1, *[1] * (weight.ndim - 2))
    return _product(convolved, input, weight, bias, terms=math.prod(weight.shape[1:]))


@affine_rule(torch.matmul, torch.mm, torch.bmm, Tensor.matmul, Tensor.mm, Tensor.bmm, Tensor.__matmul__)
def matmul(input: Tensor, other: Tensor) -> Form:
    return _product(torch.matmul, input, other, None, terms=input.shape[-1])


@affine_rule(torch.mul, torch.multiply, Tensor.mul, Tensor.multiply, Tensor.mul_, Tensor.__rmul__)
def mul(input: Tensor | float, other: Tensor | float) -> Form:
    like = input if isinstance(input, Tensor) else other
    return _product(torch.mul, _tensor(input, like), _tensor(other, like), None, terms=1)


def _product(op: Bilinear, input: Tensor, weight: Tensor, bias: Tensor | None, *, terms: int) -> Form:
    """The form of op(x, w) + b, for an `op` that is linear in both and sums `terms` products.

    With x = c + Σ g_k ξ_k + r ζ and w = M + Σ G_k ξ_k + R ζ', the center is op(c, M), the generators are
    op(g_k, M) + op(c, G_k), and what remains is at most

        op(r, |M| + Σ|G_k|) + op(max |x|, R) + |Σ_{k,l} ξ_k ξ_l op(g_k, G_l)|.
    """
    x, w = form_of(input), form_of(weight)
    size = w.center.abs() + w.spread
    center = op(x.center, w.center)
    generators = _sum(_each_first(op, x.generators, w.center), _each_second(op, x.center, w.generators))
    shift, radius = _squares(op, x, w, terms * _numel(center))
    if _is_set(input):
        radius = radius + op(x.radius, size)
    if _is_set(weight):
        radius = radius + op(_magnitude(input), w.radius)
    made = Form(center + shift, generators.reshape(len(generators), *center.shape), radius)
    if bias is not None:
        made = _added(made, form_of(bias))
    if not is_rigorous(input, weight, bias):
        return made
    reach = op(x.reach, size + w.radius)
    operations = 2 * terms + 4 * (len(x.generators) + len(w.generators)) + 32
    return made.rounded(reach if bias is None else reach + form_of(bias).reach, operations)


def _squares(op: Bilinear, x: Form, w: Form, multiplications: int) -> tuple[Tensor, Tensor]:
    """Center and radius of Σ_{k,l} ξ_k ξ_l op(g_k, G_l).

    As ξ_k² lies in [0, 1], the diagonal is half itself, ± half its size. Off it the noises ξ_k ξ_l = ξ_l ξ_k are the
    same, so that op(g_k, G_l) and op(g_l, G_k) may cancel; where that takes too many products, sizes are added up.
    """
    g, both = x.generators, min(len(x.generators), len(w.generators))
    if not both:
        zero = torch.zeros((), dtype=w.center.dtype, device=w.center.device)
        return zero, zero
    diagonal = torch.vmap(op)(g[:both], w.generators[:both])
    shift, radius = diagonal.sum(0) / 2, diagonal.abs().sum(0) / 2
    if len(g) * len(w.generators) * multiplications > PAIRS:
        sizes = torch.vmap(op)(g[:both].abs(), w.generators[:both].abs())
        return shift, (op(x.spread, w.spread) - sizes.sum(0) / 2).maximum(radius)
    for k in range(both):
        later = _sum(_each_first(op, g[k + 1 :], w.generators[k]), _each_second(op, g[k], w.generators[k + 1 :]))
        radius = radius + later.abs().sum(0)
    return shift, radius


# Sums


@affine_rule(torch.add, Tensor.add, Tensor.add_, Tensor.__radd__)
def add(input: Tensor | float, other: Tensor | float, *, alpha: float = 1) -> Form:
    return _combined(input, other, alpha)


@affine_rule(torch.sub, torch.subtract, Tensor.sub, Tensor.subtract, Tensor.sub_, Tensor.__sub__)
def sub(input: Tensor | float, other: Tensor | float, *, alpha: float = 1) -> Form:
    return _combined(input, other, -alpha)


@affine_rule(torch.rsub, Tensor.__rsub__)
def rsub(input: Tensor, other: Tensor | float) -> Form:
    return _combined(other, input, -1)


@affine_rule(torch.neg, torch.negative, Tensor.neg, Tensor.negative)
def neg(input: AffineTensor) -> Form:
    return Form(-input.center, -input.generators, input.radius)


@affine_rule(torch.div, torch.divide, torch.true_divide, Tensor.div, Tensor.divide, Tensor.true_divide, Tensor.div_)
def div(input: Tensor, other: Tensor | float) -> Form:
    if isinstance(other, AffineTensor | IntervalTensor):
        return form_of(torch.div(box_of(input), box_of(other)))
    x, factor = form_of(input), _tensor(other, input)
    made = Form(x.center / factor, x.generators / factor, (x.radius / factor.abs()).expand(x.center.shape))
    return made.rounded(x.reach / factor.abs(), len(x.generators) + 16) if is_rigorous(input) else made


def _combined(a: Tensor | float, b: Tensor | float, factor: float) -> Form:
    """a + `factor` b."""
    like = a if isinstance(a, Tensor) else b
    first, second = form_of(_tensor(a, like)), form_of(_tensor(b, like))
    if factor != 1:
        second = Form(factor * second.center, factor * second.generators, abs(factor) * second.radius)
    made = _added(first, second)
    if not is_rigorous(a, b):
        return made
    return made.rounded(first.reach + second.reach, len(made.generators) + 16)


def _added(a: Form, b: Form) -> Form:
    """The sum in exact arithmetic, broadcast."""
    shape = torch.broadcast_shapes(a.center.shape, b.center.shape)
    return Form(
        (a.center + b.center).expand(shape),
        _sum(_expanded(a.generators, shape), _expanded(b.generators, shape)),
        (a.radius + b.radius).expand(shape),
    )


# Entry by entry


@affine_rule(F.relu, torch.relu, Tensor.relu)
def relu(input: AffineTensor, inplace: bool = False) -> Form:
    return leaky_relu(input, 0.0)


@affine_rule(F.leaky_relu)
def leaky_relu(input: AffineTensor, negative_slope: float = 0.01, inplace: bool = False) -> Form:
    """The chord's slope λ = (u − αl) / (u − l), of the least area: φ(x) − λx lies in [0, (α − λ) l] where l < 0 < u."""
    if not 0 <= negative_slope <= 1:  # not convex
        return form_of(F.leaky_relu(input.box, negative_slope))
    lower, upper = input.lower, input.upper
    crossing = (lower < 0) & (upper > 0)
    chord = (upper - negative_slope * lower) / torch.where(crossing, upper - lower, 1)
    slope = torch.where(upper > 0, 1, torch.full_like(upper, negative_slope))
    slope = torch.where(crossing, chord.clamp(negative_slope, 1), slope)
    most = ((negative_slope - slope) * lower).maximum((1 - slope) * upper)  # equal, but for rounding
    half = torch.where(crossing, most, 0) / 2
    return _sloped(input, slope, half, half, half)


@affine_rule(torch.tanh, Tensor.tanh, F.tanh)
def tanh(input: AffineTensor) -> Form:
    return _saturating(input, torch.tanh, lambda y: 1 - y.square())


@affine_rule(torch.sigmoid, Tensor.sigmoid, F.sigmoid)
def sigmoid(input: AffineTensor) -> Form:
    return _saturating(input, torch.sigmoid, lambda y: y * (1 - y))


def _saturating(
    input: AffineTensor, function: Callable[[Tensor], Tensor], derivative: Callable[[Tensor], Tensor]
) -> Form:
    """The lesser slope of both ends: φ(x) − λx does not fall between them."""
    low, high = function(input.lower), function(input.upper)
    slope = derivative(low).minimum(derivative(high))
    slope = (slope - 8 * torch.finfo(slope.dtype).eps).clamp(min=0)  # not above the true one
    ends = low - slope * input.lower, high - slope * input.upper
    shift, half = (ends[0] + ends[1]) / 2, ((ends[1] - ends[0]) / 2).clamp(min=0)
    return _sloped(input, slope, shift, half, low.abs() + high.abs())


def _sloped(input: AffineTensor, slope: Tensor, shift: Tensor, half: Tensor, size: Tensor) -> Form:
    """λ x + `shift` ± `half` with λ ≥ 0; both were computed from values of the given `size`, and from λ times ends."""
    x = input.form
    made = Form(slope * x.center + shift, slope * x.generators, slope * x.radius + half)
    if not input.rigorous:
        return made
    return made.rounded(slope * (x.reach + _magnitude(input)) + size, len(x.generators) + 32)


# What they share


def _is_set(value: Tensor) -> bool:
    """Whether a value is more than a point."""
    return isinstance(value, AffineTensor | IntervalTensor)


def _tensor(value: Tensor | float, like: Tensor | float) -> Tensor:
    """A number as a tensor beside another one."""
    if isinstance(value, Tensor) or not isinstance(like, Tensor):
        return torch.as_tensor(value)
    return torch.full((), value, dtype=like.dtype, device=like.device)


def _magnitude(value: Tensor) -> Tensor:
    """The largest |x| of the set."""
    bound = box_of(value)
    return bound.center.abs() + bound.radius if isinstance(bound, IntervalTensor) else bound.abs()


def _numel(value: Tensor) -> int:
    """Entries per example."""
    return math.prod(value.shape[1:]) if value.ndim > 1 else value.numel()


def _each_first(op: Bilinear, generators: Tensor, second: Tensor) -> Tensor:
    return torch.vmap(op, (0, None))(generators, second) if len(generators) else second.new_zeros(0)


def _each_second(op: Bilinear, first: Tensor, generators: Tensor) -> Tensor:
    return torch.vmap(op, (None, 0))(first, generators) if len(generators) else first.new_zeros(0)


def _sum(a: Tensor, b: Tensor) -> Tensor:
    """The sum of generators, of which one may lack the last."""
    if len(a) < len(b):
        a, b = b, a
    return a if not len(b) else torch.cat([a[: len(b)] + b, a[len(b) :]])


def _expanded(generators: Tensor, shape: Sequence[int]) -> Tensor:
    missing = len(shape) + 1 - generators.ndim
    return generators.reshape(len(generators), *[1] * missing, *generators.shape[1:]).expand(-1, *shape)
