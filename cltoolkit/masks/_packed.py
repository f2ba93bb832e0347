"""Masks as bits, eight weights to a byte."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ._layout import Layout

__all__ = ["Masks", "pack_bits", "unpack_bits"]

BLOCK = {"cpu": 2**19, "cuda": 2**26}  # how many weights of all masks together are unpacked at once


def pack_bits(mask: Tensor) -> Tensor:
    """Weight 8i + j becomes bit j of byte i, the least significant first; bits left over are 0.

    Args:
        mask: `(*batch, P)`, bool or 0 and 1.

    Returns:
        `(*batch, ceil(P/8))` uint8, on the mask's device.

    Example:
        >>> pack_bits(torch.tensor([True, False, True, False, False, False, False, False, True]))
        tensor([5, 1], dtype=torch.uint8)
    """
    if mask.device.type == "cpu":
        return torch.from_numpy(np.packbits(mask.detach().bool().numpy(), axis=-1, bitorder="little"))
    return _pack_by_shifts(mask)


def unpack_bits(bits: Tensor, size: int) -> Tensor:
    """The inverse of `pack_bits`.

    Args:
        bits: `(*batch, ceil(size/8))` uint8.
        size: P, how many weights there are.

    Returns:
        `(*batch, size)` bool, on the bits' device.

    Example:
        >>> unpack_bits(torch.tensor([5, 1], dtype=torch.uint8), 9).int()
        tensor([1, 0, 1, 0, 0, 0, 0, 0, 1], dtype=torch.int32)
    """
    if bits.device.type == "cpu":
        mask = np.unpackbits(bits.numpy(), axis=-1, count=size, bitorder="little")
        return torch.from_numpy(mask.view(np.bool_))
    return _unpack_by_shifts(bits, size)


@dataclass(frozen=True, eq=False, repr=False)
class Masks:
    """The masks of T tasks over one network, one bit a weight.

    Nothing here unpacks all of them at once: sums and products go over blocks of a fixed number of weights.

    Args:
        bits: `(T, ceil(P/8))` uint8, as `pack_bits` makes them.
        layout: where each layer's weights lie.

    Raises:
        ValueError: if the bits do not fit the layout, or such as stand for no weight are set.

    Example:
        >>> layout = Layout({"weight": torch.Size([2, 5])})
        >>> masks = Masks(pack_bits(torch.eye(10)[:3]), layout)
        >>> masks
        Masks(3 tasks, 10 weights, density 0.1)
        >>> masks.union().sum(), masks.dot(torch.arange(10.0))
        (tensor(3), tensor([0., 1., 2.]))
    """

    bits: Tensor
    layout: Layout

    def __post_init__(self) -> None:
        width, size = -(-self.layout.size // 8), self.layout.size
        if self.bits.dtype != torch.uint8 or self.bits.ndim != 2 or self.bits.shape[1] != width:
            raise ValueError(
                f"expected uint8 bits of shape (T, {width}) for {size} weights; got {self.bits.dtype} of shape "
                f"{tuple(self.bits.shape)}; are these masks of another network?"
            )
        if size % 8 and bool((self.bits[:, -1] >> size % 8).any()):
            raise ValueError(
                f"bits after the last of {size} weights are set; these masks are damaged, or of another network"
            )

    def __len__(self) -> int:
        return len(self.bits)

    def __getitem__(self, t: int) -> Tensor:
        """M_t: `(P,)` bool."""
        return unpack_bits(self.bits[t], self.layout.size)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[t] for t in range(len(self)))

    def __repr__(self) -> str:
        density = f", density {self.density:.3g}" if len(self) else ""
        return f"Masks({len(self)} tasks, {self.layout.size} weights{density})"

    def layer(self, t: int, name: str) -> Tensor:
        """M_t of one layer, in the layer's shape."""
        return self.layout.unpack(self[t])[name]

    def first(self, upto: int) -> "Masks":
        """Those of tasks 0..`upto` − 1."""
        return Masks(self.bits[:upto], self.layout)

    def counts(self) -> Tensor:
        """|M_t^l|: `(T, L)` int64, how many weights of each layer a mask keeps."""
        counts = torch.zeros(len(self), len(self.layout.names), dtype=torch.int64, device=self.bits.device)
        for i, name in enumerate(self.layout.names):
            for _, block in self.blocks(self.layout.slices[name]):
                counts[:, i] += block.sum(1, dtype=torch.int64)
        return counts

    @property
    def density(self) -> float:
        """The share of weights that a mask keeps, averaged over tasks; NaN without tasks."""
        return float(self.counts().sum()) / (len(self) * self.layout.size) if len(self) else float("nan")

    @cached_property
    def hashes(self) -> tuple[str, ...]:
        """sha256 of each task's bits, in hexadecimal."""
        return tuple(hashlib.sha256(row.tobytes()).hexdigest() for row in self.bits.cpu().numpy())

    def union(self, upto: int | None = None) -> Tensor:
        """U = M_0 ∪ …: `(P,)` bool, the weights that any of tasks 0..`upto` − 1 uses; of all tasks by default."""
        rows = self.bits[:upto]
        if rows.device.type == "cpu":
            every = torch.from_numpy(np.bitwise_or.reduce(rows.numpy(), axis=0))
        else:
            every = torch.zeros_like(self.bits[0]) if not len(rows) else rows[0]
            for row in rows[1:]:
                every = every | row
        return unpack_bits(every, self.layout.size)

    def used(self) -> Tensor:
        """U of all tasks: `(P,)` bool."""
        return self.union()

    def total(self) -> Tensor:
        """N = Σ_t M_t: `(P,)`, in how many masks a weight is; int16, or int32 from 2¹⁵ tasks on."""
        dtype = torch.int16 if len(self) < 2**15 else torch.int32
        counts = torch.zeros(self.layout.size, dtype=dtype, device=self.bits.device)
        for where, block in self.blocks():
            counts[where] = block.sum(0, dtype=dtype)
        return counts

    def dot(self, v: Tensor) -> Tensor:
        """⟨M_t, v⟩ = Σ_p M_t[p] v[p] for every task.

        Args:
            v: `(*batch, P)`.

        Returns:
            `(*batch, T)`, in the type of v.

        Raises:
            ValueError: if the last dimension of v is not P.
        """
        if v.shape[-1] != self.layout.size:
            raise ValueError(f"expected (*batch, {self.layout.size}), a number for each weight; got {tuple(v.shape)}")
        rows = v.reshape(-1, self.layout.size)
        found = rows.new_zeros(len(self), len(rows))
        for where, block in self.blocks():
            found += block.to(v.dtype) @ rows[:, where].T
        return found.T.reshape(*v.shape[:-1], len(self))

    def blocks(self, where: slice | None = None) -> Iterator[tuple[slice, Tensor]]:
        """All masks, some weights at a time: which, and `(T, ·)` uint8, 0 or 1.

        Args:
            where: the weights wanted, start and stop; all by default.
        """
        start, stop = (0, self.layout.size) if where is None else (where.start, where.stop)
        room = BLOCK["cpu" if self.bits.device.type == "cpu" else "cuda"]
        step = min(max(8, room // max(len(self), 1) // 8 * 8), 2**23)  # sums of a block are exact in float32
        for begin in range(start // 8 * 8, stop, step):
            end = min(begin + step, stop)
            mask = unpack_bits(self.bits[:, begin // 8 : -(-end // 8)], end - begin)
            skip = max(start - begin, 0)
            yield slice(begin + skip, end), mask[:, skip:].view(torch.uint8)


def _pack_by_shifts(mask: Tensor) -> Tensor:
    padded = torch.nn.functional.pad(mask.bool().to(torch.uint8), (0, -mask.shape[-1] % 8))
    places = torch.arange(8, dtype=torch.uint8, device=mask.device)
    return (padded.unflatten(-1, (-1, 8)) << places).sum(-1, dtype=torch.uint8)


def _unpack_by_shifts(bits: Tensor, size: int) -> Tensor:
    places = torch.arange(8, dtype=torch.uint8, device=bits.device)
    return ((bits[..., None] >> places) & 1).flatten(-2)[..., :size].bool()
