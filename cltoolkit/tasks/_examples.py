"""Examples: inputs and labels, in memory or streamed, delivered in batches."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ..randomness import seeded
from ._targets import checked

__all__ = ["Data", "Device", "Examples", "Streamed"]

Transform = Callable[[Tensor], Tensor]
Device = torch.device | str


class Data(Protocol):
    """What a task's examples offer, in memory or streamed: their labels at once, their inputs by the batch."""

    @property
    def y(self) -> Tensor:
        """`(n,)` int64, the output unit that should win; or `(n, k)` floats, what the first k outputs should be."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input."""

    def __len__(self) -> int: ...

    def take(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs `(b, *input_shape)` and labels `(b,)` (or targets `(b, k)`) of the examples `index`."""

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
        y: `(n,)`, the output unit that should win; or floats `(n, k)`, real-valued targets.
        transform: what turns a stored batch `(b, *stored_shape)` into inputs `(b, *input_shape)`: deterministic, on
            the batch's device. A `nn.Module` moves with the data.

    Example:
        >>> e = Examples(torch.tensor([[0, 255], [51, 0]], dtype=torch.uint8), torch.tensor([0, 1]))
        >>> e.take(torch.tensor([1]))
        (tensor([[0.2000, 0.0000]]), tensor([1]))
    """

    x: Tensor
    y: Tensor
    transform: Transform | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "y", checked(self.y))
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
        """The shape of one input."""
        return tuple(_inputs(self.x[:1], self.transform).shape[1:])

    def take(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs `(b, *input_shape)` and labels `(b,)` (or targets `(b, k)`) of the examples `index`."""
        index = index.to(self.x.device)
        return _inputs(self.x[index], self.transform), self.y[index]

    def batches(self, order: Tensor, size: int, *, start: int = 0, seed: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The examples `order` in batches of at most `size`, from batch number `start` on."""
        for index in _split(order.to(self.x.device), size)[start:]:
            yield self.take(index)

    def to(self, device: Device, memo: dict[int, Any] | None = None) -> "Examples":
        """The same examples on `device`; `memo` lets tasks that share storage go on sharing it."""
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
        """The examples `index` alone."""
        return Examples._unchecked(self.x[index], self.y[index], self.transform)

    def relabel(self, table: Tensor) -> "Examples":
        """The same inputs with `table[y]` for labels."""
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

    A random transform of the data set draws from a generator seeded per example and epoch, so a resumed run sees the
    same images.

    Args:
        dataset: `dataset[i]` is an input tensor, or a tuple that begins with one.
        index: `(n,)`, the rows of the data set that are meant.
        y: `(n,)`, the output unit that should win, for each of these rows; or real-valued targets `(n, k)`.
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
        object.__setattr__(self, "y", checked(self.y))
        if len(self.index) != len(self.y):
            raise ValueError(f"expected one label per row; got {len(self.index)} rows and {len(self.y)} labels")

    def __len__(self) -> int:
        return len(self.y)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return tuple(self.take(torch.tensor([0]))[0].shape[1:])

    def take(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs `(b, *input_shape)` and labels `(b,)` (or targets `(b, k)`) of the examples `index`."""
        return next(iter(replace(self, workers=0).batches(index, len(index))))

    def batches(self, order: Tensor, size: int, *, start: int = 0, seed: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The examples `order` in batches of at most `size`, from batch number `start` on."""
        rows = _Rows(self.dataset, self.index, self.y.cpu(), seed)
        pinned = torch.device(self.device).type == "cuda"
        sampler = [index.tolist() for index in _split(order.cpu(), size)[start:]]
        loader = DataLoader(
            rows,
            batch_sampler=sampler,
            num_workers=self.workers,
            pin_memory=pinned,
            generator=torch.Generator().manual_seed(0),
        )
        for stored, y in loader:
            moved = stored.to(self.device, non_blocking=True)
            yield _inputs(moved, self.transform), y.to(self.device, non_blocking=True)

    def to(self, device: Device, memo: dict[int, Any] | None = None) -> "Streamed":
        """The same rows, delivered on `device`."""
        transform = self.transform
        if isinstance(transform, nn.Module):
            transform = copy.deepcopy(transform).to(device)
        return replace(self, y=self.y.to(device), transform=transform, device=device)

    def subset(self, index: Tensor) -> "Streamed":
        """The rows `index` alone."""
        return replace(self, index=self.index[index], y=self.y[index])

    def relabel(self, table: Tensor) -> "Streamed":
        """The same rows with `table[y]` for labels."""
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
                f"row {int(self.index[i])} of {type(self.dataset).__name__} gives a {type(x).__name__}; "
                "expected a tensor. Give the data set a transform that makes one, "
                "such as torchvision.transforms.v2.PILToTensor()."
            )
        return x, self.y[i]


def _inputs(stored: Tensor, transform: Transform | None) -> Tensor:
    """What the network is given for a stored batch."""
    if transform is not None:
        return transform(stored)
    return stored.float() / 255 if stored.dtype == torch.uint8 else stored


def _split(order: Tensor, size: int) -> tuple[Tensor, ...]:
    """`order` in ⌈n / size⌉ parts of equal size, within one."""
    return order.tensor_split(-(-len(order) // size))
