"""The published search for the H-embedding: Adam on absolute residuals, from a random start."""

import torch
from torch import Tensor

from ..randomness import stream

__all__ = ["adam"]

BETAS, EPSILON = (0.9, 0.999), 1e-8  # of Adam


def adam(targets: Tensor, embeddings: Tensor, *, seed: int, steps: int, lr: float) -> tuple[Tensor, float, Tensor]:
    """Minimizes Σ_n |γ d_n − √(‖ê − e_n‖² + 10⁻¹²)| from ê ~ U[0, 1]^d and γ = 1, which stays with a single task.

    The gradient is written out and the loop runs on one vector z = (ê, γ): ten times as fast as through autograd.

    Args:
        targets: d_n, `(n,)` float64.
        embeddings: e_n, `(n, d)` float64.
        seed: draws ê.
        steps: how many.
        lr: step size.

    Returns:
        ê `(d,)`, γ, and the history `(steps, 2)`: loss and γ before each step.
    """
    n, d = embeddings.shape
    z = torch.ones(d + 1, dtype=torch.float64)
    z[:d] = torch.rand(d, generator=stream(seed, "h-embedding"), dtype=torch.float64)
    moves = torch.ones_like(z)
    moves[d] = float(n > 1)
    first, second = torch.zeros_like(z), torch.zeros_like(z)
    history = torch.empty(steps, 2, dtype=torch.float64)
    for step in range(steps):
        loss, gradient = _loss(z, targets, embeddings)
        history[step, 0], history[step, 1] = loss, z[d]
        gradient = gradient * moves
        first.lerp_(gradient, 1 - BETAS[0])
        second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        corrected = (second / (1 - BETAS[1] ** (step + 1))).sqrt_().add_(EPSILON)
        z = z.addcdiv(first, corrected, value=-lr / (1 - BETAS[0] ** (step + 1)))
    return z[:d].clone(), float(z[d]), history


def _loss(z: Tensor, targets: Tensor, embeddings: Tensor) -> tuple[Tensor, Tensor]:
    """Σ_n |γ d_n − r_n| and its gradient in z = (ê, γ)."""
    away = z[:-1] - embeddings  # (n, d)
    distances = (torch.linalg.vecdot(away, away) + 1e-12).sqrt()
    error = z[-1] * targets - distances
    sign = error.sign()
    gradient = torch.cat([-(sign / distances) @ away, (sign @ targets)[None]])
    return error.abs().sum(), gradient
