"""Rules of softmax, log-softmax, and the attention made of them."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ._elementwise import neg
from ._moves import as_type
from ._outward import between, eps, tiny
from ._table import rule
from ._tensor import IntervalTensor, MissingRuleError


@rule(F.softmax, torch.softmax, Tensor.softmax)
def softmax(input: IntervalTensor, dim: int, dtype: torch.dtype | None = None, _stacklevel: int = 3) -> IntervalTensor:
    """p_k = σ(z_k − log Σ_{j≠k} e^{z_j}) grows with its own logit and falls with the others: exact over the box."""
    low, high, wide = _against_others(as_type(input, dtype), dim)
    lower, upper = torch.sigmoid(low), torch.sigmoid(high)
    if input.rigorous:
        lower = (lower - wide * lower - tiny(lower)).clamp(min=0)
        upper = (upper + wide * upper + tiny(upper)).clamp(max=1)
    return between(lower, upper, nonnegative=True, rigorous=input.rigorous)


@rule(F.log_softmax, torch.log_softmax, Tensor.log_softmax)
def log_softmax(
    input: IntervalTensor, dim: int, dtype: torch.dtype | None = None, _stacklevel: int = 3
) -> IntervalTensor:
    """The logarithm of these; computed as z_k − log Σ e^{z_j}, it is off by shares of the logits' size."""
    low, high, wide = _against_others(as_type(input, dtype), dim)
    lower, upper = F.logsigmoid(low), F.logsigmoid(high)
    if input.rigorous:
        lower = lower - wide * (1 + lower.abs())
        upper = (upper + wide * (1 + upper.abs())).clamp(max=0)
    return between(lower, upper, rigorous=input.rigorous)


@rule(F.softmin)
def softmin(input: IntervalTensor, dim: int, dtype: torch.dtype | None = None, _stacklevel: int = 3) -> IntervalTensor:
    return softmax(neg(input), dim, dtype)


@rule(F.scaled_dot_product_attention)
def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(Q Kᵀ / √d) V, product by product: sound, and loose, since Q, K and V belong to one x."""
    if attn_mask is not None or is_causal or dropout_p > 0 or enable_gqa:
        raise MissingRuleError(
            "scaled_dot_product_attention on boxes has a rule without masks, dropout and grouped heads alone; write it "
            "out as (query @ key.mT * scale).softmax(-1) @ value"
        )
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    return scores.softmax(-1) @ value


def _against_others(input: IntervalTensor, dim: int) -> tuple[Tensor, Tensor, Tensor | float]:
    """Bounds of z_k − log Σ_{j≠k} e^{z_j}, and what rounding can do to such a number."""
    lower, upper = input.lower.movedim(dim, -1), input.upper.movedim(dim, -1)  # (..., k)
    low, high = lower - _others(upper), upper - _others(lower)
    if not input.rigorous:
        return low.movedim(-1, dim), high.movedim(-1, dim), 0.0
    k = lower.shape[-1]
    size = torch.maximum(lower.abs(), upper.abs()).amax(-1, keepdim=True)
    wide = 16 * (k + 4) * eps(low) * (2 + math.log(k) + size)  # k terms, here and wherever else
    return (low - wide).movedim(-1, dim), (high + wide).movedim(-1, dim), wide.movedim(-1, dim)


def _others(logits: Tensor) -> Tensor:
    """log Σ_{j≠k} e^{z_j} for every k, from sums of what stands before and after; −∞ for one class alone."""
    none = torch.full_like(logits[..., :1], -torch.inf)
    if logits.shape[-1] == 1:
        return none
    before = torch.cat([none, logits[..., :-1].logcumsumexp(-1)], -1)
    after = torch.cat([logits.flip(-1)[..., :-1].logcumsumexp(-1).flip(-1), none], -1)
    return torch.logaddexp(before, after)
