"""What weights and scores begin with: a constant with random signs, and a uniform draw."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..params import Params
from ..randomness import stream
from ._layout import Layout

__all__ = ["random_scores", "signed_constant"]


def signed_constant(
    layout: Layout, initial: Params, *, kept: Sequence[int] | None = None
) -> Tensor:
    """W = ± sqrt(2 / fan_in): `(P,)`, with the signs of the network's own `initial` weights.

    `kept` weights of each layer: the fan is scaled by the share of weights kept.
    """
    parts = []
    for i, (name, shape) in enumerate(layout.shapes.items()):
        fan = layout.fan_in(name) * (1.0 if kept is None else kept[i] / shape.numel())
        parts.append(torch.where(initial[name] < 0, -1.0, 1.0).flatten() * math.sqrt(2 / fan))
    return torch.cat(parts)


def random_scores(layout: Layout, seed: int, *key: int | str) -> Tensor:
    """s ~ U(−1/√fan_in, 1/√fan_in): `(P,)`, each layer from a stream of its own."""
    return torch.cat(
        [
            (2 * torch.rand(shape.numel(), generator=stream(seed, "scores", name, *key)) - 1)
            / math.sqrt(layout.fan_in(name))
            for name, shape in layout.shapes.items()
        ]
    )
