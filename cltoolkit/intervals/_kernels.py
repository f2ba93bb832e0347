"""Products of intervals: center and radius of linear maps whose weights and inputs may both be intervals.

W in ⟨M, R⟩ and x in ⟨c, r⟩, entries independent; each meets each output once, so that bounds of the single products add
up to the range of each output. A radius of None means an exact operand. Which formula is taken is known beforehand:

- x exact: M x and R |x|, the range itself.
- W exact: M c and |M| r, the range itself.
- x ≥ 0 (`nonnegative`): M c + P r and R c + Q r, P = sgn(M) min(|M|, R), Q = max(|M|, R): the range itself.
- else: M c and (|M| + R) r + R |c|, which holds the range; its radius is at most 1.5 times as large.

References:
    Rump, Fast and parallel interval arithmetic, BIT 39, 1999: the last, and its factor.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from . import _fused as fused
from ._rounding import center_radius, gamma, round_down, round_up

__all__ = ["conv", "linear", "matmul", "product", "relu"]

Map = Callable[..., Tensor]  # (x, weight, bias or None) -> values, linear in x and in (weight, bias)
Ends = tuple[Tensor, Tensor]
Integers = int | Sequence[int]


def linear(
    x: Tensor,
    x_radius: Tensor | None,
    weight: Tensor,
    weight_radius: Tensor | None,
    bias: Tensor | None = None,
    bias_radius: Tensor | None = None,
    *,
    nonnegative: bool = False,
    rigorous: bool = False,
) -> Ends:
    """Center and radius of {W x + b}.

    Args:
        x: `(..., i)`, centers.
        x_radius: radii of the same shape, or None for exact inputs; so of the other operands.
        weight: `(o, i)`.
        weight_radius: of the same shape, or None.
        bias: `(o,)`, or None.
        bias_radius: `(o,)`, or None.
        nonnegative: whether it is known that x ≥ 0.
        rigorous: whether rounding is covered: the box then holds the range in real arithmetic, and every value that
            direct summation in any order computes in the operands' dtype. It is computed in float64.

    Returns:
        Two tensors `(..., o)`.

    Example:
        >>> x, weight = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, -1.0]])
        >>> linear(x, None, weight, torch.tensor([[0.1, 0.1]]))
        (tensor([[1.]]), tensor([[0.3000]]))
    """
    operands = (x, x_radius, weight, weight_radius, bias, bias_radius)
    if rigorous:
        return _enclosed(F.linear, *operands, nonnegative, x.shape[-1])
    if x_radius is not None and weight.ndim == 2 and _as_written(x):
        if weight_radius is None and bias_radius is None:
            return fused.exact_weight(x, x_radius, weight, bias)
        if weight_radius is not None and nonnegative:
            return fused.linear(x, x_radius, weight, weight_radius, bias, bias_radius)
    return _bounds(F.linear, *operands, nonnegative)


def conv(
    x: Tensor,
    x_radius: Tensor | None,
    weight: Tensor,
    weight_radius: Tensor | None,
    bias: Tensor | None = None,
    bias_radius: Tensor | None = None,
    stride: Integers = 1,
    padding: Integers | str = 0,
    dilation: Integers = 1,
    groups: int = 1,
    *,
    nonnegative: bool = False,
    rigorous: bool = False,
) -> Ends:
    """Center and radius of {W ∗ x + b} in one or two dimensions; padding adds exact zeros.

    Args:
        x: `(n, c, *size)` or `(c, *size)`, centers.
        x_radius: radii of the same shape, or None for exact inputs; so of the other operands.
        weight: `(o, c / groups, *kernel)`.
        weight_radius: of the same shape, or None.
        bias: `(o,)`, or None.
        bias_radius: `(o,)`, or None.
        stride: as of `torch.nn.functional.conv2d`; and so the next three.
        padding: zeros on both sides, "same" or "valid".
        dilation: distance of the kernel's entries.
        groups: of channels.
        nonnegative: whether it is known that x ≥ 0.
        rigorous: as for `linear`; then no transform (Winograd, FFT) is taken on the way.

    Returns:
        Two tensors `(n, o, *size)`.
    """
    if x.ndim == weight.ndim - 1:
        radii = None if x_radius is None else x_radius[None]
        operands = (x[None], radii, weight, weight_radius, bias, bias_radius)
        ends = conv(*operands, stride, padding, dilation, groups, nonnegative=nonnegative, rigorous=rigorous)
        return ends[0][0], ends[1][0]
    kernel = weight.shape[2:]
    strides, dilations = _each(stride, len(kernel)), _each(dilation, len(kernel))
    paddings, extra = _paddings(padding, kernel, strides, dilations)
    if any(extra):
        x, x_radius = F.pad(x, extra), None if x_radius is None else F.pad(x_radius, extra)
    operands = (x, x_radius, weight, weight_radius, bias, bias_radius)
    if rigorous:
        apply = partial(_conv_by_sums, stride=strides, padding=paddings, dilation=dilations, groups=groups)
        return _enclosed(apply, *operands, nonnegative, weight[0].numel())
    whole = groups == 1 and _as_written(x)
    if x_radius is not None and weight_radius is not None and nonnegative and whole:
        return fused.conv(x, x_radius, weight, weight_radius, bias, bias_radius, (strides, paddings, dilations))
    convolve = F.conv1d if len(kernel) == 1 else F.conv2d
    return _bounds(
        partial(convolve, stride=strides, padding=paddings, dilation=dilations, groups=groups), *operands, nonnegative
    )


def matmul(
    a: Tensor,
    a_radius: Tensor | None,
    b: Tensor,
    b_radius: Tensor | None,
    *,
    nonnegative: bool = False,
    other_nonnegative: bool = False,
    rigorous: bool = False,
) -> Ends:
    """Center and radius of {A B}, with the shapes of `torch.matmul`; exact if either factor is known to be ≥ 0."""
    operands, apply = (a, a_radius, b, b_radius, None, None), _matmul
    if other_nonnegative and not nonnegative:
        operands, apply = (b, b_radius, a, a_radius, None, None), _matmul_reversed
    known = nonnegative or other_nonnegative
    return _enclosed(apply, *operands, known, a.shape[-1]) if rigorous else _bounds(apply, *operands, known)


def product(a: Tensor, a_radius: Tensor | None, b: Tensor, b_radius: Tensor | None, *, rigorous: bool = False) -> Ends:
    """Center and radius of {a b}, entry by entry: the hull of the products of the ends."""
    if not rigorous and (a_radius is None or b_radius is None):
        return _bounds(_times, a, a_radius, b, b_radius, None, None, False)
    down, up = (round_down, round_up) if rigorous else (_same, _same)
    a_ends = [a] if a_radius is None else [down(a - a_radius), up(a + a_radius)]
    b_ends = [b] if b_radius is None else [down(b - b_radius), up(b + b_radius)]
    corners = torch.stack([p * q for p in a_ends for q in b_ends])
    lower, upper = down(corners.amin(0)), up(corners.amax(0))
    return center_radius(lower, upper) if rigorous else ((lower + upper) / 2, (upper - lower) / 2)


def relu(center: Tensor, radius: Tensor, *, rigorous: bool = False) -> Ends:
    """Center and radius of {max(0, x)}: r' = max(0, min(r, (c + r) / 2)) and c' = max(c, r').

    The box stays as it is above 0, becomes [0, c + r] across 0, and {0} below.

    Example:
        >>> relu(torch.tensor([2.0, 0.5, -2.0]), torch.ones(3))
        (tensor([2.0000, 0.7500, 0.0000]), tensor([1.0000, 0.7500, 0.0000]))
    """
    if not rigorous:
        return fused.relu(center, radius)
    narrow = torch.minimum(radius, round_up(center + radius) / 2).relu()
    return torch.maximum(center, narrow), narrow


def _bounds(
    apply: Map,
    x: Tensor,
    x_radius: Tensor | None,
    weight: Tensor,
    weight_radius: Tensor | None,
    bias: Tensor | None,
    bias_radius: Tensor | None,
    nonnegative: bool,
) -> Ends:
    """The formulas as they stand at the head of this file."""
    center = apply(x, weight, bias)
    if x_radius is None:
        width = torch.zeros_like(weight) if weight_radius is None else weight_radius
        return center, apply(x.abs(), width, bias_radius)
    size = weight.abs()
    if weight_radius is None:
        return center, apply(x_radius, size, bias_radius)
    if nonnegative:
        center = center + apply(x_radius, weight.sgn() * size.minimum(weight_radius), None)
        return center, apply(x_radius, size.maximum(weight_radius), None) + apply(x, weight_radius, bias_radius)
    return center, apply(x_radius, size + weight_radius, None) + apply(x.abs(), weight_radius, bias_radius)


def _enclosed(
    apply: Map,
    x: Tensor,
    x_radius: Tensor | None,
    weight: Tensor,
    weight_radius: Tensor | None,
    bias: Tensor | None,
    bias_radius: Tensor | None,
    nonnegative: bool,
    terms: int,
) -> Ends:
    """The same box, widened by what rounding can do; in float64, whatever TF32, bfloat16 or autocast do elsewhere.

    Let S = (|M| + R)(|c| + r) + |b| + b_r, n products per output, u of the operands' dtype and v of float64. A network
    that sums n products and a bias is off by γ_{n+1}(u) S; rounding the center to the operands' dtype by u S: together
    γ_{n+2}(u) S. The formulas sum at most 2 n + 1 terms of total size S, with two more roundings each, so that center
    and radius are off by γ_{2n+3}(v) S each, and S itself by γ_{n+4}(v) S; what is left of γ_{5n+16}(v) covers the
    rounding of these lines. A product that underflows is off by less than the smallest normal number.
    """
    dtype = torch.result_type(x, weight)
    slack = gamma(terms + 2, dtype) + gamma(5 * terms + 16, torch.float64)
    x, weight = x.double(), weight.double()
    x_radius, weight_radius, bias, bias_radius = map(_double, (x_radius, weight_radius, bias, bias_radius))
    with torch.autocast(x.device.type, enabled=False):
        center, radius = _bounds(apply, x, x_radius, weight, weight_radius, bias, bias_radius, nonnegative)
        b = None if bias is None else _reach(bias, bias_radius)
        reach = apply(_reach(x, x_radius), _reach(weight, weight_radius), b)
        radius = radius + slack * reach + (6 * terms + 16) * torch.finfo(dtype).tiny
    return center.to(dtype), round_up(radius.to(dtype))


def _double(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.double()


def _reach(center: Tensor, radius: Tensor | None) -> Tensor:
    """|c| + r."""
    return center.abs() if radius is None else center.abs() + radius


def _conv_by_sums(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Tensor:
    """A convolution as one product of matrices, whose sums are direct."""
    if weight.ndim == 3:
        wide = {"stride": (1, *stride), "padding": (0, *padding), "dilation": (1, *dilation)}
        return _conv_by_sums(x[:, :, None], weight[:, :, None], bias, **wide, groups=groups)[:, :, 0]
    size = [
        (s + 2 * p - d * (k - 1) - 1) // t + 1
        for s, p, d, k, t in zip(x.shape[2:], padding, dilation, weight.shape[2:], stride, strict=True)
    ]
    columns = F.unfold(x, weight.shape[2:], dilation, padding, stride)  # (n, c k, places)
    columns = columns.unflatten(1, (groups, -1))
    out = torch.matmul(weight.reshape(groups, len(weight) // groups, -1), columns).flatten(1, 2)
    return (out if bias is None else out + bias[:, None]).unflatten(2, size)


def _paddings(
    padding: Integers | str, kernel: Sequence[int], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, ...], list[int]]:
    """Padding of both sides by dimension, and what "same" adds besides at the far end, as `F.pad` takes it."""
    if padding == "same":
        if any(step != 1 for step in stride):
            raise ValueError(f"expected a stride of 1 with padding='same'; got {stride}")
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return tuple(total // 2 for total in totals), [n for total in reversed(totals) for n in (0, total % 2)]
    if isinstance(padding, str):
        if padding != "valid":
            raise ValueError(f"expected padding='same', 'valid' or integers; got {padding!r}")
        padding = 0
    return _each(padding, len(kernel)), []


def _each(value: Integers, dimensions: int) -> tuple[int, ...]:
    """One number for each dimension."""
    if isinstance(value, int):
        return (value,) * dimensions
    return tuple(value) * (dimensions if len(value) == 1 else 1)


def _as_written(x: Tensor) -> bool:
    """Whether operations are carried out in the dtype of their operands, which fused kernels count on."""
    return x.is_meta or not torch.is_autocast_enabled(x.device.type)  # which torch does not tell of the meta device


def _matmul(x: Tensor, weight: Tensor, bias: None) -> Tensor:
    return torch.matmul(x, weight)


def _matmul_reversed(x: Tensor, weight: Tensor, bias: None) -> Tensor:
    return torch.matmul(weight, x)


def _times(x: Tensor, weight: Tensor, bias: None) -> Tensor:
    return x * weight


def _same(value: Tensor) -> Tensor:
    return value
