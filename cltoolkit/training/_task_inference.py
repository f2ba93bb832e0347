"""How well a learner finds out by itself which task an input is from."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from ..learners import Learner
from ..metrics import task_confusion, task_id_accuracy
from ..tasks import TaskSequence
from ._evaluate import task_finder

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TaskInference", "task_inference"]


@dataclass(frozen=True, eq=False)
class TaskInference:
    """What came out where no task was told.

    Attributes:
        names: of the T tasks that the learner knows.
        confusion: `(T, T)`, counts: row the task an example is from, column the task it was taken for.
        accuracy: `(T,)`, the share of each task's examples that got the right output unit.
        joint: `(T,)`, the share that got the right task and the right output unit: class-incremental accuracy, where
            classes of different tasks share units.
        told: `(T,)`, the share that gets the right output unit if the task is told: what not knowing it costs.
    """

    names: tuple[str, ...]
    confusion: NDArray[np.int64]
    accuracy: NDArray[np.float64]
    joint: NDArray[np.float64]
    told: NDArray[np.float64]

    @property
    def task_accuracy(self) -> float:
        """The share of all examples whose task was inferred right."""
        return task_id_accuracy(self.confusion)

    def to_frame(self) -> "pd.DataFrame":
        """One row per task."""
        import pandas as pd

        right = np.diagonal(self.confusion) / self.confusion.sum(1)
        columns = {
            "task right": right,
            "label right": self.accuracy,
            "both right": self.joint,
            "label right, task told": self.told,
        }
        return pd.DataFrame(columns, index=pd.Index(self.names, name="task"))

    def __repr__(self) -> str:
        return (
            f"TaskInference({len(self.names)} tasks: task right {self.task_accuracy:.1%}, label right "
            f"{self.accuracy.mean():.1%}, both {self.joint.mean():.1%}; with the task told {self.told.mean():.1%})"
        )


@torch.inference_mode()
def task_inference(
    learner: Learner, sequence: TaskSequence, *, part: str = "test", batch_size: int = 1000
) -> TaskInference:
    """Has a learner find the task of every example of the tasks that it knows, and answer it.

    How it does is the learner's own affair: see `infer_task`. Examples come task by task, in the order of the data, so
    that a learner which decides for several inputs at once sees those of one task together.

    Args:
        learner: has learned at least one task, and has weights for each.
        sequence: the tasks, at least those it knows.
        part: "test", "validation" or "train".
        batch_size: inputs handed over at once.

    Returns:
        The task confusion matrix, and accuracies with inferred tasks.

    Raises:
        ValueError: as `infer_task`; or if a task has no such part, or the learner no weights of its own for it.

    Example:
        >>> from cltoolkit.learners import Separate
        >>> from cltoolkit.sequences import split_digits
        >>> from cltoolkit.training import train
        >>> sequence, net = split_digits()[:2], torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
        >>> learner = Separate(net, lr=0.01)
        >>> _ = train(learner, sequence, epochs=5, progress=False, device="cpu")
        >>> task_inference(learner, sequence).confusion.sum(1)
        array([108, 108])
    """
    find = task_finder(learner)
    tasks = sequence.tasks[: learner.known]
    true, inferred, accuracy, joint, told = [], [], [], [], []
    for t, task in enumerate(tasks):
        if part not in task.parts:
            raise ValueError(f"task {task.name!r} has no part {part!r}; it has {', '.join(task.parts)}")
        data = task.parts[part].to(learner.device)
        params, own = learner.params(t), torch.tensor(task.outputs, device=learner.device)
        found = [
            (*find(x), own[learner.net(params, x)[:, own].argmax(1)], y)
            for x, y in data.batches(torch.arange(len(data)), batch_size)
        ]
        which, units, known, y = (torch.cat(column).cpu() for column in zip(*found, strict=True))
        true.append(torch.full_like(which, t))
        inferred.append(which)
        accuracy.append(float((units == y).double().mean()))
        told.append(float((known == y).double().mean()))
        joint.append(float(((units == y) & (which == t)).double().mean()))
    counts = task_confusion(torch.cat(true).numpy(), torch.cat(inferred).numpy(), len(tasks))
    return TaskInference(
        tuple(task.name for task in tasks), counts, np.array(accuracy), np.array(joint), np.array(told)
    )
