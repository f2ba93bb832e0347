"""Test accuracy of a learner on every task, and which task an input seems to come from."""

import math
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from ..learners import Finder, Learner
from ..tasks import Data, TaskSequence, r_squared, squared_error

__all__ = ["evaluate", "infer_task", "task_finder"]


@torch.inference_mode()
def evaluate(
    learner: Learner,
    sequence: TaskSequence,
    *,
    part: str = "test",
    batch_size: int = 1000,
    tasks: Iterable[int] | None = None,
) -> np.ndarray:
    """Accuracy on every task of the sequence: one row of the accuracy matrix.

    A task that is not learned yet is measured with the weights from which the learner would begin it. Who answers
    depends on the scenario. "task": each task's own weights and classes. "domain": if the learner has weights per
    task, those of the task that `infer_task` finds for each input. "class": likewise, among all classes seen so far;
    for a task to come, as if the tasks up to it had been seen.

    Of real-valued targets it is no accuracy but R² = 1 − SSE / SST over the part (`tasks.r_squared`): 1 is perfect, 0
    no better than the targets' mean for every input, and it may be far below 0.

    Args:
        learner: what answers.
        sequence: the tasks; on the learner's device, or moved there.
        part: "test", "validation" or "train".
        batch_size: inputs per forward pass.
        tasks: which tasks to measure; all if None.

    Returns:
        `(T,)` float64, fractions; NaN where nothing was to be measured, or there are no weights or no such part.

    Raises:
        ValueError: if targets are real numbers, and the task would have to be inferred.
    """
    device = learner.device
    wanted = set(range(len(sequence)) if tasks is None else tasks)
    find = task_finder(learner) if learner.known and learner.needs_task and not learner.own_head else None
    row = [torch.tensor(math.nan, dtype=torch.float64, device=device) for _ in sequence]
    for t, task in enumerate(sequence):
        data = task.parts.get(part)
        if data is None or t not in wanted:
            continue
        answer = _answers_of(learner, sequence, t, find)
        if answer is not None:
            row[t] = (_fit if task.regression else _right)(answer, data.to(device), batch_size)
    return torch.stack(row).cpu().numpy()  # the one time that the host waits


def _answers_of(
    learner: Learner, sequence: TaskSequence, t: int, find: Finder | None
) -> Callable[[Tensor], Tensor] | None:
    """What the learner answers to inputs of task t: inputs → `(n,)` output units, or `(n, k)` numbers.

    None where it has no weights for the task. Where the task is not told, `find` finds it.
    """
    if find is not None:
        return lambda x: find(x)[1]
    params = learner.params(t) if t < learner.known else learner.starting(t)
    if params is None:
        return None
    if sequence.regression:
        return lambda x: learner.net(params, x)
    units = torch.tensor(_units(learner, sequence, t), device=learner.device)
    return lambda x: units[learner.net(params, x)[:, units].argmax(1)]


def _right(answer: Callable[[Tensor], Tensor], data: Data, batch_size: int) -> Tensor:
    """The share of examples that are answered right; a scalar, on the device."""
    counts = [(answer(x) == y).sum() for x, y in data.batches(torch.arange(len(data)), batch_size)]
    return torch.stack(counts).sum().double() / len(data)


def _fit(answer: Callable[[Tensor], Tensor], data: Data, batch_size: int) -> Tensor:
    """R² of the answers; a scalar, on the device."""
    batches = data.batches(torch.arange(len(data)), batch_size)
    errors = [squared_error(answer(x).double(), y).sum() for x, y in batches]
    return r_squared(torch.stack(errors).sum(), data.y)


def _units(learner: Learner, sequence: TaskSequence, t: int) -> tuple[int, ...]:
    """The output units among which examples of task t are decided: its own; if classes must be told apart, all seen.

    For a task to come those are the classes that will have been seen with it, so that its chance level is the same in
    every row of the accuracy matrix before it is learned.
    """
    if learner.scenario != "class":
        return sequence[t].outputs
    seen = {unit for task in sequence.tasks[: max(learner.known, t + 1)] for unit in task.outputs}
    return tuple(sorted(seen.union(learner.seen_units)))


@torch.inference_mode()
def infer_task(learner: Learner, x: Tensor) -> Tensor:
    """The task that each input seems to come from: t̂(x) = argmin_t H(p(y | x, t)) / log k_t, or as the learner has it.

    The weights of the right task are the surest of their answer (von Oswald et al. 2020, §2: predictive entropy). The
    entropy is divided by its maximum, so that tasks with few classes have no advantage.

    Args:
        learner: has learned at least one task.
        x: `(n, *input_shape)`.

    Returns:
        `(n,)` task numbers.

    Raises:
        ValueError: if no task is learned, or one network answers all tasks alike, or targets are real numbers.
    """
    return task_finder(learner)(x.to(learner.device))[0]


def task_finder(learner: Learner) -> Finder:
    """The learner's way to find out a task, if there is one."""
    if not learner.known:
        raise ValueError("expected a learner that knows a task; train it first")
    if not learner.needs_task:
        raise ValueError(
            f"{learner.name} answers all tasks with one network in scenario {learner.scenario!r}: no task to infer"
        )
    if learner.regression:
        raise ValueError(
            f"{learner.name} learned real-valued targets, whose outputs do not tell how sure they are, so that no task "
            "can be inferred from them; say which task is meant: learner.logits(x, t)"
        )
    return learner.finder()
