"""What is still certified for tasks whose data are gone: how far their boxes have moved, and what they could bear."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..intervals import DRIFTS, certified_at

__all__ = ["DriftLedger"]


class DriftLedger(nn.Module):
    """For every task the curve δ ↦ certified accuracy of Θ_t ⊕ δ, taken when it ended, and its drift δ_t since.

    A box that moves by δ and then by δ' lies within δ + δ' of where it was, so the drift of a task is the sum of what
    each later task added: nothing is kept but that number, and it bounds the true one from above.

    Attributes:
        drifts: `(t,)` float64, δ_t ≥ 0.
        curves: `(t, g)` float64, certified accuracy at each of `intervals.DRIFTS`.
    """

    drifts: Tensor
    curves: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("drifts", torch.zeros(0, dtype=torch.float64))
        self.register_buffer("curves", torch.zeros(0, len(DRIFTS), dtype=torch.float64))

    def start(self) -> None:
        """No task is known."""
        self.drifts, self.curves = self.drifts[:0], self.curves[:0]

    def move(self, drifts: Sequence[float]) -> None:
        """Adds what the task that ends moved the earlier ones, rounded up."""
        moved = self.drifts + self.drifts.new_tensor(drifts)
        still = self.drifts.new_tensor(drifts) == 0
        self.drifts = torch.where(still, self.drifts, torch.nextafter(moved, torch.full_like(moved, torch.inf)))

    def append(self, curve: Tensor) -> None:
        """A task has ended, with this curve `(g,)`."""
        self.drifts = torch.cat([self.drifts, self.drifts.new_zeros(1)])
        self.curves = torch.cat([self.curves, curve.to(self.curves)[None]])

    def series(self) -> dict[str, Tensor]:
        """The record: "drift" `(t, 1)`, "drift_curve" `(t, g)` and "certified_by_drift" `(t, 1)`."""
        rows = zip(self.curves.tolist(), self.drifts.tolist(), strict=True)
        certified = [certified_at(curve, DRIFTS, drift) for curve, drift in rows]
        return {
            "drift": self.drifts[:, None],
            "drift_curve": self.curves,
            "certified_by_drift": self.drifts.new_tensor(certified)[:, None],
        }
