"""The proof that nothing was forgotten: hashes of what answered each task, then and now."""

from dataclasses import dataclass

__all__ = ["Verification"]


@dataclass(frozen=True)
class Verification:
    """For each task the SHA-256 of the weights and statistics that answer it; true if none has changed.

    Args:
        learned: when the task was learned.
        now: now.

    Example:
        >>> Verification(("a1", "b2"), ("a1", "b3"))
        Verification(task 1 of 2 no longer answered by the bits learned with)
    """

    learned: tuple[str, ...]
    now: tuple[str, ...]

    @property
    def holds(self) -> tuple[bool, ...]:
        """For each task, whether it is answered by the same bits."""
        return tuple(a == b for a, b in zip(self.learned, self.now, strict=True))

    @property
    def changed(self) -> tuple[int, ...]:
        """The tasks that are answered by other bits."""
        return tuple(t for t, same in enumerate(self.holds) if not same)

    def __bool__(self) -> bool:
        return not self.changed

    def __repr__(self) -> str:
        total = len(self.learned)
        if self:
            return f"Verification({total} of {total} tasks are answered by the bits they were learned with)"
        tasks = f"task{'s' * (len(self.changed) > 1)} {', '.join(map(str, self.changed))} of {total}"
        return f"Verification({tasks} no longer answered by the bits learned with)"
