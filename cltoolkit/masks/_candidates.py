"""The weights under many masks, made a few at a time."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ..params import Params
from ._packed import Masks, unpack_bits

__all__ = ["Chunks", "under_masks"]

Chunks = Callable[[int, int], Params]  # (a, b) → weights and buffers of sources a..b − 1, each (b − a, *shape)


def under_masks(
    base: Tensor, masks: Masks, *, shared: Mapping[str, Tensor] | None = None, own: Mapping[str, Tensor] | None = None
) -> Chunks:
    """(a, b) → W ⊙ M_j for the masks j = a..b − 1, unpacked when asked for.

    Args:
        base: W `(P,)`.
        masks: of J tasks.
        shared: parameters that are not masked, the same for all, each `(*shape)`.
        own: what every task has for itself, such as batch-norm statistics, each `(J, *shape)`.

    Returns:
        A function of a and b that gives weights and buffers by name, each `(b − a, *shape)`.

    Example:
        >>> from cltoolkit.masks import Layout, pack_bits
        >>> layout = Layout({"weight": torch.Size([1, 3])})
        >>> masks = Masks(pack_bits(torch.tensor([[True, False, True], [False, True, True]])), layout)
        >>> under_masks(torch.ones(3), masks, shared={"bias": torch.zeros(1)})(1, 2)
        {'weight': tensor([[[0., 1., 1.]]]), 'bias': tensor([[0.]])}
    """

    def weights(first: int, last: int) -> Params:
        inside = unpack_bits(masks.bits[first:last], masks.layout.size)
        every = {name: value.expand(len(inside), *value.shape) for name, value in (shared or {}).items()}
        rows = {name: value[first:last] for name, value in (own or {}).items()}
        return masks.layout.unpack(torch.where(inside, base, 0.0)) | every | rows

    return weights
