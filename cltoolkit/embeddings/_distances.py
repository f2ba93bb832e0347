"""Distances between tasks: by how well they transfer, by their embeddings, by their generated weights."""

from collections.abc import Iterable, Mapping

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ._normalizers import target_distances

__all__ = ["discrepancy", "embedding_distances", "score_distances", "weight_distances"]


def score_distances(matrix: ArrayLike | Tensor, normalizer: str = "ahp") -> Tensor:
    """Symmetric distances from a transfer matrix: the mean of both directions' target distances.

    Each target's scores, without that of itself, become distances by `target_distances`; then D_st = D_ts =
    (d_s→t + d_t→s) / 2 and D_tt = 0.

    Args:
        matrix: `(T, T)`, score of source s (row) for target t (column); the diagonal is not read.
        normalizer: from scores to distances; see `target_distances`.

    Returns:
        D, `(T, T)` float64.

    Raises:
        ValueError: if the matrix is not square, a score off its diagonal is not finite, or the normalizer is unknown.

    Example:
        >>> score_distances([[9.0, 1.0, 1.0], [3.0, 9.0, 1.0], [1.0, 1.0, 9.0]])
        tensor([[0.0000, 0.5395, 0.6927],
                [0.5395, 0.0000, 0.6065],
                [0.6927, 0.6065, 0.0000]], dtype=torch.float64)
    """
    scores = torch.as_tensor(matrix, dtype=torch.float64).detach().cpu()
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1]:
        raise ValueError(f"expected scores (T, T) of every task for every task; got shape {tuple(scores.shape)}")
    directed = torch.zeros_like(scores)
    for t in range(len(scores) if len(scores) > 1 else 0):
        others = torch.arange(len(scores)) != t
        directed[others, t] = target_distances(scores[others, t], normalizer)
    return (directed + directed.T) / 2


def embedding_distances(embeddings: Tensor) -> Tensor:
    """Euclidean distances ‖e_s − e_t‖.

    Args:
        embeddings: `(*batch, T, d)`.

    Returns:
        `(*batch, T, T)`, symmetric, 0 on the diagonal. The gradient of a distance that is 0 is 0.

    Example:
        >>> embedding_distances(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
        tensor([[0., 5.],
                [5., 0.]])
    """
    return _pairwise(embeddings)


def weight_distances(
    weights: Tensor | Mapping[str, Tensor], *, names: Iterable[str] | None = None, relative: bool = False
) -> Tensor:
    """Euclidean distances between tasks' weights, ‖θ_s − θ_t‖.

    Args:
        weights: `(T, P)`, or stacked by name, each `(T, *shape)`, as a learner's `stacked_params()` has them.
        names: which of the names count, e.g. `net.shapes` to leave out buffers; by default all of floating point.
        relative: divide by √((‖θ_s‖² + ‖θ_t‖²) / 2): √2 for orthogonal weights of one norm, 2 for opposite ones.

    Returns:
        `(T, T)` float64, symmetric, 0 on the diagonal.

    Raises:
        ValueError: if there is no weight, or shapes do not fit together.

    Example:
        >>> weight_distances(torch.eye(2), relative=True)
        tensor([[0.0000, 1.4142],
                [1.4142, 0.0000]], dtype=torch.float64)
    """
    parts = _flat(weights, names)
    squares = sum((_pairwise(part).square() for part in parts), start=torch.zeros((), dtype=torch.float64))
    if relative:
        norms = sum((part.square().sum(1) for part in parts), start=torch.zeros((), dtype=torch.float64))
        scale = (norms[:, None] + norms) / 2
        squares = torch.where(scale > 0, squares / scale.clamp(min=torch.finfo(scale.dtype).tiny), 0.0)
    return squares.sqrt()


def discrepancy(embeddings: Tensor, targets: Tensor, scale: Tensor | float) -> Tensor:
    """How far embeddings are from the distances they were meant to have: |‖e_j − e_n‖ − γ_j d_jn|.

    Args:
        embeddings: e, `(*batch, T, d)`.
        targets: d_jn, `(*batch, T, T)`, from task j (row) to task n, before scaling; NaN where there is none.
        scale: γ_j, `(*batch, T)` or `(*batch, T, 1)`, or one number.

    Returns:
        `(*batch, T, T)`; NaN where `targets` or `scale` is.

    Raises:
        ValueError: if the shapes do not fit together.

    References:
        Wu et al., Exploiting Task Relationships in Continual Learning via Transferability-Aware Task Embeddings,
        NeurIPS 2025, arXiv 2502.11609.

    Example:
        >>> wanted = torch.tensor([[float("nan"), float("nan")], [2.0, float("nan")]])
        >>> discrepancy(torch.tensor([[0.0], [5.0]]), wanted, 2.0)
        tensor([[nan, nan],
                [1., nan]])
    """
    shape = embeddings.shape[:-1]
    factor = torch.as_tensor(scale, dtype=targets.dtype, device=targets.device)
    if factor.ndim and factor.shape == shape:
        factor = factor[..., None]
    if targets.shape != (*shape, *shape[-1:]) or (factor.ndim and factor.shape != (*shape, 1)):
        raise ValueError(
            f"expected targets {(*shape, *shape[-1:])} and scale {(*shape, 1)} for embeddings "
            f"{tuple(embeddings.shape)}; got {tuple(targets.shape)} and {tuple(factor.shape)}"
        )
    return (_pairwise(embeddings) - factor * targets).abs()


def _pairwise(points: Tensor) -> Tensor:
    """Distances without the product form, which loses the small ones to cancellation."""
    return torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")


def _flat(weights: Tensor | Mapping[str, Tensor], names: Iterable[str] | None) -> list[Tensor]:
    """Each `(T, size)` float64, detached."""
    if isinstance(weights, Tensor):
        chosen = [weights]
    else:
        chosen = [weights[n] for n in (weights if names is None else names) if weights[n].is_floating_point()]
    if not chosen or any(part.ndim < 1 or len(part) != len(chosen[0]) for part in chosen):
        raise ValueError(
            f"expected weights of each task, (T, P) or (T, *shape) by name; got {[tuple(p.shape) for p in chosen]}"
        )
    return [part.detach().cpu().double().reshape(len(part), -1) for part in chosen]
