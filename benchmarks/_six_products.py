"""Intervals as published: lower, middle and upper tracks, each through two products with weights clamped by sign.

For x ≥ 0, y_l = W_l⁺ x_l + W_l⁻ x_u and y_u = W_u⁺ x_u + W_u⁻ x_l; the middle network is split alike. Wołczyk et al.,
InterContiNet, ICML 2022; Krukowski et al., HINT, 2024.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

__all__ = ["Tracks", "mlp", "resnet18"]

Map = Callable[[Tensor, Tensor, Tensor | None], Tensor]
Boxes = Mapping[str, tuple[Tensor, Tensor]]


class Tracks(NamedTuple):
    """Three passes side by side."""

    lower: Tensor
    middle: Tensor
    upper: Tensor

    def each(self, function: Callable[[Tensor], Tensor]) -> "Tracks":
        return Tracks(*map(function, self))


def mlp(boxes: Boxes, x: Tensor) -> Tracks:
    """The tracks of `networks.mlp`, for centers and radii of its weights by name."""
    layers = [name.removesuffix(".weight") for name in boxes if name.endswith(".weight")]
    tracks = Tracks(x, x, x)
    for layer in layers[:-1]:
        tracks = _layer(F.linear, tracks, boxes, layer).each(F.relu)
    return _layer(F.linear, tracks, boxes, layers[-1])


def resnet18(boxes: Boxes, x: Tensor) -> Tracks:
    """The tracks of `networks.resnet18` without batch norm."""
    tracks = _layer(partial(F.conv2d, padding=1), Tracks(x, x, x), boxes, "body.stem.0").each(F.relu)
    for i in range(8):
        block, stride = f"body.blocks.{i}", 2 if i in (2, 4, 6) else 1
        inner = _layer(partial(F.conv2d, stride=stride, padding=1), tracks, boxes, f"{block}.first.0").each(F.relu)
        inner = _layer(partial(F.conv2d, padding=1), inner, boxes, f"{block}.second.0")
        if f"{block}.shortcut.0.weight" in boxes:
            tracks = _layer(partial(F.conv2d, stride=stride), tracks, boxes, f"{block}.shortcut.0")
        tracks = Tracks(*(F.relu(a + b) for a, b in zip(inner, tracks, strict=True)))
    return _layer(F.linear, tracks.each(lambda track: track.mean((2, 3))), boxes, "head")


def _layer(apply: Map, tracks: Tracks, boxes: Boxes, name: str) -> Tracks:
    (center, radius), (bias, bias_radius) = boxes[f"{name}.weight"], boxes[f"{name}.bias"]
    low, high = center - radius, center + radius
    lower, middle, upper = tracks
    return Tracks(
        apply(lower, low.clamp(min=0), bias - bias_radius) + apply(upper, low.clamp(max=0), None),
        apply(middle, center.clamp(min=0), bias) + apply(middle, center.clamp(max=0), None),
        apply(upper, high.clamp(min=0), bias + bias_radius) + apply(lower, high.clamp(max=0), None),
    )
