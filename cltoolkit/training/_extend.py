"""More tasks behind a run's own, as if they had always been there; and learners as they were at an earlier time."""

import os
import warnings
from pathlib import Path

import numpy as np
import torch

from ..devices import pick_device
from ..learners import Learner
from ..records import Run
from ..tasks import TaskSequence
from ._checkpoint import Checkpoint, latest, state_file
from ._evaluate import evaluate
from ._rebuild import same_learner

__all__ = ["extend", "restore"]


def extend(run: Run, learner: Learner, sequence: TaskSequence, device: torch.device) -> None:
    """Widens a run's record to a longer sequence, and measures the new tasks at every time whose state was kept."""
    old, count = run.T, len(sequence)
    columns = np.full((count + 1, count), np.nan)
    columns[: old + 1, :old] = run.accuracy
    missing = []
    for done in range(run.num_tasks + 1):
        file = state_file(run.path or Path(), done)
        if file.exists():
            state = Checkpoint.load(file)
            learner.restore(state.tensors, state.facts, device=device)
            columns[done, old:] = evaluate(learner, sequence, tasks=range(old, count))[old:]
        else:
            missing.append(done)
    if missing:
        warnings.warn(
            f"the states after {missing} tasks were not kept (snapshots=False): accuracy on the new tasks then is NaN",
            RuntimeWarning,
            stacklevel=3,
        )
    run.accuracy = columns
    run.seconds = np.append(run.seconds, np.zeros(count - old))
    run.memory = np.append(run.memory, np.full(count - old, np.nan))
    run.series = {name: _padded(value, count, (0, 1)) for name, value in run.series.items()}
    if run.anytime:
        run.anytime = run.anytime | {"accuracy": _padded(run.anytime["accuracy"], count, (1,))}
    run.config = run.config | {"sequence": sequence.description}


def _padded(values: np.ndarray, count: int, axes: tuple[int, ...]) -> np.ndarray:
    """`values` with NaN behind it, up to `count` along `axes`."""
    widths = [(0, count - size if axis in axes else 0) for axis, size in enumerate(values.shape)]
    return np.pad(values, widths, constant_values=np.nan)


def restore(
    run: Run | str | os.PathLike[str],
    *,
    tasks: int | None = None,
    learner: Learner | None = None,
    device: torch.device | str | None = None,
) -> Learner:
    """The learner of a saved run, as it was after so many tasks.

    Args:
        run: a run with a folder, or the folder.
        tasks: after how many tasks; None for the furthest state saved.
        learner: one built like the run's; needed only where the network was not built by a function of `networks`.
        device: where to put it; a GPU if there is one.

    Raises:
        RunError: if there is no such state, or it is damaged.
        ValueError: if the learner differs from the run's, or cannot be rebuilt and is not given.
    """
    record = run if isinstance(run, Run) else Run.open(run)
    if record.path is None:
        raise ValueError("this run has no folder, and so no saved states; train with `out=`")
    learner = same_learner(record, learner)
    state = latest(record.path) if tasks is None else Checkpoint.load(state_file(record.path, tasks))
    learner.restore(state.tensors, state.facts, device=pick_device(device))
    return learner
