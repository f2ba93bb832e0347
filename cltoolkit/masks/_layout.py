"""Which weights of a target network may be masked, and where each lies when they are laid end to end."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

from torch import Tensor

from ..params import Params, Shapes, Stateless, pack, unpack

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """The maskable weights of a network, laid end to end: P numbers, layer after layer.

    Args:
        shapes: shape of each, by name, in the network's order.

    Example:
        >>> from torch import nn
        >>> layout = Layout.of(Stateless(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))))
        >>> layout.size, layout.slices
        (18, {'0.weight': slice(0, 12, None), '1.weight': slice(12, 18, None)})
    """

    shapes: Shapes

    @classmethod
    def of(cls, net: Stateless) -> "Layout":
        """Every weight of the network that has two dimensions or more; biases and gains of norms are not masked.

        Raises:
            ValueError: if there is none.
        """
        shapes = {name: shape for name, shape in net.shapes.items() if len(shape) > 1}
        if not shapes:
            raise ValueError("the network has no weight matrix or kernel to mask; its parameters have one dimension")
        return cls(shapes)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The layers' names."""
        return tuple(self.shapes)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """n_l, the number of weights of each layer."""
        return tuple(shape.numel() for shape in self.shapes.values())

    @cached_property
    def size(self) -> int:
        """P, the number of weights."""
        return sum(self.sizes)

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Where each layer lies."""
        ends = tuple(accumulate(self.sizes, initial=0))
        return {name: slice(*span) for name, span in zip(self.names, pairwise(ends), strict=True)}

    def fan_in(self, name: str) -> int:
        """How many inputs one output of a layer sums up: in_features, or in_channels × kernel area."""
        return math.prod(self.shapes[name][1:])

    def pack(self, params: Mapping[str, Tensor]) -> Tensor:
        """The maskable weights of `params`, end to end: `(*batch, P)`."""
        return pack(params, self.shapes)

    def unpack(self, flat: Tensor) -> Params:
        """Views of `flat` `(*batch, P)` by name, each `(*batch, *shape)`."""
        return unpack(flat, self.shapes)
