"""Training with a record: `train` and `resume` take a session to its end."""

import os
import warnings
from typing import Literal

from ..learners import Learner
from ..records import Run
from ..tasks import TaskSequence
from ._interrupt import interruption
from ._loop import Step
from ._progress import Progress
from ._session import Device, Session, Settings

__all__ = ["resume", "train"]


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
    session = Session.begin(learner, sequence, settings, seed=seed, out=out, device=device, overwrite=overwrite)
    return _exhaust(session, progress=progress)


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
    extended = sequence is not None and len(sequence) > run.T
    if run.status == "finished" and not extended:
        return run
    return _exhaust(Session.reopen(run, learner=learner, sequence=sequence, device=device), progress=progress)


def _exhaust(session: Session, *, progress: bool) -> Run:
    """Trains to the end, or to Ctrl-C."""
    learner, sequence, settings, run = session.learner, session.sequence, session.settings, session.run
    with (
        interruption() as wished,
        Progress(learner, sequence, settings.epochs, settings.batch_size, session.start, shown=progress) as bar,
    ):
        try:
            for step in session:
                bar.step(step)
                if step.ended:
                    bar.task(step.task, run)
                if wished() and step.next.task < len(sequence):
                    session.interrupt()
                    _say_interrupted(run, step)
                    break
        except BaseException:  # a second Ctrl-C comes at any moment
            session.abandon()
            raise
    return run


def _say_interrupted(run: Run, step: Step) -> None:
    where = f"task {step.task} ({run.task_names[step.task]}), step {step.step}"
    how = (
        f"go on with resume({str(run.path)!r})" if run.path else "it has no folder to go on from: give `out=` next time"
    )
    warnings.warn(f"interrupted after {where}; {how}", RuntimeWarning, stacklevel=4)
