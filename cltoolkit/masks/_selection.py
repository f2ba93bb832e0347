"""Which weights a mask keeps, given their scores: the largest of each layer, or all at or above zero."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ._kth import NearLast
from ._layout import Layout

__all__ = ["Selector", "Threshold", "TopK", "top_k"]

Numbers = NDArray[Any]
IN_NUMPY = (torch.float32, torch.float64)


def top_k(scores: Tensor, k: int) -> Tensor:
    """The k entries with the largest magnitude; of equal ones those that come first.

    The k-th magnitude is found without sorting: larger ones are kept, and of equal ones as many as are missing, counted
    from the start. So it is exactly k, on every device, and the same ones each time. Not a number counts as smallest.

    Args:
        scores: `(n,)`.
        k: from 0 to n.

    Returns:
        `(n,)` bool with k True.

    Raises:
        ValueError: if k is not within 0..n.

    Example:
        >>> top_k(torch.tensor([0.1, -3.0, 2.0, -2.0, 2.0]), 3)
        tensor([False,  True,  True,  True, False])
    """
    if not 0 <= k <= len(scores):
        raise ValueError(f"expected k within 0..{len(scores)}, the number of scores; got {k}")
    size = torch.where(scores.isnan(), -1, scores.abs())
    if k == 0:
        return torch.zeros_like(size, dtype=torch.bool)
    kth = size.topk(k, sorted=False).values.min()
    larger, equal = size > kth, size == kth
    return larger | equal & (equal.cumsum(0) <= k - larger.sum())


class TopK:
    """Keeps exactly `counts[l]` weights of layer l, those whose scores have the largest magnitude.

    The result is that of `top_k`, always. On a CPU it is found near the last one, for the k-th magnitude moves little
    between two steps of training: all magnitudes are compared with two values a little below and above where it is
    expected, which tells whether it lies below, between or above them, and only those there are looked at more closely.
    Where it was last is remembered for that, and changes how long a call takes, never what it returns.

    Args:
        layout: the layers.
        counts: k_l of each.

    Raises:
        ValueError: if the counts do not fit the layers.

    References:
        Ramanujan et al., What's Hidden in a Randomly Weighted Neural Network?, CVPR 2020 (edge-popup).

    Example:
        >>> select = TopK(Layout({"weight": torch.Size([2, 3])}), (2,))
        >>> select(torch.tensor([0.1, -3.0, 2.0, 0.0, 1.0, 0.5]))
        tensor([0., 1., 1., 0., 0., 0.])
    """

    signed = True  # the gradient passes through |s|

    def __init__(self, layout: Layout, counts: Sequence[int]) -> None:
        if len(counts) != len(layout.sizes) or not all(0 <= k <= n for k, n in zip(counts, layout.sizes, strict=True)):
            raise ValueError(f"expected a count for each layer, at most {layout.sizes}; got {tuple(counts)}")
        self.layout = layout
        self.counts = tuple(counts)
        self._near = [NearLast() for _ in counts]
        self._room = np.empty((0, layout.size), np.float32)

    @torch.no_grad()
    def __call__(self, scores: Tensor) -> Tensor:
        """`(P,)`, 0 or 1 in the type of the scores `(P,)`."""
        mask = torch.empty_like(scores)
        if scores.device.type != "cpu" or scores.dtype not in IN_NUMPY:
            for where, k in zip(self.layout.slices.values(), self.counts, strict=True):
                mask[where] = top_k(scores[where], k)
            return mask
        sizes, out = self._magnitudes(scores.detach().numpy()), mask.numpy()
        for near, where, k in zip(self._near, self.layout.slices.values(), self.counts, strict=True):
            near.mark(sizes[where], k, out[where])
        return mask

    def _magnitudes(self, scores: Numbers) -> Numbers:
        """|s| `(P,)`, in the same memory at each call."""
        if self._room.shape != scores.shape or self._room.dtype != scores.dtype:
            self._room = np.empty_like(scores)
        return np.abs(scores, out=self._room)


class Threshold:
    """Keeps every weight whose score is at least 0; how many they are is learned.

    References:
        Mallya et al., Piggyback, ECCV 2018; Wortsman et al., Supermasks in Superposition, NeurIPS 2020.

    Example:
        >>> Threshold()(torch.tensor([0.5, -0.5, 0.0]))
        tensor([1., 0., 1.])
    """

    signed = False

    @torch.no_grad()
    def __call__(self, scores: Tensor) -> Tensor:
        """`(P,)`, 0 or 1 in the type of the scores `(P,)`."""
        return torch.ge(scores, 0, out=torch.empty_like(scores))


Selector = TopK | Threshold
