"""Who owns which weight, what masks share, and what masks that know nothing of each other would."""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ._packed import Masks

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "capacity",
    "exclusive_fractions",
    "exclusive_masks",
    "independent_exclusive",
    "independent_used",
    "overlap",
    "owners",
    "sparse_overlap",
    "storage",
    "wsn_capacity",
]


def exclusive_masks(masks: Masks) -> Masks:
    """E_t = M_t ∖ (M_0 ∪ … ∪ M_{t−1}): what task t may train; disjoint, and together all weights used.

    References:
        Yadav and Bansal, Exclusive Supermask Subnetwork Training for Continual Learning, Findings of ACL 2023, §3.

    Example:
        >>> from cltoolkit.masks import Layout, pack_bits
        >>> masks = Masks(pack_bits(torch.tensor([[1, 1, 0, 0], [0, 1, 1, 0]])), Layout({"w": torch.Size([2, 2])}))
        >>> [mask.int().tolist() for mask in exclusive_masks(masks)]
        [[1, 1, 0, 0], [0, 0, 1, 0]]
    """
    own, used = masks.bits.clone(), masks.bits.new_zeros(masks.bits.shape[1])
    for row in own:
        earlier, used = used, used | row
        row &= ~earlier
    return Masks(own, masks.layout)


def owners(masks: Masks) -> Tensor:
    """owner[p] = min {t : p ∈ M_t}, the first task that uses a weight.

    Returns:
        `(P,)` int16, or int32 from 2¹⁵ tasks on; −1 for weights of no mask.

    Example:
        >>> from cltoolkit.masks import Layout, pack_bits
        >>> owners(Masks(pack_bits(torch.tensor([[1, 1, 0, 0], [0, 1, 1, 0]])), Layout({"w": torch.Size([2, 2])})))
        tensor([ 0,  0,  1, -1], dtype=torch.int16)
    """
    dtype = torch.int16 if len(masks) < 2**15 else torch.int32
    owner = torch.full((masks.layout.size,), -1, dtype=dtype, device=masks.bits.device)
    for t, mine in enumerate(exclusive_masks(masks)):
        owner.masked_fill_(mine, t)
    return owner


def capacity(masks: Masks) -> Tensor:
    """|E_t^l| and what is free: how many weights of each layer belong to each task.

    Returns:
        `(L, T + 1)` int64, each row adding up to n_l; the last column counts weights that no mask uses.
    """
    owned = exclusive_masks(masks).counts().T
    free = torch.tensor(masks.layout.sizes, device=owned.device) - owned.sum(1)
    return torch.cat([owned, free[:, None]], 1)


def exclusive_fractions(masks: Masks) -> Tensor:
    """|E_t| / |M_t|: `(T,)` float64, the share of a mask that no earlier one holds; NaN for an empty mask."""
    return exclusive_masks(masks).counts().sum(1).double() / masks.counts().sum(1)


def sparse_overlap(masks: Masks) -> Tensor:
    """|M_t ∩ U_{t−1}| / |M_t| for t ≥ 1: `(T − 1,)` float64, the share of a mask that earlier ones hold.

    Task 0 has nothing to share and is left out; the published mean counts it as a 0.

    References:
        Yadav and Bansal, Exclusive Supermask Subnetwork Training for Continual Learning, Findings of ACL 2023.
    """
    return 1 - exclusive_fractions(masks)[1:]


def overlap(masks: Masks, layer: str | None = None, *, normalize: bool = True, chance: bool = False) -> Tensor:
    """|M_i ∩ M_j| / √(|M_i| |M_j|), for every two tasks.

    Args:
        masks: T of them.
        layer: only the weights of this layer.
        normalize: False for the counts |M_i ∩ M_j| themselves.
        chance: takes off what masks that know nothing of each other share on average, Σ_l |M_i^l| |M_j^l| / n_l.

    Returns:
        `(T, T)` float64; NaN where a mask is empty and `normalize`.

    Raises:
        ValueError: if there is no such layer.

    Example:
        >>> from cltoolkit.masks import Layout, pack_bits
        >>> masks = Masks(pack_bits(torch.tensor([[1, 1, 0, 0], [0, 1, 1, 0]])), Layout({"w": torch.Size([2, 2])}))
        >>> overlap(masks)[0, 1], overlap(masks, chance=True)[0, 1]
        (tensor(0.5000, dtype=torch.float64), tensor(0., dtype=torch.float64))
    """
    layout = masks.layout
    if layer is not None and layer not in layout.shapes:
        raise ValueError(f"unknown layer {layer!r}; choose from {', '.join(layout.names)}")
    shared = torch.zeros(len(masks), len(masks), dtype=torch.float64, device=masks.bits.device)
    for _, block in masks.blocks(None if layer is None else layout.slices[layer]):
        ones = block.float()  # so short that float32 counts without rounding
        shared += ones @ ones.T
    sizes = masks.counts().double()  # (T, L)
    numbers = torch.tensor(layout.sizes, dtype=torch.float64, device=sizes.device)
    if layer is not None:
        i = layout.names.index(layer)
        sizes, numbers = sizes[:, i : i + 1], numbers[i : i + 1]
    if chance:
        shared -= sizes / numbers @ sizes.T
    total = sizes.sum(1)
    return shared / (total[:, None] * total).sqrt() if normalize else shared


def independent_exclusive(density: float, tasks: int) -> Tensor:
    """(1 − d)^t: E |E_t| / |M_t| of masks of density d that know nothing of each other, `(tasks,)` from t = 0 on.

    Example:
        >>> independent_exclusive(0.1, 3)
        tensor([1.0000, 0.9000, 0.8100], dtype=torch.float64)
    """
    return (1 - density) ** torch.arange(tasks, dtype=torch.float64)


def independent_used(density: float, tasks: int) -> Tensor:
    """1 − (1 − d)^n: the share of all weights that n such masks use together, `(tasks,)` from n = 1 on.

    Example:
        >>> independent_used(0.1, 3)
        tensor([0.1000, 0.1900, 0.2710], dtype=torch.float64)
    """
    return 1 - (1 - density) ** torch.arange(1, tasks + 1, dtype=torch.float64)


def storage(masks: Masks) -> "pd.DataFrame":
    """Bytes that each mask takes: as bits, as scores, as a list of indices, and at the least.

    Returns:
        A row for each task: `bits`, 1 bit a weight, as it is kept here; `scores`, float32, as published; `indices`, 16
        bit for each weight kept, which is less below a density of 1/16; `entropy`, Σ_l n_l H₂(k_l / n_l) bit, which no
        code for masks with k_l of n_l weights at random does without.
    """
    import pandas as pd

    counts = masks.counts().tolist()
    return pd.DataFrame(
        {
            "bits": [masks.bits.shape[1]] * len(masks),
            "scores": [4 * masks.layout.size] * len(masks),
            "indices": [2 * sum(row) for row in counts],
            "entropy": [_entropy_bytes(row, masks.layout.sizes) for row in counts],
        },
        index=pd.RangeIndex(len(masks), name="task"),
    )


def wsn_capacity(masks: Masks, compression: float = 0.78) -> float:
    """CAP = (1 − S) + (1 − α) T / 32: memory for T tasks, in copies of the network's weights in float32.

    The weights that any mask uses, S being the sparsity of their union; and one bit a weight and task, compressed.

    Args:
        masks: T of them.
        compression: α, the share of the bits that a Huffman code saves.

    References:
        Kang et al., Forget-free Continual Learning with Winning Subnetworks, ICML 2022, §4.1.
    """
    used = float(masks.union().sum()) / masks.layout.size
    return used + (1 - compression) * len(masks) / 32


def _entropy_bytes(counts: list[int], sizes: tuple[int, ...]) -> float:
    return sum(n * _binary_entropy(k / n) for k, n in zip(counts, sizes, strict=True)) / 8


def _binary_entropy(p: float) -> float:
    """H₂(p) in bit."""
    return -sum(q * math.log2(q) for q in (p, 1 - p) if q > 0)
