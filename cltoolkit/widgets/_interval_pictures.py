"""The examples behind margins: which of them are shown, and their pictures, small."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ..intervals import Certificate
from ..tasks import Task, TaskSequence

__all__ = ["Behind", "behind", "chosen", "places"]

MOST = 60  # pictures of one task
LEAST = 6  # and that many at least, whatever room there is
SIDE = 64  # pixels along the longer side
ROOM = 6_000_000  # bytes for the pictures of all tasks
POINTS = 600  # margins drawn of one task


@dataclass(frozen=True)
class Behind:
    """Examples of one certificate, least margin first, a few of them with a picture.

    Attributes:
        order: `(n,)`, the examples by margin.
        failing: how many are not certified: the first ones in that order.
        drawn: `(p,)`, ranks that are drawn.
        shown: `(q,)`, ranks whose example is shown.
        classes: what a label may say; empty where labels are not known.
        labels: `(n,)`, places in `classes`, -1 where it is not known.
        pixels: `(q, h, w, c)` uint8, dark on light where grey; None where there are none.
        why: what keeps pictures from being shown, in words.
    """

    order: NDArray[np.int64]
    failing: int
    drawn: NDArray[np.int64]
    shown: NDArray[np.int64]
    classes: list[str]
    labels: NDArray[np.int64]
    pixels: NDArray[np.uint8] | None
    why: str


def behind(certificates: Mapping[int, Certificate], sequence: TaskSequence | None) -> dict[int, Behind]:
    """For each certificate, the examples that it is about."""
    most = _affordable(len(certificates), sequence)
    return {t: _of_one(each, None if sequence is None else sequence[t], most) for t, each in certificates.items()}


def _affordable(count: int, sequence: TaskSequence | None) -> int:
    """How many pictures of each task there is room for."""
    if sequence is None or _size(sequence.input_shape) is None:
        return MOST
    height, width, channels = _size(sequence.input_shape) or (1, 1, 1)
    return int(np.clip(ROOM // max(count * height * width * channels, 1), LEAST, MOST))


def _of_one(each: Certificate, task: Task | None, most: int) -> Behind:
    values = np.where(np.isnan(each.margins), -np.inf, each.margins)
    order = np.argsort(values, kind="stable")
    failing = int((values <= 0).sum())
    shown = chosen(each.n, failing, most)
    drawn = np.union1d(shown, np.linspace(0, each.n - 1, min(each.n, POINTS)).round().astype(np.int64))
    why = _why_none(each, task)
    if task is None or why:
        return Behind(order, failing, drawn, shown, [], np.full(each.n, -1), None, why)
    if _size(task.input_shape) is None:
        why = f"The inputs of shape {task.input_shape} are no images, so there are no pictures."
        return Behind(order, failing, drawn, shown, *_labels(task), None, why)
    pixels = _pixels(task.test.take(torch.from_numpy(order[shown]))[0])
    return Behind(order, failing, drawn, shown, *_labels(task), pixels, why)


def chosen(n: int, failing: int, most: int) -> NDArray[np.int64]:
    """Ranks of those examples that tell most: a third with the least margins, around 0, and with the largest.

    Example:
        >>> chosen(100, 40, 9).tolist()
        [0, 1, 2, 38, 39, 40, 97, 98, 99]
    """
    if n <= most:
        return np.arange(n)
    third = most // 3
    middle = int(np.clip(failing - third // 2 - third % 2, third, n - 2 * third))
    return np.concatenate([np.arange(third), np.arange(middle, middle + third), np.arange(n - third, n)])


def _why_none(each: Certificate, task: Task | None) -> str:
    if task is None:
        return "Pictures of the examples need `sequence`."
    if len(task.test) != each.n:
        return (
            f"The certificate is about {each.n} examples and the test part has {len(task.test)}, so which is which is "
            "not known, and there are no pictures."
        )
    return ""


def _labels(task: Task) -> tuple[list[str], NDArray[np.int64]]:
    """What the labels of test examples say, and which each has."""
    if task.regression:
        return [], np.full(len(task.test), -1)
    place = {unit: i for i, unit in enumerate(task.outputs)}
    return [str(name) for name in task.classes], np.array([place[unit] for unit in task.test.y.tolist()])


def _size(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Height, width and channels as shown; None if these are no images."""
    if not (len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3))) or 0 in shape:
        return None
    height, width = shape[-2:]
    shrink = max(height, width, SIDE) / SIDE
    return max(1, round(height / shrink)), max(1, round(width / shrink)), shape[0] if len(shape) == 3 else 1


def _pixels(x: Tensor) -> NDArray[np.uint8]:
    """`(b, h, w, c)`, each picture from its least to its largest value; dark ink on light ground where grey."""
    images = x.detach().cpu().float()
    images = images[:, None] if images.ndim == 3 else images  # (b, c, H, W)
    height, width, channels = _size(tuple(images.shape[1:])) or images.shape[2:] + images.shape[1:2]
    if (height, width) != tuple(images.shape[2:]):
        images = adaptive_avg_pool2d(images, (height, width))
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    shares = (images - low) / (high - low).clamp_min(1e-9)
    shares = 1 - shares if channels == 1 else shares
    pixels: NDArray[np.uint8] = (255 * shares).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    return pixels


def places(held: Mapping[int, Behind]) -> tuple[NDArray[np.uint8], dict[int, int]]:
    """All pixels one after the other, and where each task's begin: pictures differ in size between tasks."""
    known = {t: each.pixels.ravel() for t, each in held.items() if each.pixels is not None}
    starts = np.cumsum([0, *map(len, known.values())])
    joined = np.concatenate([*known.values(), np.zeros(0, np.uint8)])
    return joined, dict(zip(known, starts.tolist(), strict=False))
