"""Which classes form each task, and what the tasks are called."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

from ._codes import Label, shown

Classes = Sequence[Sequence[Label]] | Mapping[str, Sequence[Label]]


def group(
    labels: Sequence[Label], *, classes: Classes | None = None, classes_per_task: int | Sequence[int] | None = None
) -> list[tuple[Label, ...]]:
    """Which classes form each task.

    Args:
        labels: all classes, in their order.
        classes: the classes of each task, or a name for each task with its classes.
        classes_per_task: how many consecutive ones each task has; one number for all tasks or one for each.

    Raises:
        ValueError: if neither or both are given, if a class does not exist or comes twice in a task, or if the numbers
            do not fit.

    Example:
        >>> group(range(5), classes_per_task=[2, 3])
        [(0, 1), (2, 3, 4)]
    """
    if (classes is None) == (classes_per_task is None):
        raise ValueError(
            "say how classes form tasks, by one of: classes_per_task=2, classes_per_task=[2, 3], classes=[[0, 1], "
            "[2, 3, 4]]"
        )
    if classes is not None:
        return _listed(labels, classes)
    sizes = _sizes(len(labels), classes_per_task)
    ends = accumulate(sizes, initial=0)
    return [tuple(labels[a:b]) for a, b in pairwise(ends)]


def _listed(labels: Sequence[Label], classes: Classes) -> list[tuple[Label, ...]]:
    groups = [tuple(g) for g in (classes.values() if isinstance(classes, Mapping) else classes)]
    for i, chosen in enumerate(groups):
        unknown = [c for c in chosen if c not in labels]
        if unknown:
            raise ValueError(
                f"classes[{i}] names {unknown}, of which there is no example; the data has the labels {shown(labels)}"
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
    slash = ", " if any("/" in str(c) for g in groups for c in g) else "/"
    made = [slash.join(map(str, g)) if len(g) <= 3 else f"{g[0]}…{g[-1]}" for g in groups]
    return made if len(set(made)) == len(made) else numbered(len(made))


def numbered(count: int) -> list[str]:
    """Names for tasks that have none."""
    return [f"task {t}" for t in range(count)]
