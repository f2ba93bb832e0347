"""Original labels, whole numbers or strings, and their positions among the different ones."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Label = int | str


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
        raise ValueError(f"{what} {shown(strange)} occur in no training example; those have {shown(labels)}")
    place = {label: i for i, label in enumerate(labels)}
    return torch.tensor([place[label] for label in found], dtype=torch.int64)[codes]


def renamed(labels: tuple[Label, ...], class_names: Sequence[str] | None) -> tuple[Label, ...]:
    """Labels 0, 1, ... under the names of their classes."""
    if class_names is None:
        return labels
    strange = [label for label in labels if not isinstance(label, int) or not 0 <= label < len(class_names)]
    if strange:
        raise ValueError(
            f"labels {shown(strange)} are out of range: class_names names {len(class_names)} classes, counted from 0"
        )
    return tuple(class_names[label] for label in labels if isinstance(label, int))


def shown(labels: Sequence[Label]) -> str:
    return str(list(labels[:10]))[:-1] + (", …]" if len(labels) > 10 else "]")
