"""Nearest neighbors by matrix products: which class those of each query vote for, under any number of masks."""

from collections.abc import Iterator
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["BLOCK", "Ties", "knn_predict"]

Ties = Literal["distance", "label"]
BLOCK = 2**19  # distances in one block, 4 MiB, so that a few such arrays stay in the cache
TIE = 1e-12  # squared distances that differ by less than this part of the largest squared norm are equal


def knn_predict(
    references: Tensor, labels: Tensor, queries: Tensor, neighbors: int, *, ties: Ties = "distance"
) -> Tensor:
    """The class that most of the k nearest references have, in Euclidean distance, one vote each.

    Distances are |x|² + |y|² − 2 x·y, with centered features in float64: of float32 features every digit is right. No
    difference of two features is ever stored, and the distances a block at a time, so memory grows with n d + n_r.

    References at equal distance come in the order of their index. Of classes with equal votes the one wins whose
    neighbors' squared distances sum to the least, and of those again the smallest label.

    Args:
        references: `(*J, n_r, d)`, features whose class is known, under each of J masks.
        labels: `(n_r,)`, whole numbers.
        queries: `(*J, n_q, d)`, features under the same masks.
        neighbors: k, from 1 to n_r.
        ties: "label" gives equal votes to the smallest label at once, as `torch.mode` and scikit-learn do.

    Returns:
        `(*J, n_q)` int64, one of `labels` each.

    Raises:
        ValueError: if shapes do not fit, k is out of range, or a feature is not finite.

    References:
        Cover and Hart, Nearest neighbor pattern classification, IEEE Transactions on Information Theory 1967.

    Example:
        >>> references = torch.tensor([[0.0], [1.0], [5.0], [6.0]])
        >>> knn_predict(references, torch.tensor([3, 3, 7, 7]), torch.tensor([[2.0], [9.0]]), 2)
        tensor([3, 7])
    """
    _check(references, labels, queries, neighbors, ties)
    numbers, index = labels.to(references.device).unique(return_inverse=True)
    votes_of = F.one_hot(index, len(numbers)).double()  # (n_r, C)
    pairs = zip(references.flatten(0, -3), queries.flatten(0, -3), strict=True) if references.ndim > 2 else None
    found = [_winners(r, votes_of, q, neighbors, ties) for r, q in pairs or [(references, queries)]]
    return numbers[torch.cat(found)].view(queries.shape[:-1])


def _winners(references: Tensor, votes_of: Tensor, queries: Tensor, k: int, ties: Ties) -> Tensor:
    """`(n_q,)`, the number of the class that wins, under one mask."""
    mean = references.mean(0, dtype=torch.float64)
    r, q = references.double() - mean, queries.double() - mean
    slack = TIE * torch.cat([r, q]).square().sum(-1).max()
    found = []
    for distance in _blocks(r, q, k * votes_of.shape[1]):
        nearest = _nearest(distance, k, slack)
        near, classes = distance.gather(1, nearest), votes_of[nearest]  # (b, k), (b, k, C)
        votes = classes.sum(1)
        if ties == "distance":
            total = torch.einsum("bk,bkc->bc", near, classes)
            total = total.masked_fill(votes < votes.amax(1, keepdim=True), torch.inf)
            votes = (total <= total.amin(1, keepdim=True) + k * slack).double()
        found.append(votes.argmax(1))  # the first of equal ones
    return torch.cat(found)


def _blocks(references: Tensor, queries: Tensor, beside: int) -> Iterator[Tensor]:
    """|y|² − 2 x·y of some queries x and all references y, `(b, n_r)`: |x|² is the same for all of a row's.

    `beside` numbers a query are needed besides.
    """
    squares = references.square().sum(-1)
    for rows in queries.split(max(1, BLOCK // max(len(references), beside))):
        yield torch.addmm(squares, rows, references.T, alpha=-2)


def _nearest(distance: Tensor, k: int, slack: Tensor) -> Tensor:
    """`(b, k)`, where the k smallest of each row are, those of equal ones that come first."""
    if k == distance.shape[1]:
        return torch.arange(k, device=distance.device).expand(distance.shape)
    values, nearest = distance.topk(k + 1, largest=False)
    last, next_ = values[:, k - 1 : k], values[:, k:]
    tied = (next_ - last <= slack)[:, 0].nonzero()[:, 0]
    nearest = nearest[:, :k]
    if len(tied):
        nearest[tied] = _first(distance[tied], last[tied], k, slack)
    return nearest


def _first(distance: Tensor, last: Tensor, k: int, slack: Tensor) -> Tensor:
    """The k smallest of each row by index where they equal the `last` of them."""
    place = torch.arange(distance.shape[1], device=distance.device)
    order = place.masked_fill(distance > last + slack, 2 * len(place))
    return torch.where(distance < last - slack, place - len(place), order).topk(k, largest=False).indices


def _check(references: Tensor, labels: Tensor, queries: Tensor, neighbors: int, ties: Ties) -> None:
    """Raises a ValueError for what does not fit together."""
    if ties not in get_args(Ties):
        raise ValueError(f"expected ties='distance' or 'label'; got {ties!r}")
    shapes = f"references {tuple(references.shape)}, labels {tuple(labels.shape)}, queries {tuple(queries.shape)}"
    both = (*references.shape[:-2], references.shape[-1]) if references.ndim > 1 else None
    if queries.ndim < 2 or both != (*queries.shape[:-2], queries.shape[-1]) or 0 in (*queries.shape, *references.shape):
        raise ValueError(f"expected references (*J, n_r, d) and queries (*J, n_q, d), none empty; got {shapes}")
    if tuple(labels.shape) != references.shape[-2:-1] or labels.is_floating_point():
        raise ValueError(f"expected labels (n_r,), a whole number for each reference; got {shapes} of {labels.dtype}")
    if isinstance(neighbors, bool) or not isinstance(neighbors, int) or not 1 <= neighbors <= len(labels):
        raise ValueError(f"expected neighbors from 1 to the {len(labels)} references; got {neighbors!r}")
    if not bool(references.isfinite().all() and queries.isfinite().all()):
        raise ValueError("expected finite features; got NaN or infinity; look at the network's activations")
