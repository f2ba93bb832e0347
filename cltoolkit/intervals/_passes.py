"""Margins of a whole data set over a box of weights: one interval pass per batch, and sweeps over boxes that grow."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..params import Params, Stateless
from ..tasks import Data
from ._boxes import Bounds, as_dtype
from ._logits import elided_margins, margins
from ._tensor import IntervalTensor, box

__all__ = ["Bounding", "answers", "batches", "bounding", "margins_of", "surviving"]


@dataclass(frozen=True)
class Bounding:
    """How bounds are computed.

    Args:
        units: the output units that may answer.
        dtype: float64 or float32.
        rigorous: whether bounds cover the rounding of their own computation.
        batch_size: examples per pass.
        elided: whether the last layer is elided.
    """

    units: tuple[int, ...]
    dtype: torch.dtype = torch.float64
    rigorous: bool = True
    batch_size: int = 1000
    elided: bool = True


def bounding(
    net: nn.Module | Stateless,
    bounds: Bounds,
    data: Data,
    units: Sequence[int] | None,
    *,
    dtype: torch.dtype = torch.float64,
    rigorous: bool = True,
    batch_size: int = 1000,
    elided: bool = True,
) -> tuple[Stateless, Bounding]:
    """The network apart from its weights, and how it is bounded, once all of it is seen to fit together.

    Raises:
        ValueError: if there are no examples, the bounds lack a weight, or units are none of the network's outputs.
    """
    net = net if isinstance(net, Stateless) else Stateless(net)
    if not len(data):
        raise ValueError("expected at least one example to certify; got none. Give a part of a task that has some.")
    if data.y.is_floating_point():
        raise ValueError(
            "expected labels, which answers can be right about; got real-valued targets. Bound the outputs themselves: "
            "net(bounds, x), and their worst case by `worst_case_squared_error`."
        )
    lacking = [name for name in (*net.shapes, *net.buffers) if name not in bounds]
    if lacking:
        raise ValueError(f"expected bounds of every weight and buffer of the network; {lacking[:5]} are missing")
    size = net.num_outputs(tuple(data.input_shape))
    allowed = tuple(range(size)) if units is None else tuple(int(unit) for unit in units)
    if not allowed or not set(allowed) <= set(range(size)) or len(set(allowed)) < len(allowed):
        raise ValueError(f"expected distinct output units out of 0 to {size - 1}; got {allowed}")
    return net, Bounding(allowed, dtype, rigorous, batch_size, elided and _has_linear_head(net))


@torch.no_grad()
def margins_of(net: Stateless, bounds: Bounds, data: Data, how: Bounding) -> tuple[Tensor, Tensor]:
    """Margins of every example over a box of weights, with the last layer elided and plain: `(n,)` each.

    The elided ones are the larger of both bounds; they are the plain ones where the logits are not what a linear layer
    makes of the features.
    """
    moved = as_dtype(bounds, how.dtype, how.rigorous)
    with _full_precision():
        parts = [_margins(net, moved, x, y, how) for x, y in batches(data, how.batch_size)]
    elided, plain = zip(*parts, strict=True)
    return torch.cat(elided), torch.cat(plain)


@torch.no_grad()
def answers(net: Stateless, params: Params, data: Data, how: Bounding) -> Tensor:
    """`(n,)` of bool: which examples one network answers right, by the units that may answer."""
    moved = as_dtype(params, how.dtype, rigorous=False)
    with _full_precision():
        parts = [
            margins(net.both(moved, x.to(how.dtype))[1], y, how.units) > 0 for x, y in batches(data, how.batch_size)
        ]
    return torch.cat(parts)


def surviving(net: Stateless, every: Iterable[Bounds], data: Data, how: Bounding) -> Iterator[Tensor]:
    """For boxes that grow, each holding the one before: which examples `(n,)` are certified over each.

    What is not certified over a box is not over a larger one either, so only what is goes on to the next.
    """
    alive = torch.arange(len(data))
    for bounds in every:
        if len(alive):
            ahead, _ = margins_of(net, bounds, data.subset(alive.to(data.y.device)), how)
            alive = alive[(ahead > 0).cpu()]
        certified = torch.zeros(len(data), dtype=torch.bool)
        certified[alive] = True
        yield certified


def batches(data: Data, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The examples, in order."""
    return data.batches(torch.arange(len(data)), size)


def _margins(net: Stateless, bounds: Params, x: Tensor, y: Tensor, how: Bounding) -> tuple[Tensor, Tensor]:
    x = x.to(how.dtype)
    if how.rigorous:  # so that layers without intervals are bounded as well
        x = box(x, torch.zeros_like(x), rigorous=True)
    features, logits = net.both(bounds, x)
    plain = margins(logits, y, how.units)
    if not how.elided:
        return plain, plain
    weight, bias = _head(net, bounds)
    if not _agree(F.linear(features, weight, bias), logits):
        return plain, plain
    return torch.maximum(elided_margins(features, weight, bias, y, how.units), plain), plain


def _has_linear_head(net: Stateless) -> bool:
    """Whether the head has the weights of a linear layer, and no others."""
    prefix = f"{net.head}." if net.head else ""
    names = {name.removeprefix(prefix) for name in net.head_names}
    return names in ({"weight"}, {"weight", "bias"}) and len(net.shapes[f"{prefix}weight"]) == 2


def _head(net: Stateless, bounds: Params) -> tuple[Tensor, Tensor | None]:
    prefix = f"{net.head}." if net.head else ""
    return bounds[f"{prefix}weight"], bounds.get(f"{prefix}bias")


def _agree(a: Tensor, b: Tensor) -> bool:
    """Whether two boxes are the same up to rounding: nothing comes after the head, and the head is linear."""
    ends = [(value.center, value.radius) if isinstance(value, IntervalTensor) else (value,) for value in (a, b)]
    return len(ends[0]) == len(ends[1]) and all(
        p.shape == q.shape and torch.allclose(p, q, rtol=1e-5, atol=1e-30, equal_nan=True)
        for p, q in zip(*ends, strict=True)
    )


@contextmanager
def _full_precision() -> Iterator[None]:
    """No product is rounded to fewer bits than its numbers have."""
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_tf32
    try:
        matmul.allow_tf32 = False
        with torch.backends.cudnn.flags(
            enabled=torch.backends.cudnn.enabled, benchmark=False, deterministic=True, allow_tf32=False
        ):
            yield
    finally:
        matmul.allow_tf32 = before
