"""How many weights of each layer a mask keeps."""

import math
from collections.abc import Sequence
from typing import Literal, get_args

from ._layout import Layout

__all__ = ["Densities", "erdos_renyi", "kept_counts", "num_kept"]

Densities = Literal["uniform", "erdos_renyi"]


def num_kept(size: int, density: float) -> int:
    """k = max(1, round(d n)): how many of n weights a mask of density d keeps, exactly.

    Args:
        size: n, weights of one layer.
        density: d, the share kept, above 0 and at most 1.

    Example:
        >>> num_kept(1000, 0.9), num_kept(540, 0.06), num_kept(10, 0.02)
        (900, 32, 1)
    """
    return max(1, round(density * size))


def kept_counts(layout: Layout, density: float, densities: Densities = "uniform") -> tuple[int, ...]:
    """How many weights of each layer a mask keeps; `density` always is the share of all weights that is kept.

    "uniform" keeps k_l = max(1, round(d n_l)) of layer l. "erdos_renyi" keeps more of small layers and less of large
    ones, as `erdos_renyi` says, with σ such that the counts add up to round(d P): exactly, unless that is less than one
    weight for each layer. Where d is above ½ no layer can be capped at ½: the cap is d then, and all layers are alike.

    Args:
        layout: the layers.
        density: d, above 0 and at most 1.
        densities: how the kept weights are spread over the layers.

    Returns:
        k_l for each layer, from 1 to n_l.

    Raises:
        ValueError: if the density is outside (0, 1], or `densities` is unknown.

    References:
        Wortsman et al., Supermasks in Superposition, NeurIPS 2020; Erdős–Rényi budgets: Evci et al., Rigging the
        Lottery, ICML 2020.

    Example:
        >>> import torch
        >>> layout = Layout({"0.weight": torch.Size([300, 784]), "2.weight": torch.Size([10, 300])})
        >>> kept_counts(layout, 0.1), kept_counts(layout, 0.1, "erdos_renyi")
        ((23520, 300), (22320, 1500))
    """
    if not 0 < density <= 1:
        raise ValueError(f"expected density above 0 and at most 1, the share of weights kept; got {density!r}")
    if densities not in get_args(Densities):
        raise ValueError(f"unknown densities {densities!r}; choose from {', '.join(get_args(Densities))}")
    if densities == "uniform":
        return tuple(num_kept(size, density) for size in layout.sizes)
    total = num_kept(layout.size, density)
    return _whole(_budgets(layout, total, cap=max(0.5, density)), total)


def erdos_renyi(layout: Layout, sigma: float, cap: float = 0.5) -> tuple[float, ...]:
    """Densities as published: d_l = min(cap, σ (out + in) / (out · in · kh · kw)), larger σ for denser masks.

    Args:
        layout: the layers, each `(out, in, *kernel)`.
        sigma: σ; the papers call it sparsity, and take 1 to 32.
        cap: the largest density of a layer.

    Returns:
        d_l for each layer.

    Raises:
        ValueError: if σ is not positive, or the cap is outside (0, 1].

    References:
        Wortsman et al., Supermasks in Superposition, NeurIPS 2020, experiments with budgets.

    Example:
        >>> import torch
        >>> layout = Layout({"first": torch.Size([20, 3, 3, 3]), "later": torch.Size([20, 20, 3, 3])})
        >>> [round(density, 3) for density in erdos_renyi(layout, sigma=8)]
        [0.341, 0.089]
    """
    if not sigma > 0:
        raise ValueError(f"expected sigma above 0; got {sigma!r}")
    if not 0 < cap <= 1:
        raise ValueError(f"expected cap above 0 and at most 1, a density; got {cap!r}")
    return tuple(min(cap, sigma * sum(shape[:2]) / shape.numel()) for shape in layout.shapes.values())


def _budgets(layout: Layout, total: int, cap: float) -> list[float]:
    """Kept weights of each layer, not yet whole numbers, that add up to `total`: σ by bisection."""
    low, high = 0.0, float(layout.size)
    for _ in range(200):
        sigma = (low + high) / 2
        densities = erdos_renyi(layout, sigma, cap)
        budgets = [max(1.0, d * size) for d, size in zip(densities, layout.sizes, strict=True)]
        low, high = (sigma, high) if sum(budgets) < total else (low, sigma)
    return budgets


def _whole(budgets: Sequence[float], total: int) -> tuple[int, ...]:
    """Whole numbers that add up to `total`: the largest remainders are rounded up, of equal ones the first."""
    counts = [math.floor(budget) for budget in budgets]
    by_remainder = sorted(range(len(budgets)), key=lambda i: counts[i] - budgets[i])
    for i in by_remainder[: max(0, total - sum(counts))]:
        counts[i] += 1
    return tuple(counts)
