"""Weights under a mask, with gradients for the scores that chose it; and weights of which a few are trained."""

from typing import Any

import torch
from torch import Tensor

__all__ = ["masked", "placed"]


class _Masked(torch.autograd.Function):
    @staticmethod
    def forward(scores: Tensor, weights: Tensor, mask: Tensor, signed: bool) -> Tensor:
        return weights * mask

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        scores, weights, _, ctx.signed = inputs
        ctx.save_for_backward(scores, weights)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[override]
        scores, weights = ctx.saved_tensors
        grad = grad * weights
        return (grad.mul_(scores.sign()) if ctx.signed else grad), None, None, None


class _Placed(torch.autograd.Function):
    @staticmethod
    def forward(values: Tensor, around: Tensor, index: Tensor) -> Tensor:
        return around.index_copy(0, index, values)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[2])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        (index,) = ctx.saved_tensors
        return grad.index_select(0, index), None, None


def masked(weights: Tensor, scores: Tensor, mask: Tensor, *, signed: bool = True) -> Tensor:
    """W ⊙ M, where the gradient goes to the scores as if the mask were their magnitude: ∂s = sign(s) ⊙ W ⊙ ∂W̃."""
    return _Masked.apply(scores, weights, mask, signed)


def placed(values: Tensor, around: Tensor, index: Tensor) -> Tensor:
    """`around` `(P,)` with `values` `(m,)` in the places `index` `(m,)`; gradients go to the values alone."""
    return _Placed.apply(values, around, index)
