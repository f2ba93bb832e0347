"""How far a long computation is, when parts of it may have been done before."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Meter", "Tick"]

Tick = Callable[[int], Any]


class Meter:
    """Counts steps in phases of known length: what was done already counts at once, what is done anew not twice."""

    def __init__(self, tick: Tick) -> None:
        self._tick = tick
        self._left = 0

    @contextmanager
    def phase(self, length: int) -> Iterator[Tick]:
        """The next `length` steps; all of them are counted when it ends."""
        self._left = length
        yield self._step
        self._step(length)

    def _step(self, count: int) -> None:
        counted = min(count, self._left)
        self._left -= counted
        self._tick(counted)
