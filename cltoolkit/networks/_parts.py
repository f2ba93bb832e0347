"""What target networks share: a body under a head, layers with their norm, and checks of sizes."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

__all__ = ["Network", "Shape", "check_sizes", "image", "normed", "stage"]

Shape = Sequence[int]


class Network(nn.Module):
    """A body that makes features `(n, d)` and a linear head that makes logits `(n, k)`."""

    recipe: dict[str, Any] | None

    def __init__(self, body: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


def normed(layer: nn.Conv2d | nn.Linear, batch_norm: bool) -> list[nn.Module]:
    """The layer, and its batch norm where asked for."""
    if not batch_norm:
        return [layer]
    return [
        layer,
        nn.BatchNorm2d(layer.out_channels) if isinstance(layer, nn.Conv2d) else nn.BatchNorm1d(layer.out_features),
    ]


def stage(layer: nn.Conv2d | nn.Linear, batch_norm: bool) -> list[nn.Module]:
    return [*normed(layer, batch_norm), nn.ReLU()]


def check_sizes(input_shape: Shape, num_classes: int, hidden: Sequence[int] = ()) -> None:
    if not isinstance(hidden, Sequence):
        raise TypeError(f"expected `hidden` as a list of widths; got {hidden!r}. One layer is written ({hidden!r},).")
    if not input_shape or min(input_shape) < 1:
        raise ValueError(f"expected the shape of one input, such as sequence.input_shape; got {tuple(input_shape)}")
    if num_classes < 1 or min(hidden, default=1) < 1:
        raise ValueError(
            f"expected at least one unit in every layer; got hidden={tuple(hidden)}, num_classes={num_classes}"
        )


def image(name: str, input_shape: Shape, num_classes: int, *, smallest: int) -> tuple[int, int, int]:
    """`input_shape` as channels, height and width, or an error that says what does not fit."""
    if len(input_shape) != 3:
        raise ValueError(
            f"{name} takes images (channels, height, width); got inputs of shape {tuple(input_shape)}. "
            "Gray images without a channel get one by x[:, None]; other data suits mlp."
        )
    check_sizes(input_shape, num_classes)
    channels, height, width = input_shape
    if min(height, width) < smallest:
        hint = " Are the channels last? They come first here." if width <= 4 < channels else ""
        raise ValueError(
            f"{name} takes images of at least {smallest} x {smallest} pixels; "
            f"got {height} x {width} (input shape {tuple(input_shape)}). "
            f"Enlarge them, or use mlp.{hint}"
        )
    return channels, height, width
