"""What every interval rule is tried on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cltoolkit.intervals._facts import attribute
from cltoolkit.randomness import stream


@dataclass(frozen=True)
class Range:
    """Boxes drawn for one operand: centers within [low, high], radii up to `spread`."""

    shape: tuple[int, ...] = (3, 4)
    low: float = -2
    high: float = 2
    spread: float = 0.7
    nonnegative: bool = False


@dataclass(frozen=True)
class Case:
    """What a rule is tried on.

    Attributes:
        functions: torch functions; all spellings that share the rule of the first are tried too, unless `only` these.
        apply: (function, *operands) → result.
        operands: one range per box.
        nonnegative: whether the result is known to be so.
        centered: whether at width 0 the center is the plain value to the bit.
        point: whether width 0 stays 0.
        differentiable: whether all operands get gradients.
        rigorous: whether there is a rigorous form.
    """

    functions: tuple[Callable[..., Any], ...]
    apply: Callable[..., Any]
    operands: tuple[Range, ...] = (Range(),)
    only: bool = False
    nonnegative: bool = False
    centered: bool = True
    point: bool = True
    differentiable: bool = True
    rigorous: bool = True


def one(*functions: Any, args: tuple[Any, ...] = (), on: Range = Range(), **options: Any) -> list[Case]:
    """A box, and arguments that are none: each function by itself."""
    return [Case((f,), lambda f, x: f(x, *args), (on,), **options) for f in functions]


def image(*functions: Any, args: tuple[Any, ...] = (), **options: Any) -> list[Case]:
    return one(*functions, args=args, on=IMAGE, **options)


def many(*functions: Any, on: tuple[Range, ...], apply: Any = lambda f, *x: f(*x), **options: Any) -> list[Case]:
    """Several boxes."""
    return [Case((f,), apply, on, **options) for f in functions]


def point(*shape: int, low: float = -2, high: float = 2) -> Tensor:
    """Numbers of float32, in float64."""
    return (low + (high - low) * torch.rand(shape, generator=stream(3, "points"))).double()


ANY, PAIR, IMAGE = Range(), (Range(), Range()), Range((2, 4, 6, 6))
LINE, SOLID = Range((2, 3, 7)), Range((1, 2, 4, 4, 4))
POSITIVE = Range(low=1, high=3, nonnegative=True)
WIDE = Range(low=-30, high=30, spread=3)
PER_CHANNEL = (IMAGE, Range((4,)), Range((4,)))
MASK = point(3, 4) > 0
INDEX = torch.tensor([[1, 0, 2, 3], [3, 3, 0, 1], [0, 1, 1, 2]])
X, MEAN, VARIANCE = point(3, 4), point(4), point(4, low=0.5)

ACTIVATIONS = [
    *one(F.relu, torch.abs, torch.square, torch.exp, nonnegative=True),
    *one(torch.tanh, torch.atan, torch.erf, torch.expm1, F.selu, F.tanhshrink, F.hardtanh, F.hardshrink, F.softshrink),
    *one(F.silu, F.mish, F.gelu), *one(F.silu, F.mish, F.gelu, F.logsigmoid, F.softsign, on=WIDE),
    *one(torch.sigmoid, F.softplus, on=WIDE, nonnegative=True),
    *one(F.softplus, args=(3.0, 2.0), nonnegative=True),
    *one(F.relu6, on=Range(low=-8, high=8), nonnegative=True), *one(F.hardswish, on=Range(low=-5, high=5)),
    *one(F.hardsigmoid, on=Range(low=-5, high=5), nonnegative=True),
    *one(torch.log, torch.log1p, on=POSITIVE), *one(torch.sqrt, torch.reciprocal, on=POSITIVE, nonnegative=True),
    *one(F.leaky_relu, args=(0.1,)), *one(F.leaky_relu, args=(-0.5,), nonnegative=True), *one(F.rrelu),
    *one(F.elu, args=(1.3,)), *one(F.celu, args=(0.7,)), *many(torch.prelu, on=(ANY, Range((1,)))),
    *many(torch.prelu, on=(IMAGE, Range((4,)))),
    *one(F.threshold, args=(0.5, -1.0)), *one(F.threshold, args=(0.5, 0.0), nonnegative=True),
    *one(torch.clamp, args=(-0.5, 1.0)), *one(torch.clamp, args=(0.0,), nonnegative=True),
    *one(torch.clamp_min, args=(0.125,), nonnegative=True), *one(torch.clamp_max, args=(0.125,)),
    *one(torch.pow, args=(2,), nonnegative=True), *one(torch.pow, args=(3,)),
    *one(torch.pow, args=(1.5,), on=POSITIVE, nonnegative=True),
    *many(F.gelu, on=(ANY,), apply=lambda f, x: f(x, approximate="tanh")),
]  # fmt: skip

ARITHMETIC = [
    *many(torch.add, torch.sub, torch.mul, torch.maximum, torch.minimum, on=PAIR),
    *one(torch.add, torch.rsub, torch.mul, torch.div, args=(-1.1,)), *one(torch.neg, torch.positive),
    *many(torch.add, torch.sub, torch.rsub, on=PAIR, apply=lambda f, x, y: f(x, y, alpha=-0.3), only=True,
          centered=False),
    *many(torch.mul, torch.add, torch.sub, on=(Range((3, 1)), Range((4,))), only=True),
    *many(torch.mul, torch.add, torch.sub, torch.div, torch.maximum, torch.minimum, on=(ANY,), only=True,
          apply=lambda f, x: f(x, X.to(x.dtype))),
    *many(torch.mul, torch.add, torch.sub, torch.maximum, on=(ANY,), apply=lambda f, x: f(X.to(x.dtype), x), only=True),
    *many(torch.div, on=(ANY, POSITIVE), centered=False),
    *one(Tensor.__rdiv__, args=(2.0,), on=POSITIVE, nonnegative=True, centered=False),
    *one(F.dropout, F.dropout1d, args=(0.5, False), on=LINE), *image(F.dropout2d, args=(0.5, False)),
    *one(F.dropout3d, args=(0.5, False), on=SOLID),
]  # fmt: skip

POOLS = [
    *one(F.max_pool1d, torch.max_pool1d, F.avg_pool1d, args=(2,), on=LINE),
    *image(F.max_pool2d, torch.max_pool2d, F.avg_pool2d, args=(3, 2, 1)),
    *one(F.max_pool3d, torch.max_pool3d, F.avg_pool3d, args=(2,), on=SOLID),
    *one(F.adaptive_max_pool1d, F.adaptive_avg_pool1d, args=(3,), on=LINE),
    *image(F.adaptive_max_pool2d, F.adaptive_avg_pool2d, args=((4, 1),)),
    *one(F.adaptive_max_pool3d, F.adaptive_avg_pool3d, args=(3,), on=SOLID),
    *image(torch.amax, Tensor.amax, torch.amin, Tensor.amin, args=((1, -1),)),
    *image(torch.mean, torch.sum, args=((2, 3),)), *one(torch.mean), *one(torch.sum, args=(-1, True)),
    *one(F.softmax, F.softmin, args=(-1,), nonnegative=True, centered=False),
    *one(F.log_softmax, args=(0,), centered=False),
    *many(F.scaled_dot_product_attention, on=(Range((2, 3, 4)), Range((2, 5, 4)), Range((2, 5, 3))), centered=False),
]  # fmt: skip

NORMS = [
    *many(F.batch_norm, on=(IMAGE,), apply=lambda f, x: f(x, MEAN.to(x.dtype), VARIANCE.to(x.dtype)), centered=False),
    *many(F.batch_norm, on=PER_CHANNEL, centered=False,
          apply=lambda f, x, g, b: f(x, MEAN.to(x.dtype), VARIANCE.to(x.dtype), g, b)),
    *many(F.batch_norm, on=(Range((4,)), Range((4,))), centered=False,
          apply=lambda f, g, b: f(X.to(g.dtype), MEAN.to(g.dtype), VARIANCE.to(g.dtype), g, b)),
    *many(F.group_norm, on=PER_CHANNEL, apply=lambda f, x, g, b: f(x, 2, g, b), centered=False, rigorous=False),
    *many(F.instance_norm, on=PER_CHANNEL, apply=lambda f, x, g, b: f(x, None, None, g, b), centered=False,
          rigorous=False),
    *many(F.layer_norm, on=(ANY, Range((4,)), Range((4,))), apply=lambda f, x, g, b: f(x, (4,), g, b), centered=False,
          rigorous=False),
    *one(F.layer_norm, args=((4,),), on=Range(low=5, high=6, spread=0.01), centered=False, rigorous=False),
]  # fmt: skip

PRODUCTS = [
    *many(F.linear, on=(ANY, Range((5, 4)), Range((5,)))), *many(F.linear, on=(POSITIVE, Range((5, 4)), Range((5,)))),
    *many(F.linear, on=(Range((5, 4)),), apply=lambda f, w: f(X.to(w.dtype), w)),
    *many(F.linear, on=(Range((3, 3)),), apply=lambda f, x: f(x, X.T.to(x.dtype))),
    *many(F.conv1d, on=(LINE, Range((4, 3, 3))), apply=lambda f, x, w: f(x, w, None, 2, 1), only=True),
    *many(F.conv2d, on=(IMAGE, Range((4, 2, 3, 3)), Range((4,))), apply=lambda f, x, w, b: f(x, w, b, 2, 1, 1, 2),
          only=True),
    *many(torch.matmul, torch.mm, Tensor.matmul, Tensor.mm, Tensor.__matmul__, on=(ANY, Range((4, 5))), only=True),
    *many(torch.bmm, Tensor.bmm, on=(Range((2, 3, 4)), Range((2, 4, 5))), only=True),
    *many(torch.mv, Tensor.mv, on=(ANY, Range((4,))), only=True),
    *many(torch.dot, Tensor.dot, on=(Range((4,)), Range((4,))), only=True),
    *many(Tensor.__rmatmul__, on=(Range((4, 5)), ANY)),
    *many(torch.addmm, on=(Range((3, 5)), ANY, Range((4, 5))), apply=lambda f, *x: f(*x, beta=0.5, alpha=2),
          centered=False),
]  # fmt: skip

MOVERS = [
    *one(torch.flatten, Tensor.flatten, torch.ravel, Tensor.ravel, torch.t, Tensor.t, attribute("T"), attribute("mT")),
    *one(torch.diagonal, Tensor.diagonal, torch.unbind, Tensor.unbind),
    *one(Tensor.contiguous, torch.clone, Tensor.clone, Tensor.cpu),
    *one(torch.detach, Tensor.detach, attribute("data"), differentiable=False),
    *image(torch.unflatten, Tensor.unflatten, args=(1, (2, 2))),
    *one(torch.reshape, Tensor.reshape, Tensor.view, args=((4, 3),)),
    *one(torch.unsqueeze, Tensor.unsqueeze, args=(1,)), *one(torch.squeeze, Tensor.squeeze, on=Range((3, 1, 2))),
    *one(Tensor.expand, torch.broadcast_to, Tensor.broadcast_to, args=((2, 3, 4),)),
    *one(torch.transpose, Tensor.transpose, torch.swapaxes, Tensor.swapaxes, args=(0, 1)),
    *one(torch.movedim, Tensor.movedim, args=(0, 1)), *one(torch.permute, Tensor.permute, args=((1, 0),)),
    *one(torch.split, Tensor.split, torch.chunk, Tensor.chunk, torch.tensor_split, Tensor.tensor_split, args=(2,)),
    *one(Tensor.split_with_sizes, args=([1, 2],)), *one(torch.narrow, Tensor.narrow, args=(1, 1, 2)),
    *one(torch.select, Tensor.select, args=(0, 1)), *one(Tensor.__getitem__, args=((slice(None), 1),)),
    *one(Tensor.__getitem__, args=(MASK,)), *one(torch.gather, Tensor.gather, args=(1, INDEX)),
    *one(torch.index_select, Tensor.index_select, args=(1, torch.tensor([0, 0, 3]))),
    *one(Tensor.repeat, torch.tile, Tensor.tile, args=((2, 1),)),
    *one(torch.repeat_interleave, Tensor.repeat_interleave, args=(2,)),
    *one(torch.roll, Tensor.roll, args=(1, 0)), *one(torch.flip, Tensor.flip, args=((0,),)),
    *image(torch.pixel_shuffle, torch.pixel_unshuffle, torch.channel_shuffle, F.unfold, args=(2,)),
    *many(Tensor.view_as, on=(ANY, Range((4, 3))), differentiable=False),
    *many(Tensor.expand_as, on=(Range((4,)), ANY), differentiable=False),
    *many(torch.cat, torch.stack, on=PAIR, apply=lambda f, x, y: f([x, y], 1)),
    *many(torch.cat, on=(ANY,), apply=lambda f, x: f([X.to(x.dtype), x]), only=True),
    *many(torch.where, on=PAIR, apply=lambda f, x, y: f(MASK, x, y)),
    *many(torch.where, on=(ANY,), apply=lambda f, x: f(MASK, X.to(x.dtype), x)),
    *one(torch.masked_fill, args=(MASK, -1.0)), *image(F.pad, args=((1, 1), "constant", -3.0)),
    *image(F.pad, args=((1, 2, 0, 1),)), *image(F.pad, args=((1, 2, 0, 1), "reflect")),
]  # fmt: skip

CONVERSIONS = [
    *one(Tensor.to, Tensor.type, args=(torch.float64,)), *one(Tensor.double),
    *one(Tensor.float, Tensor.half, Tensor.bfloat16, point=False),
    *many(Tensor.type_as, on=(ANY,), apply=lambda f, x: f(x, X)),
]  # fmt: skip

CASES = [*ACTIVATIONS, *ARITHMETIC, *POOLS, *NORMS, *PRODUCTS, *MOVERS, *CONVERSIONS]
