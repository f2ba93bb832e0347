"""What a hypernetwork begins as, so that the *generated* weights begin as those of a well-initialized network."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["gain_offset", "hyperfan_std"]

SMALL = 0.05  # standard deviation of generated biases, and of generated gains around 1
SAMPLES = 256  # embeddings from which the size of the features is measured


def hyperfan_std(shapes: Mapping[str, torch.Size]) -> Tensor:
    """The standard deviation that each generated scalar should have: √(2 / fan_in) in weight tensors, 0.05 in vectors.

    A tensor of two or more dimensions `(out, in, ...)` has fan_in = in · ..., so that a convolution counts in · kh ·
    kw. Tensors of one dimension are biases and the gains of normalization layers.

    Args:
        shapes: name → shape of every target weight.

    Returns:
        `(P,)`, in the order of `shapes`.

    References:
        Chang, Flokas & Lipson, Principled Weight Initialization for Hypernetworks, ICLR 2020, §4 (hyperfan-in). There a
        generated bias takes half of the variance; here it stays small, as is usual for networks that are not generated.

    Example:
        >>> hyperfan_std({"weight": torch.Size([1, 2]), "bias": torch.Size([1])})
        tensor([1.0000, 1.0000, 0.0500])
    """
    parts = [torch.full((shape.numel(),), _std(shape)) for shape in shapes.values()]
    return torch.cat(parts)


def gain_offset(shapes: Mapping[str, torch.Size]) -> Tensor:
    """The constant around which each scalar is generated: 1 for gains (one-dimensional tensors named `weight`), else 0.

    Args:
        shapes: name → shape of every target weight.

    Returns:
        `(P,)`, in the order of `shapes`.

    Example:
        >>> gain_offset({"norm.weight": torch.Size([2]), "norm.bias": torch.Size([2])})
        tensor([1., 1., 0., 0.])
    """
    parts = [torch.full((shape.numel(),), float(_is_gain(name, shape))) for name, shape in shapes.items()]
    return torch.cat(parts)


def _std(shape: torch.Size) -> float:
    return math.sqrt(2 / max(shape[1:].numel(), 1)) if len(shape) > 1 else SMALL


def _is_gain(name: str, shape: torch.Size) -> bool:
    return len(shape) == 1 and name.rpartition(".")[2] == "weight"


def draw_normal(tensor: Tensor, generator: torch.Generator, std: float = 1.0) -> None:
    """Fills `tensor` from N(0, std²), drawn where the generator lives."""
    tensor.copy_(torch.randn(tensor.shape, generator=generator, device=generator.device, dtype=tensor.dtype).mul_(std))


def draw_xavier(layer: nn.Linear, generator: torch.Generator) -> None:
    """Xavier-uniform weights, zero biases."""
    bound = math.sqrt(6 / (layer.in_features + layer.out_features))
    draw = torch.rand(layer.weight.shape, generator=generator, device=generator.device, dtype=layer.weight.dtype)
    layer.weight.copy_(draw.mul_(2 * bound).sub_(bound))
    zero_bias(layer)


def draw_he(layer: nn.Linear, generator: torch.Generator, gain: float = 2.0) -> None:
    """Weights from N(0, gain / fan_in), zero biases."""
    draw_normal(layer.weight, generator, math.sqrt(gain / layer.in_features))
    zero_bias(layer)


def zero_bias(layer: nn.Linear) -> None:
    """Biases that begin at zero."""
    if layer.bias is not None:
        layer.bias.zero_()


def chunk_rms(values: Tensor, chunk_size: int) -> Tensor:
    """Root mean square of `values` `(P,)` over each chunk, the last one truncated: `(K, 1)`."""
    return torch.stack([part.square().mean().sqrt() for part in values.split(chunk_size)])[:, None]
