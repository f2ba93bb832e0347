"""Accuracy of nearest neighbors, each example classified by the others."""

import torch
from torch import Tensor

from ._inputs import BLOCK, Classes, center, check_features, present_classes, shared_credit

TIE = 1e-12  # squared distances that differ by less than this part of the largest squared norm are equal


def knn_accuracy(features: Tensor, labels: Tensor, *, neighbors: int = 10) -> Tensor:
    """Leave-one-out accuracy of the k nearest neighbors in Euclidean distance.

    Ties have no winner: neighbors at the k-th distance share the votes that are left, and classes with equal votes
    share the point. So the accuracy is what random tie breaking has on average (of the votes, and then of the point),
    and neither the order of the examples nor the numbers of the classes matter.

    Args:
        features: `(*batch, n, d)`, penultimate activations of source models on the target's data.
        labels: `(n,)`, whole numbers, the target's classes.
        neighbors: k ≥ 1; of n examples at most n − 1 are neighbors.

    Returns:
        `(*batch,)`, float64, in [0, 1]; larger is easier transfer.

    Raises:
        ValueError: if a shape does not fit, fewer than two classes are present, or a feature is not finite.

    References:
        Cover and Hart, Nearest neighbor pattern classification, IEEE Transactions on Information Theory 1967.

    Example:
        >>> features = torch.tensor([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]])
        >>> knn_accuracy(features, torch.tensor([0, 0, 0, 1, 1, 1]), neighbors=2)
        tensor(1., dtype=torch.float64)
    """
    if isinstance(neighbors, bool) or not isinstance(neighbors, int) or neighbors < 1:
        raise ValueError(f"expected a positive number of neighbors; got {neighbors!r}")
    values = check_features(features)
    n, d = values.shape[-2:]
    classes = present_classes(labels, values, n)
    k = min(neighbors, n - 1)
    return torch.stack([_accuracy(center(x), classes, k) for x in values.reshape(-1, n, d)]).view(values.shape[:-2])


def _accuracy(x: Tensor, classes: Classes, k: int) -> Tensor:
    """Of one source `(n, d)`, centered, some rows at a time: memory grows with n, not with n²."""
    squares = x.square().sum(-1)
    slack = TIE * squares.max()
    members = classes.one_hot()
    right = x.new_zeros(())
    for rows in torch.arange(len(x), device=x.device).split(max(1, BLOCK // len(x))):
        distance = torch.addmm(squares, x[rows], x.T, alpha=-2).add_(squares[rows, None])  # (rows, n)
        distance[torch.arange(len(rows), device=x.device), rows] = torch.inf
        last = distance.topk(k, largest=False).values[:, -1:]
        votes = _votes(distance, last, slack, k, members)
        right = right + shared_credit(votes, classes.index[rows], 1e-9).sum()
    return right / len(x)


def _votes(distance: Tensor, last: Tensor, slack: Tensor, k: int, members: Tensor) -> Tensor:
    """Of each class: 1 from each example nearer than the k-th; those as near as the k-th share the rest of k votes."""
    nearer = distance < last - slack
    level = (distance <= last + slack) & ~nearer
    share = (k - nearer.sum(-1, keepdim=True)).to(members) / level.sum(-1, keepdim=True)
    return nearer.to(members) @ members + share * (level.to(members) @ members)
