"""GBC: how much the classes overlap, each taken as a Gaussian."""

from typing import Literal

import torch
from torch import Tensor

from ._inputs import center, check_features, compact, present_classes


def gbc(
    features: Tensor,
    labels: Tensor,
    *,
    variance: Literal["diagonal", "spherical"] = "spherical",
    components: int | None = 64,
    floor: float = 1e-4,
) -> Tensor:
    """Gaussian Bhattacharyya coefficient −Σ_{a ≠ b} exp(−D(a, b)) over ordered pairs of classes.

    With class means μ and variances σ² the Bhattacharyya distance is, with v = (σ_a² + σ_b²) / 2 per coordinate,

        D(a, b) = ⅛ Σ (μ_a − μ_b)² / v + ½ Σ log(v / (σ_a σ_b)).

    Args:
        features: `(*batch, n, d)`, penultimate activations of source models on the target's data.
        labels: `(n,)`, whole numbers, the target's classes.
        variance: "diagonal" for one variance per coordinate and class, "spherical" for their mean.
        components: principal components kept, where features are more; None for all features.
        floor: smallest variance, as a part of the features' mean variance; it keeps classes of one example apart from
            points.

    Returns:
        `(*batch,)`, float64, in [−C (C − 1), 0]; larger is easier transfer. Constant features have −C (C − 1).

    Raises:
        ValueError: if a shape does not fit, fewer than two classes are present, or a feature is not finite.

    References:
        Pándy et al., Transferability Estimation using Bhattacharyya Class Separability, CVPR 2022, eq. 4-6.

    Example:
        >>> labels = torch.arange(60) % 3
        >>> noise = torch.randn(60, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        >>> near, far = gbc(torch.stack([noise, noise + 9 * torch.eye(3).double()[labels]]), labels)
        >>> bool(-6 <= near < far < 0)
        True
    """
    _check(variance, components, floor)
    values = check_features(features)
    classes = present_classes(labels, values, values.shape[-2])
    x = center(values)
    d = x.shape[-1] if components is None else min(components, x.shape[-1])
    x = x if d == x.shape[-1] else _principal(x, d)
    weights = (classes.one_hot() / classes.counts).T  # (C, n)
    mean = weights @ x  # (*, C, d)
    spread = weights @ (x - mean[..., classes.index, :]).square()
    if variance == "spherical":
        spread = spread.mean(-1, keepdim=True).expand_as(spread)
    total = x.square().mean((-2, -1), keepdim=True)
    spread = torch.where(total > 0, spread.maximum(floor * total), 1.0)
    return -_overlap(mean, spread)


def _overlap(mean: Tensor, spread: Tensor) -> Tensor:
    """Σ_{a ≠ b} exp(−D(a, b)) of `(*, C, d)` means and variances, one class against all at a time."""
    total = mean.new_zeros(mean.shape[:-2])
    for a in range(mean.shape[-2]):
        middle = (spread[..., a : a + 1, :] + spread) / 2
        apart = ((mean[..., a : a + 1, :] - mean).square() / middle).sum(-1) / 8
        shape = (middle.log() - (spread[..., a : a + 1, :].log() + spread.log()) / 2).sum(-1) / 2
        total = total + (-(apart + shape)).exp().sum(-1) - 1  # without D(a, a) = 0
    return total


def _principal(centered: Tensor, components: int) -> Tensor:
    """`(*, n, components)`, the coordinates along the directions of largest variance; 0 beyond their number."""
    x = compact(centered)
    vectors = torch.linalg.eigh(x.mT @ x).eigenvectors  # ascending
    kept = x @ vectors[..., -components:]
    return torch.nn.functional.pad(kept, (components - kept.shape[-1], 0))


def _check(variance: str, components: int | None, floor: float) -> None:
    if variance not in ("diagonal", "spherical"):
        raise ValueError(f"expected variance 'diagonal' or 'spherical'; got {variance!r}")
    if components is not None and components < 1:
        raise ValueError(f"expected a positive number of components, or None for all features; got {components}")
    if not floor > 0:
        raise ValueError(f"expected a positive floor of the variance; got {floor}")
