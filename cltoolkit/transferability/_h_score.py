"""H-score: how much of the features' variance the classes explain, in every direction alike."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from ._inputs import BLOCK, center, check_features, compact, present_classes
from ._noise import warn_of_any_fit, warn_of_noise
from ._scatter import Scatter, Scored, Shrinkage, adjusted, score
from ._statistics import FeatureStatistics


def h_score(features: Tensor, labels: Tensor, *, shrinkage: Shrinkage = None) -> Tensor:
    """H-score tr(T⁺ B): the sum of squared canonical correlations between features and classes.

    With the total scatter T = Σ_i (f_i − m)(f_i − m)ᵀ and that of the class means B = Σ_c n_c (m_c − m)(m_c − m)ᵀ it is
    tr(cov(f)⁻¹ cov(E[f | y])). It does not change under f ↦ A f + b with invertible A. With shrinkage it is

        H_α = (1 − α) tr(T_α⁻¹ B),   T_α = (1 − α) T + α tr(T) / d · I,

    invariant under rotations, translations and a common scale only, but of use where examples are few. Where features
    are as spherical as noise, Ledoit and Wolf's α is 1, and the score 0 whatever the labels.

    Args:
        features: `(*batch, n, d)`, penultimate activations of source models on the target's data.
        labels: `(n,)`, whole numbers, the target's classes.
        shrinkage: α in [0, 1], "ledoit_wolf" for the one estimated from the data, None for the plain H-score; advised
            where n < 10 d.

    Returns:
        `(*batch,)`, float64, in [0, min(C − 1, rank)] with C classes present; larger is easier transfer.

    Raises:
        ValueError: if a shape does not fit, fewer than two classes are present, or a feature is not finite.

    Warns:
        NoiseFloorWarning: once, if any of the scores says little.

    References:
        Bao et al., An Information-Theoretic Approach to Transferability in Task Transfer Learning, ICIP 2019, eq. 2.
        Ibrahim et al., Newer is not always better, ECML PKDD 2022, eq. 4 (shrinkage; here with one divisor throughout).
        Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004 (α).

    Example:
        >>> labels = torch.arange(300) % 3
        >>> one_hot = torch.nn.functional.one_hot(labels).double()
        >>> h_score(one_hot, labels)                                                      # separated: C − 1
        tensor(2., dtype=torch.float64)
    """
    scored, first = _score(features, labels, shrinkage)
    warn_of_noise(scored.value.flatten(), scored.floor.flatten(), first.most, first.samples)
    return scored.value


def adjusted_h_score(features: Tensor, labels: Tensor) -> Tensor:
    """H-score adjusted for chance: (H − h0) / (1 − h0 / (C − 1)), with h0 = r (C − 1) / (n − 1).

    h0 is the mean of H over all permutations of the labels, r the features' rank, d where none is redundant. So any
    number of features that say nothing of the classes have 0 on average, and separating ones C − 1.

    Args:
        features: `(*batch, n, d)`, penultimate activations of source models on the target's data.
        labels: `(n,)`, whole numbers, the target's classes.

    Returns:
        `(*batch,)`, float64, at most C − 1; larger is easier transfer. Where r = n − 1 any labels fit, and it is 0.

    Raises:
        ValueError: if a shape does not fit, fewer than two classes are present, or a feature is not finite.

    Warns:
        NoiseFloorWarning: once, if r = n − 1 anywhere.

    References:
        Bao et al., An Information-Theoretic Approach to Transferability in Task Transfer Learning, ICIP 2019.
        Hubert and Arabie, Comparing partitions, Journal of Classification 1985, eq. 4 (the form of the adjustment).

    Example:
        >>> labels = torch.arange(300) % 3
        >>> noise = torch.randn(300, 60, generator=torch.Generator().manual_seed(0))
        >>> bool(h_score(torch.cat([noise, noise[:, :1] + 9 * labels[:, None]], 1), labels) > 1.0)
        True
        >>> bool(adjusted_h_score(noise, labels).abs() < 0.1)
        True
    """
    scored, first = _score(features, labels, None)
    warn_of_any_fit(scored.floor, first.most, first.samples)
    return adjusted(scored, first.most)


def _score(features: Tensor, labels: Tensor, shrinkage: Shrinkage) -> tuple[Scored, Scatter]:
    """The scores `(*batch,)`, and the scatter of the first sources."""
    values = check_features(features)
    present_classes(labels, values, values.shape[-2])
    parts = [(score(scatter, shrinkage), scatter) for scatter in _scatters(values, labels)]
    batch = values.shape[:-2]
    value = torch.cat([scored.value for scored, _ in parts]).view(batch)
    return Scored(value, torch.cat([scored.floor for scored, _ in parts]).view(batch)), parts[0][1]


def _scatters(values: Tensor, labels: Tensor) -> Iterator[Scatter]:
    """Scatter of a few sources at a time, so that memory does not grow with their number."""
    n, d = values.shape[-2:]
    flat = values.flatten(0, -3) if values.ndim > 2 else values[None]
    for some in flat.split(max(1, BLOCK // (max(n, d) * d))):
        yield FeatureStatistics.of(some, labels).scatter() if n >= d else _scatter_of_few(some, labels)


def _scatter_of_few(values: Tensor, labels: Tensor) -> Scatter:
    """The scatter of n < d examples, in n coordinates of their span."""
    few = FeatureStatistics.of(compact(center(values)), labels).scatter()
    return replace(few, dim=values.shape[-1], coarse=values.dtype != torch.float64)
