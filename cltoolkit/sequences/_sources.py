"""The published data sets in a table: where their files lie, who fetches them, how they become images and labels."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..tasks import Examples
from ._batches import read_batch
from ._codes import Label
from ._files import File, data_root, load, read_idx
from ._parts import Labelled
from ._pixels import Scale

Root = str | os.PathLike[str] | None
Part = tuple[Tensor, Tensor]  # images (n, c, h, w) uint8, labels (n,)


@dataclass(frozen=True)
class Source:
    """A data set as it is published.

    Args:
        title: its name.
        files: the files under a root, in torchvision's layout.
        fetch: downloads them there, with a progress bar.
        parts: makes training part, test part and original labels of what the files hold.
        mean, std: of the training pixels by channel, in [0, 1].
    """

    title: str
    files: Callable[[Path], list[File]]
    fetch: Callable[[Path], None]
    parts: Callable[[list[Any]], tuple[Part, Part, Sequence[Label]]]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def read(self, root: Root, *, normalize: bool, download: bool, verify: bool = True) -> Labelled:
        """All examples, uint8 in memory, scaled by the batch."""
        folder = data_root(root)
        contents = load(self.files(folder), lambda: self.fetch(folder), download=download, verify=verify)
        train, test, labels = self.parts(contents)
        scale = self.scale(normalize)
        return Labelled({"train": Examples(*train, scale), "test": Examples(*test, scale)}, tuple(labels))

    def scale(self, normalize: bool) -> Scale:
        """What makes inputs of stored pixels."""
        return Scale(self.mean, self.std) if normalize else Scale()


def _idx_files(folder: str) -> Callable[[Path], list[File]]:
    names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    return lambda root: [File(root / folder / "raw" / name, None, read_idx) for name in names]


def _idx_parts(labels: Sequence[Label]) -> Callable[[list[Tensor]], tuple[Part, Part, Sequence[Label]]]:
    def parts(contents: list[Tensor]) -> tuple[Part, Part, Sequence[Label]]:
        train_x, train_y, test_x, test_y = contents
        return (train_x.unsqueeze(1), train_y.long()), (test_x.unsqueeze(1), test_y.long()), labels

    return parts


def _fetch_mnist(root: Path) -> None:
    from torchvision.datasets import MNIST

    MNIST(root, download=True)


def _fetch_fashion_mnist(root: Path) -> None:
    from torchvision.datasets import FashionMNIST

    FashionMNIST(root, download=True)


def _fetch_cifar10(root: Path) -> None:
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import download_and_extract_archive

    # Not CIFAR10(root, download=True), which goes on to unpickle the batches.
    download_and_extract_archive(CIFAR10.url, str(root), filename=CIFAR10.filename, md5=CIFAR10.tgz_md5)


def _fetch_cifar100(root: Path) -> None:
    from torchvision.datasets import CIFAR100
    from torchvision.datasets.utils import download_and_extract_archive

    download_and_extract_archive(CIFAR100.url, str(root), filename=CIFAR100.filename, md5=CIFAR100.tgz_md5)


def _batch_files(folder: str, checksums: dict[str, str]) -> Callable[[Path], list[File]]:
    return lambda root: [File(root / folder / name, md5, read_batch) for name, md5 in checksums.items()]


def _batch_parts(labels: str, names: str) -> Callable[[list[dict[str, Any]]], tuple[Part, Part, Sequence[Label]]]:
    """All files but the last two are training batches; then come the test batch and the names of the classes."""

    def part(batches: list[dict[str, Any]]) -> Part:
        x = torch.cat([batch["data"] for batch in batches]).view(-1, 3, 32, 32)
        return x, torch.tensor([label for batch in batches for label in batch[labels]])

    def parts(contents: list[dict[str, Any]]) -> tuple[Part, Part, Sequence[Label]]:
        *train, test, meta = contents
        return part(train), part([test]), meta[names]

    return parts


_FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")

# Checksums as torchvision has them.
_CIFAR10 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
}
_CIFAR100 = {
    "train": "16019d7e3df5f24257cddd939b257f8d",
    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    "meta": "7973b15100ade9c7d40fb424638fde48",
}

SOURCES = {
    "mnist": Source("MNIST", _idx_files("MNIST"), _fetch_mnist, _idx_parts(range(10)), (0.1307,), (0.3081,)),
    "fashion_mnist": Source(
        "Fashion-MNIST", _idx_files("FashionMNIST"), _fetch_fashion_mnist, _idx_parts(_FASHION), (0.2860,), (0.3530,)
    ),
    "cifar10": Source(
        "CIFAR-10",
        _batch_files("cifar-10-batches-py", _CIFAR10),
        _fetch_cifar10,
        _batch_parts("labels", "label_names"),
        (0.4914, 0.4822, 0.4465),
        (0.2470, 0.2435, 0.2616),
    ),
    "cifar100": Source(
        "CIFAR-100",
        _batch_files("cifar-100-python", _CIFAR100),
        _fetch_cifar100,
        _batch_parts("fine_labels", "fine_label_names"),
        (0.5071, 0.4865, 0.4409),
        (0.2673, 0.2564, 0.2762),
    ),
}
