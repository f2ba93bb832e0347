"""What a waiting person sees."""

from types import TracebackType
from typing import Self

from tqdm.auto import tqdm

from ..learners import Learner
from ..records import Run
from ..tasks import TaskSequence
from ._loop import Position, Step, num_steps

__all__ = ["Progress"]


class Progress:
    """One bar over all steps of all tasks, which says where training is and how accurate the tasks so far are."""

    def __init__(
        self, learner: Learner, sequence: TaskSequence, epochs: int, batch_size: int, start: Position, *, shown: bool
    ) -> None:
        counts = num_steps(learner, sequence, epochs=epochs, batch_size=batch_size)
        self._names = [task.name for task in sequence]
        done = sum(counts[: start.task]) + start.step
        # With disable=None tqdm would show nothing in a notebook; False leaves it to the environment variable
        # TQDM_DISABLE.
        hidden = {} if shown else {"disable": True}
        self._bar = tqdm(total=sum(counts), initial=done, unit="step", dynamic_ncols=True, **hidden)
        self._bar.set_description(self._title(start.task))

    def _title(self, t: int) -> str:
        last = min(t, len(self._names) - 1)
        return f"task {last + 1}/{len(self._names)} {self._names[last][:20]}"

    def step(self, step: Step) -> None:
        """Counts one."""
        self._bar.update()

    def task(self, t: int, run: Run) -> None:
        """Turns to the next task, with the average accuracy of those learned."""
        self._bar.set_description(self._title(t + 1), refresh=False)
        self._bar.set_postfix(accuracy=f"{run.accuracy[t + 1, : t + 1].mean():.3f}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
