"""A vision transformer that stays as it is, and the low-rank changes of it that are learned."""

import math
import os
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..randomness import seeded
from ..recipes import nearest, recipe
from ._parts import Network, Shape, image
from ._pretrained import load_backbone

__all__ = ["vit_lora"]

Projection = Literal["query", "key", "value", "output"]
PROJECTIONS = ("query", "key", "value", "output")


class _Sizes(NamedTuple):
    """A vision transformer's architecture."""

    image_size: int
    patch_size: int
    num_layers: int
    num_heads: int
    hidden_dim: int
    mlp_dim: int


MODELS = {
    "toy": _Sizes(16, 8, 2, 2, 16, 32),
    "vit_ti_16": _Sizes(224, 16, 12, 3, 192, 768),
    "vit_s_16": _Sizes(224, 16, 12, 6, 384, 1536),
    "vit_b_16": _Sizes(224, 16, 12, 12, 768, 3072),
    "vit_b_32": _Sizes(224, 32, 12, 12, 768, 3072),
    "vit_l_16": _Sizes(224, 16, 24, 16, 1024, 4096),
    "vit_l_32": _Sizes(224, 32, 24, 16, 1024, 4096),
}


@recipe
def vit_lora(
    input_shape: Shape,
    num_classes: int,
    *,
    model: str = "vit_b_16",
    weights: str | os.PathLike[str] | None = None,
    rank: int = 8,
    alpha: float | None = None,
    adapt: Sequence[Projection] = ("query", "value"),
    mean: Sequence[float] = (0.485, 0.456, 0.406),
    std: Sequence[float] = (0.229, 0.224, 0.225),
) -> nn.Module:
    """A frozen, pretrained vision transformer with low-rank adapters in its attention, and a new head.

    Each adapted projection W `(d, d)` of each block becomes W + α/r · B A, with A `(r, d)` and B `(d, r)`; B begins at
    zero, so the network begins as the pretrained one. Adapters and head are all there is to learn, and all that a
    hypernetwork has to generate: the rest is frozen, lies in memory once, and is not saved with a Run. Images of any
    size are stretched to the model's, and normalised, where the network is.

    Args:
        input_shape: `(channels, height, width)` with 3 channels, or 1 that stands for all three.
        num_classes: k, the output units.
        model: "vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32" as in torchvision; "vit_s_16" and "vit_ti_16", smaller;
            "toy", for trials: 2 blocks of width 16 on 16 × 16 pixels.
        weights: a safetensors file with torchvision's or timm's names for the weights of this model; or torchvision's
            own name for some, such as "IMAGENET1K_V1", which are downloaded once into torch's cache. None: random ones.
        rank: r.
        alpha: α; by default r, so that the factor is 1.
        adapt: which projections of the attention: "query", "key", "value", "output".
        mean: of every channel as the model expects it, with inputs in [0, 1]: by default that of ImageNet. Inputs which
            the sequence has normalised already take `mean=(0, 0, 0)` and `std=(1, 1, 1)`; but pretrained models expect
            their own, so build the sequence with `normalize=False`.
        std: of every channel.

    Returns:
        A module `(n, channels, height, width)` → `(n, k)`; features `(n, d)` are the class token.

    Raises:
        FileNotFoundError: if the file of weights does not exist.
        ValueError: if a name is unknown, a size does not fit, or the file is damaged, of another model, or of a kind
            that can hold code.

    References:
        Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021.
        Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022, §4.1; and §7.1 for query and value.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):                                # no pretrained weights
        ...     net = vit_lora((3, 32, 32), 10, model="toy", rank=2)
        >>> sum(p.numel() for p in net.body.parameters() if p.requires_grad)              # 2 blocks · 2 · (A and B)
        256
    """
    channels, *_ = image("vit_lora", input_shape, num_classes, smallest=1)
    _check(model, channels, rank, alpha, adapt)
    factor = 1.0 if alpha is None else alpha / rank
    with seeded(0, "networks", "vit_lora"):
        backbone = load_backbone(model, MODELS[model]._asdict(), weights).requires_grad_(False)
        for block in backbone.encoder.layers:
            block.self_attention = _Attention(block.self_attention, adapt, rank, factor)
        body = nn.Sequential(_Pixels(backbone.image_size, mean, std), backbone)
        return Network(body, nn.Linear(backbone.hidden_dim, num_classes))


class _Pixels(nn.Module):
    """Images as the transformer expects them: `(n, 1 or 3, h, w)` → `(n, 3, size, size)`."""

    def __init__(self, size: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise ValueError(f"expected mean and std of 3 channels, std above 0; got mean={mean!r}, std={std!r}")
        self.size = size
        # Frozen parameters and no buffers: they go with the weights that expect them, and no task has its own.
        self.mean, self.std = (
            nn.Parameter(torch.tensor(values, dtype=torch.float32).view(-1, 1, 1), requires_grad=False)
            for values in (mean, std)
        )

    def forward(self, x: Tensor) -> Tensor:
        if tuple(x.shape[-2:]) != (self.size, self.size):
            x = F.interpolate(x, (self.size, self.size), mode="bilinear", antialias=True)
        return (x - self.mean) / self.std


class _LowRank(nn.Module):
    """x ↦ factor · B A x: A is `down`, B is `up`."""

    def __init__(self, dim: int, rank: int, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.down = nn.Parameter(torch.empty(rank, dim))
        self.up = nn.Parameter(torch.empty(dim, rank))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """A Gaussian, of which A x has the size of x; B zero."""
        nn.init.normal_(self.down, std=1 / math.sqrt(self.down.shape[1]))
        nn.init.zeros_(self.up)

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * F.linear(F.linear(x, self.down), self.up)


class _Attention(nn.Module):
    """Self-attention with the weights of torch's, and adapters beside them; called as a torchvision block calls it.

    B A is never multiplied out: the frozen weights then need no gradient, which is a third of the work.
    """

    def __init__(self, plain: nn.MultiheadAttention, adapt: Sequence[str], rank: int, factor: float) -> None:
        super().__init__()
        self.num_heads = plain.num_heads
        self.in_proj_weight = plain.in_proj_weight
        self.in_proj_bias = plain.in_proj_bias
        self.out_proj = plain.out_proj
        self.adapters = nn.ModuleDict({name: _LowRank(plain.embed_dim, rank, factor) for name in adapt})

    def forward(self, x: Tensor, key: Tensor, value: Tensor, need_weights: bool = False) -> tuple[Tensor, None]:
        parts = F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, -1)  # query, key, value: (n, s, d)
        heads = [
            self._adapted(name, x, part).unflatten(-1, (self.num_heads, -1)).transpose(-3, -2)  # (n, h, s, d / h)
            for name, part in zip(PROJECTIONS, parts, strict=False)
        ]
        mixed = _attended(*heads).transpose(-3, -2).flatten(-2)  # (n, s, d)
        return self._adapted("output", mixed, self.out_proj(mixed)), None

    def _adapted(self, name: str, x: Tensor, projected: Tensor) -> Tensor:
        return projected + self.adapters[name](x) if name in self.adapters else projected


def _attended(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Scaled dot-product attention `(n, h, s, d / h)`."""
    if query.device.type == "cuda":
        return F.scaled_dot_product_attention(query, key, value)
    # Written out: on the CPU torch's own kernel is looped over, task by task, under vmap.
    return (query @ key.mT / math.sqrt(query.shape[-1])).softmax(-1) @ value


def _check(model: str, channels: int, rank: int, alpha: float | None, adapt: Sequence[str]) -> None:
    if model not in MODELS:
        raise ValueError(f"unknown model {model!r}{nearest(model, MODELS)}")
    if channels not in (1, 3):
        raise ValueError(f"vit_lora takes images of 3 channels, or of 1 that stands for all; got {channels}")
    if not adapt or isinstance(adapt, str) or not set(adapt) <= set(PROJECTIONS):
        raise ValueError(f"expected adapt=('query', 'value') or others of {PROJECTIONS}; got {adapt!r}")
    if not 1 <= rank <= MODELS[model].hidden_dim:
        raise ValueError(f"expected a rank from 1 to the width {MODELS[model].hidden_dim} of {model}; got {rank}")
    if alpha is not None and not alpha > 0:
        raise ValueError(f"expected alpha above 0, or None for alpha=rank; got {alpha}")
