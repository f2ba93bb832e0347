"""Affine rules of functions that move entries about, that average them, and of layers which are made of others."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ._affine import AFFINE_RULES, AffineTensor, Form, affine_rule, form_of, is_rigorous
from ._rounding import gamma
from ._shapes import MOVERS
from ._tensor import MissingRuleError, box

__all__: list[str] = []


def _of_each(function: Callable[..., Any], generators: Tensor, like: Any) -> Any:
    """`function` of every generator; `like` is what it made of the center."""
    if len(generators):
        return torch.vmap(function)(generators)
    if isinstance(like, Tensor):
        return like.new_zeros(0, *like.shape)
    return tuple(part.new_zeros(0, *part.shape) for part in like)


def _moved(function: Callable[..., Any]) -> Callable[..., Any]:
    """The rule of a function that moves entries: all parts of a form move alike."""

    def moved(input: AffineTensor, *args: Any, **kwargs: Any) -> Any:
        def move(part: Tensor) -> Any:
            return function(part, *args, **kwargs)

        centers, radii = move(input.center), move(input.radius)
        parts = centers, _of_each(move, input.generators, centers), radii
        return Form(*parts) if isinstance(centers, Tensor) else tuple(Form(*part) for part in zip(*parts, strict=True))

    return moved


AFFINE_RULES.update({function: _moved(function) for function in MOVERS})
AFFINE_RULES[Tensor.view] = _moved(Tensor.reshape)  # generators need not be contiguous
AFFINE_RULES[Tensor.data.__get__] = _moved(Tensor.detach)  # type: ignore[attr-defined]


@affine_rule(Tensor.view_as, Tensor.reshape_as, Tensor.expand_as)
def shaped_as(input: AffineTensor, other: Tensor) -> Form:
    shaped: Any = input.expand(other.shape) if input.numel() != other.numel() else input.reshape(other.shape)
    return form_of(shaped)


@affine_rule(F.pad)
def pad(input: AffineTensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Form:
    """What is padded with is exact: noise has 0 there."""

    def padded(part: Tensor) -> Tensor:
        return F.pad(part, pad, mode)

    center = F.pad(input.center, pad, mode, value)
    return Form(center, _of_each(padded, input.generators, center), padded(input.radius))


def _converted(function: Callable[..., Any]) -> Callable[..., Form]:
    """The rule of a move: another device keeps the noise, in another precision there is only the box."""

    def converted(input: AffineTensor, *args: Any, **kwargs: Any) -> Form:
        moved = function(input.box, *args, **kwargs)
        same = moved.dtype == input.dtype
        return Form(*(part.to(moved.center) for part in input.form)) if same else form_of(moved)

    return converted


AFFINE_RULES.update({function: _converted(function) for function in (Tensor.to, Tensor.float, Tensor.double)})


@affine_rule(torch.cat)
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Form:
    return _gathered(torch.cat, tensors, dim)


@affine_rule(torch.stack)
def stack(tensors: Sequence[Tensor], dim: int = 0) -> Form:
    return _gathered(torch.stack, tensors, dim)


def _gathered(function: Callable[..., Tensor], tensors: Sequence[Tensor], dim: int) -> Form:
    forms = [form_of(value) for value in tensors]
    d = max(len(form.generators) for form in forms)
    full = [torch.cat([g, g.new_zeros(d - len(g), *g.shape[1:])]) for g in (form.generators for form in forms)]
    return Form(
        function([form.center for form in forms], dim),
        torch.vmap(lambda *parts: function(parts, dim))(*full),
        function([form.radius for form in forms], dim),
    )


# Means and sums


def _averaged(function: Callable[..., Tensor], spatial: int = 0) -> Callable[..., Form]:
    """The rule of a sum with factors in [0, 1], over the last `spatial` dimensions or the dimensions named."""

    def averaged(input: AffineTensor, *args: Any, **kwargs: Any) -> Form:
        def average(part: Tensor) -> Tensor:
            return function(part, *args, **kwargs)

        x = input.form
        center = average(x.center)
        made = Form(center, _of_each(average, x.generators, center), average(x.radius))
        if not input.rigorous:
            return made
        terms = math.prod(x.center.shape[-spatial:]) if spatial else x.center.numel() // max(center.numel(), 1)
        return made.rounded(average(x.reach), 2 * terms + len(x.generators) + 16)

    return averaged


AFFINE_RULES.update(dict.fromkeys((torch.mean, Tensor.mean), _averaged(Tensor.mean)))
AFFINE_RULES.update(dict.fromkeys((torch.sum, Tensor.sum), _averaged(Tensor.sum)))
AFFINE_RULES[F.avg_pool1d] = AFFINE_RULES[torch.avg_pool1d] = _averaged(F.avg_pool1d, 1)
AFFINE_RULES[F.avg_pool2d] = _averaged(F.avg_pool2d, 2)
AFFINE_RULES[F.adaptive_avg_pool1d] = AFFINE_RULES[torch.adaptive_avg_pool1d] = _averaged(F.adaptive_avg_pool1d, 1)
AFFINE_RULES[F.adaptive_avg_pool2d] = _averaged(F.adaptive_avg_pool2d, 2)


# Layers


@affine_rule(F.dropout, torch.dropout)
def dropout(input: AffineTensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Form:
    if training and p:
        raise MissingRuleError("no rule bounds dropout on an AffineTensor; call eval() on the network")
    return input.form


@affine_rule(F.batch_norm)
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Form:
    """With frozen statistics it is a scaling by points, then by the gain."""
    if training or running_mean is None or running_var is None:
        raise MissingRuleError("no rule bounds batch_norm with statistics of the batch; give frozen ones, call eval()")
    shape = (-1, *[1] * (input.ndim - 2))
    scale = (running_var + eps).rsqrt().reshape(shape)
    if is_rigorous(input, weight, bias):
        scale = box(scale, gamma(8, scale.dtype) * scale, rigorous=True)
    out: Any = (input - running_mean.reshape(shape)) * scale
    if weight is not None:
        out = out * weight.reshape(shape)
    if bias is not None:
        out = out + bias.reshape(shape)
    return form_of(out)
