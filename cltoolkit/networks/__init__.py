"""Target networks: plain modules with a `body` that makes features and a `head` that makes logits.

Every argument lands in `.recipe`, so `build` makes the same network again. Weights are drawn from a stream of their
own; the global generator is untouched. The forward passes use ordinary functions only and never look at values, so the
same module runs on one set of weights, on a stack of them under `torch.func.vmap`, or on intervals.
"""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from ..recipes import rebuild
from ._plain import lenet, mlp
from ._residual import resnet18, resnet32
from ._text import text_cnn
from ._vit_lora import vit_lora

__all__ = ["build", "lenet", "mlp", "names", "resnet18", "resnet32", "text_cnn", "vit_lora"]

_BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "mlp": mlp,
    "lenet": lenet,
    "resnet18": resnet18,
    "resnet32": resnet32,
    "text_cnn": text_cnn,
    "vit_lora": vit_lora,
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
