"""Where a data set keeps its labels."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from torch import Tensor
from torch.utils.data import ConcatDataset, Subset
from tqdm import tqdm

from ..randomness import seeded
from ._codes import Label, coded

LABEL_COLUMNS = ("label", "labels", "target", "targets", "y", "class", "fine_label")


@runtime_checkable
class _HasTargets(Protocol):
    targets: Any


@runtime_checkable
class _HasLabels(Protocol):
    labels: Any


@runtime_checkable
class _HasTensors(Protocol):
    tensors: Sequence[Tensor]


@runtime_checkable
class _HasColumns(Protocol):
    column_names: Sequence[str]

    def __getitem__(self, key: str) -> Any: ...


@runtime_checkable
class _HasArray(Protocol):
    def __array__(self) -> np.ndarray: ...


class _Missing(Exception):
    """This is not where the labels are, and why."""


def find_labels(
    dataset: Any, label_column: str | int | None = None, label_of: Callable[[Any], Label] | None = None
) -> list[Label]:
    """The label of each row.

    Raises:
        ValueError: if there are none; it says what was tried and what each gave.
    """
    if len(dataset) == 0:
        raise ValueError(f"the data set ({type(dataset).__name__}) is empty; a task needs examples")
    if label_of is not None:
        return [_scalar(label_of(row)) for row in _rows(dataset)]
    if label_column is not None:
        return _column(dataset, label_column)
    if isinstance(dataset, Subset):
        inner = find_labels(dataset.dataset)
        return [inner[i] for i in dataset.indices]
    if isinstance(dataset, ConcatDataset):
        return [label for part in dataset.datasets for label in find_labels(part)]
    tried = []
    for place, search in _PLACES.items():
        try:
            return _checked(search(dataset), len(dataset))
        except _Missing as reason:
            tried.append(f"{place}: {reason}")
    raise ValueError(
        f"no labels found in {type(dataset).__name__}. Tried " + "; ".join(tried) + ". "
        "Name the column with label_column=, or give a function of a row with label_of=."
    )


def _targets(dataset: Any) -> Any:
    if not isinstance(dataset, _HasTargets):
        raise _Missing("no such attribute")
    return dataset.targets


def _labels(dataset: Any) -> Any:
    if not isinstance(dataset, _HasLabels):
        raise _Missing("no such attribute")
    return dataset.labels


def _tensors(dataset: Any) -> Any:
    if not isinstance(dataset, _HasTensors):
        raise _Missing("no such attribute")
    if len(dataset.tensors) < 2:
        raise _Missing(f"holds {len(dataset.tensors)} tensor, inputs without labels")
    return dataset.tensors[-1]


def _named_column(dataset: Any) -> Any:
    first = next(_rows(dataset))
    if not isinstance(first, Mapping):
        raise _Missing(f"rows are no dicts but {type(first).__name__}")
    known = [name for name in LABEL_COLUMNS if name in first]
    if not known:
        raise _Missing(f"the columns are {list(first)}")
    return _column(dataset, known[0])


def _second(dataset: Any) -> Any:
    first = next(_rows(dataset))
    if not isinstance(first, tuple | list) or len(first) < 2:
        raise _Missing(f"rows are no pairs (input, label) but {type(first).__name__}")
    return _column(dataset, 1)


_PLACES: dict[str, Callable[[Any], Any]] = {
    "attribute `targets`": _targets,
    "attribute `labels`": _labels,
    "attribute `tensors`": _tensors,
    "a column named " + ", ".join(LABEL_COLUMNS): _named_column,
    "one pass over the rows": _second,
}


def _checked(found: Any, count: int) -> list[Label]:
    """The labels as a list, or _Missing if they cannot be labels of `count` rows."""
    if callable(found) or (not isinstance(found, Sequence | np.ndarray | Tensor) and not isinstance(found, _HasArray)):
        raise _Missing(f"is a {type(found).__name__}")
    try:
        codes, labels = coded(found)
    except ValueError as error:
        raise _Missing(str(error)) from error
    if len(codes) != count:
        raise _Missing(f"has {len(codes)} entries for {count} rows")
    return [labels[c] for c in codes.tolist()]


def _column(dataset: Any, column: str | int) -> list[Label]:
    """One column of all rows; at once where the data set keeps columns."""
    if isinstance(dataset, _HasColumns) and column in dataset.column_names:
        return [_scalar(value) for value in dataset[str(column)]]
    return [_scalar(entry(row, column)) for row in _rows(dataset)]


def _rows(dataset: Any) -> Iterator[Any]:
    """Every row, read under a seed of its own, with a progress bar where that takes longer than a second."""
    for i in tqdm(range(len(dataset)), desc="reading labels", unit="row", delay=1, leave=False):
        with seeded(0, "row", i):
            row = dataset[i]
        yield row


def entry(row: Any, column: str | int) -> Any:
    """One entry of a row.

    Raises:
        ValueError: if the row has no such entry.
    """
    try:
        return row[column]
    except (KeyError, IndexError, TypeError) as error:
        there = (
            list(row)
            if isinstance(row, Mapping)
            else f"{len(row)} entries"
            if isinstance(row, tuple | list)
            else type(row).__name__
        )
        raise ValueError(f"rows have no column {column!r}; they have {there}") from error


def _scalar(label: Any) -> Any:
    """A label out of its zero-dimensional tensor or array."""
    return label.item() if isinstance(label, Tensor | np.generic | np.ndarray) and np.ndim(label) == 0 else label
