"""The search for a stored mask by inputs alone: a sure answer at first, a low energy in the end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..masks import code, energy, entropy

__all__ = ["Recovery", "recovered", "speaking"]

OFF = 1e-30  # the gain of a unit that is off while masks are searched: at 0 itself, ReLU would pass it no gradient back


@dataclass(frozen=True, eq=False)
class Recovery:
    """A mask that was found in a Hopfield network, and the way there in N steps.

    Attributes:
        mask: `(D,)` bool, over all masked units, layer after layer.
        entropies: `(N,)`, H(p) in nats: how unsure the answers to each batch were before the step on it.
        energies: `(N + 1,)`, Σ_l E(z_l) before each step, and at the end.
        distances: `(N + 1, T)`, in how many units the mask differed from that of each task, before each step and at
            the end; `(N + 1, 0)` where no masks are kept to compare with.
    """

    mask: Tensor
    entropies: Tensor
    energies: Tensor
    distances: Tensor

    @property
    def task(self) -> int:
        """The task whose mask is nearest; -1 where no masks are kept to compare with."""
        return int(self.distances[-1].argmin()) if self.distances.shape[1] else -1


def recovered(
    batches: Sequence[Tensor],
    answer: Callable[[Tensor, Tensor], Tensor],
    memories: Sequence[Tensor],
    mean: Tensor,
    known: Tensor,
    *,
    lr: float,
    gamma: float,
    momentum: float = 0.9,
    weight_decay: float = 1e-4,
) -> Recovery:
    """The mask of the task that inputs are from, from the memory of all: one step of SGD on each of N batches.

    Scores s start at the mean of the stored codes. In step b, from 1, with z = sign(s) and straight-through gradients,

        s ← SGD of (1 − b/N) H(p) + γ (b/N) Σ_l E(z_l),   E(z) = −½ zᵀ Ψ z.

    Args:
        batches: N of them, each `(n, *input_shape)` and all of one task.
        answer: gains `(D,)` and a batch → logits `(n, k)`.
        memories: Ψ_l `(d_l, d_l)` of each masked layer, Σ d_l = D.
        mean: `(D,)`, of the codes stored.
        known: `(T, D)` bool, masks to tell the distance to; T may be 0.
        lr: step size.
        gamma: γ, what the energy weighs against the entropy.
        momentum: of SGD.
        weight_decay: of SGD.

    References:
        Wortsman et al., Supermasks in Superposition, NeurIPS 2020, §3.6 and the code published with it.
    """
    scores = mean.clone().requires_grad_()
    descent = torch.optim.SGD([scores], lr=lr, momentum=momentum, weight_decay=weight_decay)
    sizes = [len(weights) for weights in memories]
    masks, entropies = [scores.detach() >= 0], []
    for b, x in enumerate(batches, 1):
        gains, late = speaking(scores), b / len(batches)
        unsure = entropy(answer(gains, x)).mean()
        (scores.grad,) = torch.autograd.grad(
            (1 - late) * unsure + gamma * late * _total(memories, sizes, gains), scores
        )
        descent.step()
        masks.append(scores.detach() >= 0)
        entropies.append(unsure.detach())
    path = torch.stack(masks)
    return Recovery(path[-1], torch.stack(entropies), _total(memories, sizes, path), _distances(path, known))


def speaking(scores: Tensor) -> Tensor:
    """1 where a score is at least 0, else 0, or nearly; the gradient passes as if it were the score itself."""
    gains = torch.where(scores.detach() >= 0, 1.0, OFF)
    return gains + (scores - scores.detach())  # which is exactly 0


def _total(memories: Sequence[Tensor], sizes: list[int], mask: Tensor) -> Tensor:
    """Σ_l E(z_l) of masks `(*batch, D)`: `(*batch,)`."""
    layers = zip(memories, code(mask).split(sizes, -1), strict=True)
    return torch.stack([energy(weights, z) for weights, z in layers]).sum(0)


def _distances(path: Tensor, known: Tensor) -> Tensor:
    """In how many units masks `(N, D)` differ from those `(T, D)`: `(N, T)`."""
    return torch.stack([(path != mask).sum(-1) for mask in known], -1) if len(known) else path.new_zeros(len(path), 0)
