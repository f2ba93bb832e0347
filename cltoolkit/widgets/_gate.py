"""What lets a training thread through: freely, a counted number of times, or not at all."""

import threading

__all__ = ["Gate"]


class Gate:
    """A gate that one thread passes before each step, and others open and close.

    Example:
        >>> gate = Gate()
        >>> gate.admit(1)
        >>> gate.waits, gate.passes(), gate.waits
        (False, True, True)
        >>> gate.end()
        >>> gate.passes()
        False
    """

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._left: int | None = 0  # how many may pass; None is any number
        self.ended = False

    @property
    def waits(self) -> bool:
        """Whether who comes now has to wait."""
        return self._left == 0 and not self.ended

    def open(self) -> None:
        """Lets all pass."""
        self._set(None)

    def admit(self, count: int) -> None:
        """Lets so many pass, and then none."""
        self._set(count)

    def close(self) -> None:
        """Lets none pass."""
        self._set(0)

    def end(self) -> None:
        """Sends everybody home, those who wait too."""
        with self._change:
            self.ended = True
            self._change.notify_all()

    def passes(self) -> bool:
        """Waits until the gate is open; False if it is time to go home."""
        with self._change:
            self._change.wait_for(lambda: self.ended or self._left != 0)
            if self.ended:
                return False
            if self._left is not None:
                self._left -= 1
            return True

    def _set(self, left: int | None) -> None:
        with self._change:
            self._left = left
            self._change.notify_all()
