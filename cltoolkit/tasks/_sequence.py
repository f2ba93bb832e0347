"""Tasks in an order, seen in one of three scenarios."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, get_args, overload

import torch
from torch import Tensor

from ._examples import Data, Device
from ._task import Scenario, Task

__all__ = ["TaskSequence"]


@dataclass(frozen=True, eq=False, repr=False)
class TaskSequence(Sequence[Task]):
    """Tasks in the order in which they come.

    The three scenarios are views of one sequence (van de Ven & Tolias 2019), see `as_scenario`.

    Args:
        tasks: at least one; names differ, inputs have one shape.
        name: how tables and figures call it.
        relation: `(T, T)` where the true relation of the tasks is known: 1 alike, 0 unrelated.

    Example:
        >>> from cltoolkit import Examples
        >>> data = Examples(torch.rand(4, 2), torch.tensor([0, 1, 0, 1]))
        >>> s = TaskSequence([Task("a", data, data, classes=(3, 5)), Task("b", data, data, classes=(8, 3))])
        >>> s.num_classes, s.as_scenario("class").num_classes
        (2, 3)
        >>> s.as_scenario("class")[1].outputs
        (2, 0)
    """

    tasks: tuple[Task, ...]
    name: str = "tasks"
    relation: Tensor | None = None
    recipe: dict[str, Any] | None = field(default=None, init=False)

    def __init__(self, tasks: Sequence[Task], *, name: str = "tasks", relation: Tensor | None = None) -> None:
        for key, value in (("tasks", tuple(tasks)), ("name", name), ("relation", relation), ("recipe", None)):
            object.__setattr__(self, key, value)
        self._check()

    def _check(self) -> None:
        if not self.tasks:
            raise ValueError("expected at least one task; got none")
        names = [task.name for task in self.tasks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"expected every task to have a name of its own; {twice[:5]} occur more than once")
        for task in self.tasks[1:]:
            if task.input_shape != self.input_shape:
                raise ValueError(
                    f"expected inputs of one shape; task {self.tasks[0].name!r} has {self.input_shape}, "
                    f"task {task.name!r} has {task.input_shape}. Resize or pad one of them."
                )
            if task.scenario != self.scenario:
                raise ValueError(
                    f"expected one scenario; got {self.scenario!r} and, in task {task.name!r}, {task.scenario!r}"
                )
            if task.regression != self.regression:
                raise ValueError(
                    "expected labels in all tasks, or real-valued targets in all; "
                    f"tasks {self.tasks[0].name!r} and {task.name!r} differ. Make two sequences of them."
                )
            if task.regression and task.outputs != self.tasks[0].outputs:
                raise ValueError(
                    "expected as many target numbers in all tasks; "
                    f"{self.tasks[0].name!r} has {len(self.tasks[0].outputs)}, {task.name!r} {len(task.outputs)}"
                )
        if self.scenario == "domain":
            self._check_domain()

    def _check_domain(self) -> None:
        counts = {task.name: len(task.outputs) for task in self.tasks}
        if len(set(counts.values())) > 1:
            raise ValueError(
                f"scenario='domain' shares one set of labels, so all tasks need as many classes; got {counts}. "
                "Use 'task' or 'class', or even out the classes."
            )

    def __len__(self) -> int:
        return len(self.tasks)

    @overload
    def __getitem__(self, index: int) -> Task: ...
    @overload
    def __getitem__(self, index: slice) -> "TaskSequence": ...
    def __getitem__(self, index: int | slice) -> "Task | TaskSequence":
        if isinstance(index, slice):
            return self.reorder(range(len(self))[index])
        return self.tasks[index]

    def __add__(self, other: Sequence[Task]) -> "TaskSequence":
        """The sequence with further tasks behind it, in the same scenario."""
        further = (task.with_outputs(tuple(range(len(task.outputs))), self.scenario) for task in other)
        return TaskSequence([*self.tasks, *further], name=self.name).as_scenario(self.scenario)

    @property
    def scenario(self) -> Scenario:
        """Whether a task's identity is known at test ("task"), unneeded ("domain") or to be found out ("class")."""
        return self.tasks[0].scenario

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return self.tasks[0].input_shape

    @property
    def regression(self) -> bool:
        """Whether targets are real numbers and not labels."""
        return self.tasks[0].regression

    @property
    def num_classes(self) -> int:
        """The output units that a network for this sequence needs: for classes, or for real-valued targets."""
        return max(max(task.outputs) for task in self.tasks) + 1

    @property
    def description(self) -> dict[str, Any]:
        """Name, recipe and tasks in JSON's types: what tells this sequence from others.

        "probe" is a number for each part that is another for other data, another order, or other labels.
        """
        tasks = [
            {"name": task.name, "classes": [str(c) for c in task.classes], "outputs": list(task.outputs)}
            | {part: len(data) for part, data in task.parts.items()}
            | {"probe": [_probe(data) for data in task.parts.values()]}
            for task in self.tasks
        ]
        return {"name": self.name, "scenario": self.scenario, "recipe": self.recipe, "tasks": tasks}

    def as_scenario(self, scenario: Scenario) -> "TaskSequence":
        """The same data as seen in another scenario.

        - "task": each task has a head of its own, labels count from 0 in each, the task is named at test.
        - "domain": one head, whose units mean the same position in every task; the task is not named.
        - "class": one unit for every original label, in order of first appearance; the task is not named.

        Raises:
            ValueError: if the scenario is unknown, or is "domain" and the tasks differ in their number of classes, or
                is "class" and targets are real numbers.
        """
        if scenario not in get_args(Scenario):
            raise ValueError(f"expected scenario 'task', 'domain' or 'class'; got {scenario!r}")
        labels = dict.fromkeys(label for task in self.tasks for label in task.classes)
        unit = {label: i for i, label in enumerate(labels)}
        tasks = [
            task.with_outputs(
                tuple(unit[c] for c in task.classes) if scenario == "class" else tuple(range(len(task.outputs))),
                scenario,
            )
            for task in self.tasks
        ]
        return self._like(tasks, self.relation)

    def reorder(self, order: Sequence[int]) -> "TaskSequence":
        """The tasks `order`, in this order; a part of them is allowed.

        Raises:
            ValueError: if an index is not that of a task, or comes twice.
        """
        order = list(order)
        if not set(order) <= set(range(len(self))) or len(set(order)) < len(order):
            raise ValueError(f"expected different task numbers from 0 to {len(self) - 1}; got {order}")
        index = torch.tensor(order)
        relation = None if self.relation is None else self.relation[index][:, index]
        tasks = [self.tasks[i] for i in order]
        sequence = TaskSequence(tasks, name=self.name, relation=relation).as_scenario(self.scenario)
        if self.recipe is not None:
            before = self.recipe.get("order", range(len(self)))
            object.__setattr__(sequence, "recipe", self.recipe | {"order": [before[i] for i in order]})
        return sequence

    def to(self, device: Device) -> "TaskSequence":
        """The same sequence with its data on `device`; storage that tasks share is moved once."""
        memo: dict[int, Any] = {}
        return self._like([task.to(device, memo) for task in self.tasks], self.relation)

    def _like(self, tasks: list[Task], relation: Tensor | None) -> "TaskSequence":
        like = TaskSequence(tasks, name=self.name, relation=relation)
        object.__setattr__(like, "recipe", self.recipe)
        return like

    def __repr__(self) -> str:
        lines = [
            f"{self.name}: {len(self)} tasks, scenario {self.scenario!r}, inputs {self.input_shape}, "
            f"{_counted(self.num_classes, 'output unit')}"
        ]
        for t, task in enumerate(self.tasks):
            sizes = " / ".join(
                str(len(task.parts[p])) if p in task.parts else "0" for p in ("train", "validation", "test")
            )
            lines.append(f"  {t}  {task.name}: {_meaning(task)}  ({sizes} train / validation / test)")
        return "\n".join(lines)


def _meaning(task: Task) -> str:
    """What the outputs of a task stand for, in a few words."""
    if task.regression:
        return f"regression on {_counted(len(task.outputs), 'number')}"
    classes = ", ".join(f"{c}→{u}" for c, u in zip(task.classes[:6], task.outputs[:6], strict=True))
    return f"{classes}, …" if len(task.classes) > 6 else classes


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _probe(data: Data) -> float:
    """A weighted sum over the first few examples.

    A float and no hash, since another machine may resize or turn an image a little differently in the last digit.
    """
    x, y = data.take(torch.arange(min(8, len(data))))
    answers = _weighted(y) if y.ndim > 1 else y.cpu()
    return float((_weighted(x) + answers) @ torch.arange(1.0, len(y) + 1, dtype=torch.float64))


def _weighted(values: Tensor) -> Tensor:
    """`(n,)`: a weighted mean of each row's numbers."""
    rows = values.double().cpu().flatten(1)
    ramp = torch.linspace(1, 2, rows.shape[1], dtype=torch.float64)
    return rows @ ramp / len(ramp)
