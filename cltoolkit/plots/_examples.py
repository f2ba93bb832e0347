"""What the tasks look like: one image per class."""

import numpy as np
import torch
from matplotlib.axes import Axes

from ..tasks import TaskSequence
from ._axes import axes, describe, short

__all__ = ["examples"]

MOST = 12  # tasks, and classes of a task, that are shown


def examples(sequence: TaskSequence, *, ax: Axes | None = None) -> Axes:
    """One test image per class (row) of every task (column), each with its original label.

    Args:
        sequence: tasks whose inputs are images `(1, h, w)`, `(3, h, w)` or `(h, w)`; the first 12 of them are shown.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes; `alt_text` tells what they show.

    Raises:
        ValueError: if the inputs are no images.
    """
    tasks = sequence[:MOST]
    rows = min(MOST, max(len(task.classes) for task in tasks))
    height, width = _pixels(sequence.input_shape)
    gap = max(1, height // 8)
    tall, wide = height + 3 * gap, width + gap
    canvas = np.ones((rows * tall, len(tasks) * wide, 3))
    ax = axes(ax, width=max(2.0, 1.25 * len(tasks)), height=0.45 + 1.35 * rows * height / width)
    for column, task in enumerate(tasks):
        for row, (label, unit) in enumerate(list(zip(task.classes, task.outputs, strict=True))[:rows]):
            found = (task.test.y == unit).nonzero()
            if len(found):
                top, left = row * tall, column * wide
                canvas[top : top + height, left : left + width] = _image(task.test.take(found[0])[0][0])
                ax.text(left + width / 2, top + height, short(str(label)), ha="center", va="top", fontsize=8)
    ax.imshow(canvas, interpolation="nearest")
    ax.set_xticks(
        [(t + 0.5) * wide - gap / 2 for t in range(len(tasks))], [short(task.name) for task in tasks], fontsize=9
    )
    ax.xaxis.tick_top()
    ax.set_yticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("")
    names = "; ".join(f"{task.name}: {', '.join(map(str, task.classes[:rows]))}" for task in tasks)
    return describe(ax, f"One test image for each class of {len(tasks)} tasks of {sequence.name}: {names}.")


def _pixels(shape: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3)):
        return shape[-2], shape[-1]
    raise ValueError(f"expected images of shape (1, h, w), (3, h, w) or (h, w); the inputs have shape {shape}")


def _image(x: torch.Tensor) -> np.ndarray:
    """`(h, w, 3)` in [0, 1], dark ink on light ground for grey images."""
    image = x.detach().cpu().float()
    image = (image - image.min()) / (image.max() - image.min()).clamp_min(1e-9)
    if image.ndim == 3 and image.shape[0] == 3:
        return image.permute(1, 2, 0).numpy()
    return (1 - image.reshape(image.shape[-2:])).unsqueeze(-1).expand(-1, -1, 3).numpy()
