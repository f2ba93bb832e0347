"""How many masks and examples may pass through a network at a time in a given memory."""

import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ..params import Stateless

__all__ = ["Demand", "Plan", "demand", "plan_blocks"]

BATCH = 500  # examples in one pass, at most; larger ones are not faster
LEAST = 16  # and at least
FIXED = 2**25  # bytes that blocks of distances take, and what is made of them


@dataclass(frozen=True)
class Demand:
    """What features under many masks cost.

    Attributes:
        weights: bytes of one set of weights.
        activations: bytes of all that lives at once inside the network, for one example under one mask.
        outputs: bytes of features and logits, for one example under one mask.
        inputs: bytes of one example.
    """

    weights: int
    activations: int
    outputs: int
    inputs: int


@dataclass(frozen=True)
class Plan:
    """What is computed at once.

    Attributes:
        masks: sets of weights.
        batch: examples.
        held: whether all inputs stay in memory; else they are read anew for every block of masks.
        bytes: memory of the two together, above what was there before.
    """

    masks: int
    batch: int
    held: bool
    bytes: int


def plan_blocks(need: Demand, *, masks: int, examples: int, memory: int) -> Plan:
    """The largest blocks whose memory stays within the budget; one mask and a few examples, if that is too much.

    Counted are: the inputs, if they fit a quarter of the budget, else a batch of them; the weights of a block, twice,
    as they come of another tensor; activations, twice, as a batched convolution copies its input; features and logits,
    three times, as they are joined and split; the features of one mask in float64, twice; and blocks of distances.

    Example:
        >>> lenet = Demand(weights=4 * 266_200, activations=4 * 1_600, outputs=4 * 110, inputs=4 * 784)
        >>> plan_blocks(lenet, masks=50, examples=2000, memory=2**28)
        Plan(masks=20, batch=500, held=True, bytes=266738432)
    """
    held = 4 * need.inputs * examples <= memory
    batch = min(BATCH, examples)
    while batch > LEAST and (_bytes(need, 1, batch, held, examples) > memory or 4 * need.inputs * batch > memory):
        batch = max(LEAST, batch // 2)
    each = _bytes(need, 1, batch, held, examples) - _bytes(need, 0, batch, held, examples)
    room = (memory - _bytes(need, 0, batch, held, examples)) // max(each, 1)
    count = min(masks, max(1, room))
    return Plan(count, batch, held, _bytes(need, count, batch, held, examples))


def _bytes(need: Demand, masks: int, batch: int, held: bool, examples: int) -> int:
    fixed = FIXED + need.inputs * (examples if held else 2 * batch) + 4 * examples * need.outputs
    return fixed + masks * (2 * need.weights + 2 * batch * need.activations + 3 * examples * need.outputs)


def demand(net: Stateless, params: Mapping[str, Tensor], x: Tensor) -> Demand:
    """What a network costs, found by a pass on shapes alone.

    Args:
        net: the network.
        params: of one mask, or tensors like them.
        x: `(1, *input_shape)`, or like it.
    """
    like = {name: torch.empty_like(value, device="meta") for name, value in params.items()}
    with torch.no_grad(), _Living() as living:
        features, logits = net.both(like, torch.empty_like(x, device="meta"))
    return Demand(_size(params.values()), living.most, _size((features, logits)), _size((x,)))


def _size(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


class _Living(TorchFunctionMode):
    """Watches how many bytes of results are alive at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, Tensor):
                self._count(tensor.nbytes)
                weakref.finalize(tensor, self._count, -tensor.nbytes)
        return result

    def _count(self, size: int) -> None:
        self.now += size
        self.most = max(self.most, self.now)
