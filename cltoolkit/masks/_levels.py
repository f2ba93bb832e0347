"""What masks score on a sample, with what they would score by chance and how far that may stray."""

import math
import warnings
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..randomness import stream
from ..transferability import ESTIMATORS, Estimator, NoiseFloorWarning
from ._knn import Ties, knn_predict
from ._sample import Sample

__all__ = ["estimated_levels", "knn_levels", "permuted_labels", "separation"]

FEWEST = 59  # permutations of the labels: at level 0.05 the third largest of their scores is what a donor must exceed


def knn_levels(features: Tensor, sample: Sample, neighbors: int, chance: float, ties: Ties) -> Tensor:
    """Accuracy of the queries among features `(J, n, d)`, and that of guesses: `(2, J)`."""
    y, n = sample.y.to(features.device), sample.references
    found = knn_predict(features[:, :n], y[:n], features[:, n:], neighbors, ties=ties)
    scores = (found == y[n:]).double().mean(1)
    return torch.stack([scores, torch.full_like(scores, chance)])


def permuted_labels(y: Tensor, level: float, seed: int) -> Tensor:
    """`(m, n)`, the labels `(n,)` in m random orders: so many that a share `level` of them is at least one."""
    count = max(FEWEST, math.ceil(1 / level) - 1)
    return torch.stack([y[torch.randperm(len(y), generator=stream(seed, "kkt", "null", i))] for i in range(count)])


def estimated_levels(
    name: str,
    features: Tensor,
    logits: Tensor,
    units: Sequence[Sequence[int]] | None,
    y: Tensor,
    permuted: Tensor,
) -> Tensor:
    """Scores of features `(J, n, d)` or logits `(J, n, k)`, and below them those of permuted labels: `(1 + m, J)`."""
    estimator, every = ESTIMATORS[name], torch.cat([y[None], permuted]).to(features.device)
    rows = []
    for j, (own, answers) in enumerate(zip(features, logits, strict=True)):
        seen = own.double()
        if estimator.needs == "probabilities":
            seen = (answers if units is None else answers[:, list(units[j])]).double().softmax(-1)
        rows.append(_scores(estimator, seen, every))
    return torch.stack(rows, 1)


def _scores(estimator: Estimator, seen: Tensor, labels: Tensor) -> Tensor:
    """One source's scores for each of several labels `(m, n)`: `(m,)`."""
    with warnings.catch_warnings():  # the margin says what is noise
        warnings.simplefilter("ignore", NoiseFloorWarning)
        return torch.stack([estimator.of(seen, y) for y in labels])


def separation(features: Tensor, y: Tensor) -> Tensor:
    """The share of the variance of features `(J, n, d)` that lies between the classes `y` `(n,)`: `(J,)`, in [0, 1]."""
    members = F.one_hot(y.unique(return_inverse=True)[1]).double().to(features.device)
    shares = []
    for own in features:
        centered = own.double() - own.mean(0, dtype=torch.float64)
        between = ((members.T @ centered).square().sum(1) / members.sum(0)).sum()
        whole = centered.square().sum()
        shares.append(torch.where(whole > 0, between / whole, 0.0))
    return torch.stack(shares)
