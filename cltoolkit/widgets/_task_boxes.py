"""Intervals around embeddings, as a run kept them after each task, and what all of them share."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..records import Run
from ._task_places import Array, ByEmbedding

__all__ = ["Boxes"]


@dataclass(frozen=True, eq=False)
class Boxes:
    """The box [e_t ± ε_t] of each task, moment by moment.

    Attributes:
        centers: after t tasks `(t, d)`, at t − 1.
        halves: half-widths, likewise.
    """

    centers: list[Array]
    halves: list[Array]

    @classmethod
    def of(cls, run: Run, places: ByEmbedding) -> "Boxes | None":
        """Those of a run; None where it has none, or not for every embedding."""
        if "half_widths" not in run.series:
            return None
        kept = np.asarray(run.series["half_widths"], dtype=np.float64)
        halves = [kept[t, : t + 1] for t in range(places.moments)]
        return cls(places.times, halves) if all(np.isfinite(rows).all() for rows in halves) else None

    @cached_property
    def common(self) -> Array:
        """`(n, 2, d)`: largest lower and smallest upper end after each task; a box where none is below the other."""
        pairs = zip(self.centers, self.halves, strict=True)
        return np.stack([np.stack([(c - h).max(0), (c + h).min(0)]) for c, h in pairs])

    @cached_property
    def universal(self) -> Array:
        """`(n, d)`: the middle of what all share after each task; NaN where they share nothing."""
        lower, upper = self.common[:, 0], self.common[:, 1]
        held = (lower <= upper).all(1, keepdims=True)
        return np.where(held, lower + (upper - lower) / 2, np.nan)

    def ends(self, t: int) -> Array:
        """Lower and upper ends `(t, d, 2)` after t tasks."""
        center, half = self.centers[t - 1], self.halves[t - 1]
        return np.stack([center - half, center + half], axis=-1)

    def said(self, t: int) -> str:
        """What the boxes after t tasks have in common."""
        lower, upper = self.common[t - 1]
        d, empty = len(lower), int((lower > upper).sum())
        widths = f"Half-widths are {self.halves[t - 1].mean():.3g} on average."
        if t == 1:
            return widths
        if empty:
            return f"{widths} The boxes share nothing in {empty} of {d} dimensions, so there is no universal point."
        shared = f"The boxes share a box in all {d} dimensions, {(upper - lower).mean():.3g} wide on average"
        return f"{widths} {shared}; its middle is the universal point."
