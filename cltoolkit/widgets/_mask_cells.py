"""A layer's weights as cells that a page can carry: who owns each, and which tasks use it."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..masks import Masks, owners

__all__ = ["cells"]

MOST = 300_000  # numbers that a page should carry of owners, and as many of users
ROWS, COLUMNS = 200, 400  # that screens can tell apart, as in `plots.weight_owners`
WORD = 24  # bits that a float32 holds exactly


def cells(masks: Masks, most: int = MOST) -> tuple[list[dict[str, Any]], dict[str, NDArray[np.float64]]]:
    """Owners and users of weights, layer after layer.

    Of a layer too large to show, every k-th output or input is taken: each cell is one true weight.

    Args:
        masks: of T tasks.
        most: how many owners to give, at most, of all layers together; and how many words of users.

    Returns:
        For each layer its name, shape, steps, rows, columns, and where its cells begin; and `owner` `(n,)`, −1 for
        none, with `users` `(words, n)`, 24 tasks to a word, the first in the lowest bit; empty where they are too many.
    """
    grids = _grids(masks.layout.shapes, most)
    owner = masks.layout.unpack(owners(masks).cpu())
    taken = np.concatenate([_taken(owner[grid["name"]], grid) for grid in grids]).astype(np.float64)
    words = -(-len(masks) // WORD)
    users = np.zeros((words if words * len(taken) <= most else 0, len(taken)))
    for t, mask in enumerate(masks) if len(users) else ():
        held = masks.layout.unpack(mask.cpu())
        users[t // WORD] += 2.0 ** (t % WORD) * np.concatenate([_taken(held[grid["name"]], grid) for grid in grids])
    return grids, {"owner": taken, "users": users}


def _grids(shapes: Any, most: int) -> list[dict[str, Any]]:
    """The layers' grids, made coarser together until they fit."""
    scale = 1.0
    while True:
        grids, begin = [], 0
        for name, shape in shapes.items():
            grids.append(_grid(name, tuple(shape), scale, begin))
            begin += grids[-1]["rows"] * grids[-1]["columns"]
        if begin <= most or all(grid["rows"] * grid["columns"] <= grid["kernel"] for grid in grids):
            return grids
        scale *= 0.8


def _grid(name: str, shape: tuple[int, ...], scale: float, begin: int) -> dict[str, Any]:
    out, inputs = shape[:2] if len(shape) > 1 else (1, shape[0])
    kernel = int(np.prod(shape[2:]))
    down = -(-out // max(1, int(ROWS * scale)))
    across = -(-inputs // max(1, int(COLUMNS * scale) // kernel))
    return {
        "name": name,
        "shape": list(shape),
        "kernel": kernel,
        "steps": [down, across],
        "rows": -(-out // down),
        "columns": -(-inputs // across) * kernel,
        "begin": begin,
    }


def _taken(values: torch.Tensor, grid: dict[str, Any]) -> NDArray[Any]:
    """Of a layer's values those that are shown, row after row."""
    down, across = grid["steps"]
    out = grid["shape"][0] if len(grid["shape"]) > 1 else 1
    laid = values.reshape(out, -1, grid["kernel"])
    return laid[::down, ::across].reshape(-1).numpy()
