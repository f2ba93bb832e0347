"""Your own arrays as a sequence of tasks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..recipes import nearest
from ..tasks import Examples, Scenario, TaskSequence
from ._augment import Augment, augmentation
from ._codes import Label, coded, recoded, renamed
from ._groups import Classes, named, numbered
from ._parts import Labelled, Plan, Transform, assemble

__all__ = ["from_arrays"]

Pair = tuple[Any, Any]


def from_arrays(
    x: Any = None,
    y: Any = None,
    *,
    tasks: Sequence[Pair | Mapping[str, Pair]] | None = None,
    test: Pair | None = None,
    task_ids: Any = None,
    test_task_ids: Any = None,
    classes: Classes | None = None,
    classes_per_task: int | Sequence[int] | None = None,
    class_names: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    transform: Transform | None = None,
    augment: bool | str | Augment | None = None,
    test_fraction: float = 0.2,
    order: Sequence[int] | None = None,
    scenario: Scenario = "task",
    validation: float = 0.1,
    seed: int = 0,
) -> TaskSequence:
    """A sequence of your own arrays, tensors or lists.

    Three forms: one array whose classes are dealt out to tasks (`classes_per_task` or `classes`), one array with a task
    number for each example (`task_ids`), or a list of tasks, each with its own arrays (`tasks`).

    Args:
        x: `(n, *input_shape)`. uint8 is read as x / 255, all else as float32 as it is. Images are `(n, channels,
            height, width)`.
        y: `(n,)`, labels: any whole numbers or strings. They are kept as the tasks' `classes`.
        tasks: instead of x and y, for each task `(x, y)` or `{"train": (x, y), "test": (x, y), "validation": (x, y)}`,
            where validation, and with a `test_fraction` test too, may be left out.
        test: `(x, y)`, test examples; without them a fraction of each class is set apart.
        task_ids: `(n,)`, whole numbers or strings: the task of each example. Tasks come in ascending order.
        test_task_ids: the same for `test`.
        classes: the classes of each task, in any number, or a name for each task with its classes.
        classes_per_task: how many classes each task has, taken in ascending order; one number, or one for each task.
        class_names: names of the labels 0, 1, ...; then these are the original labels.
        names: of the tasks.
        transform: deterministic change of stored batches on their way to the network, such as a normalisation.
        augment: random change of training batches, by name ("crop_flip", "crop", "flip") or a function `x, generator →
            x`.
        test_fraction: of each class, where no test examples are given.
        order: in which order the tasks come; a part of them is allowed.
        scenario: "task", "domain" or "class", see `TaskSequence.as_scenario`.
        validation: fraction of each class's training examples that is set apart; 0 for none.
        seed: draws the test and validation parts.

    Returns:
        The sequence. It has no recipe: a file cannot hold your arrays.

    Raises:
        ValueError: if the arrays do not fit together, hold NaN or infinity, or make a task that cannot be learned.

    Example:
        >>> x, y = torch.rand(60, 4), ["ant", "bee", "cat"] * 20
        >>> from_arrays(x, y, classes={"insects": ["ant", "bee"], "pets": ["cat", "bee"]})
        arrays: 2 tasks, scenario 'task', inputs (4,), 2 output units
          0  insects: ant→0, bee→1  (28 / 4 / 8 train / validation / test)
          1  pets: cat→0, bee→1  (28 / 4 / 8 train / validation / test)
    """
    plan = Plan(scenario, order, test_fraction, validation, seed, augmentation(augment))
    if tasks is not None:
        _alone(x=x, y=y, test=test, task_ids=task_ids, classes=classes, classes_per_task=classes_per_task)
        titles = numbered(len(tasks)) if names is None else named(names, [()] * len(tasks))
        made = [
            plan.task(title, _own(title, task, transform, class_names))
            for title, task in zip(titles, tasks, strict=True)
        ]
        return plan.sequence(made, "arrays")
    if x is None or y is None:
        raise ValueError("expected arrays x and y, or tasks=[(x, y), ...]; got neither")
    data = labelled({"train": (x, y)} | ({} if test is None else {"test": test}), transform, class_names)
    ids = None if task_ids is None else {"train": task_ids, "test": test_task_ids}
    if ids is not None and test is not None and test_task_ids is None:
        raise ValueError("with task_ids, test examples need theirs too: test_task_ids=")
    return assemble(
        data, plan, classes=classes, classes_per_task=classes_per_task, task_ids=ids, names=names, title="arrays"
    )


def _alone(**others: Any) -> None:
    given = [name for name, value in others.items() if value is not None]
    if given:
        raise ValueError(f"tasks= brings its own arrays; leave out {', '.join(given)}")


def _own(
    title: str, task: Pair | Mapping[str, Pair], transform: Transform | None, class_names: Sequence[str] | None
) -> Labelled:
    """The examples of a task that was given by itself."""
    parts = dict(task) if isinstance(task, Mapping) else {"train": task}
    for part in parts:
        if part not in ("train", "test", "validation"):
            raise ValueError(
                f"task {title!r} has an unknown part {part!r}{nearest(part, ('train', 'test', 'validation'))}"
            )
    if "train" not in parts:
        raise ValueError(f"task {title!r} has no part 'train'; it has {list(parts)}")
    try:
        return labelled(parts, transform, class_names)
    except ValueError as error:
        raise ValueError(f"task {title!r}: {error}") from error


def labelled(parts: Mapping[str, Pair], transform: Transform | None, class_names: Sequence[str] | None) -> Labelled:
    """Arrays by part as examples; training examples say which labels there are."""
    labels: tuple[Label, ...] = ()
    made = {}
    for part in ("train", *(part for part in parts if part != "train")):
        x, y = _pair(part, parts[part])
        stored = inputs(x)
        if len(stored) == 0:
            raise ValueError(f"no {part} examples; every part needs at least one")
        if part == "train":
            codes, labels = coded(y)
        else:
            codes = recoded(y, labels, f"{part} labels")
        made[part] = Examples(stored, codes, transform)
    return Labelled(made, renamed(labels, class_names))


def _pair(part: str, pair: Any) -> Pair:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ValueError(f"expected the {part} examples as a pair (x, y); got {type(pair).__name__}")
    return pair[0], pair[1]


def inputs(values: Any) -> Tensor:
    """Inputs `(n, *shape)` as uint8 or floating-point tensor.

    Raises:
        ValueError: if they differ in shape, are no numbers, or are one number each.
    """
    if isinstance(values, Tensor):
        tensor = values.detach()
    elif isinstance(values, list | tuple) and values and all(isinstance(v, Tensor) for v in values):
        _same_shapes(values)
        tensor = torch.stack(list(values)).detach()
    else:
        tensor = _from_numpy(values)
    if tensor.ndim < 2:
        raise ValueError(
            f"expected inputs (n, *shape); got shape {tuple(tensor.shape)}. "
            "One number for each example becomes x[:, None]."
        )
    return narrowed(tensor)


def _from_numpy(values: Any) -> Tensor:
    if isinstance(values, list | tuple):
        _same_shapes(values)
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"expected inputs that are numbers; got {array.dtype}")
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=True))


def _same_shapes(values: Sequence[Any]) -> None:
    shapes = [np.shape(v) for v in values]
    other = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), None)
    if other is not None:
        raise ValueError(
            f"expected inputs of one shape; example 0 has {tuple(shapes[0])}, example {other} has "
            f"{tuple(shapes[other])}. "
            "Resize, crop or pad them."
        )


def narrowed(x: Tensor) -> Tensor:
    """uint8 and float32 as they are, all other numbers as float32."""
    return x if x.dtype in (torch.uint8, torch.float32) else x.float()
