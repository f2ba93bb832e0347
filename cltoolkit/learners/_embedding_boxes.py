"""The box B_t of every task's embedding: learned half-widths, nesting, and how far each box has grown."""

import torch
from torch import Tensor, nn

from ..intervals import IntervalTensor, Nesting, box, half_widths, nested_center

__all__ = ["EmbeddingBoxes"]


class EmbeddingBoxes(nn.Module):
    """What makes a box of an embedding: ⟨e, p γ softmax(ρ)⟩, or a nested box ⟨σ tanh(e), p γ / d⟩ with σ = p γ / (2d).

    p is the share of γ that a box has reached; it grows while a task is learned, and is kept for every task. Nested
    boxes of any shares all hold the cube ±σ of the smallest one.

    Args:
        dim: d, coordinates of an embedding.
        radius: γ, total half-width of a full-grown box.
        learned: whether ρ is trained; else it stays uniform. Nested boxes are uniform always.

    Attributes:
        spread: `(d,)`, ρ of the task being learned, trainable.
        spreads: `(t, d)`, those of the earlier tasks.
        shares: `(t,)` float64, p of the earlier tasks.
        nesting: "none", "tanh" or "cos".
    """

    spreads: Tensor
    shares: Tensor

    def __init__(self, dim: int, *, radius: float, learned: bool) -> None:
        super().__init__()
        self.radius = radius
        self.nesting: Nesting = "none"
        self.spread = nn.Parameter(torch.zeros(dim), requires_grad=learned)
        self.register_buffer("spreads", torch.zeros(0, dim))
        self.register_buffer("shares", torch.zeros(0, dtype=torch.float64))

    def start(self, nesting: Nesting) -> None:
        """No task is known."""
        self.nesting = nesting
        self.spreads, self.shares = self.spreads[:0], self.shares[:0]

    @torch.no_grad()
    def begin(self) -> None:
        """A new task, with uniform half-widths."""
        self.spread.zero_()

    def end(self, share: float) -> None:
        """Freezes the task's half-widths at p = `share`."""
        self.spreads = torch.cat([self.spreads, self.spread.detach()[None]])
        self.shares = torch.cat([self.shares, self.shares.new_tensor([share])])

    def current(self, embedding: Tensor, share: float) -> IntervalTensor:
        """`(1, d)`, the box of the task being learned, differentiable in e and ρ."""
        return self._box(embedding[None], self.spread[None], embedding.new_tensor(share))

    def known(self, embeddings: Tensor, share: float) -> IntervalTensor:
        """`(m, d)`, the boxes of m tasks, constant: the learned ones, and behind them one of `share` if m is larger."""
        spreads = torch.cat([self.spreads, self.spread.detach()[None]])[: len(embeddings)]
        shares = torch.cat([self.shares, self.shares.new_tensor([share])])[: len(embeddings)]
        return self._box(embeddings, spreads, shares[:, None].to(embeddings))

    def new(self, embedding: Tensor) -> IntervalTensor:
        """`(1, d)`, the full-grown box of a task that has not begun."""
        return self._box(embedding[None], torch.zeros_like(embedding)[None], embedding.new_ones(()))

    def _box(self, e: Tensor, spread: Tensor, share: Tensor) -> IntervalTensor:
        reached = self.radius * share
        if self.nesting == "none":
            return box(e, half_widths(spread, reached))
        return box(nested_center(e, reached, self.nesting), (reached / e.shape[-1]).expand_as(e))
