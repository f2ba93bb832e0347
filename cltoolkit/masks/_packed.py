"""Masks as bits, eight weights to a byte."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ._layout import Layout

__all__ = ["Masks", "pack_bits", "unpack_bits"]


def pack_bits(mask: Tensor) -> Tensor:
    """`(*batch, ceil(P/8))` uint8 of `(*batch, P)`: weight 8i + j is bit j of byte i, the least significant first."""
    bits = np.packbits(mask.bool().cpu().numpy(), axis=-1, bitorder="little")
    return torch.from_numpy(bits).to(mask.device)


def unpack_bits(bits: Tensor, size: int) -> Tensor:
    """The inverse: `(*batch, size)` bool."""
    mask = np.unpackbits(bits.cpu().numpy(), axis=-1, count=size, bitorder="little").view(np.bool_)
    return torch.from_numpy(mask).to(bits.device)


@dataclass(frozen=True, eq=False)
class Masks:
    """The masks of T tasks over one network, one bit a weight.

    Args:
        bits: `(T, ceil(P/8))` uint8, as `pack_bits` makes them.
        layout: where each layer's weights lie.
    """

    bits: Tensor
    layout: Layout

    def __len__(self) -> int:
        return len(self.bits)

    def __getitem__(self, t: int) -> Tensor:
        """M_t: `(P,)` bool."""
        return unpack_bits(self.bits[t], self.layout.size)

    def layer(self, t: int, name: str) -> Tensor:
        """M_t of one layer, in the layer's shape."""
        return self.layout.unpack(self[t])[name]

    def used(self) -> Tensor:
        """U: `(P,)` bool, the weights of any mask."""
        every = np.bitwise_or.reduce(self.bits.cpu().numpy(), axis=0)
        return unpack_bits(torch.from_numpy(every).to(self.bits.device), self.layout.size)
