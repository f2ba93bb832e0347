"""What a box of logits is worth: worst cases, margins, and the same with the last layer elided."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from ..tasks import closed
from ._products import any_rigorous
from ._rounding import gamma, round_down
from ._tensor import IntervalTensor, box

__all__ = [
    "elided_margins",
    "elided_worst_case",
    "interval_entropy",
    "margins",
    "softmax_bounds",
    "worst_case_cross_entropy",
    "worst_case_logits",
    "worst_case_squared_error",
]

Units = tuple[int, ...]


def worst_case_logits(logits: Tensor, y: Tensor) -> Tensor:
    """The corner of the box of logits that is worst for the labels: ẑ_y = l_y, and ẑ_k = u_k for every other unit.

    Cross-entropy falls with the label's logit and rises with each other, so no point of the box has a larger one.

    Args:
        logits: `(n, k)`, an IntervalTensor; a plain tensor is a box of width 0.
        y: `(n,)`, output units.

    Returns:
        `(n, k)`, plain.

    Example:
        >>> logits = IntervalTensor(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.25]]))
        >>> worst_case_logits(logits, torch.tensor([0]))
        tensor([[0.5000, 0.2500]])
    """
    if not isinstance(logits, IntervalTensor):
        return logits
    return torch.where(_label(y, logits.shape[1]), logits.lower, logits.upper)


def worst_case_cross_entropy(logits: Tensor, y: Tensor, units: Units | None = None) -> Tensor:
    """Mean over examples of the largest cross-entropy in their boxes, CE(ẑ, y) = max {CE(z, y) : l ≤ z ≤ u}.

    Args:
        logits: `(n, k)`, an IntervalTensor, or a plain tensor as a box of width 0.
        y: `(n,)`, output units.
        units: the output units that may answer; all by default.

    Returns:
        Scalar; differentiable.

    References:
        Krukowski et al., HINT: Hypernetwork Approach to Training Weight Interval Regions in Continual Learning, 2024.

    Example:
        >>> logits = IntervalTensor(torch.tensor([[0.334, 0.1495]]), torch.tensor([[0.264, 0.094]]))
        >>> worst_case_cross_entropy(logits, torch.tensor([0]))
        tensor(0.7837)
    """
    return F.cross_entropy(_among(worst_case_logits(logits, y), units), y)


def margins(logits: Tensor, y: Tensor, units: Units | None = None) -> Tensor:
    """How far the label stays ahead of every other unit wherever in the box: m = min_{k ≠ y} l_y − u_k.

    If m > 0, every point of the box is answered right. The bound treats logits as independent; `elided_margins` knows
    better.

    Args:
        logits: `(n, k)`, an IntervalTensor, or a plain tensor as a box of width 0.
        y: `(n,)`, output units.
        units: the output units that may answer; all by default.

    Returns:
        `(n,)`; infinity where no other unit may answer, minus infinity where the label's own may not. Rounded down
        if the logits are rigorous.

    Example:
        >>> logits = IntervalTensor(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.25]]))
        >>> margins(logits, torch.tensor([0]))
        tensor([0.2500])
    """
    ahead = _ahead(_among(worst_case_logits(logits, y), units), y)
    return round_down(ahead) if any_rigorous(logits) else ahead


def elided_worst_case(
    features: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor, units: Units | None = None
) -> Tensor:
    """Worst-case logits relative to the label's, with the last layer elided: ẑ_y = 0, ẑ_k = −m_k.

    m_k is the least value of (w_y − w_k)·h + b_y − b_k over the features' box h and the rows' boxes. Rows are
    independent, so w_y − w_k ∈ ⟨M_y − M_k, R_y + R_k⟩ exactly, and one product bounds the difference where
    `worst_case_logits` bounds both of its terms by different features. For features known to be ≥ 0 it is exact.

    Each pair of units that may answer takes one row of a linear layer, u (u − 1) / 2 for u units: one for two classes.

    Args:
        features: `(n, h)`, what the last layer is given; an IntervalTensor or a plain tensor.
        weight: `(k, h)` of the last layer; an IntervalTensor or a plain tensor.
        bias: `(k,)`, likewise, or None.
        y: `(n,)`, output units.
        units: the output units that may answer; all by default.

    Returns:
        `(n, k)`, plain: minus infinity for units that may not answer, so that its cross-entropy is that among `units`.
        Differentiable. Rigorous if an operand is: then margins also cover logits computed row by row in this dtype.

    Example:
        >>> weight = IntervalTensor(torch.tensor([[1.0, 0.0], [0.9, 0.0]]), torch.zeros(2, 2))
        >>> features = IntervalTensor(torch.tensor([[2.0, 1.0]]), torch.tensor([[1.0, 0.0]]), nonnegative=True)
        >>> elided_worst_case(features, weight, None, torch.tensor([0]))      # 0.1 h for every h in [1, 3]
        tensor([[ 0.0000, -0.1000]])
    """
    units = tuple(range(weight.shape[0])) if units is None else tuple(units)
    first, second, columns = _pairs(units, weight.shape[0], weight.device)
    rigorous = any_rigorous(features, weight, bias)
    rows = _difference(weight, first, second, rigorous, weight.shape[1])
    shift = None if bias is None else _difference(bias, first, second, rigorous, weight.shape[1])
    ahead = _boxed(F.linear(_boxed(features), rows, shift))  # (n, pairs): z_first − z_second
    zero = ahead.center.new_zeros(len(y), 1)
    behind = torch.cat([-ahead.lower, ahead.upper, zero, zero - torch.inf], 1)
    return behind.gather(1, columns[y])


def elided_margins(
    features: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor, units: Units | None = None
) -> Tensor:
    """`margins` with the last layer elided: min_{k ≠ y} m_k of `elided_worst_case`, never below the plain ones.

    Args:
        features: `(n, h)`, an IntervalTensor or a plain tensor.
        weight: `(k, h)`, likewise.
        bias: `(k,)`, likewise, or None.
        y: `(n,)`, output units.
        units: the output units that may answer; all by default.

    Returns:
        `(n,)`; infinity where no other unit may answer, minus infinity where the label's own may not.

    Example:
        >>> weight = IntervalTensor(torch.tensor([[1.0, 0.0], [0.9, 0.0]]), torch.zeros(2, 2))
        >>> features = IntervalTensor(torch.tensor([[2.0, 1.0]]), torch.tensor([[1.0, 0.0]]), nonnegative=True)
        >>> elided_margins(features, weight, None, torch.tensor([0]))
        tensor([0.1000])
        >>> margins(F.linear(features, weight), torch.tensor([0]))
        tensor([-1.7000])
    """
    return _ahead(elided_worst_case(features, weight, bias, y, units), y)


def softmax_bounds(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the largest probability that a point of the box gives to each unit.

    Lower: e^{l_k} / (e^{l_k} + Σ_{j ≠ k} e^{u_j}); upper: with l and u exchanged. Both are attained.

    Args:
        logits: `(n, k)`, an IntervalTensor, or a plain tensor as a box of width 0.

    Returns:
        Lower and upper, `(n, k)` each.

    Example:
        >>> softmax_bounds(IntervalTensor(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])))
        (tensor([[0.2689, 0.2689]]), tensor([[0.7311, 0.7311]]))
    """
    part = _boxed(logits)
    own = torch.eye(part.shape[1], dtype=torch.bool, device=part.device)
    ends = ((part.lower, part.upper), (part.upper, part.lower))
    low, high = (
        torch.where(own, mine[:, None], others[:, None]).softmax(-1).diagonal(dim1=1, dim2=2) for mine, others in ends
    )
    return low, high


def interval_entropy(logits: Tensor, *, weighted: bool = True) -> Tensor:
    """Entropy of softmax(c), each unit's part divided by the width of its logit: −Σ_k w_k p_k log p_k.

    A small one says that the task's network knows the input. Weights w_k = 1 / (u_k − l_k + 1e-8), as published, make
    wide boxes score low; without them it is the entropy of the centers.

    Args:
        logits: `(n, k)`, an IntervalTensor, or a plain tensor as a box of width 0.
        weighted: whether to divide by widths.

    Returns:
        `(n,)`.

    References:
        Krukowski et al., HINT, 2024: class-incremental inference.

    Example:
        >>> logits = IntervalTensor(torch.tensor([[1.5, -0.75, 0.5]]), torch.tensor([[0.5, 0.25, 0.5]]))
        >>> interval_entropy(logits), interval_entropy(logits, weighted=False)
        (tensor([0.9868]), tensor([0.7982]))
    """
    part = _boxed(logits)
    log_p = part.center.log_softmax(1)
    terms = -log_p.exp() * log_p
    return (terms / (part.width + 1e-8) if weighted else terms).sum(1)


def worst_case_squared_error(outputs: Tensor, y: Tensor) -> Tensor:
    """Mean over examples of the largest squared error in their boxes: Σ_k max((y_k − l_k)², (y_k − u_k)²).

    Args:
        outputs: `(n, k)`, an IntervalTensor, or a plain tensor as a box of width 0.
        y: `(n, k)`, what the outputs should be.

    Returns:
        Scalar; differentiable.

    Example:
        >>> outputs = IntervalTensor(torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.5]]))
        >>> worst_case_squared_error(outputs, torch.tensor([[0.5, 1.0]]))
        tensor(2.5000)
    """
    part = _boxed(outputs)
    return torch.maximum((y - part.lower) ** 2, (y - part.upper) ** 2).sum(1).mean()


def _among(logits: Tensor, units: Units | None) -> Tensor:
    """The logits, with minus infinity for every unit that may not answer."""
    return logits if units is None or len(units) == logits.shape[1] else logits + closed(units, logits)


def _ahead(logits: Tensor, y: Tensor) -> Tensor:
    """z_y − max_{k ≠ y} z_k `(n,)`, minus infinity where y may not answer."""
    own = logits.gather(1, y[:, None]).squeeze(1)
    best = logits.masked_fill(_label(y, logits.shape[1]), -torch.inf).amax(1)
    return torch.where(own == -torch.inf, own, own - best)


def _label(y: Tensor, size: int) -> Tensor:
    """`(n, k)`: True at each label."""
    return y[:, None] == torch.arange(size, device=y.device)


def _boxed(value: Tensor) -> IntervalTensor:
    return value if isinstance(value, IntervalTensor) else box(value, torch.zeros_like(value))


def _difference(value: Tensor, first: Tensor, second: Tensor, rigorous: bool, terms: int) -> IntervalTensor:
    """⟨M_a − M_b, R_a + R_b⟩ for each pair of rows.

    If rigorous, wider by γ (|M_a| + R_a + |M_b| + R_b): products with it then cover the rounding of this difference,
    and that of two logits, sums of `terms` + 1 numbers each, which someone computes apart and compares.
    """
    part = _boxed(value)
    center = part.center[first] - part.center[second]
    radius = part.radius[first] + part.radius[second]
    if rigorous:
        size = part.center.abs() + part.radius
        share = gamma(terms + 8, center.dtype)
        radius = (radius + share * (size[first] + size[second])) * (1 + share) + torch.finfo(center.dtype).tiny
    return box(center, radius, rigorous=rigorous)


@lru_cache(maxsize=256)
def _pairs(units: Units, size: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The pairs of units, first and second `(p,)`, and where the worst case of unit k for label y is kept.

    The table `(k, k)` names columns of [−lower, upper, 0, −∞] of the p differences z_first − z_second.
    """
    with torch.inference_mode(False):  # what is made in evaluation serves in training too
        first, second = torch.tensor(units)[torch.triu_indices(len(units), len(units), 1)]
        p = len(first)
        table = torch.full((size, size), 2 * p + 1)
        table[:, list(units)] = 2 * p  # a label that may not answer is −∞, behind whatever is 0
        table[first, second] = torch.arange(p)
        table[second, first] = torch.arange(p, 2 * p)
        return first.to(device), second.to(device), table.to(device)
