"""What masks score on a sample, with what they would score by chance and how far that may stray."""

import warnings
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..transferability import ESTIMATORS, NoiseFloorWarning, noise_floor
from ._knn import Ties, knn_predict
from ._sample import Sample

__all__ = ["Levels", "estimated_levels", "knn_levels", "separation"]

PERMUTATIONS = 50  # of the labels, for the chance level of a score that has none of its own
Levels = tuple[Tensor, Tensor, Tensor]  # scores, chance levels and deviations of J masks, each (J,) float64


def knn_levels(features: Tensor, sample: Sample, neighbors: int, chance: float, ties: Ties) -> Levels:
    """Accuracy of the queries among features `(J, n, d)`, beside that of a fair coin with the probability `chance`."""
    y, n = sample.y.to(features.device), sample.references
    found = knn_predict(features[:, :n], y[:n], features[:, n:], neighbors, ties=ties)
    scores = (found == y[n:]).double().mean(1)
    p = torch.full_like(scores, chance)
    return scores, p, (p * (1 - p) / sample.queries).sqrt()


def estimated_levels(
    name: str, features: Tensor, logits: Tensor, units: Sequence[Sequence[int]] | None, sample: Sample, seed: int
) -> Levels:
    """An estimator's scores of features `(J, n, d)`, or of logits `(J, n, k)`, beside those for permuted labels."""
    estimator, y = ESTIMATORS[name], sample.y.to(features.device)
    rows = []
    for j, (own, answers) in enumerate(zip(features, logits, strict=True)):
        seen = own.double()
        if estimator.needs == "probabilities":
            seen = (answers if units is None else answers[:, list(units[j])]).double().softmax(-1)
        with warnings.catch_warnings():  # the margin says what is noise
            warnings.simplefilter("ignore", NoiseFloorWarning)
            score = estimator.of(seen, y)
        rows.append(torch.stack([score, *noise_floor(estimator, seen, y, permutations=PERMUTATIONS, seed=seed)]))
    scores, mean, deviation = torch.stack(rows, 1)
    return scores, mean, deviation


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
