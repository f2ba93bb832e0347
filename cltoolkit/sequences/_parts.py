"""From labelled examples to tasks: which examples train, validate and test.

Every builder comes through here, so the same data gives the same tasks whichever door it came in by. The examples of
each
class are divided by a stream named after the class alone: how classes are grouped into tasks moves no example from one
part to another.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..randomness import stream
from ..tasks import Data, Examples, Scenario, Streamed, Task, TaskSequence
from ._augment import Augment
from ._codes import Label, coded, recoded
from ._groups import Classes, group, named

Transform = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Labelled:
    """Examples by part, before they are tasks.

    Args:
        parts: train, and where there are such already, validation and test; their `y` hold positions in `labels`.
        labels: the original labels.
    """

    parts: Mapping[str, Data]
    labels: tuple[Label, ...]

    def only(self, classes: Sequence[Label]) -> "Labelled":
        """The examples of these classes, labelled by position among them."""
        if tuple(classes) == self.labels:
            return self
        places = torch.tensor([self.labels.index(c) for c in classes])
        table = torch.zeros(len(self.labels), dtype=torch.int64)
        table[places] = torch.arange(len(places))
        chosen = {part: data.subset(torch.isin(data.y, places).nonzero()[:, 0]) for part, data in self.parts.items()}
        return Labelled({part: data.relabel(table) for part, data in chosen.items()}, tuple(classes))


@dataclass(frozen=True)
class Plan:
    """How labelled examples become tasks and a sequence.

    Args:
        scenario, order: as in every builder.
        test: fraction of each class kept for testing, where no test examples are given.
        validation: fraction of each class's training examples kept for validation, where none are given; 0 for none.
        seed: what draws these parts.
        augment: random change of training batches.
        shuffle: whether classes are dealt out to tasks in an order that the seed draws.
    """

    scenario: Scenario = "task"
    order: Sequence[int] | None = None
    test: float = 0.0
    validation: float = 0.0
    seed: int = 0
    augment: Augment | None = None
    shuffle: bool = False

    def __post_init__(self) -> None:
        for name, fraction in (("test", self.test), ("validation", self.validation)):
            if not 0 <= fraction < 1:
                raise ValueError(f"expected {name} as a fraction of the examples, 0 <= {name} < 1; got {fraction}")

    def dealt(self, labels: Sequence[Label]) -> tuple[Label, ...]:
        """The classes in the order in which tasks take them."""
        if not self.shuffle:
            return tuple(labels)
        return tuple(labels[i] for i in torch.randperm(len(labels), generator=stream(self.seed, "classes")).tolist())

    def task(self, name: str, data: Labelled) -> Task:
        """One task of all the classes of `data`."""
        train, parts = data.parts["train"], dict(data.parts)
        if "test" not in parts:
            if not self.test:
                raise ValueError(
                    f"task {name!r} has no test examples: give some, or the fraction of the data to test on"
                )
            train, parts["test"] = self._divided(train, data.labels, self.test, "test")
        if "validation" not in parts and self.validation:
            train, parts["validation"] = self._divided(train, data.labels, self.validation, "validation")
        # A class alone in its task has meaning only beside the classes of the other tasks.
        scenario: Scenario = "class" if self.scenario == "class" else "task"
        return Task(
            name=name,
            train=train,
            test=parts["test"],
            validation=parts.get("validation"),
            classes=data.labels,
            outputs=tuple(range(len(data.labels))),
            scenario=scenario,
            augment=self.augment,
        )

    def _divided(self, data: Data, labels: Sequence[Label], fraction: float, part: str) -> tuple[Data, Data]:
        kept, drawn = divide(data.y, labels, fraction, self.seed, part)
        return data.subset(kept), data.subset(drawn)

    def sequence(self, tasks: Sequence[Task], name: str, relation: Tensor | None = None) -> TaskSequence:
        """The tasks in the order and scenario of the plan."""
        made = TaskSequence(tasks, name=name, relation=relation)
        return (made if self.order is None else made.reorder(self.order)).as_scenario(self.scenario)


def divide(y: Tensor, labels: Sequence[Label], fraction: float, seed: int, part: str) -> tuple[Tensor, Tensor]:
    """Draws the same fraction of every class.

    Args:
        y: `(n,)`, positions in `labels`.
        labels: names of the classes; they name the streams.
        fraction: of each class, rounded, but at least one example.
        seed: what draws.
        part: what the drawn examples are for, such as "validation".

    Returns:
        Indices of the kept and of the drawn examples, each in ascending order.

    Raises:
        ValueError: if a class is too small for both.

    Example:
        >>> kept, drawn = divide(torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]), ("cat", "dog"), 0.25, seed=0, part="test")
        >>> len(kept), len(drawn)
        (6, 2)
    """
    drawn = []
    for c, label in enumerate(labels):
        index = (y == c).nonzero()[:, 0]
        if len(index) == 0:
            continue  # whoever makes the task says that the class is empty
        count = max(1, round(fraction * len(index)))
        if count >= len(index):
            raise ValueError(
                f"class {label!r} has {len(index)} example{'s' * (len(index) > 1)}, too few to keep {fraction:.3g} "
                f"of them for {part}: "
                f"add examples, leave the class out, or set {part} examples apart yourself"
            )
        drawn.append(index[torch.randperm(len(index), generator=stream(seed, part, label))[:count]])
    chosen = torch.zeros(len(y), dtype=torch.bool)
    chosen[torch.cat(drawn) if drawn else torch.empty(0, dtype=torch.int64)] = True
    return (~chosen).nonzero()[:, 0], chosen.nonzero()[:, 0]


def by_classes(
    data: Labelled,
    plan: Plan,
    *,
    classes: Classes | None,
    classes_per_task: int | Sequence[int] | None,
    names: Sequence[str] | None,
) -> list[Task]:
    """One task for each group of classes."""
    if plan.shuffle and classes is not None:
        raise ValueError("shuffle_classes deals out the classes for classes_per_task; with classes= leave it out")
    groups = group(plan.dealt(data.labels), classes=classes, classes_per_task=classes_per_task)
    if isinstance(classes, Mapping) and names is None:
        names = list(classes)
    titles = named(names, groups)
    return [plan.task(title, data.only(chosen)) for title, chosen in zip(titles, groups, strict=True)]


def by_ids(data: Labelled, plan: Plan, ids: Mapping[str, Tensor], titles: Sequence[str]) -> list[Task]:
    """One task for each task number: `ids[part]` `(n,)` says which of `titles` each example of the part belongs to."""
    tasks = []
    for t, title in enumerate(titles):
        parts = {part: rows.subset((ids[part] == t).nonzero()[:, 0]) for part, rows in data.parts.items()}
        here = torch.cat([rows.y for rows in parts.values()]).unique().tolist()
        tasks.append(plan.task(title, Labelled(parts, data.labels).only([data.labels[c] for c in here])))
    return tasks


def assemble(
    data: Labelled,
    plan: Plan,
    *,
    classes: Classes | None,
    classes_per_task: int | Sequence[int] | None,
    task_ids: Mapping[str, object] | None,
    names: Sequence[str] | None,
    title: str,
) -> TaskSequence:
    """A sequence of examples that a user brought: tasks by classes, or by the task number of each example."""
    if task_ids is None:
        return plan.sequence(
            by_classes(data, plan, classes=classes, classes_per_task=classes_per_task, names=names), title
        )
    if plan.shuffle:
        raise ValueError("shuffle_classes deals out the classes for classes_per_task; here tasks are formed otherwise")
    if classes is not None or classes_per_task is not None:
        raise ValueError("tasks are formed by task_ids or by classes, not by both; leave one out")
    codes, found = coded(task_ids["train"], "task_ids")
    ids = {part: codes if part == "train" else recoded(task_ids[part], found, "task_ids") for part in data.parts}
    for part, rows in data.parts.items():
        if len(ids[part]) != len(rows):
            raise ValueError(
                f"expected a task number for each {part} example; got {len(ids[part])} for {len(rows)} examples"
            )
    default = [name if isinstance(name, str) else f"task {name}" for name in found]
    titles = default if names is None else named(names, [()] * len(found))
    return plan.sequence(by_ids(data, plan, ids, titles), title)


def variants(task: Task, transforms: Mapping[str, Transform]) -> list[Task]:
    """One task for each transform, under its name, all reading the same storage."""
    made = []
    for name, transform in transforms.items():
        parts = {part: _through(data, transform) for part, data in task.parts.items()}
        validation = parts.get("validation")
        made.append(replace(task, name=name, train=parts["train"], test=parts["test"], validation=validation))
    return made


def _through(data: Data, transform: Transform) -> Data:
    if not isinstance(data, Examples | Streamed):
        raise TypeError(f"expected Examples or Streamed; got {type(data).__name__}")
    return replace(data, transform=transform)
