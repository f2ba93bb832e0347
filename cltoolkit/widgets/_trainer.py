"""A training session in a thread that can be held, let go step by step, sent home and called back."""

import threading
import time
import traceback
from collections.abc import Callable

from ..training import Session
from ._gate import Gate

__all__ = ["EVERY", "Trainer"]

EVERY = 0.25  # seconds between looks: what an eye can follow, and a small share of any training
OVER = ("finished", "failed")


class Trainer:
    """Trains, and has somebody look at it now and then.

    Args:
        session: what is trained.
        look: called at most four times a second, after each task, and when training holds or ends.
        turn: called with each new state: "training", "paused", "stopped", "finished" or "failed".

    Attributes:
        state: "ready" at first.
        problem: the traceback of what made it fail; empty if nothing did.
    """

    def __init__(self, session: Session, look: Callable[[], None], turn: Callable[[str], None]) -> None:
        self.session = session
        self.state, self.problem = "ready", ""
        self._look, self._turn = look, turn
        self._counts = session.counts
        self._gate = Gate()
        self._thread: threading.Thread | None = None

    def go(self, count: int | None = None) -> None:
        """Lets the thread take so many steps, any number if None; begins it where there is none."""
        if self.state in OVER:
            return
        if self._gate.ended:
            self.wait()
        if resting := self._thread is None or not self._thread.is_alive():
            self._gate = Gate()
        if count is None:
            self._gate.open()
        else:
            self._gate.admit(count)
        if resting:
            self._thread = threading.Thread(target=self._work, args=(self._gate,), name="training", daemon=True)
            self._thread.start()

    def finish_task(self) -> None:
        """Lets the thread train to the end of the task under way, or of the next."""
        done, total = self.session.done, 0
        for count in self._counts:
            total += count
            if done < total:
                self.go(total - done)
                return

    def hold(self) -> None:
        """Holds after the step under way."""
        self._gate.close()

    def end(self) -> None:
        """Sends the thread home after the step under way; what it has done is saved. Does not wait for it."""
        self._gate.end()
        if self._thread is None and self.state == "ready":
            self._settle()

    def wait(self, seconds: float | None = None) -> bool:
        """Waits until the thread has gone home, or so many seconds; whether it has."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self._thread is None or not self._thread.is_alive()

    def here(self) -> None:
        """Trains to the end in the thread of the caller. Ctrl-C stops, and saves; it is raised, as any error is."""
        if self.state in OVER:
            return
        try:
            for _ in self.session:
                pass
        except Exception:
            self.problem = traceback.format_exc()
            raise
        finally:
            self._settle()

    def _work(self, gate: Gate) -> None:
        """What the thread does. Whatever goes wrong is kept to be shown: nobody would see it raised."""
        try:
            self._steps(gate)
        except BaseException:  # noqa: BLE001 - the record stays as it was saved
            self.problem = traceback.format_exc()
        self._settle()

    def _steps(self, gate: Gate) -> None:
        seen = 0.0
        while self.session.run.status != "finished":
            if gate.waits:
                self.session.rest()
                self._look()
                self._set("paused")
            if not gate.passes():
                return
            self._set("training")
            step = next(self.session, None)
            if step is None:
                return
            if step.ended or time.monotonic() - seen >= EVERY:
                self._look()
                seen = time.monotonic()

    def _settle(self) -> None:
        """Saves where training was left, and looks a last time."""
        if not self.problem:
            self.session.interrupt()
        self._look()
        self._set("failed" if self.problem else "finished" if self.session.run.status == "finished" else "stopped")

    def _set(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self._turn(state)
