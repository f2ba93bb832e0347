"""Tasks and their sequence: what there is to learn, in which order, and what a label means."""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, get_args, overload

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from .randomness import seeded

__all__ = ["Data", "Examples", "Scenario", "Streamed", "Task", "TaskSequence"]

Scenario = Literal["task", "domain", "class"]
Transform = Callable[[Tensor], Tensor]
Device = torch.device | str


class Data(Protocol):
    """What a task's examples offer, in memory or streamed: their labels at once, their inputs by the batch."""

    @property
    def y(self) -> Tensor:
        """`(n,)` int64: the output unit that should win."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input."""

    def __len__(self) -> int: ...

    def take(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs `(b, *input_shape)` and labels `(b,)` of the examples `index`."""

    def batches(self, order: Tensor, size: int, *, start: int = 0, seed: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The examples `order` in batches of at most `size`, all of one size within one, from batch number `start` on.

        Equal batches, because a last batch of one example would leave batch norm without a variance.
        """

    def to(self, device: Device, memo: dict[int, Any] | None = None) -> "Data":
        """The same examples, delivered on `device`; `memo` lets tasks that share storage go on sharing it."""

    def subset(self, index: Tensor) -> "Data":
        """The examples `index` alone."""

    def relabel(self, table: Tensor) -> "Data":
        """The same inputs with `table[y]` for labels."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples in memory, or on the device.

    Args:
        x: `(n, *stored_shape)`. Several tasks may share it. uint8 without a transform is read as x / 255.
        y: `(n,)`, the output unit that should win.
        transform: what turns a stored batch `(b, *stored_shape)` into inputs `(b, *input_shape)`: deterministic, on the batch's device.
            A `nn.Module` moves with the data.

    Example:
        >>> e = Examples(torch.tensor([[0, 255], [51, 0]], dtype=torch.uint8), torch.tensor([0, 1]))
        >>> e.take(torch.tensor([1]))
        (tensor([[0.2000, 0.0000]]), tensor([1]))
    """

    x: Tensor
    y: Tensor
    transform: Transform | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "y", _labels(self.y))
        if len(self.x) != len(self.y):
            raise ValueError(f"expected one label per example; got {len(self.x)} inputs and {len(self.y)} labels")
        if self.x.is_floating_point() and not bool(torch.isfinite(self.x).all()):
            bad = int((~torch.isfinite(self.x.flatten(1))).any(1).nonzero()[0, 0])
            raise ValueError(
                f"expected finite inputs; example {bad} holds NaN or infinity (of {len(self.x)}). "
                "Remove such examples or fill their gaps before building the task."
            )

    def __len__(self) -> int:
        return len(self.y)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self._inputs(self.x[:1]).shape[1:])

    def _inputs(self, stored: Tensor) -> Tensor:
        if self.transform is not None:
            return self.transform(stored)
        return stored.float() / 255 if stored.dtype == torch.uint8 else stored

    def take(self, index: Tensor) -> tuple[Tensor, Tensor]:
        index = index.to(self.x.device)
        return self._inputs(self.x[index]), self.y[index]

    def batches(self, order: Tensor, size: int, *, start: int = 0, seed: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        for index in _split(order.to(self.x.device), size)[start:]:
            yield self.take(index)

    def to(self, device: Device, memo: dict[int, Any] | None = None) -> "Examples":
        moved = {} if memo is None else memo
        for tensor in (self.x, self.y):
            # The source is kept in the memo beside its copy: an id means something only while its object lives.
            if id(tensor) not in moved:
                moved[id(tensor)] = (tensor.to(device), tensor)
        transform = self.transform
        if isinstance(transform, nn.Module):
            transform = copy.deepcopy(transform).to(device)
        return Examples._unchecked(moved[id(self.x)][0], moved[id(self.y)][0], transform)

    def subset(self, index: Tensor) -> "Examples":
        return Examples._unchecked(self.x[index], self.y[index], self.transform)

    def relabel(self, table: Tensor) -> "Examples":
        y = table.to(self.y.device)[self.y]
        return self if torch.equal(y, self.y) else Examples._unchecked(self.x, y, self.transform)

    @classmethod
    def _unchecked(cls, x: Tensor, y: Tensor, transform: Transform | None) -> "Examples":
        """A view of examples that were checked when they came in."""
        examples = object.__new__(cls)
        for name, value in (("x", x), ("y", y), ("transform", transform)):
            object.__setattr__(examples, name, value)
        return examples


@dataclass(frozen=True, eq=False)
class Streamed:
    """Examples too large for memory: rows of a map-style data set, read by a `DataLoader` as they are needed.

    A random transform of the data set draws from a generator seeded per example and epoch, so a resumed run sees the same images.

    Args:
        dataset: `dataset[i]` is an input tensor, or a tuple that begins with one.
        index: `(n,)`, the rows of the data set that are meant.
        y: `(n,)`, the output unit that should win, for each of these rows.
        transform: as in `Examples`, applied to whole batches on the device.
        workers: processes that read ahead; 0 reads in this one.
        device: where batches are delivered.
    """

    dataset: Dataset[Any]
    index: Tensor
    y: Tensor
    transform: Transform | None = None
    workers: int = 0
    device: Device = "cpu"

    def __post_init__(self) -> None:
        object.__setattr__(self, "y", _labels(self.y))
        if len(self.index) != len(self.y):
            raise ValueError(f"expected one label per row; got {len(self.index)} rows and {len(self.y)} labels")

    def __len__(self) -> int:
        return len(self.y)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self.take(torch.tensor([0]))[0].shape[1:])

    def take(self, index: Tensor) -> tuple[Tensor, Tensor]:
        return next(iter(replace(self, workers=0).batches(index, len(index))))

    def batches(self, order: Tensor, size: int, *, start: int = 0, seed: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        rows = _Rows(self.dataset, self.index, self.y.cpu(), seed)
        pinned = torch.device(self.device).type == "cuda"
        sampler = [index.tolist() for index in _split(order.cpu(), size)[start:]]
        loader = DataLoader(
            rows, batch_sampler=sampler, num_workers=self.workers, pin_memory=pinned, generator=torch.Generator().manual_seed(0)
        )
        for stored, y in loader:
            moved = stored.to(self.device, non_blocking=True)
            yield self._inputs(moved), y.to(self.device, non_blocking=True)

    _inputs = Examples._inputs

    def to(self, device: Device, memo: dict[int, Any] | None = None) -> "Streamed":
        transform = self.transform
        if isinstance(transform, nn.Module):
            transform = copy.deepcopy(transform).to(device)
        return replace(self, y=self.y.to(device), transform=transform, device=device)

    def subset(self, index: Tensor) -> "Streamed":
        return replace(self, index=self.index[index], y=self.y[index])

    def relabel(self, table: Tensor) -> "Streamed":
        return replace(self, y=table.to(self.y.device)[self.y])


@dataclass(frozen=True)
class _Rows(Dataset[tuple[Tensor, Tensor]]):
    """The chosen rows of a data set, each read under a seed of its own."""

    dataset: Dataset[Any]
    index: Tensor
    y: Tensor
    seed: int

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        with seeded(self.seed, "row", i):
            item = self.dataset[int(self.index[i])]
        x = item[0] if isinstance(item, tuple | list) else item
        if not isinstance(x, Tensor):
            raise TypeError(
                f"row {int(self.index[i])} of {type(self.dataset).__name__} gives a {type(x).__name__}; expected a tensor. "
                "Give the data set a transform that makes one, such as torchvision.transforms.v2.PILToTensor()."
            )
        return x, self.y[i]


@dataclass(frozen=True, eq=False)
class Task:
    """One task: its examples, and which output unit of the network stands for which original label.

    Args:
        name: how tables and figures call it.
        train: what is learned from.
        test: what accuracy is measured on, and nothing else.
        validation: what choices may look at; None where there is none.
        classes: original labels; `classes[c]` is the original label of local label c.
        outputs: the output unit of each of `classes`. All `y` hold these numbers.
        scenario: whether the task's identity is known at test ("task"), unneeded ("domain") or to be found out ("class").
        augment: random change of a training batch `(b, *input_shape)` given a generator, drawn per sample, on the device.
    """

    name: str
    train: Data
    test: Data
    validation: Data | None = None
    classes: tuple[int | str, ...] = ()
    outputs: tuple[int, ...] = ()
    scenario: Scenario = "task"
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None

    def __post_init__(self) -> None:
        for part, data in self.parts.items():
            if len(data) == 0:
                raise ValueError(f"task {self.name!r} has no {part} examples; every part needs at least one")
        if not self.outputs:
            count = len(self.classes) or int(self.train.y.max()) + 1
            object.__setattr__(self, "outputs", tuple(range(count)))
        if not self.classes:
            object.__setattr__(self, "classes", self.outputs)
        self._check_labels()

    def _check_labels(self) -> None:
        if len(self.classes) != len(self.outputs):
            raise ValueError(f"task {self.name!r}: {len(self.classes)} classes but {len(self.outputs)} output units; one each")
        if len(self.classes) < 2 and self.scenario != "class":
            raise ValueError(
                f"task {self.name!r} has the single class {self.classes[0]!r}: there is nothing to tell apart. "
                "Put more classes into the task, or use scenario='class', where classes are told apart across tasks."
            )
        known = torch.tensor(self.outputs)
        for part, data in self.parts.items():
            found = data.y.cpu().unique()
            strange = found[~torch.isin(found, known)].tolist()
            if strange:
                raise ValueError(
                    f"task {self.name!r}: {part} labels {strange[:5]} are out of range; its classes are the labels {list(self.outputs)}. "
                    "Labels are counted from 0, or name all `classes`."
                )
        missing = known[~torch.isin(known, self.train.y.cpu())].tolist()
        if missing:
            names = [self.classes[self.outputs.index(unit)] for unit in missing]
            raise ValueError(f"task {self.name!r}: no training example of class {names[:5]}; remove the class or add examples")

    @property
    def parts(self) -> dict[str, Data]:
        """The examples by part: train, test and, where there is one, validation."""
        parts = {"train": self.train, "test": self.test}
        return parts if self.validation is None else parts | {"validation": self.validation}

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return self.train.input_shape

    def with_outputs(self, outputs: tuple[int, ...], scenario: Scenario) -> "Task":
        """The same examples, with other output units standing for the same classes."""
        table = torch.zeros(max(self.outputs) + 1, dtype=torch.int64)
        table[torch.tensor(self.outputs)] = torch.tensor(outputs)
        parts = {part: data.relabel(table) for part, data in self.parts.items()}
        return replace(self, **parts, outputs=outputs, scenario=scenario)

    def to(self, device: Device, memo: dict[int, Any] | None = None) -> "Task":
        """The same task with its examples on `device`."""
        return replace(self, **{part: data.to(device, memo) for part, data in self.parts.items()})


@dataclass(frozen=True, eq=False, repr=False)
class TaskSequence(Sequence[Task]):
    """Tasks in the order in which they come.

    The three scenarios are views of one sequence (van de Ven & Tolias 2019), see `as_scenario`.

    Args:
        tasks: at least one; names differ, inputs have one shape.
        name: how tables and figures call it.
        relation: `(T, T)` where the true relation of the tasks is known: 1 alike, 0 unrelated.

    Example:
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
                raise ValueError(f"expected one scenario; got {self.scenario!r} and, in task {task.name!r}, {task.scenario!r}")
        if self.scenario == "domain":
            self._check_domain()

    def _check_domain(self) -> None:
        counts = {task.name: len(task.classes) for task in self.tasks}
        if len(set(counts.values())) > 1:
            raise ValueError(
                f"scenario='domain' shares one set of labels, so every task needs as many classes as the others; got {counts}. "
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
        further = (task.with_outputs(tuple(range(len(task.classes))), self.scenario) for task in other)
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
    def num_classes(self) -> int:
        """The output units that a network for this sequence needs."""
        return max(max(task.outputs) for task in self.tasks) + 1

    def as_scenario(self, scenario: Scenario) -> "TaskSequence":
        """The same data as seen in another scenario.

        - "task": each task has a head of its own, labels count from 0 in each, the task is named at test.
        - "domain": one head, whose units mean the same position in every task; the task is not named.
        - "class": one unit for every original label, in order of first appearance; the task is not named.

        Raises:
            ValueError: if the scenario is unknown, or is "domain" and the tasks differ in their number of classes.
        """
        if scenario not in get_args(Scenario):
            raise ValueError(f"expected scenario 'task', 'domain' or 'class'; got {scenario!r}")
        labels = dict.fromkeys(label for task in self.tasks for label in task.classes)
        unit = {label: i for i, label in enumerate(labels)}
        tasks = [
            task.with_outputs(
                tuple(unit[c] for c in task.classes) if scenario == "class" else tuple(range(len(task.classes))), scenario
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
        lines = [f"{self.name}: {len(self)} tasks, scenario {self.scenario!r}, inputs {self.input_shape}, {self.num_classes} output units"]
        for t, task in enumerate(self.tasks):
            classes = ", ".join(f"{c}→{u}" for c, u in zip(task.classes[:6], task.outputs[:6], strict=True))
            more = ", …" if len(task.classes) > 6 else ""
            sizes = " / ".join(str(len(task.parts[p])) if p in task.parts else "0" for p in ("train", "validation", "test"))
            lines.append(f"  {t}  {task.name}: {classes}{more}  ({sizes} train / validation / test)")
        return "\n".join(lines)


def _split(order: Tensor, size: int) -> tuple[Tensor, ...]:
    """`order` in ⌈n / size⌉ parts of equal size, within one."""
    return order.tensor_split(-(-len(order) // size))


def _labels(y: Tensor) -> Tensor:
    """Labels as `(n,)` int64, or an error that says what they are."""
    if y.ndim != 1 or y.is_floating_point() or y.is_complex():
        raise ValueError(
            f"expected labels as a one-dimensional tensor of whole numbers; got shape {tuple(y.shape)} of {y.dtype}. "
            "One-hot labels become such by y.argmax(1)."
        )
    if len(y) and int(y.min()) < 0:
        raise ValueError(f"expected labels counted from 0; the smallest is {int(y.min())}")
    return y.to(torch.int64)
