"""Training as one watches it: the matrix fills, losses fall, embeddings drift and widths shrink."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import torch
import traitlets

from .. import plots
from ..embeddings import align, map_tasks
from ..learners import Learner
from ..metrics import average_accuracy, backward_transfer
from ..records import Run, as_curves
from ..tasks import TaskSequence
from ..training import Session, Settings
from ._live import is_live
from ._thinned import Thinned
from ._trainer import Trainer
from ._view import View

if TYPE_CHECKING:
    from ..plots import Figure

__all__ = ["TrainingBoard"]

TRAIL = 200  # places of an embedding that are remembered
WHOLE = ("task", "epoch", "step")
Device = torch.device | str | None


class TrainingBoard(View):
    """Trains a learner in a thread while its record is shown.

    `start()` returns at once, and the notebook stays usable. The board is updated at most four times a second. Where
    nobody watches (nbconvert, nbval, a script), `start()` trains to the end before it returns, and the board is the
    final picture. The numbers are those of `cl.train`, to the byte.

    Dropout draws from torch's global generator, seeded anew for each step: leave it alone in other cells meanwhile.

    Args:
        learner: a new one.
        sequence: the tasks, in order.
        seed: of everything random.
        out: a folder for the Run; what is stopped goes on from there, in another session too (`reopen`).
        epochs: passes over the data of each task.
        batch_size: examples per step, at most.
        device: where to train; a GPU if there is one.
        precision: "bf16" for mixed precision of the target network.
        compile: whether `torch.compile` translates the target network.
        eval_every: steps between test evaluations while training; the matrix then fills within a task, too.
        log_every: steps between logged losses.
        checkpoint_every: steps between checkpoints within a task; None for none.
        snapshots: whether the state after every task is kept.
        overwrite: whether a Run that lies in `out` may be deleted.

    Attributes:
        state: "ready", "training", "paused", "stopped", "finished" or "failed".
        problem: the traceback of what made it fail.
        loss: the name of the curve shown.

    Raises:
        FileExistsError: if `out` is not empty and not to be overwritten.
        ValueError: if the network does not fit the sequence, or a setting is out of range; before any training.

    Example:
        >>> import cltoolkit as cl
        >>> sequence = cl.sequences.split_digits()[:2]
        >>> net = cl.networks.mlp(sequence.input_shape, (16,), sequence.num_classes)
        >>> board = TrainingBoard(cl.learners.HyperNet(net), sequence, epochs=1)
        >>> board.start()
        TrainingBoard(HyperNet on split digits, 2 of 2 tasks, finished)
        >>> board.run.accuracy.shape
        (3, 2)
    """

    front: ClassVar[tuple[str, ...]] = ("training_board",)

    state = traitlets.Unicode("ready").tag(sync=True)
    problem = traitlets.Unicode("").tag(sync=True)
    loss = traitlets.Unicode("loss").tag(sync=True)
    place = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        learner: Learner,
        sequence: TaskSequence,
        *,
        seed: int = 0,
        out: str | os.PathLike[str] | None = None,
        epochs: int = 20,
        batch_size: int = 32,
        device: Device = None,
        precision: Literal["bf16"] | None = None,
        compile: bool = False,
        eval_every: int | None = None,
        log_every: int = 1,
        checkpoint_every: int | None = 500,
        snapshots: bool = True,
        overwrite: bool = False,
    ) -> None:
        settings = Settings(epochs, batch_size, precision, compile, eval_every, log_every, checkpoint_every, snapshots)
        self._take(Session.begin(learner, sequence, settings, seed=seed, out=out, device=device, overwrite=overwrite))

    @classmethod
    def reopen(
        cls,
        path: str | os.PathLike[str],
        *,
        learner: Learner | None = None,
        sequence: TaskSequence | None = None,
        device: Device = None,
    ) -> Self:
        """A board for the interrupted Run in a folder; `start()` goes on with it, to the bytes it would have had.

        Args:
            path: the Run's folder.
            learner: one built like the saved one; needed only where the network was not built by a function of
                `networks`.
            sequence: the run's own, needed only where it was not built by a function of `sequences`; or the same with
                further tasks behind it.
            device: where to train; a GPU if there is one.

        Raises:
            RunError: if there is no Run, or it is damaged.
            ValueError: if learner or sequence differ from the saved Run's, or cannot be rebuilt and are not given.
        """
        board = cls.__new__(cls)
        board._take(Session.reopen(Run.open(path), learner=learner, sequence=sequence, device=device))
        return board

    def _take(self, session: Session) -> None:
        self._session = session
        self._trainer = Trainer(session, self._look, self._turn)
        counts = session.counts
        self._starts, self._total = np.cumsum([0, *counts[:-1]]).tolist(), sum(counts)
        self._seen, self._curves = 0, dict[str, Thinned]()
        self._widths = np.zeros((0, 1 + session.run.T))
        self._map, self._trails, self._variance = np.zeros((0, 2)), list[list[tuple[float, float]]](), 1.0
        name = f"{session.run.name} on {session.sequence.name}"
        super().__init__(title=name, tasks=[task.name for task in session.sequence])
        self._look()

    # What a person does

    @property
    def run(self) -> Run:
        """The record, as far as it goes."""
        return self._session.run

    @property
    def learner(self) -> Learner:
        """What is trained."""
        return self._session.learner

    def start(self) -> Self:
        """Trains, or goes on: in a thread where somebody watches, and to the end at once where nobody does.

        Returns:
            The board, so that a cell may end with it.
        """
        if is_live():
            self._trainer.go()
        else:
            self._trainer.here()
        return self

    def pause(self) -> None:
        """Holds after the step under way."""
        self._trainer.hold()

    def step(self, count: int = 1) -> None:
        """Takes some steps, and holds.

        Raises:
            ValueError: if there are fewer than one.
        """
        if count < 1:
            raise ValueError(f"expected one step or more; got {count}")
        self._trainer.go(count)

    def finish_task(self) -> None:
        """Trains to the end of the task under way, and holds."""
        self._trainer.finish_task()

    def stop(self) -> Run:
        """Saves the state after the step under way, and ends the thread; `start` goes on from there.

        Returns:
            The Run, with its curves.
        """
        self._trainer.end()
        self._trainer.wait()
        return self.run

    def wait(self, seconds: float | None = None) -> bool:
        """Waits until training has ended, or so many seconds.

        Returns:
            Whether it has ended.
        """
        return self._trainer.wait(seconds)

    def result(self) -> Run:
        """The Run when training has ended; what is held goes on to the end first.

        While it waits, buttons are not heard: the kernel is busy. Interrupting the kernel ends the waiting alone.

        Raises:
            RuntimeError: if training failed; the board shows how.
        """
        self._trainer.go()
        self.wait()
        if self.state == "failed":
            raise RuntimeError(f"training failed, and its Run goes up to its last saved state:\n{self.problem}")
        return self.run

    def _hear(self, widget: Any, message: Any, buffers: Any) -> None:
        """What buttons say, and what all views are asked."""
        trainer = self._trainer
        acts: dict[Any, Callable[[], None]] = {
            "start": trainer.go,
            "pause": trainer.hold,
            "step": self.step,
            "task": trainer.finish_task,
            "stop": trainer.end,
        }
        wish = message.get("do") if isinstance(message, dict) else None
        if wish in acts:
            acts[wish]()
        else:
            super()._hear(widget, message, buffers)

    def _turn(self, state: str) -> None:
        with self.hold_sync():
            self.problem, self.state = self._trainer.problem, state

    # What is shown

    def _look(self) -> None:
        """Brings the board up to date."""
        self._read_events()
        moving = {name: value.detach().cpu().numpy() for name, value in self.learner.moving().items()}
        arrays = {"accuracy": self._matrix(), **self._lines(), **self._places(moving)}
        about = {"curves": [*self._curves], "starts": self._starts, "shown": self._variance}
        with self.hold_sync():
            self.place = self._where()
            self.show(about | {"embeds": "embeddings" in moving}, arrays)

    def _read_events(self) -> None:
        events = self._session.events
        fresh, self._seen = events[self._seen :], len(events)
        for name in dict.fromkeys(name for event in fresh for name in event if name not in WHOLE):
            self._curves.setdefault(name, Thinned()).add([event.get(name, np.nan) for event in fresh])
        if self._curves and self.loss not in self._curves:
            self.loss = next(iter(self._curves))

    def _matrix(self) -> np.ndarray:
        """The accuracies, those of the task under way as far as they were measured."""
        accuracy, now = self.run.accuracy.copy(), self.run.anytime
        t = self.run.num_tasks
        if now and int(now["task"][-1]) == t < self.run.T:
            accuracy[t + 1] = now["accuracy"][-1]
        return accuracy

    def _lines(self) -> dict[str, np.ndarray]:
        return {f"curve/{name}": line.stretches() for name, line in self._curves.items()}

    def _places(self, moving: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Where the embeddings are in the plane, with their trails, and how wide their boxes are."""
        arrays = {}
        if "embeddings" in moving and len(moving["embeddings"]) > 1:
            arrays["map"] = self._mapped(moving["embeddings"])
            arrays["trails"] = self._tracked(arrays["map"])
        if "half_widths" in moving and moving["half_widths"].size:
            arrays["widths"] = self._narrowed(np.median(moving["half_widths"], axis=1))
        return arrays

    def _narrowed(self, medians: np.ndarray) -> np.ndarray:
        """`(n, 1 + T)`: the steps done at each look, and each task's median half-width, NaN before there was one."""
        row = np.full(1 + self.run.T, np.nan)
        row[0], row[1 : 1 + len(medians)] = self._session.done, medians
        self._widths = np.concatenate([self._widths, row[None]])
        if len(self._widths) > 2 * TRAIL:
            self._widths = self._widths[::2]
        return self._widths

    def _mapped(self, embeddings: np.ndarray) -> np.ndarray:
        """The embeddings on their plane of most variance, turned as little as can be since the last look."""
        plane = map_tasks(embeddings, method="pca")
        fresh, self._variance = plane.points, 1.0 if plane.variance is None else plane.variance
        self._map = align([self._map, fresh])[1] if len(self._map) else fresh
        return self._map

    def _tracked(self, places: np.ndarray) -> np.ndarray:
        """`(t, n, 2)`: the last places of each embedding, NaN before it was there."""
        self._trails += [[] for _ in range(len(places) - len(self._trails))]
        for trail, (x, y) in zip(self._trails, places.tolist(), strict=True):
            trail.append((x, y))
            del trail[:-TRAIL]
        longest = max(map(len, self._trails))
        return np.array([[(np.nan, np.nan)] * (longest - len(trail)) + trail for trail in self._trails])

    def _where(self) -> dict[str, Any]:
        """How far training is."""
        session, last = self._session, self._session.last
        task = min(session.start.task if last is None else last.next.task, self.run.T - 1)
        seconds = float(np.nansum(self.run.seconds))
        phase = "" if last is None else last.phase
        return {"done": session.done, "total": self._total, "task": task, "phase": phase, "seconds": round(seconds, 1)}

    def record(self) -> Run:
        """The Run so far, with its step curves: what `plots` draws while training goes on."""
        return replace(self.run, curves=as_curves(self._session.events))

    def figure(self) -> "Figure":
        """Matrix, losses, and where the embeddings have gone, as far as training is."""
        run = self.record()
        panels = [lambda ax: plots.accuracy_matrix(run, ax=ax)]
        if run.curves:
            panels.append(lambda ax: plots.curves(run, ax=ax))
        if run.num_tasks > 1:
            panels.append(lambda ax: plots.average_so_far(run, ax=ax))
        if "embeddings" in run.series and run.num_tasks > 1:
            panels.append(lambda ax: plots.embedding_trajectories(run, ax=ax))
        return plots.sheet(panels)

    def words(self) -> str:
        """How far training is, and how accurate."""
        run, t = self.run, self.run.num_tasks
        parts = [f"Training of {self._title}: {t} of {run.T} tasks learned."]
        if t:
            so_far = run.accuracy[: t + 1, :t]
            parts.append(f"Average accuracy on them {average_accuracy(so_far):.3f}.")
            if t > 1:
                parts.append(f"Backward transfer {backward_transfer(so_far):+.3f}.")
        return " ".join(parts)

    def __repr__(self) -> str:
        return f"TrainingBoard({self._title}, {self.run.num_tasks} of {self.run.T} tasks, {self.state})"
