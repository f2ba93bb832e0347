"""Writes down what the training loop yields: in memory always, in a folder where there is one."""

import json
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from ..learners import Learner
from ..records import Run, RunError, as_curves
from ..tasks import TaskSequence
from ._certified import certified
from ._checkpoint import Checkpoint, state_file
from ._environment import peak_memory, reset_peak_memory
from ._evaluate import evaluate
from ._loop import Position, Step

__all__ = ["Recorder"]

PENDING = 256  # logged steps that wait on the device before they are fetched together


class Recorder:
    """A run in the making.

    What cannot be written (a full disk) is warned about and kept in memory; training goes on.
    """

    def __init__(self, run: Run, *, log_every: int, events: list[dict[str, float]] | None = None) -> None:
        self.run = run
        self.log_every = log_every
        self.events = [] if events is None else events
        self.written = 0  # bytes of the events file
        self._pending: list[Step] = []
        self._unwritten = ""
        self._clock = time.perf_counter()
        self._warned: set[str] = set()

    @classmethod
    def resumed(cls, run: Run, *, log_every: int, written: int) -> "Recorder":
        """Goes on with the events up to byte `written`; later ones belong to steps that will be taken again."""
        path = events_file(run)
        kept = path.read_bytes()[:written] if written else b""
        if len(kept) < written:
            raise RunError(
                f"{path} is shorter than the saved state says ({len(kept)} of {written} bytes); take it from a copy"
            )
        recorder = cls(run, log_every=log_every, events=[json.loads(line) for line in kept.splitlines()])
        recorder.written = written
        return recorder

    def log(self, step: Step) -> None:
        """Notes a step's losses without waiting for them."""
        if step.step % self.log_every == 0 or step.ended:
            self._pending.append(step)
        if len(self._pending) >= PENDING:
            self.fetch()

    def fetch(self) -> None:
        """Brings the pending losses to the host, all at once."""
        if not self._pending:
            return
        values = torch.stack([value.float() for step in self._pending for value in step.losses.values()]).tolist()
        losses = iter(values)
        fresh = [
            {"task": s.task, "epoch": s.epoch, "step": s.step} | {name: next(losses) for name in s.losses}
            for s in self._pending
        ]
        self._pending = []
        self.events += fresh
        self._unwritten += "".join(f"{json.dumps(event)}\n" for event in fresh)
        self.run.curves = {}
        bad = next((event for event in fresh if not math.isfinite(event.get("loss", 0.0))), None)
        if bad is not None:
            self._warn(
                "loss",
                f"the loss became {bad['loss']} in task {bad['task']}, step {bad['step']}; lower the step size `lr`",
            )

    def measure(self, learner: Learner, sequence: TaskSequence, step: Step) -> None:
        """Adds a row to the any-time accuracies: the tasks known so far."""
        with self._off_the_clock(step.task, learner.device):
            row = evaluate(learner, sequence, tasks=range(learner.known))
        old = self.run.anytime
        new = {"task": np.array([step.task]), "step": np.array([step.step]), "accuracy": row[None]}
        self.run.anytime = {name: np.concatenate([old[name], value]) if old else value for name, value in new.items()}

    def end_task(self, learner: Learner, sequence: TaskSequence, step: Step, *, snapshots: bool) -> None:
        """Measures all tasks, takes down the method's own series, and saves the state."""
        t, run = step.task, self.run
        with self._off_the_clock(t, learner.device):
            run.memory[t] = peak_memory(learner.device)
            reset_peak_memory(learner.device)
            run.accuracy[t + 1] = evaluate(learner, sequence)
            for name, rows in (learner.series() | certified(learner, sequence)).items():
                run.series[name] = _with_rows(run.series.get(name), t, rows.detach().cpu().numpy(), run.T)
            saved = self.save_state(learner, step.next, None if run.path is None else state_file(run.path, t + 1))
            if run.path is not None and saved and not snapshots:
                state_file(run.path, t).unlink(missing_ok=True)

    def checkpoint(self, learner: Learner, step: Step) -> None:
        """Saves the state within a task."""
        with self._off_the_clock(step.task, learner.device):
            self.save_state(
                learner, step.next, None if self.run.path is None else self.run.path / "checkpoint.safetensors"
            )

    def save_state(self, learner: Learner, position: Position, path: Path | None) -> bool:
        """Saves the record, and the state that belongs to it, under `path`, which a run without a folder has not.

        Returns whether it is saved. A state is never newer than the events before it, which it counts.
        """
        self.fetch()
        if path is None or not self._try(self._write):
            return False
        return self._try(lambda: Checkpoint.of(learner, position, self.run.arrays(), self.written).save(path))

    def finish(self, status: str) -> Run:
        """Brings the record up to date with the loop's end."""
        self.fetch()
        self.run.curves = as_curves(self.events)
        self.run.status = status
        if self.run.path is not None and self._try(self._write) and status == "finished":
            (self.run.path / "checkpoint.safetensors").unlink(missing_ok=True)
        return self.run

    def _write(self) -> None:
        """The events not written yet, and the rest of the record."""
        path = events_file(self.run)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.truncate(self.written)
            file.write(self._unwritten.encode())
            file.flush()
            os.fsync(file.fileno())
            self.written = file.tell()
        self._unwritten = ""
        self.run.save(path.parent)

    def _try(self, write: Callable[[], None]) -> bool:
        """Whether something could be written; if not, training goes on and the user is told once."""
        try:
            write()
        except OSError as error:
            self._warn(
                "disk",
                f"the run could not be saved ({error}); training goes on and the next save is tried as usual. "
                "Free some space, or keep the Run returned and call its `save` with another folder.",
            )
            return False
        return True

    def _warn(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            warnings.warn(message, RuntimeWarning, stacklevel=4)

    @contextmanager
    def _off_the_clock(self, t: int, device: torch.device) -> Iterator[None]:
        """Books the time until now to task t, and leaves out what happens inside."""
        self.stop_clock(t, device)
        try:
            yield
        finally:
            self.start_clock()

    def stop_clock(self, t: int, device: torch.device) -> None:
        """Books the time until now to task t."""
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        self.run.seconds[t] += time.perf_counter() - self._clock

    def start_clock(self) -> None:
        """Counts from now on."""
        self._clock = time.perf_counter()


def events_file(run: Run) -> Path:
    """Where the logged steps of a run with a folder lie."""
    if run.path is None:
        raise ValueError("this run has no folder")
    return run.path / "events.jsonl"


def _with_rows(old: np.ndarray | None, t: int, rows: np.ndarray, total: int) -> np.ndarray:
    """`(T, T, *)` with `rows` `(t + 1, *)` at [t], and NaN where there is nothing; rows may lengthen with the tasks."""
    held = () if old is None else old.shape[2:]
    shape = tuple(map(max, held, rows.shape[1:])) if held else rows.shape[1:]
    new = np.full((total, total, *shape), np.nan)
    if old is not None:
        new[tuple(map(slice, old.shape))] = old
    new[t][tuple(map(slice, rows.shape))] = rows
    return new
