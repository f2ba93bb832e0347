"""A Hopfield network as a memory of masks: however many it stores, d × d numbers for masks of d units."""

import math

import torch
from torch import Tensor

__all__ = [
    "code",
    "energy",
    "hebb",
    "hebb_capacity",
    "is_stored",
    "settle",
    "storkey",
    "storkey_capacity",
]


def code(mask: Tensor) -> Tensor:
    """z = 2m − 1 ∈ {−1, 1}ᵈ, what a Hopfield network stores of a mask.

    Args:
        mask: `(*batch, d)`, bool, or zeros and ones.

    Returns:
        `(*batch, d)`, float32 where the mask is bool, else in the mask's type.

    Example:
        >>> code(torch.tensor([True, False]))
        tensor([ 1., -1.])
    """
    return 2 * (mask.float() if mask.dtype == torch.bool else mask) - 1


def hebb(weights: Tensor, z: Tensor) -> Tensor:
    """Ψ + (z zᵀ − I) / d: Hebb's rule, without couplings of a unit to itself.

    Args:
        weights: Ψ `(d, d)`, symmetric; zeros to begin with.
        z: `(d,)`, the code to store.

    Returns:
        `(d, d)`, symmetric. The order in which codes are stored does not matter.

    References:
        Hopfield, Neural networks and physical systems with emergent collective computational abilities, PNAS 1982.

    Example:
        >>> z = torch.tensor([1.0, -1.0])
        >>> hebb(torch.zeros(2, 2), z)
        tensor([[ 0.0000, -0.5000],
                [-0.5000,  0.0000]])
    """
    return _less_one(torch.addr(weights, z, z, alpha=1 / len(z)))


def storkey(weights: Tensor, z: Tensor) -> Tensor:
    """Ψ + (z zᵀ − I − z hᵀ − h zᵀ) / d with h = Ψ z: Hebb's rule, less what the network says of z already.

    From a code that the network reproduces to the full, Ψ z = z, it takes off what Hebb's rule would add.

    Args:
        weights: Ψ `(d, d)`, symmetric; zeros to begin with.
        z: `(d,)`, the code to store.

    Returns:
        `(d, d)`, symmetric. Unlike with Hebb's rule, the order in which codes are stored matters.

    References:
        Storkey, Increasing the capacity of a Hopfield network without sacrificing functionality, ICANN 1997: there the
        field h of the pair i, j leaves out the units i and j. Here it is whole, as in the code of Wortsman et al.,
        Supermasks in Superposition, NeurIPS 2020.

    Example:
        >>> z = torch.tensor([1.0, -1.0, 1.0, 1.0])
        >>> weights = storkey(torch.zeros(4, 4), z)
        >>> torch.equal(weights, hebb(torch.zeros(4, 4), z)), is_stored(weights, z)
        (True, tensor(True))
    """
    half = 0.5 * z - weights @ z  # z zᵀ − z hᵀ − h zᵀ = (z/2 − h) zᵀ + z (z/2 − h)ᵀ: one product of rank two
    return _less_one(torch.addmm(weights, torch.stack([half, z], 1), torch.stack([z, half]), alpha=1 / len(z)))


def energy(weights: Tensor, z: Tensor) -> Tensor:
    """E(z) = −½ zᵀ Ψ z: low where the network stores z, or a code near it.

    Args:
        weights: Ψ `(d, d)`, symmetric.
        z: `(*batch, d)`, codes; differentiable.

    Returns:
        `(*batch,)`.

    Example:
        >>> z = torch.tensor([[1.0, -1.0], [1.0, 1.0]])
        >>> energy(hebb(torch.zeros(2, 2), z[0]), z)
        tensor([-0.5000,  0.5000])
    """
    return -0.5 * ((z @ weights) * z).sum(-1)


def settle(weights: Tensor, z: Tensor, steps: int = 10) -> Tensor:
    """Where the network takes z: z ← sign(Ψ z), all units at once, until nothing changes or for so many steps.

    With symmetric Ψ it ends in a code that stays as it is, or goes back and forth between two.

    Args:
        weights: Ψ `(d, d)`, symmetric.
        z: `(*batch, d)`, codes.
        steps: at most so many.

    Returns:
        `(*batch, d)`, codes. A unit without a field, (Ψ z)_i = 0, stays as it is.

    References:
        Goles-Chacc, Fogelman-Soulié & Pellegrin, Decreasing energy functions as a tool for studying threshold
        networks, Discrete Applied Mathematics 1985: no cycle is longer than two.

    Example:
        >>> z = torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0])
        >>> damaged = z * torch.tensor([-1.0, 1.0, 1.0, 1.0, 1.0])
        >>> settle(hebb(torch.zeros(5, 5), z), damaged)
        tensor([ 1., -1.,  1.,  1., -1.])
    """
    for _ in range(steps):
        after = _updated(weights, z)
        if torch.equal(after, z):
            break
        z = after
    return z


def is_stored(weights: Tensor, z: Tensor) -> Tensor:
    """Whether sign(Ψ z) = z: the network leaves the code as it is.

    Args:
        weights: Ψ `(d, d)`, symmetric.
        z: `(*batch, d)`, codes.

    Returns:
        `(*batch,)` bool.

    Example:
        >>> is_stored(torch.eye(2), torch.tensor([[1.0, -1.0]]))
        tensor([True])
    """
    return (_updated(weights, z) == z).all(-1)


def hebb_capacity(d: int) -> float:
    """d / (2 ln d): how many random codes of d units Hebb's rule stores such that, most likely, each stays as it is.

    Args:
        d: the number of units, at least 2.

    Raises:
        ValueError: if there are fewer.

    References:
        McEliece, Posner, Rodemich & Venkatesh, The capacity of the Hopfield associative memory, IEEE Transactions on
        Information Theory 1987.

    Example:
        >>> round(hebb_capacity(2048))
        134
    """
    return d / (2 * math.log(_checked(d)))


def storkey_capacity(d: int) -> float:
    """d / √(2 ln d): the like for Storkey's rule.

    Args:
        d: the number of units, at least 2.

    Raises:
        ValueError: if there are fewer.

    References:
        Storkey & Valabregue, The basins of attraction of a new Hopfield learning rule, Neural Networks 1999.

    Example:
        >>> round(storkey_capacity(2048))
        524
    """
    return d / math.sqrt(2 * math.log(_checked(d)))


def _updated(weights: Tensor, z: Tensor) -> Tensor:
    """sign(Ψ z), and z itself where that is 0."""
    field = z @ weights
    return torch.where(field == 0, z, field.sign())


def _less_one(weights: Tensor) -> Tensor:
    """Ψ − I / d, in place: the argument was made here."""
    weights.diagonal().sub_(1 / len(weights))
    return weights


def _checked(d: int) -> int:
    if d < 2:
        raise ValueError(f"expected a network of at least 2 units; got {d}")
    return d
