"""Short training of many networks at once: stacked weights, one Adam."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import vmap

from ..params import Params, Stateless
from ..randomness import key_seed, reseeded, stream

__all__ = ["Adam", "cycled", "rows_of", "stacked", "train_networks"]

Batch = Callable[[int, range], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Adam:
    """How networks are trained.

    Attributes:
        steps: how many.
        lr: the step size.
        seed: of what a network itself draws, such as dropout.
        at_once: how many networks are trained together; it changes speed and memory, and values by rounding alone.
    """

    steps: int
    lr: float
    seed: int
    at_once: int


def train_networks(
    net: Stateless, start: Params, batch: Batch, closed: Tensor, adam: Adam, *, tick: Callable[[int], None]
) -> Params:
    """Trains N networks of one architecture by Adam, each as if it were alone.

    Args:
        net: the architecture.
        start: where they begin, each `(N, *shape)`; left as it is.
        batch: the step's number and which networks (n of the N) → inputs and labels; `(n, b, *input_shape)` and
            `(n, b)`, or `(b, *input_shape)` and `(b,)` where all of them see the same.
        closed: `(N, k)`, 0 for the output units among which a network decides, -inf for others.
        adam: how.
        tick: told after each step how many networks took it.

    Returns:
        The weights and buffers they end with, each `(N, *shape)`.
    """
    done = []
    for i, part in enumerate(rows_of(start | {"": closed}, adam.at_once)):
        own = {name: part[name].clone() for name in start}
        rows = range(i * adam.at_once, i * adam.at_once + len(part[""]))
        done.append(_trained(net, own, rows, batch, part[""], adam, tick))
    return {name: torch.cat([part[name] for part in done]) for name in start}


def _trained(
    net: Stateless, params: Params, rows: range, batch: Batch, closed: Tensor, adam: Adam, tick: Callable[[int], None]
) -> Params:
    """A part of them, together. `params` is changed."""
    weights = {name: params[name].requires_grad_() for name in net.shapes}
    buffers = {name: params[name] for name in net.buffers}
    optimizer = torch.optim.Adam(weights.values(), lr=adam.lr, fused=True)
    for step in range(adam.steps):
        x, y = batch(step, rows)
        with reseeded(key_seed(adam.seed, "draws", rows.start, step), device=x.device):
            logits, buffers = _forward(net, weights, buffers, x, shared=y.ndim == 1)
        optimizer.zero_grad()
        _loss(logits + closed[:, None], y).backward()
        optimizer.step()
        tick(len(rows))
    return {name: value.detach() for name, value in (*weights.items(), *buffers.items())}


def _forward(net: Stateless, weights: Params, buffers: Params, x: Tensor, *, shared: bool) -> tuple[Tensor, Params]:
    """Logits `(n, b, k)` in training mode, and the buffers that it leaves."""

    def one(weights: Params, buffers: Params, x: Tensor) -> tuple[Tensor, Params]:
        params = weights | buffers
        logits = net(params, x, training=True)
        return logits, {name: params[name] for name in buffers}

    if len(next(iter(weights.values()))) > 1:
        return vmap(one, in_dims=(0, 0, None if shared else 0), randomness="different")(weights, buffers, x)
    alone, own = ({name: value[0] for name, value in values.items()} for values in (weights, buffers))
    logits, moved = one(alone, own, x if shared else x[0])  # convolutions are faster this way
    return logits[None], {name: value[None] for name, value in moved.items()}


def _loss(logits: Tensor, y: Tensor) -> Tensor:
    """The sum over networks of the mean cross-entropy of each, so that none feels the others."""
    count, size, units = logits.shape
    losses = F.cross_entropy(logits.reshape(-1, units), y.expand(count, size).reshape(-1), reduction="none")
    return losses.view(count, size).mean(1).sum()


def cycled(count: int, size: int, steps: int, seed: int, *key: int | str) -> Tensor:
    """`(steps, size)` indices below `count`: passes over all of them, each in an order of its own, cut into batches."""
    passes = -(-steps * size // count)
    orders = [torch.randperm(count, generator=stream(seed, "order", *key, i)) for i in range(passes)]
    return torch.cat(orders)[: steps * size].view(steps, size)


def stacked(rows: list[Params]) -> Params:
    """Several networks' weights as one, each `(N, *shape)`."""
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def rows_of(params: Params, at_once: int) -> Iterator[Params]:
    """A stack of weights in parts of at most `at_once`, in order."""
    parts = {name: value.split(at_once) for name, value in params.items()}
    for i in range(len(next(iter(parts.values())))):
        yield {name: values[i] for name, values in parts.items()}
