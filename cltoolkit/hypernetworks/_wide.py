"""A linear layer with very many outputs and few rows, as a full hypernetwork ends in."""

import math
import weakref
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

WIDE = 2**22  # weights from which it pays
BLOCK = 4096  # outputs multiplied at a time: a block of the weight stays in the cache


class WideLinear(nn.Linear):
    """`nn.Linear`, computed in blocks of outputs when its weight is large and on the CPU.

    Matrix libraries cut such products (10 rows, 75 features, 500 000 outputs) badly, and the gradient of the weight
    would be new memory at every step, where touching it first costs more than the product itself. So it is written
    where the previous one was, once that is gone.
    """

    def __init__(self, in_features: int, out_features: int, *, device: torch.device | str | None = None) -> None:
        super().__init__(in_features, out_features, device=device)
        self._scratch = Scratch()

    def forward(self, input: Tensor) -> Tensor:
        plain = type(input) is Tensor and type(self.weight) in (Tensor, nn.Parameter)
        if plain and self.weight.device.type == "cpu" and self.weight.numel() >= WIDE:
            flat = _BlockLinear.apply(input.flatten(0, -2), self.weight, self.bias, self._scratch)
            return flat.unflatten(0, input.shape[:-1])
        return F.linear(input, self.weight, self.bias)


class Scratch:
    """CPU memory that is lent to one tensor at a time, and lent again once that tensor and its views are gone."""

    def __init__(self) -> None:
        self._memory = np.empty(0, np.uint8)
        self._lent: weakref.ref[np.ndarray] | None = None

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """An uninitialized tensor in this memory, or in memory of its own while another tensor lies here."""
        if self._lent is not None and self._lent() is not None:
            return torch.empty(shape, dtype=dtype)
        size = math.prod(shape) * dtype.itemsize
        if self._memory.size != size:
            self._memory = np.empty(size, np.uint8)
        lent = self._memory.view()  # the tensor's storage holds this object, and nobody else does
        self._lent = weakref.ref(lent)
        return torch.from_numpy(lent).view(dtype).view(shape)

    def __deepcopy__(self, memo: dict[int, object]) -> "Scratch":
        return Scratch()

    def __reduce__(self) -> tuple[type["Scratch"], tuple[()]]:
        return Scratch, ()


class _BlockLinear(torch.autograd.Function):
    """x Wᵀ + b of x `(m, h)` and W `(P, h)`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, scratch: Scratch) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.scratch = scratch
        outputs = x.new_empty(len(x), len(weight))
        for out, w, b in zip(outputs.split(BLOCK, 1), weight.split(BLOCK), bias.split(BLOCK), strict=True):
            torch.addmm(b, x, w.T, out=out)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias, _ = ctx.needs_input_grad
        return (
            _times_weight(grad, weight) if of_x else None,
            _outer(grad, x, ctx.scratch) if of_weight else None,
            grad.sum(0) if of_bias else None,
            None,
        )


def _times_weight(grad: Tensor, weight: Tensor) -> Tensor:
    product = grad.new_zeros(len(grad), weight.shape[1])
    for g, w in zip(grad.split(BLOCK, 1), weight.split(BLOCK), strict=True):
        product.addmm_(g, w)
    return product


def _outer(grad: Tensor, x: Tensor, scratch: Scratch) -> Tensor:
    product = scratch.empty((grad.shape[1], x.shape[1]), x.dtype)
    for g, out in zip(grad.split(BLOCK, 1), product.split(BLOCK), strict=True):
        torch.mm(g.T, x, out=out)
    return product
