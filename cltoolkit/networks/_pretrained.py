"""Pretrained weights of a vision transformer, from files that run no code."""

import math
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..recipes import nearest

if TYPE_CHECKING:
    from torchvision.models import VisionTransformer

__all__ = ["load_backbone"]

State = dict[str, Tensor]

# Older names of torchvision's, and those of timm → torchvision's.
RENAMED = (
    (r"(encoder\..*\.mlp)\.linear_1\.(.*)", r"\1.0.\2"),
    (r"(encoder\..*\.mlp)\.linear_2\.(.*)", r"\1.3.\2"),
    (r"cls_token", r"class_token"),
    (r"pos_embed", r"encoder.pos_embedding"),
    (r"patch_embed\.proj\.(.*)", r"conv_proj.\1"),
    (r"norm\.(.*)", r"encoder.ln.\1"),
    (r"blocks\.(\d+)\.norm(\d)\.(.*)", r"encoder.layers.encoder_layer_\1.ln_\2.\3"),
    (r"blocks\.(\d+)\.attn\.qkv\.(.*)", r"encoder.layers.encoder_layer_\1.self_attention.in_proj_\2"),
    (r"blocks\.(\d+)\.attn\.proj\.(.*)", r"encoder.layers.encoder_layer_\1.self_attention.out_proj.\2"),
    (r"blocks\.(\d+)\.mlp\.fc1\.(.*)", r"encoder.layers.encoder_layer_\1.mlp.0.\2"),
    (r"blocks\.(\d+)\.mlp\.fc2\.(.*)", r"encoder.layers.encoder_layer_\1.mlp.3.\2"),
)
HEADS = ("heads.", "head.", "pre_logits.")  # they answer for the classes of the pretraining


def load_backbone(model: str, sizes: Mapping[str, int], weights: str | os.PathLike[str] | None) -> "VisionTransformer":
    """A vision transformer that ends in its class token.

    Args:
        model: its name, for errors and for torchvision's table of weights.
        sizes: what torchvision's constructor takes; the image's size follows the position embedding, where weights are
            given.
        weights: as in `vit_lora`.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if the weights are not to be had, or do not fit.
    """
    from torchvision.models import VisionTransformer

    if weights is None:
        warnings.warn(
            f"the frozen weights of {model} are random, which is good for trials alone; name pretrained ones with "
            "weights=, such as a safetensors file",
            RuntimeWarning,
            stacklevel=4,
        )
        return _headless(VisionTransformer(**sizes))
    published = _published(model)
    named = published.get(os.fspath(weights))
    state = _renamed(_file(model, weights, published) if named is None else _download(os.fspath(weights), named))
    with torch.device("meta"):  # drawing weights only to replace them takes seconds
        backbone = _headless(VisionTransformer(**{**sizes, **_image_size(state, sizes["patch_size"])}))
    _check_fit(f"{weights} holds other weights than {model} has", state, backbone.state_dict())
    backbone.load_state_dict(state, assign=True)
    return backbone


def _headless(backbone: "VisionTransformer") -> "VisionTransformer":
    backbone.heads = nn.Identity()
    return backbone


def _published(model: str) -> Mapping[str, Any]:
    """torchvision's weights of a model, by name."""
    from torchvision.models import get_model_weights, list_models

    return dict(get_model_weights(model).__members__) if model in list_models() else {}


def _download(name: str, weights: Any) -> State:
    """Published weights, from torch's cache or the net; unpickled with nothing but tensors allowed."""
    try:
        return weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except OSError as error:
        raise OSError(
            f"{name} cannot be downloaded ({error}). Fetch {weights.url} on another machine and put it into torch's "
            "cache, ~/.cache/torch/hub/checkpoints, or convert it to a safetensors file and name that with weights="
        ) from error
    except RuntimeError as error:
        raise ValueError(f"{name} came damaged ({error}); delete it from torch's cache and try again") from error


def _file(model: str, weights: str | os.PathLike[str], published: Mapping[str, Any]) -> State:
    path = Path(weights)
    if not path.exists():
        known = nearest(path.name, published) if published else f"; torchvision publishes none for {model}"
        raise FileNotFoundError(
            f"no file of weights at {path.absolute()}. Give a safetensors file, or torchvision's name for weights of "
            f"{model}{known}"
        )
    if path.suffix.lower() in (".pth", ".pt", ".bin", ".ckpt", ".tar"):
        raise ValueError(
            f"{path} can hold code, and is not opened; expected a safetensors file. If you trust it, convert it: "
            "python -c \"import torch; from safetensors.torch import save_file; save_file(torch.load('"
            f"{path.name}', map_location='cpu', weights_only=True), '{path.stem}.safetensors')\""
        )
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path} is damaged or no safetensors file ({error}); take it from its source again"
        ) from error


def _renamed(values: Mapping[str, Tensor]) -> State:
    """Weights under torchvision's names, float32, without heads."""
    return {_name(name): value.float() for name, value in values.items() if not name.startswith(HEADS)}


def _name(name: str) -> str:
    for pattern, new in RENAMED:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, new, name)
    return name


def _image_size(state: State, patch_size: int) -> dict[str, int]:
    """The side of the images for which there are positions, if there is a square of them."""
    count = state["encoder.pos_embedding"].shape[1] - 1 if "encoder.pos_embedding" in state else 0
    return {"image_size": math.isqrt(count) * patch_size} if count > 0 else {}


def _check_fit(title: str, state: State, expected: Mapping[str, Tensor]) -> None:
    missing, unknown = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    shapes = [
        f"{name} {tuple(state[name].shape)} for {tuple(value.shape)}"
        for name, value in expected.items()
        if name in state and state[name].shape != value.shape
    ]
    wrong = {"missing": missing, "unknown": unknown, "of another shape": shapes}
    if any(wrong.values()):
        parts = [f"{len(names)} {what}, such as {names[0]}" for what, names in wrong.items() if names]
        raise ValueError(
            f"{title}: {'; '.join(parts)}. Name the right model with model=, or another file; "
            "names are expected as torchvision or timm has them"
        )
