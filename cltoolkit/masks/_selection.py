"""Which weights a mask keeps, given their scores: the largest of each layer, or all at or above zero."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ._layout import Layout

__all__ = ["Selector", "Threshold", "TopK", "top_k"]


def top_k(scores: Tensor, k: int) -> Tensor:
    """`(n,)` bool: the k entries of `scores` `(n,)` with the largest magnitude; of equal ones those that come first."""
    order = scores.abs().argsort(descending=True, stable=True)
    mask = torch.zeros(len(scores), dtype=torch.bool, device=scores.device)
    mask[order[:k]] = True
    return mask


class TopK:
    """Keeps exactly `counts[l]` weights of layer l, those whose scores have the largest magnitude."""

    signed = True  # the gradient passes through |s|

    def __init__(self, layout: Layout, counts: Sequence[int]) -> None:
        self.layout = layout
        self.counts = tuple(counts)

    @torch.no_grad()
    def __call__(self, scores: Tensor) -> Tensor:
        """`(P,)`, 0 or 1 in the type of the scores `(P,)`."""
        layers = zip(self.layout.slices.values(), self.counts, strict=True)
        return torch.cat([top_k(scores[where], k) for where, k in layers]).to(scores.dtype)


class Threshold:
    """Keeps every weight whose score is at least 0; how many they are is learned."""

    signed = False

    @torch.no_grad()
    def __call__(self, scores: Tensor) -> Tensor:
        """`(P,)`, 0 or 1 in the type of the scores `(P,)`."""
        return (scores >= 0).to(scores.dtype)


Selector = TopK | Threshold
