"""Scores to start from another task's mask, made of its bits alone."""

from typing import Literal

import torch
from torch import Tensor

from ._layout import Layout

__all__ = ["rebuilt_scores"]


def rebuilt_scores(
    mask: Tensor,
    fresh: Tensor,
    layout: Layout,
    *,
    rule: Literal["top_k", "threshold"] = "top_k",
    gap: float = 1.0,
) -> Tensor:
    """Fresh random scores, exchanged within each layer so that they choose a given mask, exactly.

    With k ones in a layer's mask, the k largest magnitudes go inside and all others outside, in both parts in the order
    in which the fresh ones stood. Every layer keeps its numbers, and so their distribution; only where a magnitude
    outside equals the smallest inside it is taken down to the next smaller number. Where the fresh scores choose the
    mask already they stay as they are.

    Args:
        mask: M `(P,)` bool, of the task to start from.
        fresh: s `(P,)`, the scores with which the new task would have started.
        layout: which weights are a layer.
        rule: "top_k" for masks of the largest magnitudes, signs stay with their numbers; "threshold" for masks of what
            is at least 0: there each score keeps its place and magnitude, and its sign says whether it is inside.
        gap: at least 1, what the largest magnitudes are multiplied with where the rule is "top_k". With 1 all scores at
            the border are next to each other, and the first steps of training exchange many of them.

    Returns:
        `(P,)`, a new tensor.

    Example:
        >>> layout = Layout({"weight": torch.Size([1, 4])})
        >>> mask = torch.tensor([False, True, False, True])
        >>> rebuilt_scores(mask, torch.tensor([0.3, -0.1, -0.9, 0.2]), layout)
        tensor([-0.1000,  0.3000,  0.2000, -0.9000])
    """
    if mask.dtype != torch.bool or mask.shape != fresh.shape or len(mask) != layout.size:
        raise ValueError(
            f"expected a bool mask and scores of {layout.size} weights; got a mask {tuple(mask.shape)} of {mask.dtype} "
            f"and scores {tuple(fresh.shape)}"
        )
    if rule == "threshold":
        size = fresh.abs()
        return torch.where(mask, size, -size.clamp(min=torch.finfo(size.dtype).tiny))
    if not gap >= 1:
        raise ValueError(f"expected gap of at least 1; got {gap!r}: less would choose another mask")
    scores = torch.cat([_exchanged(mask[where], fresh[where]) for where in layout.slices.values()])
    return torch.where(mask, scores * gap, scores)


def _exchanged(mask: Tensor, fresh: Tensor) -> Tensor:
    """One layer's scores `(n,)`, the largest magnitudes inside the mask."""
    order = fresh.abs().argsort(descending=True, stable=True)
    inside = mask[order]
    scores = torch.empty_like(fresh)
    scores[torch.cat([order[inside], order[~inside]])] = fresh[order]
    least = scores.abs().masked_fill(~mask, torch.inf).min()
    tied = ~mask & (scores.abs() >= least)
    return torch.where(tied, scores.nextafter(torch.zeros_like(scores)), scores)
