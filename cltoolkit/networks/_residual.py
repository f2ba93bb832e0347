"""Residual networks for small images."""

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from ..randomness import seeded
from ..recipes import recipe
from ._parts import Network, Shape, image, normed, stage

__all__ = ["resnet18", "resnet32"]


@recipe
def resnet18(input_shape: Shape, num_classes: int, *, width: int = 20, batch_norm: bool = True) -> nn.Module:
    """The narrow ResNet-18 of continual learning: 3 × 3 stem, four stages of two blocks, global average pooling.

    Args:
        input_shape: `(channels, height, width)`, at least 8 × 8.
        num_classes: k, the output units.
        width: channels of the first stage, doubled at each further one; 64 is the full ResNet-18.
        batch_norm: whether convolutions are normalised; without it they have biases.

    Returns:
        A module `(n, channels, height, width)` → `(n, k)`; features `(n, 8 · width)`.

    Raises:
        ValueError: if inputs are no images, or are too small.

    References:
        He et al., Deep Residual Learning for Image Recognition, CVPR 2016.
        Lopez-Paz & Ranzato, Gradient Episodic Memory for Continual Learning, NeurIPS 2017: the narrow one.

    Example:
        >>> resnet18((3, 32, 32), 10).head
        Linear(in_features=160, out_features=10, bias=True)
    """
    channels, *_ = image("resnet18", input_shape, num_classes, smallest=8)
    widths = [width, width, 2 * width, 4 * width, 8 * width]
    with seeded(0, "networks", "resnet18"):
        body = _Residual(channels, widths, blocks=2, batch_norm=batch_norm, bias=not batch_norm, projected=True)
        return Network(body, nn.Linear(widths[-1], num_classes))


@recipe
def resnet32(input_shape: Shape, num_classes: int, *, batch_norm: bool = True, bias: bool = True) -> nn.Module:
    """ResNet-32 for small images: three stages of five blocks with 16, 32 and 64 channels, parameter-free shortcuts.

    Where a stage halves the image, the shortcut takes every second pixel and pads the new channels with zeros.

    Args:
        input_shape: `(channels, height, width)`, at least 8 × 8.
        num_classes: k, the output units.
        batch_norm: whether convolutions are normalised.
        bias: whether convolutions have biases. Batch norm makes them superfluous, but the published hypernetworks make
            them too.

    Returns:
        A module `(n, channels, height, width)` → `(n, k)`; features `(n, 64)`.

    Raises:
        ValueError: if inputs are no images, or are too small.

    References:
        He et al., Deep Residual Learning for Image Recognition, CVPR 2016, §4.2 with n = 5 and option A.

    Example:
        >>> sum(p.numel() for p in resnet32((3, 32, 32), 60).parameters())
        468540
    """
    channels, *_ = image("resnet32", input_shape, num_classes, smallest=8)
    with seeded(0, "networks", "resnet32"):
        body = _Residual(channels, [16, 16, 32, 64], blocks=5, batch_norm=batch_norm, bias=bias, projected=False)
        return Network(body, nn.Linear(64, num_classes))


class _Residual(nn.Module):
    """Stem, stages of residual blocks (all but the first halve it), average: `(n, c, h, w)` → `(n, widths[-1])`."""

    def __init__(
        self, channels: int, widths: Sequence[int], *, blocks: int, batch_norm: bool, bias: bool, projected: bool
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(*stage(nn.Conv2d(channels, widths[0], 3, padding=1, bias=bias), batch_norm))
        made = []
        for i, (fan_in, fan_out) in enumerate(pairwise(widths)):
            for j in range(blocks):
                stride = 2 if i > 0 and j == 0 else 1
                made.append(_Block(fan_in if j == 0 else fan_out, fan_out, stride, batch_norm, bias, projected))
        self.blocks = nn.Sequential(*made)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.stem(x)).mean((2, 3))  # (n, c, h, w) -> (n, c)


class _Block(nn.Module):
    """Two 3 × 3 convolutions beside a shortcut, added before the last ReLU."""

    def __init__(self, fan_in: int, fan_out: int, stride: int, batch_norm: bool, bias: bool, projected: bool) -> None:
        super().__init__()
        self.first = nn.Sequential(*stage(nn.Conv2d(fan_in, fan_out, 3, stride, 1, bias=bias), batch_norm))
        self.second = nn.Sequential(*normed(nn.Conv2d(fan_out, fan_out, 3, 1, 1, bias=bias), batch_norm))
        changes = stride > 1 or fan_in != fan_out
        self.shortcut: nn.Module = nn.Identity()
        if changes and projected:
            self.shortcut = nn.Sequential(*normed(nn.Conv2d(fan_in, fan_out, 1, stride, bias=bias), batch_norm))
        elif changes:
            self.shortcut = _Subsample(stride, fan_out - fan_in)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(self.first(x)) + self.shortcut(x))


class _Subsample(nn.Module):
    """Every `stride`-th pixel, with `extra` channels of zeros, half before and half after."""

    def __init__(self, stride: int, extra: int) -> None:
        super().__init__()
        self.stride = stride
        self.extra = extra

    def forward(self, x: Tensor) -> Tensor:
        before = self.extra // 2
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, before, self.extra - before))
