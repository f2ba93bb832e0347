"""Many sets of weights on the same inputs: the features and logits of all of them in one pass."""

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor
from torch.func import vmap

from ..params import Params, Stateless
from ..randomness import stream
from ..tasks import Data

__all__ = ["Statistics", "all_outputs", "draw_sample", "stacked_outputs"]

Statistics = Literal["stored", "batch"]
AT_ONCE = 8192  # inputs times sets of weights in one pass, at most (unless one set alone takes more)


def stacked_outputs(
    net: Stateless, params: Params, x: Tensor, *, statistics: Statistics = "stored"
) -> tuple[Tensor, Tensor]:
    """Features `(S, n, d)` and logits `(S, n, k)` of the same inputs under S sets of weights, in evaluation mode.

    Args:
        net: the network.
        params: weights and buffers, each `(S, *shape)`; they are only read.
        x: `(n, *input_shape)`.
        statistics: what batch norm divides by: "stored", the statistics in `params`; or "batch", those of `x` itself,
            which come out alike whether or not they were ever stored. Nothing is stored in either case.

    Example:
        >>> net = Stateless(torch.nn.Linear(4, 2))
        >>> params = {name: torch.stack([value, 2 * value]) for name, value in net.initial(0).items()}
        >>> features, logits = stacked_outputs(net, params, torch.ones(5, 4))
        >>> features.shape, logits.shape
        (torch.Size([2, 5, 4]), torch.Size([2, 5, 2]))
    """
    over = net.by_batch if statistics == "batch" else {}

    def outputs(own: Params) -> tuple[Tensor, Tensor]:
        return net.both(own | over, x)

    count = len(next(iter(params.values())))
    if count == 1:  # a loop of one; convolutions are faster this way
        features, logits = outputs({name: value[0] for name, value in params.items()})
        return features[None], logits[None]
    return vmap(outputs, chunk_size=max(1, AT_ONCE // len(x)))(params)


def all_outputs(
    net: Stateless, params: Params, batches: Iterable[tuple[Tensor, Tensor]], *, statistics: Statistics = "stored"
) -> tuple[Tensor, Tensor, Tensor]:
    """The same of many batches, one after the other: memory is that of one, and of what comes out.

    Args:
        net: the network.
        params: weights and buffers, each `(S, *shape)`; they are only read.
        batches: inputs and labels, as `Examples.batches` gives them.
        statistics: as in `stacked_outputs`; "batch" means that of each batch.

    Returns:
        Features `(S, n, d)`, logits `(S, n, k)` and labels `(n,)` of all examples, on the weights' device.

    Example:
        >>> net = Stateless(torch.nn.Linear(4, 2))
        >>> params = {name: value[None] for name, value in net.initial(0).items()}
        >>> batches = [(torch.ones(5, 4), torch.arange(5)), (torch.ones(3, 4), torch.arange(3))]
        >>> [tuple(part.shape) for part in all_outputs(net, params, batches)]
        [(1, 8, 4), (1, 8, 2), (8,)]
    """
    device = next(iter(params.values())).device
    parts = [(*stacked_outputs(net, params, x.to(device), statistics=statistics), y.to(device)) for x, y in batches]
    features, logits, labels = zip(*parts, strict=True)
    return torch.cat(features, 1), torch.cat(logits, 1), torch.cat(labels)


def draw_sample(data: Data, samples: int, seed: int, *key: int | str) -> Tensor:
    """Which examples speak for a task: all if there are no more than `samples`, or so many, as many of each class.

    Every class has the share that it has in the data, within one example, and at least one.

    Args:
        data: the examples.
        samples: how many, at most.
        seed: draws them, together with `key`.
        key: what they are for.

    Returns:
        `(min(n, samples),)` ascending indices, on the CPU.
    """
    y = data.y.cpu()
    if len(y) <= samples:
        return torch.arange(len(y))
    order = torch.randperm(len(y), generator=stream(seed, *key))
    depth = torch.empty(len(y), dtype=torch.float64)  # how far into its class an example stands, from 0 to 1
    for label in y.unique():
        own = order[y[order] == label]
        depth[own] = torch.arange(len(own), dtype=torch.float64) / len(own)
    return order[depth[order].argsort(stable=True)[:samples]].sort().values
