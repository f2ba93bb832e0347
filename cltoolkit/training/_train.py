"""Training with a record: `train` and `resume` exhaust the loop and write down what it yields."""

import os
import shutil
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

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
from ._interrupt import interruption
from ._loop import Position, Step, prepare, steps
from ._progress import Progress
from ._rebuild import describe, same_learner, same_sequence
from ._recorder import Recorder

__all__ = ["Settings", "resume", "train"]

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


def train(
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
    progress: bool = True,
) -> Run:
    """Trains a new learner on a sequence and measures it after every task.

    Ctrl-C stops after the step under way; the Run returned then has the status "interrupted", and `resume` goes on
    from that very step.

    Args:
        learner: a new one.
        sequence: the tasks, in order.
        seed: of everything random. The same seed on the same machine gives the same bytes.
        out: a folder for the run; without one it lives in memory alone.
        epochs: passes over the data of each task.
        batch_size: examples per step, at most.
        device: where to train; a GPU if there is one.
        precision: "bf16" for mixed precision of the target network.
        compile: whether `torch.compile` translates the target network.
        eval_every: steps between test evaluations while training; None for none.
        log_every: steps between logged losses.
        checkpoint_every: steps between checkpoints within a task; None for none.
        snapshots: whether the state after every task is kept, as extending a run needs it.
        overwrite: whether a run that lies in `out` may be deleted.
        progress: whether a progress bar is shown (the environment variable TQDM_DISABLE=1 hides it, too).

    Returns:
        The finished Run, or an interrupted one.

    Raises:
        FileExistsError: if `out` is not empty and not to be overwritten.
        ValueError: if the network does not fit the sequence, or a setting is out of range; before any training.

    Example:
        >>> import torch, cltoolkit as cl
        >>> sequence = cl.sequences.split_digits()[:2]
        >>> net = cl.networks.mlp(sequence.input_shape, (16,), sequence.num_classes)
        >>> run = train(cl.learners.Finetune(net), sequence, epochs=2, progress=False)
        >>> run.accuracy.shape, run.status
        ((3, 2), 'finished')
    """
    settings = Settings(epochs, batch_size, precision, compile, eval_every, log_every, checkpoint_every, snapshots)
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
    return _go_on(learner, sequence, recorder, settings, Position(), progress=progress)


def resume(
    path: str | os.PathLike[str],
    *,
    learner: Learner | None = None,
    sequence: TaskSequence | None = None,
    device: Device = None,
    progress: bool = True,
) -> Run:
    """Goes on with an interrupted run from its last saved step; or with a finished one, on a longer sequence.

    What comes out has the bytes that an uninterrupted run would have given, on the same machine.

    Args:
        path: the run's folder.
        learner: one built like the saved one; needed only where the network was not built by a function of `networks`.
        sequence: the run's own, needed only where it was not built by a function of `sequences`; or the same with
            further tasks behind it.
        device: where to train; a GPU if there is one.
        progress: whether a progress bar is shown.

    Raises:
        RunError: if there is no run, or it is damaged.
        ValueError: if learner or sequence differ from the saved run's, or cannot be rebuilt and are not given.
    """
    run = Run.open(path)
    folder = Path(path)
    extended = sequence is not None and len(sequence) > run.T
    if run.status == "finished" and not extended:
        return run
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
    if len(sequence) > run.T:  # not `extended`: a first try may have widened the record, and died before the next state
        extend(run, learner, sequence, place)
    learner.restore(checkpoint.tensors, checkpoint.facts, device=place)
    for task in sequence[: learner.num_tasks] if learner.num_tasks else ():
        learner.remember(task)
    recorder = Recorder.resumed(run, log_every=settings.log_every, written=checkpoint.events)
    return _go_on(learner, sequence, recorder, settings, checkpoint.position, progress=progress)


def _go_on(
    learner: Learner, sequence: TaskSequence, recorder: Recorder, settings: Settings, start: Position, *, progress: bool
) -> Run:
    """The loop from `start` to the end, or to Ctrl-C, with everything written down."""
    run = recorder.run
    todo = steps(
        learner,
        sequence,
        seed=run.seed,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        device=learner.device,
        start=start,
    )
    last: Step | None = None
    with (
        interruption() as wished,
        Progress(learner, sequence, settings.epochs, settings.batch_size, start, shown=progress) as bar,
    ):
        try:
            for last in todo:
                recorder.log(last)
                bar.step(last)
                if last.ended:
                    recorder.end_task(learner, sequence, last, snapshots=settings.snapshots)
                    bar.task(last.task, run)
                else:
                    _look_in(learner, sequence, recorder, settings, last)
                if wished() and last.next.task < len(sequence):
                    break
            else:
                return recorder.finish("finished")
        except BaseException:
            recorder.finish("interrupted")  # the last saved state is whole; what the failed step left is not saved
            raise
    recorder.checkpoint(learner, last)
    _say_interrupted(run, last)
    return recorder.finish("interrupted")


def _look_in(learner: Learner, sequence: TaskSequence, recorder: Recorder, settings: Settings, step: Step) -> None:
    """What happens between two steps of a task, when it is time."""
    if settings.eval_every and (step.step + 1) % settings.eval_every == 0:
        recorder.measure(learner, sequence, step)
    if settings.checkpoint_every and (step.step + 1) % settings.checkpoint_every == 0:
        recorder.checkpoint(learner, step)


def _apply(settings: Settings, learner: Learner) -> None:
    """Has the target network compute as the settings say."""
    learner.net.precision = torch.bfloat16 if settings.precision == "bf16" else None
    if settings.compile:
        learner.net.compile()


def _say_interrupted(run: Run, step: Step) -> None:
    where = f"task {step.task} ({run.task_names[step.task]}), step {step.step}"
    how = (
        f"go on with resume({str(run.path)!r})" if run.path else "it has no folder to go on from: give `out=` next time"
    )
    warnings.warn(f"interrupted after {where}; {how}", RuntimeWarning, stacklevel=4)


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
