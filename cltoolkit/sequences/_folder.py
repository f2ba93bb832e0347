"""A folder of images as a sequence of tasks."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from ..recipes import recipe
from ..tasks import Scenario, TaskSequence
from ._augment import Augment, augmentation
from ._codes import coded, recoded
from ._datasets import InMemory, Inputs, Reader
from ._groups import Classes
from ._parts import Labelled, Plan, assemble

__all__ = ["from_folder"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
CHECKED = 1024  # images whose check is under way at a time
_LITTER = ("thumbs.db", "desktop.ini")
_PARTS = {"train": "train", "test": "test", "val": "validation", "valid": "validation", "validation": "validation"}


@recipe
def from_folder(
    path: str | os.PathLike[str],
    *,
    size: int | Sequence[int] | None = None,
    channels: int = 3,
    classes: Classes | None = None,
    classes_per_task: int | Sequence[int] | None = None,
    shuffle_classes: bool = False,
    names: Sequence[str] | None = None,
    augment: bool | str | Augment | None = None,
    in_memory: InMemory = "auto",
    workers: int = 0,
    verify: bool = True,
    test_fraction: float = 0.2,
    order: Sequence[int] | None = None,
    scenario: Scenario = "task",
    validation: float = 0.1,
    seed: int = 0,
) -> TaskSequence:
    """A sequence of a folder of images, inputs `(channels, height, width)` in [0, 1].

    The folders' names are the original labels. Two layouts, each as it is or inside folders `train`, `test` and, if
    there is one, `val`:

    - `path/class/image.png`: classes are dealt out to tasks by `classes_per_task` or `classes`;
    - `path/task/class/image.png`: each folder is a task; `train` and `test` may also lie inside each of them. With
      `classes_per_task` or `classes`, the outer folders are no tasks but domains, and a class is found in all of them.

    Args:
        path: the folder.
        size: images are resized to this (height, width); one number for a square. None where all have one size already.
        channels: 3 for color, 1 for gray.
        classes: as in `from_arrays`.
        classes_per_task: as in `from_arrays`.
        shuffle_classes: whether `classes_per_task` deals out the classes in an order that `seed` draws, instead of by
            name.
        names: of the tasks.
        augment: random change of training batches, as in `from_arrays`.
        in_memory: as in `from_dataset`.
        workers: processes that read ahead, where images are read as needed.
        verify: whether every image is read once before training, so that a damaged one is found now.
        test_fraction: of each class, where there is no folder `test`.
        order: in which order the tasks come; a part of them is allowed.
        scenario: "task", "domain" or "class", see `TaskSequence.as_scenario`.
        validation: fraction of each class's training examples that is set apart, where there is no folder `val`; 0 for
            none.
        seed: draws the test and validation parts, and the order of the classes.

    Raises:
        FileNotFoundError: if the folder does not exist.
        ValueError: if the layout is another, a class folder holds files that are no images, images cannot be read (they
            are named), or they differ in size and no `size` is given.
    """
    root = Path(path)
    plan = Plan(scenario, order, test_fraction, validation, seed, augmentation(augment), shuffle_classes)
    found = _found(root)
    reader = Reader(in_memory, workers, None, seed)
    codes, labels = coded([place.label for place in found["train"]])
    parts, ids = {}, {}
    for part, places in found.items():
        images = Images(tuple(place.path for place in places), _size(size), channels)
        if verify:
            images.check()
        y = codes if part == "train" else recoded([place.label for place in places], labels, f"{part} classes")
        parts[part] = reader.read(Inputs(images), y)
        ids[part] = [place.task for place in places]
    by_class = found["train"][0].task is None or classes is not None or classes_per_task is not None
    return assemble(
        Labelled(parts, labels),
        plan,
        classes=classes,
        classes_per_task=classes_per_task,
        task_ids=None if by_class else ids,
        names=names,
        title=root.name,
    )


@dataclass(frozen=True)
class _Place:
    """An image file, its class, and its task where folders say so."""

    path: Path
    label: str
    task: str | None


def _found(root: Path) -> dict[str, list[_Place]]:
    """The images by part, sorted by path; train first."""
    if not root.is_dir():
        state = "is a file" if root.exists() else "does not exist"
        raise FileNotFoundError(f"expected a folder of images; {root.absolute()} {state}")
    files = [f for f in sorted(root.rglob("*")) if f.is_file() and not _hidden(f.relative_to(root))]
    images = [f for f in files if f.suffix.lower() in SUFFIXES]
    if not images:
        raise ValueError(f"no images ({', '.join(SUFFIXES)}) under {root.absolute()}. {_LAYOUTS}")
    _check_strangers(root, files, images)
    parts = defaultdict(list)
    for image in images:
        part, *folders = _part(image.relative_to(root).parts[:-1])
        if not 1 <= len(folders) <= 2:
            raise ValueError(f"{image} lies in {len(folders)} folders below {root}; expected 1 or 2. {_LAYOUTS}")
        parts[part].append(_Place(image, folders[-1], folders[0] if len(folders) == 2 else None))
    _check_layout(root, parts)
    return {part: parts[part] for part in ("train", "test", "validation") if part in parts}


_LAYOUTS = "Known layouts are class/image.png and task/class/image.png, either inside train/ and test/ folders or not."


def _part(folders: tuple[str, ...]) -> tuple[str, ...]:
    """The part first, then the other folders; without a part's folder all is for training."""
    for i in range(min(2, len(folders) - 1)):
        if folders[i] in _PARTS:
            return (_PARTS[folders[i]], *folders[:i], *folders[i + 1 :])
    return ("train", *folders)


def _hidden(path: Path) -> bool:
    return any(name.startswith(".") for name in path.parts) or path.name.lower() in _LITTER


def _check_strangers(root: Path, files: Sequence[Path], images: Sequence[Path]) -> None:
    """Files among the images that are none: perhaps the data is in them, so they are not passed over."""
    deepest = max(len(image.relative_to(root).parts) for image in images)
    strange = [f for f in files if f.suffix.lower() not in SUFFIXES and len(f.relative_to(root).parts) >= deepest]
    if strange:
        raise ValueError(
            f"{len(strange)} "
            f"{'files in class folders are no images' if len(strange) > 1 else 'file in class folders is no image'}: "
            f"{_listed(strange)}. "
            f"Move them elsewhere, or convert them to one of {', '.join(SUFFIXES)}."
        )


def _check_layout(root: Path, parts: Mapping[str, Sequence[_Place]]) -> None:
    if "train" not in parts:
        raise ValueError(f"{root.absolute()} has images for {list(parts)} but none for training. {_LAYOUTS}")
    mixed = {place.task is None: place.path for places in parts.values() for place in places}
    if len(mixed) > 1:
        raise ValueError(f"some images lie in one folder ({mixed[True]}), others in two ({mixed[False]}). {_LAYOUTS}")


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths[:5])) + (", …" if len(paths) > 5 else "")


def _size(size: int | Sequence[int] | None) -> tuple[int, int] | None:
    """(height, width)."""
    if size is None:
        return None
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 1:
        raise ValueError(f"expected a size of at least one pixel; got {size}")
    return height, width


@dataclass(frozen=True)
class Images(Dataset[Tensor]):
    """Image files as `(channels, height, width)` uint8."""

    paths: tuple[Path, ...]
    size: tuple[int, int] | None
    channels: int

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise ValueError(f"expected channels=3 (color) or 1 (gray); got {self.channels}")

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> Tensor:
        try:
            return self._read(i)
        except (OSError, ValueError, SyntaxError) as error:  # what Pillow raises over damaged files
            raise ValueError(f"{self.paths[i]} cannot be read as an image ({error}); replace or remove it") from error

    def _read(self, i: int) -> Tensor:
        from PIL import Image

        with Image.open(self.paths[i]) as image:
            converted = image.convert("L" if self.channels == 1 else "RGB")
            if self.size is not None and converted.size != self.size[::-1]:
                converted = converted.resize(self.size[::-1], Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(converted))
        return pixels[None] if self.channels == 1 else pixels.permute(2, 0, 1).contiguous()

    def check(self) -> None:
        """Reads every image once.

        Raises:
            ValueError: if some cannot be read, all of which are named, or they differ in size and are not resized.
        """
        broken: list[Path] = []
        sizes: dict[tuple[int, ...], Path] = {}
        with (
            ThreadPoolExecutor(
                min(os.cpu_count() or 1, 16)
            ) as threads,  # Pillow decodes without the interpreter's lock
            tqdm(total=len(self), desc="checking images", unit="image", delay=1, leave=False) as bar,
        ):
            for start in range(0, len(self), CHECKED):
                rows = range(start, min(start + CHECKED, len(self)))
                for i, shape in zip(rows, threads.map(self._shape, rows), strict=True):
                    if shape is None:
                        broken.append(self.paths[i])
                    else:
                        sizes.setdefault(shape, self.paths[i])
                bar.update(len(rows))
        if broken:
            raise ValueError(
                f"{len(broken)} of {len(self)} images cannot be read: {_listed(broken)}. Replace or remove them."
            )
        if len(sizes) > 1:
            (a, first), (b, second) = list(sizes.items())[:2]
            raise ValueError(
                f"expected images of one size; {first} is {a[0]} x {a[1]}, {second} is {b[0]} x {b[1]} (height x "
                "width). "
                f"Resize them with size={max(*a, *b)}."
            )

    def _shape(self, i: int) -> tuple[int, ...] | None:
        """(height, width) of an image, None if it cannot be read."""
        try:
            return tuple(self[i].shape[1:])
        except ValueError:
            return None
