"""How unsure an answer is."""

import torch
from torch import Tensor

__all__ = ["entropy", "relative_entropy"]


def entropy(logits: Tensor) -> Tensor:
    """H = −Σ_c p_c log p_c with p = softmax(logits): `(*,)` of `(*, k)`; units with a logit of -inf do not count.

    Example:
        >>> entropy(torch.tensor([[1.0, 1.0], [1.0, -torch.inf]])).exp()
        tensor([2., 1.])
    """
    log_p = logits.log_softmax(-1)
    return -(log_p.exp() * log_p.nan_to_num(neginf=0.0)).sum(-1)


def relative_entropy(logits: Tensor) -> Tensor:
    """The same, divided by its maximum log k, so that few classes are no advantage: `(*,)` of `(*, k)`.

    Units with a logit of -inf do not count among the k.

    Example:
        >>> relative_entropy(torch.tensor([[0.0, 0.0, -torch.inf], [9.0, -9.0, -9.0]])).round(decimals=3)
        tensor([1., 0.])
    """
    classes = torch.isfinite(logits).sum(-1)
    return entropy(logits) / classes.log().clamp_min(1e-9)
