"""Target networks: plain modules with a `body` that makes features and a `head` that makes logits.

Every argument lands in `.recipe`, so `build` makes the same network again. Weights are drawn from a stream of their
own; the global generator is untouched. The forward passes use ordinary functions only and never look at values, so the
same module runs on one set of weights, on a stack of them under `torch.func.vmap`, or on intervals.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from .randomness import seeded
from .recipes import rebuild, recipe

__all__ = ["build", "lenet", "mlp", "names", "resnet18", "resnet32"]

Shape = Sequence[int]


class _Network(nn.Module):
    """A body that makes features `(n, d)` and a linear head that makes logits `(n, k)`."""

    recipe: dict[str, Any] | None

    def __init__(self, body: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


@recipe
def mlp(input_shape: Shape, hidden: Sequence[int], num_classes: int, *, batch_norm: bool = False) -> nn.Module:
    """Fully connected layers with ReLU between them; the input is flattened.

    Args:
        input_shape: the shape of one input, any.
        hidden: the width of every hidden layer; empty for a linear classifier.
        num_classes: k, the output units.
        batch_norm: whether each hidden layer is normalised before its ReLU.

    Returns:
        A module `(n, *input_shape)` → `(n, k)`.

    Example:
        >>> mlp((1, 8, 8), (64, 64), 2).head
        Linear(in_features=64, out_features=2, bias=True)
    """
    _check_sizes(input_shape, num_classes, hidden)
    sizes = [math.prod(input_shape), *hidden]
    with seeded(0, "networks", "mlp"):
        layers: list[nn.Module] = [nn.Flatten()]
        for fan_in, fan_out in pairwise(sizes):
            layers += [nn.Linear(fan_in, fan_out), *([nn.BatchNorm1d(fan_out)] if batch_norm else []), nn.ReLU()]
        return _Network(nn.Sequential(*layers), nn.Linear(sizes[-1], num_classes))


@recipe
def lenet(input_shape: Shape, num_classes: int, *, batch_norm: bool = False) -> nn.Module:
    """LeNet-5: 5 × 5 convolutions to 6 and 16 channels with ReLU and 2 × 2 max pooling, then layers of 120 and 84.

    Images smaller than 32 pixels are padded by 2, so 28 × 28 and 32 × 32 both give the 400 inner features of the paper.

    Args:
        input_shape: `(channels, height, width)`, at least 12 × 12.
        num_classes: k, the output units.
        batch_norm: whether each convolution and inner layer is normalised before its ReLU.

    Returns:
        A module `(n, channels, height, width)` → `(n, k)`.

    Raises:
        ValueError: if inputs are no images, or are too small.

    References:
        LeCun et al., Gradient-Based Learning Applied to Document Recognition, 1998. There: average pooling and tanh.

    Example:
        >>> sum(p.numel() for p in lenet((1, 28, 28), 10).parameters())
        61706
    """
    channels, height, width = _image("lenet", input_shape, num_classes, smallest=12)
    padding = 2 if min(height, width) < 32 else 0
    inner = 16 * math.prod([((side + 2 * padding - 4) // 2 - 4) // 2 for side in (height, width)])
    with seeded(0, "networks", "lenet"):
        body = nn.Sequential(
            *_stage(nn.Conv2d(channels, 6, 5, padding=padding), batch_norm), nn.MaxPool2d(2),
            *_stage(nn.Conv2d(6, 16, 5), batch_norm), nn.MaxPool2d(2), nn.Flatten(),
            *_stage(nn.Linear(inner, 120), batch_norm), *_stage(nn.Linear(120, 84), batch_norm),
        )  # fmt: skip
        return _Network(body, nn.Linear(84, num_classes))


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
    channels, *_ = _image("resnet18", input_shape, num_classes, smallest=8)
    widths = [width, width, 2 * width, 4 * width, 8 * width]
    with seeded(0, "networks", "resnet18"):
        body = _Residual(channels, widths, blocks=2, batch_norm=batch_norm, bias=not batch_norm, projected=True)
        return _Network(body, nn.Linear(widths[-1], num_classes))


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
    channels, *_ = _image("resnet32", input_shape, num_classes, smallest=8)
    with seeded(0, "networks", "resnet32"):
        body = _Residual(channels, [16, 16, 32, 64], blocks=5, batch_norm=batch_norm, bias=bias, projected=False)
        return _Network(body, nn.Linear(64, num_classes))


class _Residual(nn.Module):
    """Stem, stages of residual blocks (all but the first halve it), average: `(n, c, h, w)` → `(n, widths[-1])`."""

    def __init__(
        self, channels: int, widths: Sequence[int], *, blocks: int, batch_norm: bool, bias: bool, projected: bool
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_stage(nn.Conv2d(channels, widths[0], 3, padding=1, bias=bias), batch_norm))
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
        self.first = nn.Sequential(*_stage(nn.Conv2d(fan_in, fan_out, 3, stride, 1, bias=bias), batch_norm))
        self.second = nn.Sequential(*_normed(nn.Conv2d(fan_out, fan_out, 3, 1, 1, bias=bias), batch_norm))
        changes = stride > 1 or fan_in != fan_out
        self.shortcut: nn.Module = nn.Identity()
        if changes and projected:
            self.shortcut = nn.Sequential(*_normed(nn.Conv2d(fan_in, fan_out, 1, stride, bias=bias), batch_norm))
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


def _normed(layer: nn.Conv2d | nn.Linear, batch_norm: bool) -> list[nn.Module]:
    """The layer, and its batch norm where asked for."""
    if not batch_norm:
        return [layer]
    return [
        layer,
        nn.BatchNorm2d(layer.out_channels) if isinstance(layer, nn.Conv2d) else nn.BatchNorm1d(layer.out_features),
    ]


def _stage(layer: nn.Conv2d | nn.Linear, batch_norm: bool) -> list[nn.Module]:
    return [*_normed(layer, batch_norm), nn.ReLU()]


def _check_sizes(input_shape: Shape, num_classes: int, hidden: Sequence[int] = ()) -> None:
    if not isinstance(hidden, Sequence):
        raise TypeError(f"expected `hidden` as a list of widths; got {hidden!r}. One layer is written ({hidden!r},).")
    if not input_shape or min(input_shape) < 1:
        raise ValueError(f"expected the shape of one input, such as sequence.input_shape; got {tuple(input_shape)}")
    if num_classes < 1 or min(hidden, default=1) < 1:
        raise ValueError(
            f"expected at least one unit in every layer; got hidden={tuple(hidden)}, num_classes={num_classes}"
        )


def _image(name: str, input_shape: Shape, num_classes: int, *, smallest: int) -> tuple[int, int, int]:
    """`input_shape` as channels, height and width, or an error that says what does not fit."""
    if len(input_shape) != 3:
        raise ValueError(
            f"{name} takes images (channels, height, width); got inputs of shape {tuple(input_shape)}. "
            "Gray images without a channel get one by x[:, None]; other data suits mlp."
        )
    _check_sizes(input_shape, num_classes)
    channels, height, width = input_shape
    if min(height, width) < smallest:
        hint = " Are the channels last? They come first here." if width <= 4 < channels else ""
        raise ValueError(
            f"{name} takes images of at least {smallest} x {smallest} pixels; "
            f"got {height} x {width} (input shape {tuple(input_shape)}). "
            f"Enlarge them, or use mlp.{hint}"
        )
    return channels, height, width


_BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "mlp": mlp,
    "lenet": lenet,
    "resnet18": resnet18,
    "resnet32": resnet32,
}


def names() -> tuple[str, ...]:
    """The networks that `build` knows."""
    return tuple(_BUILDERS)


def build(recipe: Mapping[str, Any]) -> nn.Module:
    """The network that a recipe describes.

    Args:
        recipe: `{"name": ..., "arguments": {...}}`, such as the `.recipe` of a network made here.

    Raises:
        ValueError: if the name or an argument is unknown; the nearest right one is offered.

    Example:
        >>> net = mlp((4,), (8,), 2)
        >>> build(net.recipe).recipe == net.recipe
        True
    """
    return rebuild(recipe, _BUILDERS)
