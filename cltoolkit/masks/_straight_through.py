"""Weights under a mask, with gradients for the scores that chose it; and weights of which a few are trained."""

from typing import Any

import torch
from torch import Tensor

__all__ = ["masked", "placed"]


def masked(weights: Tensor, scores: Tensor, mask: Tensor, *, signed: bool = True) -> Tensor:
    """W̃ = W ⊙ M, where the gradient goes to the scores as if the mask were their magnitude.

    ∂L/∂s = sign(s) ⊙ W ⊙ ∂L/∂W̃, at weights outside the mask, too: that is how they come in. The weights get none.

    Args:
        weights: W `(P,)`.
        scores: s `(P,)`.
        mask: M `(P,)`, 0 or 1 in the type of the weights.
        signed: whether M was chosen by |s|, as `TopK` does. False where it was by s itself, as `Threshold` does; then
            ∂L/∂s = W ⊙ ∂L/∂W̃.

    Returns:
        `(P,)`.

    References:
        Ramanujan et al., What's Hidden in a Randomly Weighted Neural Network?, CVPR 2020, §3 (edge-popup).

    Example:
        >>> weights, scores = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([5.0, -7.0, -0.1], requires_grad=True)
        >>> used = masked(weights, scores, torch.tensor([1.0, 1.0, 0.0]))
        >>> used.sum().backward()
        >>> used.detach(), scores.grad
        (tensor([1., 2., 0.]), tensor([ 1., -2., -3.]))
    """
    return _Masked.apply(scores, weights, mask, signed)


def placed(values: Tensor, around: Tensor, index: Tensor) -> Tensor:
    """`around` with `values` put in the places `index`; the gradient goes to the values alone.

    So what lies around is no parameter: no optimizer, decay or momentum can reach it, and no gradient there, be it not
    a number, can reach the values.

    Args:
        values: θ `(m,)`.
        around: `(P,)`.
        index: `(m,)` int64, different places.

    Returns:
        `(P,)`.

    Example:
        >>> theta = torch.tensor([5.0], requires_grad=True)
        >>> weights = placed(theta, torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1]))
        >>> (weights * torch.tensor([7.0, 8.0, float("nan")])).sum().backward()
        >>> weights.detach(), theta.grad
        (tensor([1., 5., 3.]), tensor([8.]))
    """
    return _Placed.apply(values, around, index)


class _Masked(torch.autograd.Function):
    @staticmethod
    def forward(scores: Tensor, weights: Tensor, mask: Tensor, signed: bool) -> Tensor:
        return weights * mask

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        scores, weights, _, ctx.signed = inputs
        ctx.save_for_backward(weights, *([scores] if ctx.signed else []))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        weights, *scores = ctx.saved_tensors
        if not ctx.signed:
            return weights * grad, None, None, None
        # one new tensor and no other: fresh pages of memory would cost more than the products
        return scores[0].sign().mul_(weights).mul_(grad), None, None, None


class _Placed(torch.autograd.Function):
    @staticmethod
    def forward(values: Tensor, around: Tensor, index: Tensor) -> Tensor:
        return around.index_copy(0, index, values)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[2])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (index,) = ctx.saved_tensors
        return grad.index_select(0, index), None, None
