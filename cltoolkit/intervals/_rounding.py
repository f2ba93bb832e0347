"""What rounding can do: unit roundoff, the bound γ of a sum's error, and steps to the next number."""

from typing import Any

import torch
from torch import Tensor

__all__ = ["center_radius", "gamma", "round_down", "round_up", "unit_roundoff"]

UNIT = {torch.float32: 2.0**-24, torch.float64: 2.0**-53}


def unit_roundoff(dtype: torch.dtype) -> float:
    """u: rounding to nearest moves a number x by at most u |x|.

    Raises:
        ValueError: for other types than float32 and float64, whose sums come out too coarse to bound.

    Example:
        >>> unit_roundoff(torch.float64) == 2.0**-53
        True
    """
    if dtype not in UNIT:
        raise ValueError(f"expected float32 or float64 for bounds that cover rounding; got {dtype}; convert the boxes")
    return UNIT[dtype]


def gamma(n: int, dtype: torch.dtype) -> float:
    """γ_n = n u / (1 − n u): n rounded operations on positive terms change their sum by a share of at most γ_n.

    So a sum of n products, taken in any order, is off by at most γ_n Σ |a_i b_i|, and γ_m + γ_n + γ_m γ_n ≤ γ_{m+n}.

    Args:
        n: operations that one term goes through.
        dtype: float32 or float64.

    Raises:
        ValueError: if n u > 1/2, where the sum says nothing any more.

    References:
        Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. 2002, lemmas 3.1 and 3.3.

    Example:
        >>> gamma(784, torch.float32)
        4.673...e-05
    """
    share = n * unit_roundoff(dtype)
    if share > 0.5:
        raise ValueError(f"expected sums of at most {int(0.5 / unit_roundoff(dtype))} terms in {dtype}; got {n}")
    return share / (1 - share)


def round_up(value: Tensor) -> Tensor:
    """The next number above: at least the real result of one operation rounded to nearest. Its gradient is 1.

    Example:
        >>> bool(round_up(torch.tensor(1.0)) > 1)
        True
    """
    return _Next.apply(value, torch.inf)


def round_down(value: Tensor) -> Tensor:
    """The next number below: at most the real result of one operation rounded to nearest. Its gradient is 1."""
    return _Next.apply(value, -torch.inf)


def center_radius(lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Center and radius, rounded upward, of a box that holds [lower, upper]."""
    center = lower / 2 + upper / 2
    return center, round_up(torch.maximum(upper - center, center - lower))


class _Next(torch.autograd.Function):
    """`torch.nextafter`, with the gradient of the identity."""

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, towards: float) -> Tensor:
        return torch.nextafter(value, value.new_full((), towards))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None
