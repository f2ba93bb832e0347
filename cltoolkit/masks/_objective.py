"""What is small where a network's weights know an input, though nobody says its label."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..tasks import entropy

__all__ = ["Objective", "entropy", "over_real_units", "superfluous_energy"]

# Logits (n, k) → what should be small (n,).
Objective = Callable[[Tensor], Tensor]


def over_real_units(logits: Tensor, units: Tensor) -> Tensor:
    """The entropy of the softmax of the units `(c,)` alone, as if there were no others: `(*,)` of `(*, k)`.

    Example:
        >>> over_real_units(torch.tensor([1.0, 1.0, 9.0]), torch.tensor([0, 1])).exp()
        tensor(2.)
    """
    return entropy(logits[..., units])


def superfluous_energy(logits: Tensor, units: Tensor) -> Tensor:
    """G = log Σ_j exp(y_j), with a gradient only for superfluous units, those that stand for no class: `(*,)`.

    There it is softmax(y)_j, just that of the cross-entropy of any class: an input's labels are not needed to know how
    training would move these units. Where training went on with all of them, it is small.

    Args:
        logits: y, `(*, k)`.
        units: `(c,)`, those that stand for classes.

    References:
        Wortsman et al., Supermasks in Superposition, NeurIPS 2020, §3.3 and Lemma 1.

    Example:
        >>> y = torch.zeros(4, requires_grad=True)
        >>> superfluous_energy(y, torch.tensor([0, 1])).backward()
        >>> y.grad
        tensor([0.0000, 0.0000, 0.2500, 0.2500])
    """
    real = torch.zeros(logits.shape[-1], dtype=torch.bool, device=logits.device).index_fill(0, units, True)
    return torch.where(real, logits.detach(), logits).logsumexp(-1)
