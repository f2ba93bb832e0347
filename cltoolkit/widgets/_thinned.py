"""A curve that grows without end, in little room: of each stretch its mean, least and largest value."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Thinned"]

Numbers = NDArray[np.float64]


class Thinned:
    """Numbers one after the other, kept as at most `room` stretches of equal length, which doubles when room runs out.

    Args:
        room: the most stretches; even.

    Example:
        >>> line = Thinned(room=4)
        >>> line.add([3.0, 1.0, 2.0, 2.0, 5.0, 0.0])
        >>> line.stretches().tolist()  # where each begins, its mean, least and largest number
        [[0.0, 2.0, 1.0, 3.0], [2.0, 2.0, 2.0, 2.0], [4.0, 2.5, 0.0, 5.0]]
    """

    def __init__(self, room: int = 512) -> None:
        if room < 2 or room % 2:
            raise ValueError(f"expected an even room of at least 2 stretches; got {room}")
        self.room, self.length = room, 1
        self._full: Numbers = np.zeros((0, 3))
        self._open: Numbers = np.zeros(0)  # of the stretch that is not full yet

    def add(self, values: Sequence[float]) -> None:
        """Takes in further numbers; unknown ones (NaN) count for nothing."""
        waiting = np.concatenate([self._open, np.asarray(values, dtype=np.float64)])
        while len(waiting) >= self.length:
            if len(self._full) == self.room:
                self._full = _merged(self._full.reshape(-1, 2, 3))
                self.length *= 2
                continue
            stretches = min(len(waiting) // self.length, self.room - len(self._full))
            fresh, waiting = np.split(waiting, [stretches * self.length])
            self._full = np.concatenate([self._full, _summary(fresh.reshape(stretches, self.length))])
        self._open = waiting

    def stretches(self) -> Numbers:
        """`(n, 4)`: where each stretch begins, its mean, least and largest number; the last may not be full."""
        rows = np.concatenate([self._full, _summary(self._open[None])]) if len(self._open) else self._full
        return np.concatenate([np.arange(len(rows), dtype=np.float64)[:, None] * self.length, rows], axis=1)


def _summary(numbers: Numbers) -> Numbers:
    """`(n, 3)` of `(n, length)`: mean, least and largest of what is known."""
    return np.stack([_mean(numbers), np.fmin.reduce(numbers, axis=1), np.fmax.reduce(numbers, axis=1)], axis=1)


def _merged(pairs: Numbers) -> Numbers:
    """`(n, 3)` of `(n, 2, 3)`: two stretches as one."""
    return np.stack([_mean(pairs[..., 0]), np.fmin(*pairs[..., 1].T), np.fmax(*pairs[..., 2].T)], axis=1)


def _mean(numbers: Numbers) -> Numbers:
    """The mean of what is known, NaN where nothing is."""
    count = (~np.isnan(numbers)).sum(axis=1)
    return np.divide(np.nansum(numbers, axis=1), count, out=np.full(len(numbers), np.nan), where=count > 0)
