"""How many weights of each layer a mask keeps."""

from typing import Literal

from ._layout import Layout

__all__ = ["Densities", "kept_counts", "num_kept"]

Densities = Literal["uniform", "erdos_renyi"]


def num_kept(size: int, density: float) -> int:
    """k = max(1, round(d n)): how many of `size` weights a mask of density d keeps, exactly."""
    return max(1, round(density * size))


def kept_counts(layout: Layout, density: float, densities: Densities = "uniform") -> tuple[int, ...]:
    """How many weights of each layer a mask keeps."""
    if densities != "uniform":
        raise NotImplementedError
    return tuple(num_kept(size, density) for size in layout.sizes)
