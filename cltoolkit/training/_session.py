"""A run in the making, step by step: `train` exhausts it, a board on a screen takes a step when it is told to."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch

from ..devices import pick_device
from ..learners import Learner
from ..records import Run, readable
from ..tasks import TaskSequence
from ._checkpoint import latest, state_file
from ._environment import environment, warn_of_other_machine
from ._evaluate import evaluate
from ._extend import extend
from ._loop import Position, Step, num_steps, prepare, steps
from ._rebuild import describe, same_learner, same_sequence
from ._recorder import Recorder

__all__ = ["Device", "Session", "Settings"]

Device = torch.device | str | None


@dataclass(frozen=True)
class Settings:
    """How a run is trained and recorded; the learner's own hyper-parameters are the learner's.

    Attributes:
        epochs: passes over the data of each task.
        batch_size: examples per step, at most.
        precision: "bf16" lets the target network compute in bfloat16 where autocast deems it safe; None for float32.
        compile: whether `torch.compile` translates the target network.
        eval_every: steps between test evaluations while training, for any-time metrics; None for none.
        log_every: steps between logged losses.
        checkpoint_every: steps between checkpoints within a task; None for none.
        snapshots: whether the state after every task is kept (and not only after the last), as extending a run needs
            it.
    """

    epochs: int = 20
    batch_size: int = 32
    precision: Literal["bf16"] | None = None
    compile: bool = False
    eval_every: int | None = None
    log_every: int = 1
    checkpoint_every: int | None = 500
    snapshots: bool = True

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "eval_every", "log_every", "checkpoint_every"):
            value = vars(self)[name]
            if value is None and name in ("eval_every", "checkpoint_every"):
                continue
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"expected {name} to be a whole number of at least 1; got {value!r}")
        if self.precision not in (None, "bf16"):
            raise ValueError(f"expected precision=None or 'bf16'; got {self.precision!r}")


class Session:
    """Training that is written down as it goes: an iterator of `Step`s that may be left and entered again.

    What is not iterated is not trained. The Run fills while it goes on; its status turns to "finished" with the last
    step, and an error leaves it "interrupted", with its last saved state whole.

    Attributes:
        learner: what is trained.
        sequence: the tasks, on the device.
        run: the record so far; its `curves` are brought up to date at the end, `events` has them at any time.
        settings: how it is trained.
        start: the position it began from.
        counts: how many steps each task takes.
        last: the step taken last; None before the first.

    Example:
        >>> import cltoolkit as cl
        >>> sequence = cl.sequences.split_digits()[:2]
        >>> learner = cl.learners.Finetune(cl.networks.mlp(sequence.input_shape, (16,), sequence.num_classes))
        >>> session = Session.begin(learner, sequence, Settings(epochs=1, batch_size=64))
        >>> next(session).step, next(session).step, session.run.status
        (0, 1, 'training')
        >>> session.interrupt().status
        'interrupted'
        >>> len(list(session)), session.run.status
        (6, 'finished')
    """

    def __init__(
        self, learner: Learner, sequence: TaskSequence, recorder: Recorder, settings: Settings, start: Position
    ) -> None:
        self.learner, self.sequence, self.settings, self.start = learner, sequence, settings, start
        self.last: Step | None = None
        self._recorder = recorder
        self.counts = num_steps(learner, sequence, epochs=settings.epochs, batch_size=settings.batch_size)
        self._resting = self._failed = False
        self._todo = steps(
            learner,
            sequence,
            seed=self.run.seed,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            device=learner.device,
            start=start,
        )

    @classmethod
    def begin(
        cls,
        learner: Learner,
        sequence: TaskSequence,
        settings: Settings | None = None,
        *,
        seed: int = 0,
        out: str | os.PathLike[str] | None = None,
        device: Device = None,
        overwrite: bool = False,
    ) -> Self:
        """A new run of a new learner, measured once before any training; for the arguments see `train`."""
        settings = settings or Settings()
        place = pick_device(device)
        prepare(learner, sequence, seed=seed, device=place)
        count = len(sequence)
        run = Run(
            accuracy=np.full((count + 1, count), np.nan),
            config=describe(learner, sequence, asdict(settings), seed),
            environment=environment(place),
            seconds=np.zeros(count),
            memory=np.full(count, np.nan),
            path=None if out is None else _new_folder(Path(out), overwrite=overwrite),
        )
        sequence = sequence.to(place)
        _apply(settings, learner)
        run.accuracy[0] = evaluate(learner, sequence)
        recorder = Recorder(run, log_every=settings.log_every)
        recorder.save_state(learner, Position(), None if run.path is None else state_file(run.path, 0))
        return cls(learner, sequence, recorder, settings, Position())

    @classmethod
    def reopen(
        cls,
        run: Run,
        *,
        learner: Learner | None = None,
        sequence: TaskSequence | None = None,
        device: Device = None,
    ) -> Self:
        """A run taken up from the last state that its folder holds; for the arguments see `resume`."""
        if run.path is None:
            raise ValueError("expected a run with a folder to go on from; this one lives in memory alone")
        folder = run.path
        sequence, learner = same_sequence(run, sequence), same_learner(run, learner)
        for draft in folder.rglob(".*.part"):  # what a killed run was writing
            draft.unlink(missing_ok=True)
        place = pick_device(device)
        warn_of_other_machine(run, place)
        sequence = sequence.to(place)
        checkpoint = latest(folder)
        with readable(folder / "run.json"):
            settings = Settings(**run.config["training"])
        _apply(settings, learner)
        run.restore_arrays(checkpoint.arrays)
        if len(sequence) > run.T:  # a first try may have widened the record, and died before the next state
            extend(run, learner, sequence, place)
        learner.restore(checkpoint.tensors, checkpoint.facts, device=place)
        for task in sequence[: learner.num_tasks] if learner.num_tasks else ():
            learner.remember(task)
        recorder = Recorder.resumed(run, log_every=settings.log_every, written=checkpoint.events)
        return cls(learner, sequence, recorder, settings, checkpoint.position)

    @property
    def run(self) -> Run:
        """The record so far."""
        return self._recorder.run

    @property
    def events(self) -> list[dict[str, float]]:
        """The logged steps so far, fetched from the device at once."""
        self._recorder.fetch()
        return self._recorder.events

    @property
    def done(self) -> int:
        """How many steps are done, those before `start` included."""
        place = self.start if self.last is None else self.last.next
        return sum(self.counts[: place.task]) + place.step

    def __iter__(self) -> Iterator[Step]:
        return self

    def __next__(self) -> Step:
        """Takes one step, and writes down what is due.

        Raises:
            StopIteration: when all tasks are learned, or an error ended the training before.
        """
        if self._failed:
            raise StopIteration
        if self._resting:
            self._resting, self.run.status = False, "training"
            self._recorder.start_clock()
        try:
            return self._advance()
        except StopIteration:
            if self.run.status == "training":
                self._recorder.finish("finished")
            raise
        except BaseException:
            self.abandon()
            raise

    def rest(self) -> None:
        """Lets the time until the next step belong to no task."""
        if self.last is not None and not self._resting:
            self._recorder.stop_clock(self.last.task, self.learner.device)
        self._resting = True

    def interrupt(self) -> Run:
        """Saves the state after the last step, where there is a folder; the next step goes on from there.

        Returns:
            The Run, "interrupted" unless it is finished.
        """
        if self.run.status == "finished" or self._failed:
            return self.run
        if self.last is not None:
            self._recorder.checkpoint(self.learner, self.last)
        self._resting = True
        return self._recorder.finish("interrupted")

    def abandon(self) -> None:
        """Ends after an accident: the last saved state is whole, and what the failed step left is not saved."""
        if self.run.status == "training":
            self._failed = True
            self._recorder.finish("interrupted")

    def _advance(self) -> Step:
        """The next step, with all that is written down of it."""
        step = next(self._todo)
        self.last = step
        self._recorder.log(step)
        if step.ended:
            self._recorder.end_task(self.learner, self.sequence, step, snapshots=self.settings.snapshots)
        else:
            self._look_in(step)
        if step.next.task >= len(self.sequence):
            self._recorder.finish("finished")
        return step

    def _look_in(self, step: Step) -> None:
        """What happens between two steps of a task, when it is time."""
        every, saves = self.settings.eval_every, self.settings.checkpoint_every
        if every and (step.step + 1) % every == 0:
            self._recorder.measure(self.learner, self.sequence, step)
        if saves and (step.step + 1) % saves == 0:
            self._recorder.checkpoint(self.learner, step)


def _apply(settings: Settings, learner: Learner) -> None:
    """Has the target network compute as the settings say."""
    learner.net.precision = torch.bfloat16 if settings.precision == "bf16" else None
    if settings.compile:
        learner.net.compile()


def _is_run(path: Path) -> bool:
    """Whether a folder holds a Run, or the beginnings of one that was killed before its first state was saved."""
    begun = {"arrays.safetensors", "events.jsonl"}
    return (path / "run.json").is_file() or (
        path.is_dir() and all(file.name in begun or file.name.endswith(".part") for file in path.iterdir())
    )


def _new_folder(path: Path, *, overwrite: bool) -> Path:
    """An empty folder at `path`.

    Only a folder that holds a Run is ever deleted.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        if not overwrite:
            raise FileExistsError(
                f"{path} exists and is not empty. Go on with resume({str(path)!r}), choose another `out`, "
                "or pass overwrite=True to delete it."
            )
        if not _is_run(path):
            raise FileExistsError(
                f"{path} is no run's folder, so overwrite=True does not delete it; choose another `out`"
            )
        shutil.rmtree(path)
    path.mkdir(parents=True, exist_ok=True)
    return path
