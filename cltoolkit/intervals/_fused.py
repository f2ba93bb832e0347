"""Exact bounds with their gradients written out: where training on boxes spends its time."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["Convolution", "conv", "exact_weight", "linear", "relu"]

Grads = tuple[Tensor | None, ...]
Ends = tuple[Tensor, Tensor]
Convolution = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]  # stride, padding, dilation
masked = torch.ops.aten.threshold_backward  # masked(g, a, 0): g where a > 0, else 0, in one vectorized pass


def relu(center: Tensor, radius: Tensor) -> Ends:
    """Box of ReLU: r' = max(0, min(r, (c + r) / 2)), c' = max(c, r').

    So the box stays as it is above 0, becomes [0, c + r] across 0 and {0} below, and no difference cancels.
    """
    return _Relu.apply(center, radius)


def linear(
    x: Tensor, x_radius: Tensor, weight: Tensor, weight_radius: Tensor, bias: Tensor | None, bias_radius: Tensor | None
) -> Ends:
    """Exact box of {W x + b} for x ≥ 0.

    With u = c + r the upper end of x and E = sgn(M) max(0, |M| − R) what W keeps of its sign wherever it lies,
    c' = M u − E r + b and r' = R u + |E| r + b_r. In lower and upper ends these are W_u⁺ x_u + W_u⁻ x_l and
    W_l⁺ x_l + W_l⁻ x_u, term by term.
    """
    if x.ndim == 2:
        return _Linear.apply(x, x_radius, weight, weight_radius, bias, bias_radius)
    shape = (*x.shape[:-1], len(weight))
    rows = x.reshape(-1, x.shape[-1]), x_radius.reshape(-1, x.shape[-1])
    center, radius = _Linear.apply(*rows, weight, weight_radius, bias, bias_radius)
    return center.view(shape), radius.view(shape)


def conv(
    x: Tensor,
    x_radius: Tensor,
    weight: Tensor,
    weight_radius: Tensor,
    bias: Tensor | None,
    bias_radius: Tensor | None,
    convolution: Convolution,
) -> Ends:
    """The same of {W ∗ x + b}, as one convolution: of [u; r] with [[M, −E], [R, |E|]], twice as many channels."""
    return _Conv.apply(convolution, x, x_radius, weight, weight_radius, bias, bias_radius)


def exact_weight(x: Tensor, x_radius: Tensor, weight: Tensor, bias: Tensor | None) -> Ends:
    """Exact box of {W x + b} for a weight that is no box: W c + b and |W| r.

    In blocks of rows that stay in the cache with their |W|: a hypernetwork's last layer is large and meets few inputs,
    so that its time is that of reading W, and of writing its gradient, once.
    """
    flat, flat_radius = x.reshape(-1, x.shape[-1]), x_radius.reshape(-1, x.shape[-1])
    center, radius = _ExactWeight.apply(flat, flat_radius, weight, bias)
    return center.view(*x.shape[:-1], len(weight)), radius.view(*x.shape[:-1], len(weight))


def _kept(weight: Tensor, radius: Tensor) -> tuple[Tensor, Tensor]:
    """E and |E|."""
    size = weight.abs().sub_(radius).relu_()
    return weight.sgn().mul_(size), size


def _through_kept(kept: Tensor, by_kept: Tensor, by_size: Tensor) -> Ends:
    """What −E and |E| pass on to M, and to −R: with s = sgn(E), y = s (d|E| − s d(−E)) and s y; in place."""
    sign = kept.sgn()
    by_weight = by_size.addcmul_(sign, by_kept, value=-1).mul_(sign)
    return by_weight, sign.mul_(by_weight)


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, center: Tensor, radius: Tensor) -> Ends:
        narrow = torch.lerp(center, radius, 0.5)
        narrow = torch.minimum(radius, narrow).relu_()
        center = torch.maximum(center, narrow)
        ctx.save_for_backward(center, narrow)
        return center, narrow

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_center: Tensor, by_radius: Tensor) -> Ends:
        center, radius = ctx.saved_tensors
        by_lower = masked(by_center - by_radius, center - radius, 0)
        by_upper = masked(by_center + by_radius, center, 0)
        by_center = torch.lerp(by_lower, by_upper, 0.5)
        return by_center, by_upper.sub_(by_center)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, c: Tensor, r: Tensor, m: Tensor, w: Tensor, bias: Tensor | None, bias_radius: Tensor | None
    ) -> Ends:
        upper, (kept, size) = c + r, _kept(m, w)
        center = F.linear(upper, m, bias).addmm_(r, kept.T, alpha=-1)
        radius = F.linear(upper, w, bias_radius).addmm_(r, size.T)
        ctx.save_for_backward(upper, r, m, w, kept, size)
        return center, radius

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor, h: Tensor) -> Grads:
        upper, r, m, w, kept, size = ctx.saved_tensors
        of_c, of_r, of_m, of_w, of_bias, of_bias_radius = ctx.needs_input_grad
        by_c = by_r = by_m = by_w = None
        if of_c or of_r:
            by_c = (g @ m).addmm_(h, w)
            by_r = (h @ size).addmm_(g, kept, alpha=-1).add_(by_c)
        if of_m or of_w:
            by_m, by_w = _through_kept(kept, g.T @ r, h.T @ r)
            by_m, by_w = by_m.addmm_(g.T, upper), by_w.addmm_(h.T, upper, beta=-1)
        return by_c, by_r, by_m, by_w, g.sum(0) if of_bias else None, h.sum(0) if of_bias_radius else None


class _ExactWeight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, c: Tensor, r: Tensor, weight: Tensor, bias: Tensor | None) -> Ends:
        center, radius = c.new_empty(len(c), len(weight)), c.new_empty(len(c), len(weight))
        for rows in _blocks(weight):
            block = weight[rows]
            torch.mm(c, block.T, out=center[:, rows])
            torch.mm(r, block.abs().T, out=radius[:, rows])
        ctx.save_for_backward(c, r, weight)
        return center if bias is None else center.add_(bias), radius

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor, h: Tensor) -> Grads:
        c, r, weight = ctx.saved_tensors
        of_c, of_r, of_weight, of_bias = ctx.needs_input_grad
        by_c = torch.zeros_like(c) if of_c else None
        by_r = torch.zeros_like(r) if of_r else None
        by_weight = torch.empty_like(weight) if of_weight else None
        for rows in _blocks(weight):
            block, gs, hs = weight[rows], g[:, rows], h[:, rows]
            if by_weight is not None:
                torch.mm(hs.T, r, out=by_weight[rows]).mul_(block.sgn()).addmm_(gs.T, c)
            if by_c is not None:
                by_c.addmm_(gs, block)
            if by_r is not None:
                by_r.addmm_(hs, block.abs())
        return by_c, by_r, by_weight, g.sum(0) if of_bias else None


def _blocks(weight: Tensor) -> list[slice]:
    """Rows of a matrix, half a megabyte of float32 at a time; on an accelerator all at once."""
    size = max(1, 2**17 // weight.shape[1]) if weight.device.type == "cpu" else len(weight)
    return [slice(begin, begin + size) for begin in range(0, len(weight), size)]


class _Conv(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        how: Convolution,
        c: Tensor,
        r: Tensor,
        m: Tensor,
        w: Tensor,
        bias: Tensor | None,
        bias_radius: Tensor | None,
    ) -> Ends:
        kept, size = _kept(m, w)
        x = torch.cat([c + r, r], 1)
        weight = torch.cat([torch.cat([m, -kept], 1), torch.cat([w, size], 1)])
        out = torch.convolution(x, weight, _both(bias, bias_radius, m), *how, False, (0,) * len(how[0]), 1)
        ctx.how = how
        ctx.save_for_backward(x, weight, kept)
        center, radius = out.chunk(2, 1)
        return center, radius

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor, h: Tensor) -> Grads:
        x, weight, kept = ctx.saved_tensors
        _, of_c, of_r, of_m, of_w, of_bias, of_bias_radius = ctx.needs_input_grad
        needs = (of_c or of_r, of_m or of_w, of_bias or of_bias_radius)
        by_x, by_weight, by_bias = torch.ops.aten.convolution_backward(
            torch.cat([g, h], 1), x, weight, [len(weight)], *ctx.how, False, (0,) * len(ctx.how[0]), 1, needs
        )
        grads: list[Tensor | None] = [None] * 6
        if needs[0]:
            by_upper, by_r = by_x.chunk(2, 1)
            grads[:2] = by_upper, by_r + by_upper
        if needs[1]:
            (by_m, by_kept), (by_w, by_size) = (half.chunk(2, 1) for half in by_weight.chunk(2))
            through, back = _through_kept(kept, by_kept, by_size)
            grads[2:4] = through.add_(by_m), by_w - back
        if needs[2]:
            grads[4:] = by_bias.chunk(2)
        return None, *grads


def _both(bias: Tensor | None, bias_radius: Tensor | None, like: Tensor) -> Tensor | None:
    """[b; b_r], with zeros for what is missing."""
    if bias is None and bias_radius is None:
        return None
    zeros = like.new_zeros(len(like))
    return torch.cat([zeros if bias is None else bias, zeros if bias_radius is None else bias_radius])
