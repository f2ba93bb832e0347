"""A convolutional network over the positions of a text."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..randomness import seeded
from ..recipes import recipe
from ._parts import Network, Shape, check_sizes

__all__ = ["text_cnn"]


@recipe
def text_cnn(
    input_shape: Shape,
    num_classes: int,
    *,
    filters: int = 200,
    widths: Sequence[int] = (3, 4, 5),
    bias: bool = True,
) -> nn.Module:
    """Convolutions of several widths over a text, each read off where it answers most: max over positions of w ∗ x.

    No norm, no dropout. Without biases it has P = filters · (d · Σ widths + k · |widths|) weights.

    Args:
        input_shape: `(d, length)`: the vectors of a text's tokens, as `from_text` makes them.
        num_classes: k, the output units.
        filters: of each width.
        widths: how many tokens in a row a filter sees.
        bias: whether convolutions and head have biases.

    Returns:
        A module `(n, d, length)` → `(n, k)`, whose features are the `filters` · |widths| maxima after a ReLU.

    Raises:
        ValueError: if inputs are no sequences of vectors, or are shorter than the widest filter.

    References:
        Kim, Convolutional Neural Networks for Sentence Classification, EMNLP 2014 ("CNN-static").

    Example:
        >>> sum(p.numel() for p in text_cnn((768, 256), 14, bias=False).parameters())
        1851600
    """
    channels = _channels(input_shape, num_classes, widths, filters)
    with seeded(0, "networks", "text_cnn"):
        body = _Windows(nn.Conv1d(channels, filters, width, bias=bias) for width in widths)
        return Network(body, nn.Linear(filters * len(widths), num_classes, bias=bias))


class _Windows(nn.ModuleList):
    """Convolutions side by side, each filter's largest answer over all positions."""

    def forward(self, x: Tensor) -> Tensor:
        # The ReLU comes after the maximum: the same numbers, from a hundredth of the work.
        return torch.cat([convolution(x).amax(-1) for convolution in self], 1).relu()


def _channels(input_shape: Shape, num_classes: int, widths: Sequence[int], filters: int) -> int:
    """d, the numbers in a token's vector; or an error that says what does not fit."""
    if len(input_shape) != 2:
        raise ValueError(
            f"text_cnn takes sequences of vectors (d, length); got inputs of shape {tuple(input_shape)}. "
            "Texts encoded as one vector each suit mlp."
        )
    check_sizes(input_shape, num_classes, widths)
    if not widths or filters < 1:
        raise ValueError(f"expected at least one width and one filter; got widths={tuple(widths)}, filters={filters}")
    channels, length = input_shape
    if length < max(widths):
        raise ValueError(
            f"text_cnn slides filters of {max(widths)} tokens over a text of {length} (input shape "
            f"{tuple(input_shape)}); encode texts in a greater length, or give smaller widths"
        )
    return channels
