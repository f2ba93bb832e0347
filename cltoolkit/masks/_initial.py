"""What weights and scores begin with: a constant with random signs, and a uniform draw."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from ..params import Params
from ..randomness import stream
from ._layout import Layout

__all__ = ["Initialization", "base_weights", "random_scores", "signed_constant"]

Initialization = Literal["signed_constant", "network"]


def signed_constant(layout: Layout, initial: Params, *, kept: Sequence[int] | None = None) -> Tensor:
    """W = ± c_l with c_l = √(2 / fan_in): one magnitude for each layer, with the signs of the network's own weights.

    A mask of density d leaves d fan_in inputs to each output, so activations shrink by √d in every layer, which batch
    norm hides and nothing else does. With `kept`, c_l = √(2 / (d_l fan_in)), and they keep their size.

    Args:
        layout: the layers.
        initial: the network's random weights by name; the drawn signs are fair coins if their distribution is even.
        kept: k_l, weights kept of each layer, where the fan is to be scaled by d_l = k_l / n_l.

    Returns:
        `(P,)`.

    References:
        Ramanujan et al., What's Hidden in a Randomly Weighted Neural Network?, CVPR 2020, §4.4 (signed Kaiming constant
        and scaled fan).

    Example:
        >>> layout = Layout({"weight": torch.Size([2, 8])})
        >>> signed_constant(layout, {"weight": torch.tensor([[-1.0, 0.1] * 4] * 2)})[:3]
        tensor([-0.5000,  0.5000, -0.5000])
    """
    parts = []
    for i, (name, shape) in enumerate(layout.shapes.items()):
        fan = layout.fan_in(name) * (1.0 if kept is None else kept[i] / shape.numel())
        parts.append(torch.where(initial[name] < 0, -1.0, 1.0).flatten() * math.sqrt(2 / fan))
    return torch.cat(parts)


def base_weights(
    layout: Layout, initial: Params, initialization: Initialization, *, kept: Sequence[int] | None = None
) -> Tensor:
    """W `(P,)`: `signed_constant`, or the network's `initial` weights as they are.

    Example:
        >>> layout = Layout({"weight": torch.Size([1, 2])})
        >>> base_weights(layout, {"weight": torch.tensor([[-0.5, 3.0]])}, "network")
        tensor([-0.5000,  3.0000])
    """
    return layout.pack(initial) if initialization == "network" else signed_constant(layout, initial, kept=kept)


def random_scores(layout: Layout, seed: int, *key: int | str) -> Tensor:
    """s ~ U(−1/√fan_in, 1/√fan_in), each layer from a stream of its own.

    Args:
        layout: the layers.
        seed: of the streams.
        *key: what tells one draw from another, such as the number of the task.

    Returns:
        `(P,)`.

    Example:
        >>> layout = Layout({"weight": torch.Size([2, 4])})
        >>> scores = random_scores(layout, 0, 3)
        >>> scores.abs().max() <= 0.5, torch.equal(scores, random_scores(layout, 0, 3))
        (tensor(True), True)
    """
    return torch.cat(
        [
            (2 * torch.rand(shape.numel(), generator=stream(seed, "scores", name, *key)) - 1)
            / math.sqrt(layout.fan_in(name))
            for name, shape in layout.shapes.items()
        ]
    )
