"""From transferability scores to target distances: the more a task helps, the nearer it should lie."""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["NORMALIZERS", "ahp", "target_distances"]

EPSILON = 0.1  # keeps the published distances "direct" and "reciprocal" finite and positive


def ahp(scores: Tensor) -> Tensor:
    """Scores made comparable between targets: A_n = H_n / Σ_m H_m, the analytic hierarchy process in closed form.

    The process compares all sources with each other, w_mn = H_m / H_n, and takes the principal eigenvector of W. As W
    is of rank one, W H = N H, that vector is H itself, up to scale: here it sums to 1.

    Ratios of negative scores mean nothing. If any score is negative, as those of LogME and LEEP are, softmax(H) takes
    the place of H: it keeps the order, and no constant added to all scores changes it. If all are 0, each A_n is 1 / N.

    Args:
        scores: H, `(n,)`, of the sources for one target; larger means easier transfer.

    Returns:
        A, `(n,)` float64, not negative, of sum 1.

    Raises:
        ValueError: if there is no score, or one is not finite.

    References:
        Wu et al., Exploiting Task Relationships in Continual Learning via Transferability-Aware Task Embeddings,
        NeurIPS 2025, arXiv 2502.11609; the process as in Zamir et al., Taskonomy, CVPR 2018.

    Example:
        >>> ahp(torch.tensor([1.0, 3.0, 4.0]))
        tensor([0.1250, 0.3750, 0.5000], dtype=torch.float64)
    """
    scores = _positive(_checked(scores))
    if not bool(scores.any()):
        return torch.full_like(scores, 1 / len(scores))
    scores = scores / scores.max()  # so that no sum overflows
    return scores / scores.sum()


def target_distances(scores: Tensor, normalizer: str = "ahp") -> Tensor:
    """Distances d_n that a task should have from earlier ones, before scaling; they fall where scores rise.

    - "ahp": exp(−A_n). The published one. As tasks accumulate, every A_n shrinks and the distances grow alike.
    - "ahp_mean": exp(−N A_n). The exponent has mean 1 for any number N of tasks, which keeps the contrast.
    - "direct": H_max + H_min + 0.1 − H_n, with softmax(H) for H if any score is negative, as in `ahp`.
    - "reciprocal": 1 / (H_n − H_min + 0.1).

    Args:
        scores: H, `(n,)`, of the sources for one target; larger means easier transfer.
        normalizer: a name in `NORMALIZERS`.

    Returns:
        d, `(n,)` float64, positive.

    Raises:
        ValueError: if there is no score, one is not finite, or the name is unknown.

    References:
        "ahp": Wu et al., arXiv 2502.11609. "direct", "reciprocal": the code published with an earlier version of it.

    Example:
        >>> target_distances(torch.tensor([1.0, 3.0]))
        tensor([0.7788, 0.4724], dtype=torch.float64)
    """
    if normalizer not in NORMALIZERS:
        raise ValueError(f"unknown normalizer {normalizer!r}; choose from {', '.join(NORMALIZERS)}")
    return NORMALIZERS[normalizer](_checked(scores))


def _ahp_distances(scores: Tensor) -> Tensor:
    return torch.exp(-ahp(scores))


def _ahp_mean_distances(scores: Tensor) -> Tensor:
    return torch.exp(-len(scores) * ahp(scores))


def _direct(scores: Tensor) -> Tensor:
    scores = _positive(_checked(scores))
    return scores.max() + scores.min() + EPSILON - scores


def _reciprocal(scores: Tensor) -> Tensor:
    scores = _checked(scores)
    return 1 / (scores - scores.min() + EPSILON)


NORMALIZERS: dict[str, Callable[[Tensor], Tensor]] = {
    "ahp": _ahp_distances,
    "ahp_mean": _ahp_mean_distances,
    "direct": _direct,
    "reciprocal": _reciprocal,
}


def _checked(scores: Tensor) -> Tensor:
    """The scores `(n,)` in float64."""
    scores = torch.as_tensor(scores).detach().to("cpu", torch.float64)
    if scores.ndim != 1 or not len(scores):
        raise ValueError(f"expected scores (n,) of at least one source; got shape {tuple(scores.shape)}")
    if not bool(torch.isfinite(scores).all()):
        where = int((~torch.isfinite(scores)).nonzero()[0, 0])
        raise ValueError(
            f"expected finite scores; source {where} has {float(scores[where])}. Leave out sources without a score."
        )
    return scores


def _positive(scores: Tensor) -> Tensor:
    """Scores that ratios make sense of: softmax if any is negative."""
    return torch.softmax(scores, 0) if bool((scores < 0).any()) else scores
