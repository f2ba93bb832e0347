"""Sums over examples that add up, and that can be moved to another origin."""

from dataclasses import dataclass

import torch
from torch import Tensor

PANEL = 96  # columns of one product; no power of two, at whose strides the cache's lines collide


@dataclass(eq=False)
class Moments:
    """Sums over the differences x of examples from an origin, with q = |x|², for a batch of sources at once.

    Attributes:
        count: `(C,)`, examples of each class.
        first: `(b, C, d)`, Σ x of each class.
        second: `(b, d, d)`, Σ x xᵀ, of which only the lower triangle counts.
        q: `(b,)`, Σ q.
        qq: `(b,)`, Σ q².
        qx: `(b, d)`, Σ q x.
    """

    count: Tensor
    first: Tensor
    second: Tensor
    q: Tensor
    qq: Tensor
    qx: Tensor

    @classmethod
    def zeros(cls, batch: int, dim: int, like: Tensor) -> "Moments":
        """Of no examples, on the device of `like`."""
        shapes = ((0,), (batch, 0, dim), (batch, dim, dim), (batch,), (batch,), (batch, dim))
        return cls(*(torch.zeros(shape, dtype=torch.float64, device=like.device) for shape in shapes))

    def add(self, x: Tensor, index: Tensor) -> None:
        """Takes in the examples `(b, n, d)`, float64, of the classes `index` `(n,)`."""
        members = torch.nn.functional.one_hot(index, len(self.count)).double().T  # (C, n)
        q = torch.linalg.vector_norm(x, dim=-1).square()  # (b, n)
        sums = torch.cat([members.expand(len(x), -1, -1), q[:, None]], 1) @ x  # (b, C + 1, d)
        self.count += members.sum(1)
        self.first += sums[:, :-1]
        self.q += q.sum(-1)
        self.qq += q.square().sum(-1)
        self.qx += sums[:, -1]
        for start in range(0, x.shape[-1], PANEL):  # the lower triangle, at little more than half the cost
            rows, columns = slice(start, start + PANEL), slice(start + PANEL)
            self.second[:, rows, columns].baddbmm_(x[..., rows].mT, x[..., columns])

    def accumulate(self, other: "Moments", places: Tensor) -> None:
        """Takes in other examples' sums about the same origin; their class c is number `places[c]` here."""
        self.count[places] += other.count
        self.first[:, places] += other.first
        for mine, theirs in ((self.second, other.second), (self.q, other.q), (self.qq, other.qq), (self.qx, other.qx)):
            mine += theirs

    def spread(self, places: Tensor, classes: int) -> None:
        """Makes room for more classes: class c becomes number `places[c]` of `classes`."""
        count, first = self.count, self.first
        self.count = count.new_zeros(classes)
        self.first = first.new_zeros(first.shape[0], classes, first.shape[2])
        self.count[places], self.first[:, places] = count, first

    def moved(self, by: Tensor) -> "Moments":
        """The sums over x + `by` `(b, d)`."""
        n, total, by_by = self.count.sum(), self.first.sum(-2), by.square().sum(-1)
        second = self.second.tril()
        second_by = _times(second, by)  # (b, d)
        total_by = (total * by).sum(-1)
        half = total + n / 2 * by
        second.baddbmm_(torch.stack([by, half], -1), torch.stack([half, by], -2))
        return Moments(
            self.count,
            self.first + self.count[:, None] * by[:, None],
            second,
            self.q + 2 * total_by + n * by_by,
            self.qq
            + 4 * ((by * second_by).sum(-1) + (by * self.qx).sum(-1) + by_by * total_by)
            + by_by * (2 * self.q + n * by_by),
            self.qx + 2 * second_by + by_by[:, None] * total + (self.q + 2 * total_by + n * by_by)[:, None] * by,
        )

    def to(self, device: torch.device) -> "Moments":
        """The same sums on another device."""
        return Moments(*(value.to(device) for value in vars(self).values()))


def _times(lower: Tensor, vector: Tensor) -> Tensor:
    """A v of the symmetric matrix A whose lower triangle is given: (L + Lᵀ − diag L) v."""
    column = vector[..., None]
    both = (lower @ column + lower.mT @ column)[..., 0]
    return both - lower.diagonal(dim1=-2, dim2=-1) * vector
