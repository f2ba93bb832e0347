"""Ctrl-C as a wish, not an accident: the step under way is finished first."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["interruption"]


@contextmanager
def interruption() -> Iterator[Callable[[], bool]]:
    """While it lasts, Ctrl-C only makes the given function answer True; a second Ctrl-C interrupts at once.

    Outside the main thread, where Python delivers no signals, the function always answers False.
    """
    wished = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield wished.is_set
        return

    def wish(number: int, frame: FrameType | None) -> None:
        if wished.is_set():
            raise KeyboardInterrupt
        wished.set()

    before = signal.signal(signal.SIGINT, wish)
    try:
        yield wished.is_set
    finally:
        signal.signal(signal.SIGINT, before)
