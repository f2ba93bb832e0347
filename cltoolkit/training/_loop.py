"""The one training loop, as an iterator: whoever wants to look, iterates."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..devices import pick_device
from ..learners import Learner, Phase
from ..randomness import key_seed, reseeded, stream
from ..tasks import Task, TaskSequence

__all__ = ["Position", "Step", "num_steps", "prepare", "steps"]


@dataclass(frozen=True)
class Position:
    """A place in a training run: the step that comes next. `step` counts those done within the task."""

    task: int = 0
    phase: int = 0
    epoch: int = 0
    batch: int = 0
    step: int = 0


@dataclass(frozen=True)
class Step:
    """One update, done.

    Attributes:
        task: the task's number.
        phase: the phase's name.
        epoch: within the phase.
        step: within the task, from 0.
        losses: the named losses: scalars on the device; reading one waits for it.
        ended: whether it was the task's last; the learner has committed the task then.
        next: what comes next.
    """

    task: int
    phase: str
    epoch: int
    step: int
    losses: dict[str, Tensor]
    ended: bool
    next: Position


def steps(
    learner: Learner,
    sequence: TaskSequence,
    *,
    seed: int = 0,
    epochs: int = 20,
    batch_size: int = 32,
    device: torch.device | str | None = None,
    start: Position | None = None,
) -> Iterator[Step]:
    """Trains a learner on a sequence, step by step.

    Args:
        learner: a new one; or one restored to the state of `start`.
        sequence: the tasks, in order.
        seed: of everything random: weights, order of the data, augmentation.
        epochs: passes over the data of each task.
        batch_size: examples per step, at most; an epoch's batches are of equal size within one.
        device: where to train; a GPU if there is one.
        start: where to go on; the beginning if None.

    Yields:
        A `Step` after every update.

    Raises:
        ValueError: if the network does not fit the sequence, or the learner has learned tasks already; before any
            training.

    Example:
        >>> from cltoolkit.sequences import split_digits
        >>> from cltoolkit.learners import Finetune
        >>> sequence = split_digits()[:1]
        >>> learner = Finetune(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2)))
        >>> [step.step for step in steps(learner, sequence, epochs=1, batch_size=64, device="cpu")]
        [0, 1, 2, 3]
    """
    place = pick_device(device)
    if start is None:
        start = Position()
        prepare(learner, sequence, seed=seed, device=place)
    sequence = sequence.to(place)
    for t in range(start.task, len(sequence)):
        yield from _task_steps(
            learner, sequence[t], seed, epochs, batch_size, start if t == start.task else Position(t)
        )


def prepare(learner: Learner, sequence: TaskSequence, *, seed: int, device: torch.device) -> None:
    """Checks that the learner's network fits the sequence, and starts the learner."""
    outputs = learner.net.num_outputs(sequence.input_shape)
    if outputs < sequence.num_classes:
        raise ValueError(
            f"the network has {outputs} outputs; {sequence.name} in scenario {sequence.scenario!r} "
            f"needs {sequence.num_classes}. Build it with the sequence's `num_classes`."
        )
    learner.start(seed=seed, device=device, scenario=sequence.scenario)


def _task_steps(
    learner: Learner, task: Task, seed: int, epochs: int, batch_size: int, start: Position
) -> Iterator[Step]:
    """The steps of one task, from `start` on; the task is committed with the last."""
    t, n = start.task, len(task.train)
    batches = -(-n // batch_size)
    plan = _plan(learner, task, epochs, batches)
    done = start.step
    learner.attend(task)
    for p, (phase, length) in list(enumerate(plan))[start.phase :]:
        first = start if p == start.phase else Position(t, p)
        if first.epoch == first.batch == 0:
            learner.begin(task, phase)
        for epoch in range(first.epoch, length):
            key = (t, p, epoch)
            skip = first.batch if epoch == first.epoch else 0
            order = torch.randperm(n, generator=stream(seed, "order", *key))
            data = task.train.batches(order, batch_size, start=skip, seed=key_seed(seed, "load", *key))
            seeds = [key_seed(seed, "step", *key, batch) for batch in range(batches)]
            for batch, (x, y) in enumerate(data, skip):
                if task.augment is not None:
                    x = task.augment(x, stream(seed, "augment", *key, batch, device=x.device))
                with reseeded(seeds[batch], device=x.device):  # dropout draws from torch's own generator
                    losses = learner.step(x, y)
                done += 1
                follows = _after(t, p, epoch, batch, batches=batches, length=length, phases=len(plan), done=done)
                if follows.task > t:
                    learner.end(task)
                yield Step(t, phase.name, epoch, done - 1, losses, follows.task > t, follows)


def _plan(learner: Learner, task: Task, epochs: int, batches: int) -> list[tuple[Phase, int]]:
    """The phases of a task, each with its number of epochs, at least one, of so many batches."""
    lengths = [(phase, max(1, round(epochs * phase.share))) for phase in learner.phases(task)]
    return [(replace(phase, steps=length * batches), length) for phase, length in lengths]


def _after(t: int, p: int, epoch: int, batch: int, *, batches: int, length: int, phases: int, done: int) -> Position:
    """What follows batch number `batch`."""
    if batch + 1 < batches:
        return Position(t, p, epoch, batch + 1, done)
    if epoch + 1 < length:
        return Position(t, p, epoch + 1, 0, done)
    return Position(t, p + 1, 0, 0, done) if p + 1 < phases else Position(t + 1)


def num_steps(learner: Learner, sequence: TaskSequence, *, epochs: int, batch_size: int) -> list[int]:
    """How many steps each task takes."""
    return [
        sum(phase.steps for phase, _ in _plan(learner, task, epochs, -(-len(task.train) // batch_size)))
        for task in sequence
    ]
