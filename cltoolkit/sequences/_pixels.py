"""What happens to stored pixels on their way into the network: by the batch, so that tasks share one storage."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..randomness import stream

__all__ = ["Permute", "Rotate", "Scale", "permutations", "rotations"]


class Scale(nn.Module):
    """Pixels 0..255 as `(x / 255 − mean) / std`, by channel.

    Args:
        mean: of every channel, with pixels in [0, 1]; `(0,)` leaves inputs in [0, 1].
        std: of every channel.

    Example:
        >>> Scale((0.5,), (0.5,))(torch.tensor([[[[0, 255]]]], dtype=torch.uint8))
        tensor([[[[-1.,  1.]]]])
    """

    factor: Tensor
    shift: Tensor

    def __init__(self, mean: tuple[float, ...] = (0.0,), std: tuple[float, ...] = (1.0,)) -> None:
        super().__init__()
        m, s = (torch.tensor(values, dtype=torch.float64).view(-1, 1, 1) for values in (mean, std))
        self.register_buffer("factor", (1 / (255 * s)).float())
        self.register_buffer("shift", (-m / s).float())

    def forward(self, x: Tensor) -> Tensor:
        return x.float() * self.factor + self.shift


class Permute(nn.Module):
    """The pixels of each image in another order, channels together: position `i` shows what was at `index[i]`.

    Args:
        index: `(h · w,)`, a permutation.

    Example:
        >>> Permute(torch.tensor([1, 0]))(torch.tensor([[[[3, 4]]]]))
        tensor([[[[4., 3.]]]])
    """

    index: Tensor

    def __init__(self, index: Tensor) -> None:
        super().__init__()
        self.register_buffer("index", index)

    def forward(self, x: Tensor) -> Tensor:
        # index_select is four times as fast on float as on uint8
        return x.flatten(2).float().index_select(2, self.index).view(x.shape)


class Rotate(nn.Module):
    """Each image turned about its center, bilinearly; what comes in from outside is 0.

    Rotating by the batch costs as much as permuting and needs no copy of the data per angle.

    Args:
        angle: degrees, counterclockwise.
        height, width: of the images.

    Example:
        >>> Rotate(90, 2, 2)(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).round()
        tensor([[[[2., 4.],
                  [1., 3.]]]])
    """

    grid: Tensor

    def __init__(self, angle: float, height: int, width: int) -> None:
        super().__init__()
        # The grid says where to look for each output pixel, in units of half the image: hence the aspect ratio.
        turn, aspect = math.radians(angle), height / width
        theta = torch.tensor(
            [[math.cos(turn), -math.sin(turn) * aspect, 0], [math.sin(turn) / aspect, math.cos(turn), 0]],
            dtype=torch.float64,
        )
        grid = F.affine_grid(theta[None], [1, 1, height, width], align_corners=False)
        self.register_buffer("grid", grid.float())

    def forward(self, x: Tensor) -> Tensor:
        grid = self.grid.expand(len(x), -1, -1, -1)
        return F.grid_sample(x.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def permutations(num_tasks: int, size: int, seed: int) -> dict[str, nn.Module]:
    """By task name: the pixels as they are, then `num_tasks − 1` random orders of `size` pixels.

    Task t's order depends on `(seed, t)` alone, so a longer sequence begins with the tasks of a shorter one.
    """
    if num_tasks < 1:
        raise ValueError(f"expected at least one task; got num_tasks={num_tasks}")
    orders = [torch.randperm(size, generator=stream(seed, "permutation", t)) for t in range(1, num_tasks)]
    return {"original": nn.Identity()} | {f"permutation {t}": Permute(order) for t, order in enumerate(orders, 1)}


def rotations(angles: Sequence[float], height: int, width: int) -> dict[str, nn.Module]:
    """By task name, one rotation for each angle in degrees."""
    if len(set(angles)) < len(angles):
        raise ValueError(f"expected a different angle for each task; got {list(angles)}")
    return {f"{angle:g}°": nn.Identity() if angle % 360 == 0 else Rotate(angle, height, width) for angle in angles}
