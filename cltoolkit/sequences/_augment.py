"""Random changes of training images: batched on their device, drawn for every sample on its own."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from ..recipes import nearest

__all__ = ["Augment", "crop", "crop_flip", "flip"]

Augment = Callable[[Tensor, Generator], Tensor]


def crop_flip(x: Tensor, generator: Generator, *, padding: int = 4) -> Tensor:
    """A random crop of the padded image, then a mirror image with probability ½: the usual augmentation for CIFAR.

    Args:
        x: `(b, c, h, w)`, inputs. The border is filled with 0, the mean color where inputs are normalised.
        generator: where the crops and flips are drawn; moved to the device of `x` if it is on another.
        padding: pixels added on every side, and so the greatest shift.

    Returns:
        `(b, c, h, w)`.

    Example:
        >>> x = torch.rand(8, 3, 32, 32)
        >>> a, b = (crop_flip(x, torch.Generator().manual_seed(0)) for _ in range(2))
        >>> a.shape, torch.equal(a, b), torch.equal(a, x)
        (torch.Size([8, 3, 32, 32]), True, False)
    """
    rows, columns = _crops(x, generator, padding)
    return _picked(x, rows, _mirrored(columns, generator), padding)


def crop(x: Tensor, generator: Generator, *, padding: int = 4) -> Tensor:
    """A random crop `(b, c, h, w)` of the padded images `x` `(b, c, h, w)`; arguments as for `crop_flip`."""
    rows, columns = _crops(x, generator, padding)
    return _picked(x, rows, columns, padding)


def flip(x: Tensor, generator: Generator) -> Tensor:
    """The images `x` `(b, c, h, w)`, each mirrored left to right with probability ½."""
    rows, columns = (torch.arange(n, device=x.device).expand(len(x), n) for n in x.shape[2:])
    return _picked(x, rows, _mirrored(columns, generator), 0)


def _crops(x: Tensor, generator: Generator, padding: int) -> tuple[Tensor, Tensor]:
    """For every sample, the rows `(b, h)` and columns `(b, w)` of the padded image that a random crop keeps."""
    offsets = torch.randint(2 * padding + 1, (2, len(x), 1), generator=generator, device=generator.device).to(x.device)
    rows, columns = (torch.arange(n, device=x.device) + offset for n, offset in zip(x.shape[2:], offsets, strict=True))
    return rows, columns


def _mirrored(columns: Tensor, generator: Generator) -> Tensor:
    """The columns `(b, w)`, in reverse for a random half of the samples."""
    coins = torch.rand((len(columns), 1), generator=generator, device=generator.device).to(columns.device)
    return torch.where(coins < 0.5, columns.flip(1), columns)


def _picked(x: Tensor, rows: Tensor, columns: Tensor, padding: int) -> Tensor:
    """`out[i, :, a, b] = padded[i, :, rows[i, a], columns[i, b]]`."""
    padded = F.pad(x, (padding,) * 4)
    place = rows[:, :, None] * padded.shape[3] + columns[:, None, :]  # (b, h, w), into the padded image row by row
    index = place.flatten(1)[:, None].expand(-1, x.shape[1], -1)
    return padded.flatten(2).gather(2, index).view(x.shape)  # (b, c, h·w) -> (b, c, h, w)


_NAMED: dict[str, Augment] = {"crop_flip": crop_flip, "crop": crop, "flip": flip}


def augmentation(augment: bool | str | Augment | None) -> Augment | None:
    """The function that `augment=` means: True is "crop_flip", None and False are nothing.

    Raises:
        ValueError: if the name is unknown.
    """
    if augment is None or augment is False:
        return None
    if augment is True:
        return crop_flip
    if isinstance(augment, str):
        if augment not in _NAMED:
            raise ValueError(f"unknown augmentation {augment!r}{nearest(augment, _NAMED)}")
        return _NAMED[augment]
    return augment
