"""Networks without shortcuts: fully connected layers, and LeNet."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from ..randomness import seeded
from ..recipes import recipe
from ._parts import Network, Shape, check_sizes, image, stage

__all__ = ["lenet", "mlp"]


@recipe
def mlp(input_shape: Shape, hidden: Sequence[int], num_classes: int, *, batch_norm: bool = False) -> nn.Module:
    """Fully connected layers with ReLU between them; the input is flattened.

    Args:
        input_shape: the shape of one input, any.
        hidden: the width of every hidden layer; empty for a linear classifier.
        num_classes: k, the output units.
        batch_norm: whether each hidden layer is normalised before its ReLU.

    Returns:
        A module `(n, *input_shape)` → `(n, k)`.

    Example:
        >>> mlp((1, 8, 8), (64, 64), 2).head
        Linear(in_features=64, out_features=2, bias=True)
    """
    check_sizes(input_shape, num_classes, hidden)
    sizes = [math.prod(input_shape), *hidden]
    with seeded(0, "networks", "mlp"):
        layers: list[nn.Module] = [nn.Flatten()]
        for fan_in, fan_out in pairwise(sizes):
            layers += [nn.Linear(fan_in, fan_out), *([nn.BatchNorm1d(fan_out)] if batch_norm else []), nn.ReLU()]
        return Network(nn.Sequential(*layers), nn.Linear(sizes[-1], num_classes))


@recipe
def lenet(input_shape: Shape, num_classes: int, *, batch_norm: bool = False) -> nn.Module:
    """LeNet-5: 5 × 5 convolutions to 6 and 16 channels with ReLU and 2 × 2 max pooling, then layers of 120 and 84.

    Images smaller than 32 pixels are padded by 2, so 28 × 28 and 32 × 32 both give the 400 inner features of the paper.

    Args:
        input_shape: `(channels, height, width)`, at least 12 × 12.
        num_classes: k, the output units.
        batch_norm: whether each convolution and inner layer is normalised before its ReLU.

    Returns:
        A module `(n, channels, height, width)` → `(n, k)`.

    Raises:
        ValueError: if inputs are no images, or are too small.

    References:
        LeCun et al., Gradient-Based Learning Applied to Document Recognition, 1998. There: average pooling and tanh.

    Example:
        >>> sum(p.numel() for p in lenet((1, 28, 28), 10).parameters())
        61706
    """
    channels, height, width = image("lenet", input_shape, num_classes, smallest=12)
    padding = 2 if min(height, width) < 32 else 0
    inner = 16 * math.prod([((side + 2 * padding - 4) // 2 - 4) // 2 for side in (height, width)])
    with seeded(0, "networks", "lenet"):
        body = nn.Sequential(
            *stage(nn.Conv2d(channels, 6, 5, padding=padding), batch_norm), nn.MaxPool2d(2),
            *stage(nn.Conv2d(6, 16, 5), batch_norm), nn.MaxPool2d(2), nn.Flatten(),
            *stage(nn.Linear(inner, 120), batch_norm), *stage(nn.Linear(120, 84), batch_norm),
        )  # fmt: skip
        return Network(body, nn.Linear(84, num_classes))
