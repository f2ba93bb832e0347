"""Any map-style data set as a sequence of tasks: `dataset[i]` and `len(dataset)` are all it needs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from ..randomness import seeded
from ..tasks import Examples, Scenario, Streamed, TaskSequence
from ._arrays import narrowed
from ._augment import Augment, augmentation
from ._codes import Label, coded, recoded, renamed
from ._groups import Classes
from ._labels import entry, find_labels
from ._parts import Labelled, Plan, Transform, assemble

__all__ = ["from_dataset"]

MEMORY_LIMIT = 2 * 2**30
"""Bytes up to which in_memory="auto" collects a data set."""

InMemory = bool | Literal["auto"]


def from_dataset(
    dataset: Any,
    *,
    test: Any = None,
    label_column: str | int | None = None,
    label_of: Callable[[Any], Label] | None = None,
    input_column: str | int | None = None,
    task_ids: Any = None,
    test_task_ids: Any = None,
    classes: Classes | None = None,
    classes_per_task: int | Sequence[int] | None = None,
    class_names: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    transform: Transform | None = None,
    augment: bool | str | Augment | None = None,
    in_memory: InMemory = "auto",
    workers: int = 0,
    test_fraction: float = 0.2,
    order: Sequence[int] | None = None,
    scenario: Scenario = "task",
    validation: float = 0.1,
    seed: int = 0,
) -> TaskSequence:
    """A sequence of a data set: torch's, torchvision's, Hugging Face's, anything with `dataset[i]` and `len(dataset)`.

    A row is `(input, label)` or a dict of columns. Labels are looked for in this order: `label_of`, `label_column`, the
    attribute `targets`, the attribute `labels`, the last of `tensors`, a column called label, labels, target, ..., and
    at last, in one pass over all rows, the second entry of each.

    Args:
        dataset: inputs are tensors, arrays or PIL images of one shape, as in `from_arrays`.
        test: another such data set, of test examples; without it a fraction of each class is set apart.
        label_column: the column or tuple position that holds the label.
        label_of: a function of a row that gives its label.
        input_column: the column or tuple position that holds the input; by default position 0, or the first column with
            an image or an array.
        task_ids: `(n,)`, the task of each row; otherwise tasks are formed by classes.
        test_task_ids: the same for `test`.
        classes: as in `from_arrays`.
        classes_per_task: as in `from_arrays`.
        class_names: as in `from_arrays`.
        names: as in `from_arrays`.
        transform: as in `from_arrays`.
        augment: as in `from_arrays`.
        in_memory: True collects all inputs in memory once, False reads rows as they are needed, with a generator seeded
            for each row and epoch. "auto" collects what takes at most 2 GiB and does not change from one reading to the
            next (random transforms).
        workers: processes that read ahead, where rows are read as needed.
        test_fraction: as in `from_arrays`.
        order: as in `from_arrays`.
        scenario: as in `from_arrays`.
        validation: as in `from_arrays`.
        seed: as in `from_arrays`.

    Returns:
        The sequence. It has no recipe: a file cannot hold your data set.

    Raises:
        ValueError: if no labels are found (the error says what was tried and what each gave), rows differ in shape, or
            a task cannot be learned.
        TypeError: if a row's input is no tensor, array or image.

    Example:
        >>> from torch.utils.data import TensorDataset
        >>> data = TensorDataset(torch.rand(40, 3), torch.arange(40) % 4)
        >>> from_dataset(data, classes_per_task=2, names=["low", "high"], validation=0)
        data set: 2 tasks, scenario 'task', inputs (3,), 2 output units
          0  low: 0→0, 1→1  (16 / 0 / 4 train / validation / test)
          1  high: 2→0, 3→1  (16 / 0 / 4 train / validation / test)
    """
    plan = Plan(scenario, order, test_fraction, validation, seed, augmentation(augment))
    if task_ids is not None and test is not None and test_task_ids is None:
        raise ValueError("with task_ids, test examples need theirs too: test_task_ids=")
    sets = {"train": dataset} | ({} if test is None else {"test": test})
    found = {part: find_labels(rows, label_column, label_of) for part, rows in sets.items()}
    codes, labels = coded(found["train"])
    positions = {part: codes if part == "train" else recoded(found[part], labels, f"{part} labels") for part in sets}
    reader = Reader(in_memory, workers, transform, seed)
    parts = {part: reader.read(Inputs(rows, input_column), positions[part]) for part, rows in sets.items()}
    ids = None if task_ids is None else {"train": task_ids, "test": test_task_ids}
    data = Labelled(parts, renamed(labels, class_names))
    return assemble(
        data, plan, classes=classes, classes_per_task=classes_per_task, task_ids=ids, names=names, title="data set"
    )


@dataclass(frozen=True)
class Inputs(Dataset[Tensor]):
    """The inputs of a data set alone, as tensors."""

    dataset: Any
    column: str | int | None = None

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, i: int) -> Tensor:
        row = self.dataset[i]
        return narrowed(_tensor(entry(row, self._column(row)) if isinstance(row, tuple | list | Mapping) else row, i))

    def _column(self, row: Any) -> str | int:
        if self.column is not None:
            return self.column
        if not isinstance(row, Mapping):
            return 0
        shaped = [
            name
            for name, value in row.items()
            if _is_image(value) or (np.ndim(value) > 0 and not isinstance(value, str))
        ]
        if not shaped:
            raise ValueError(
                f"no column holds an image or an array; the columns are {list(row)}. Name it with input_column=."
            )
        return shaped[0]


def _is_image(value: Any) -> bool:
    from PIL import Image

    return isinstance(value, Image.Image)


def _tensor(value: Any, i: int) -> Tensor:
    """An input as a tensor; images as `(c, h, w)` uint8."""
    if isinstance(value, Tensor):
        return value
    if _is_image(value):
        pixels = torch.from_numpy(np.array(value if value.mode in ("L", "RGB") else value.convert("RGB")))
        return pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1).contiguous()
    if isinstance(value, np.ndarray | list) and np.asarray(value).dtype.kind in "fiub":
        return torch.from_numpy(np.array(value))
    raise TypeError(
        f"the input of row {i} is a {type(value).__name__}; expected a tensor, an array of numbers or a PIL image. "
        "Name the right column with input_column=, or give the data set a transform that makes a tensor."
    )


@dataclass(frozen=True)
class Reader:
    """Turns inputs and labels into examples, in memory or streamed."""

    in_memory: InMemory
    workers: int
    transform: Transform | None
    seed: int

    def read(self, inputs: Inputs, y: Tensor) -> Examples | Streamed:
        if self.in_memory not in (True, False, "auto"):
            raise ValueError(f"expected in_memory=True, False or 'auto'; got {self.in_memory!r}")
        if self.in_memory is True or (self.in_memory == "auto" and self._fits(inputs)):
            return Examples(self._collected(inputs), y, self.transform)
        return Streamed(inputs, torch.arange(len(y)), y, self.transform, self.workers)

    def _fits(self, inputs: Inputs) -> bool:
        first = self._row(inputs, 0)
        if first.numel() * first.element_size() * len(inputs) > MEMORY_LIMIT:
            return False
        # Random transforms would be drawn once and for all. A fair coin hides in 8 readings once in 128 times.
        return all(torch.equal(first, again) for again in (self._row(inputs, 0, draw) for draw in range(1, 8)))

    def _row(self, inputs: Inputs, i: int, draw: int = 0) -> Tensor:
        with seeded(self.seed, "row", i, draw):
            return inputs[i]

    def _collected(self, inputs: Inputs) -> Tensor:
        first = self._row(inputs, 0)
        x = torch.empty(len(inputs), *first.shape, dtype=first.dtype)
        for i in tqdm(range(len(inputs)), desc="reading data", unit="row", delay=1, leave=False):
            row = self._row(inputs, i)
            if row.shape != first.shape:
                raise ValueError(
                    f"expected inputs of one shape; row 0 has {tuple(first.shape)}, row {i} has {tuple(row.shape)}. "
                    "Resize them in the data set's transform."
                )
            x[i] = row
        return x
