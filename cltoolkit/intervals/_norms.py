"""Rules of normalization: by fixed statistics, exactly; by statistics of the data themselves, soundly."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from . import _outward as outward
from ._products import any_rigorous
from ._table import rule
from ._tensor import IntervalTensor, MissingRuleError, box


@rule(F.batch_norm)
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """With fixed statistics: (x − μ) / √(v + ε) · g + b, exact for interval gains g too."""
    if training or running_mean is None or running_var is None:
        raise MissingRuleError(
            "batch_norm by the statistics of its own batch has no useful bound; freeze them: call .eval() on the "
            "module, or net(params, x, training=False), with running statistics"
        )
    if isinstance(running_mean, IntervalTensor) or isinstance(running_var, IntervalTensor):
        raise MissingRuleError("batch_norm with boxes as running statistics; leave buffers plain tensors")
    mean, scale = (_beside(value, input) for value in (running_mean, (running_var + eps).rsqrt()))
    gain, shift = _along_channels(weight, input), _along_channels(bias, input)
    result = _affine((_nearest(input) - mean) * scale, gain, shift)
    if not any_rigorous(input, weight, bias) or not isinstance(result, IntervalTensor):
        return result
    size = (_size(input) + mean.abs()) * scale * _size(gain, 1) + _size(shift, 0)  # what is rounded, in any order
    radius = outward.away(result.radius, 32) + 16 * outward.eps(size) * size + outward.tiny(size)
    return box(result.center, radius, rigorous=True)


@rule(F.group_norm)
def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Sound, and looser than batch norm: numerator and denominator share x. See `standardized`."""
    _check_rounding("group_norm", input, weight, bias)
    grouped = input.reshape(input.shape[0], num_groups, -1)
    normal = _standardize(grouped, eps).reshape(input.shape)
    return _affine(normal, _along_channels(weight, input), _along_channels(bias, input))


@rule(F.layer_norm)
def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Sound, and looser than batch norm: numerator and denominator share x. See `standardized`."""
    _check_rounding("layer_norm", input, weight, bias)
    normal = _standardize(input.flatten(-len(normalized_shape)), eps).reshape(input.shape)
    return _affine(normal, weight, bias)


@rule(F.instance_norm)
def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Group norm with one channel per group; with running statistics, batch norm."""
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    return group_norm(input, input.shape[1], weight, bias, eps)


def standardized(center: Tensor, radius: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Bounds of (x − mean(x)) / √(var(x) + ε) over the last dimension, of m entries.

    With d_i = x_i − mean(x), whose interval is exact, and the energy E = Σ_j d_j², the value is d_i / √(E / m + ε): it
    grows with d_i, and shrinks towards 0 with E. Both are taken at their worst at once, which is loose, since they
    belong to one x. What is known of E:

    - | ‖d‖ − ‖d(c)‖ | ≤ ‖r‖, since centering is a projection;
    - d_j² lies between the squares of its interval's ends;
    - E ≥ d_i² m / (m − 1), since the others sum up to −d_i; hence no value leaves ±√(m − 1).

    Args:
        center: `(..., m)`.
        radius: `(..., m)`.
        eps: ε > 0.

    Returns:
        Lower and upper ends, `(..., m)` each.
    """
    m = center.shape[-1]
    middle = center - center.mean(-1, keepdim=True)
    reach = radius * (1 - 2 / m) + radius.mean(-1, keepdim=True) if m > 1 else 0 * radius
    low, high = middle - reach, middle + reach
    squares = middle.square().sum(-1, keepdim=True)
    shift = radius.square().sum(-1, keepdim=True)  # ‖r‖², as E(c) = `squares`
    cross = 2 * _root(squares) * _root(shift)
    inner, outer = _squares(low, high)  # of every d_j
    least = torch.where(squares > shift, (squares + shift - cross).clamp(min=0), 0)
    least = torch.maximum(least, inner.sum(-1, keepdim=True))
    most = torch.minimum(squares + shift + cross, outer.sum(-1, keepdim=True))
    most = torch.maximum(most, least)
    others = inner.sum(-1, keepdim=True) - inner, outer.sum(-1, keepdim=True) - outer
    return (
        -_quotient(-low, least, most, others, m, eps),
        _quotient(high, least, most, others, m, eps),
    )


def _quotient(d: Tensor, least: Tensor, most: Tensor, others: tuple[Tensor, Tensor], m: int, eps: float) -> Tensor:
    """The largest d' / √(E / m + ε) of all d' ≤ d: with the least energy if d > 0, with the most if d < 0."""
    own = d.square()
    small = torch.maximum(torch.maximum(least, own + others[0]), own * (m / max(m - 1, 1)))
    large = torch.minimum(most, own + others[1])
    small, large = torch.minimum(small, most), torch.maximum(large, least)
    return d / (torch.where(d > 0, small, large) / m + eps).sqrt()


def _squares(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the largest square of a number between two."""
    least = torch.maximum(low, -high).clamp(min=0).square()
    return least, torch.maximum(high, -low).square()


def _root(value: Tensor) -> Tensor:
    """√, whose gradient at 0 is 0 and not infinite."""
    positive = value > 0
    return torch.where(positive, torch.where(positive, value, 1).sqrt(), 0)


def _standardize(input: Tensor, eps: float) -> Tensor:
    """Over the last dimension."""
    if not isinstance(input, IntervalTensor):
        return F.layer_norm(input, input.shape[-1:], eps=eps)
    return outward.between(*standardized(input.center, input.radius, eps))


def _check_rounding(name: str, *operands: Tensor | None) -> None:
    if any_rigorous(*operands):
        raise MissingRuleError(
            f"{name} takes statistics of its input, whose rounding has no bound here; use boxes that are not rigorous, "
            "in float64, or batch norm with frozen statistics"
        )


def _affine(normal: Tensor, gain: Tensor | None, shift: Tensor | None) -> Tensor:
    """x̂ g + b, without a word on rounding."""
    scaled = normal if gain is None else normal * _nearest(gain)
    return scaled if shift is None else scaled + _nearest(shift)


def _along_channels(value: Tensor | None, input: Tensor) -> Tensor | None:
    return None if value is None else _beside(value, input)


def _beside(value: Tensor, input: Tensor) -> Tensor:
    """`(C,)` beside inputs `(n, C, ...)`."""
    return value.reshape(-1, *[1] * (input.ndim - 2))


def _nearest(value: Tensor) -> Tensor:
    """The same box, whose rules do not round outward."""
    return box(value.center, value.radius) if isinstance(value, IntervalTensor) else value


def _size(value: Tensor | None, default: float = 0) -> Tensor | float:
    """The largest absolute value."""
    if value is None:
        return default
    return value.center.abs() + value.radius if isinstance(value, IntervalTensor) else value.abs()
