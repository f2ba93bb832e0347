"""From labelled examples to tasks: which classes go together, and which examples train, validate and test.

Every builder comes through here, so the same data gives the same tasks whichever door it came in by. The examples of each class are
divided by a stream named after the class alone: how classes are grouped into tasks moves no example from one part to another.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..randomness import stream
from ..tasks import Data, Examples, Scenario, Streamed, Task, TaskSequence
from ._augment import Augment

Label = int | str
Transform = Callable[[Tensor], Tensor]
Classes = Sequence[Sequence[Label]] | Mapping[str, Sequence[Label]]


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
    """

    scenario: Scenario = "task"
    order: Sequence[int] | None = None
    test: float = 0.0
    validation: float = 0.0
    seed: int = 0
    augment: Augment | None = None

    def __post_init__(self) -> None:
        for name, fraction in (("test", self.test), ("validation", self.validation)):
            if not 0 <= fraction < 1:
                raise ValueError(f"expected {name} as a fraction of the examples, 0 <= {name} < 1; got {fraction}")

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
                f"class {label!r} has {len(index)} example{'s' * (len(index) > 1)}, too few to keep {fraction:.3g} of them for {part}: "
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
    groups = group(data.labels, classes=classes, classes_per_task=classes_per_task)
    if isinstance(classes, Mapping) and names is None:
        names = list(classes)
    titles = named(names, groups)
    return [plan.task(title, data.only(chosen)) for title, chosen in zip(titles, groups, strict=True)]


def group(
    labels: Sequence[Label], *, classes: Classes | None = None, classes_per_task: int | Sequence[int] | None = None
) -> list[tuple[Label, ...]]:
    """Which classes form each task.

    Args:
        labels: all classes, in their order.
        classes: the classes of each task, or a name for each task with its classes.
        classes_per_task: how many consecutive ones each task has; one number for all tasks or one for each.

    Raises:
        ValueError: if neither or both are given, if a class does not exist or comes twice in a task, or if the numbers do not fit.

    Example:
        >>> group(range(5), classes_per_task=[2, 3])
        [(0, 1), (2, 3, 4)]
    """
    if (classes is None) == (classes_per_task is None):
        raise ValueError(
            "say how classes form tasks, by one of: classes_per_task=2, classes_per_task=[2, 3], classes=[[0, 1], [2, 3, 4]]"
        )
    if classes is not None:
        return _listed(labels, classes)
    sizes = _sizes(len(labels), classes_per_task)
    ends = np.cumsum([0, *sizes])
    return [tuple(labels[a:b]) for a, b in zip(ends, ends[1:], strict=False)]


def _listed(labels: Sequence[Label], classes: Classes) -> list[tuple[Label, ...]]:
    groups = [tuple(g) for g in (classes.values() if isinstance(classes, Mapping) else classes)]
    for i, chosen in enumerate(groups):
        unknown = [c for c in chosen if c not in labels]
        if unknown:
            raise ValueError(
                f"classes[{i}] names {unknown}, of which there is no example; the data has the labels {_shown(labels)}"
            )
        if len(set(chosen)) < len(chosen):
            raise ValueError(f"classes[{i}] names a class twice: {list(chosen)}")
    return groups


def _sizes(count: int, classes_per_task: int | Sequence[int] | None) -> list[int]:
    if isinstance(classes_per_task, int):
        if classes_per_task < 1 or count % classes_per_task:
            raise ValueError(
                f"{count} classes do not divide into tasks of {classes_per_task}; "
                "give a divisor, or the number for each task such as classes_per_task=[3, 3, 4]"
            )
        return [classes_per_task] * (count // classes_per_task)
    sizes = list(classes_per_task or [])
    if not sizes or min(sizes) < 1 or sum(sizes) > count:
        raise ValueError(
            f"expected positive numbers of classes that add up to at most {count}, the classes there are; got {sizes}"
        )
    return sizes


def named(names: Sequence[str] | None, groups: Sequence[Sequence[Label]]) -> list[str]:
    """The tasks' names: those given, or else from their classes.

    Example:
        >>> named(None, [(0, 1), ("apple", "bee", "cup", "dog")])
        ['0/1', 'apple…dog']
    """
    if names is not None:
        if len(names) != len(groups):
            raise ValueError(f"expected {len(groups)} names, one for each task; got {len(names)}: {list(names)[:10]}")
        return [str(name) for name in names]
    made = ["/".join(map(str, g)) if len(g) <= 3 else f"{g[0]}…{g[-1]}" for g in groups]
    return made if len(set(made)) == len(made) else numbered(len(made))


def numbered(count: int) -> list[str]:
    """Names for tasks that have none."""
    return [f"task {t}" for t in range(count)]


def coded(values: object, what: str = "labels") -> tuple[Tensor, tuple[Label, ...]]:
    """Original labels as positions among the different ones.

    Args:
        values: `(n,)`, whole numbers or strings: a list, an array or a tensor.
        what: how an error calls them.

    Returns:
        Positions `(n,)` int64, and the different labels in ascending order.

    Raises:
        ValueError: if they are no labels, and what to do about it.

    Example:
        >>> coded(["dog", "cat", "dog"])
        (tensor([1, 0, 1]), ('cat', 'dog'))
    """
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    if array.ndim != 1:
        hint = " One-hot labels become such by y.argmax(1)." if array.ndim == 2 else ""
        raise ValueError(
            f"expected one label for each example, of shape (n,); got {what} of shape {array.shape}.{hint}"
        )
    kinds = (
        Counter(type(v).__name__ for v in array.tolist()) if array.dtype == object else {array.dtype.name: len(array)}
    )
    if array.dtype == object and set(kinds) <= {"str"}:
        array = array.astype(str)
    elif array.dtype == object and set(kinds) <= {"int", "bool"}:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iubU":
        raise ValueError(
            f"expected {what} that are whole numbers or strings; got {', '.join(kinds)}, such as {array[:3].tolist()}. "
            "Whole numbers stored otherwise become such by y.astype(int)."
        )
    if isinstance(values, list) and array.dtype.kind == "U" and not all(isinstance(v, str) for v in values):
        raise ValueError(f"expected {what} of one kind; got numbers and strings mixed, such as {values[:3]}")
    labels, codes = np.unique(array.astype(np.int64) if array.dtype.kind == "b" else array, return_inverse=True)
    return torch.from_numpy(codes.astype(np.int64)), tuple(labels.tolist())


def recoded(values: object, labels: Sequence[Label], what: str) -> Tensor:
    """Original labels as positions in `labels`.

    Raises:
        ValueError: if a label is not among them.
    """
    codes, found = coded(values, what)
    strange = [label for label in found if label not in labels]
    if strange:
        raise ValueError(f"{what} {_shown(strange)} occur in no training example; those have {_shown(labels)}")
    place = {label: i for i, label in enumerate(labels)}
    return torch.tensor([place[label] for label in found], dtype=torch.int64)[codes]


def _shown(labels: Sequence[Label]) -> str:
    return str(list(labels[:10]))[:-1] + (", …]" if len(labels) > 10 else "]")


def variants(task: Task, transforms: Mapping[str, Transform]) -> list[Task]:
    """One task for each transform, under its name, all reading the same storage."""
    return [
        replace(task, name=name, **{part: _through(data, transform) for part, data in task.parts.items()})
        for name, transform in transforms.items()
    ]


def _through(data: Data, transform: Transform) -> Data:
    if not isinstance(data, Examples | Streamed):
        raise TypeError(f"expected Examples or Streamed; got {type(data).__name__}")
    return replace(data, transform=transform)
