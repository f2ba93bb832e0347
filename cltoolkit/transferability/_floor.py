"""The noise floor of any estimator: its score when the labels say nothing."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from ..randomness import stream
from ._noise import NoiseFloorWarning
from ._table import ESTIMATORS, Estimator

Score = Callable[[Tensor, Tensor], Tensor]


def noise_floor(
    estimator: str | Estimator | Score, source_output: Tensor, labels: Tensor, *, permutations: int = 20, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of a score over random permutations of the labels.

    A score within two or three of these deviations of this mean says nothing about transfer.

    Args:
        estimator: a name in `ESTIMATORS`, one of its entries, or any function (source output, labels) → score.
        source_output: `(*batch, n, d)` features, or `(*batch, n, z)` probabilities, as the estimator needs.
        labels: `(n,)`, whole numbers, the target's classes.
        permutations: how many, at least 2.
        seed: draws them.

    Returns:
        Two tensors `(*batch,)`, float64.

    Raises:
        ValueError: if the name is unknown or there are fewer than two permutations.

    References:
        Ojala and Garriga, Permutation Tests for Studying Classifier Performance, JMLR 2010, §3.

    Example:
        >>> features = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
        >>> mean, std = noise_floor("h_score", features, torch.arange(200) % 3, permutations=50)
        >>> bool((mean - 5 * 2 / 199).abs() < std)                                        # d (C − 1) / (n − 1)
        True
    """
    if permutations < 2:
        raise ValueError(f"expected at least two permutations, for a standard deviation; got {permutations}")
    score = _function(estimator)
    orders = [torch.randperm(len(labels), generator=stream(seed, "noise floor", i)) for i in range(permutations)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseFloorWarning)
        scores = torch.stack([score(source_output, labels[order.to(labels.device)]) for order in orders])
    return scores.mean(0), scores.std(0)


def _function(estimator: str | Estimator | Score) -> Score:
    if isinstance(estimator, Estimator):
        return estimator.of
    if not isinstance(estimator, str):
        return estimator
    if estimator not in ESTIMATORS:
        raise ValueError(f"unknown estimator {estimator!r}; choose one of {', '.join(ESTIMATORS)}, or give a function")
    return ESTIMATORS[estimator].of
