"""The largest k of many numbers, found near where the k-th was the last time."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NearLast"]

Numbers = NDArray[Any]
Truths = NDArray[np.bool_]

FEW, MANY = 1 / 1000, 1 / 100  # shares of the numbers between the pivots: fewer widen the margin, more narrow it
FIRST = 0.05  # how wide to begin with, as a share of the k-th number


class NearLast:
    """Marks the k largest of n numbers at each call, the first of equal ones; it looks where the k-th was before.

    Two pivots, a little below and above the value expected, part the numbers in three. Counting tells in which part the
    k-th lies, and only this part is partitioned. So the marks are exact whatever the pivots are: they are a memory of
    where to look, and part of no result.
    """

    def __init__(self) -> None:
        self.kth = math.nan
        self.step = 0.0
        self.margin = math.nan

    def mark(self, numbers: Numbers, k: int, out: Numbers) -> None:
        """Writes 1 for the k largest of `numbers` `(n,)`, all ≥ 0, and 0 for the others into `out` `(n,)`.

        Not a number counts as smaller than all others.
        """
        if 0 < k < len(numbers):
            np.copyto(out, self._largest(numbers, k))
        else:
            out.fill(k > 0)

    def _largest(self, numbers: Numbers, k: int) -> Truths:
        low, high = self._pivots(float(np.finfo(numbers.dtype).max))
        kept = numbers > high
        missing = k - int(np.count_nonzero(kept))
        if missing <= 0:  # it lies above
            missing, places, kept = k, np.flatnonzero(kept), np.zeros_like(kept)
        else:
            between = (numbers >= low) > kept  # and not above
            places = np.flatnonzero(between)
            if len(places) < missing:  # it lies below
                kept |= between
                missing, places = missing - len(places), np.flatnonzero(~kept)
        kth, chosen = _top(numbers[places], missing)
        kept[places[chosen]] = True
        self._remember(kth, len(places) / len(numbers))
        return kept

    def _pivots(self, largest: float) -> tuple[float, float]:
        """Below and above the value expected: the last one moved on as far as it did before."""
        expected = self.kth + self.step
        low = min(max(expected - self.margin, 0.0), largest)
        return low, min(max(expected + self.margin, low), largest)

    def _remember(self, kth: float, share: float) -> None:
        """Where it was; the margin grows to twice an error that it did not hold, else by how many it let through."""
        error, step = abs(kth - self.kth - self.step), kth - self.kth
        if not math.isfinite(error):
            self.margin, step = FIRST * kth, 0.0
        elif error > self.margin:
            self.margin = 2 * error
        elif share < FEW:
            self.margin *= 1.5
        elif share > MANY:
            self.margin = max(self.margin / 1.5, error)
        self.kth, self.step = kth, step


def _top(numbers: Numbers, k: int) -> tuple[float, Truths]:
    """The k-th largest of `numbers`, and True for the k largest, the first of equal ones."""
    np.copyto(numbers, -1, where=np.isnan(numbers))
    kth = np.partition(numbers, len(numbers) - k)[len(numbers) - k]
    chosen = numbers > kth
    chosen[np.flatnonzero(numbers == kth)[: k - np.count_nonzero(chosen)]] = True
    return float(kth), chosen
