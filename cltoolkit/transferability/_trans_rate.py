"""TransRate: how many nats the labels save in coding the features."""

import torch
from torch import Tensor

from ._inputs import center, check_features, compact, present_classes


def trans_rate(features: Tensor, labels: Tensor, *, distortion: float = 1e-4) -> Tensor:
    """TransRate R(F) − Σ_c (n_c / n) R(F_c), with the coding rate R(F) = ½ log det(I + FᵀF / (n ε)).

    F is centered, and F_c are the rows of class c, about the common mean. As log det is concave, the rate is never
    negative. It depends on the scale of the features against ε.

    Args:
        features: `(*batch, n, d)`, penultimate activations of source models on the target's data.
        labels: `(n,)`, whole numbers, the target's classes.
        distortion: ε > 0, the squared distortion allowed to each feature.

    Returns:
        `(*batch,)`, float64, in nats, at least 0; larger is easier transfer.

    Raises:
        ValueError: if a shape does not fit, fewer than two classes are present, or a feature is not finite.

    References:
        Huang et al., Frustratingly Easy Transferability Estimation, ICML 2022, eq. 4-5. Their code weighs all classes
        alike; here they weigh as they occur, which is the same for classes of one size.

    Example:
        >>> labels = torch.arange(60) % 3
        >>> noise = torch.randn(60, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        >>> near, far = trans_rate(torch.stack([noise, noise + 9 * torch.eye(3).double()[labels]]), labels)
        >>> bool(0 < near < far)
        True
    """
    if not distortion > 0:
        raise ValueError(f"expected a positive distortion; got {distortion}")
    values = check_features(features)
    classes = present_classes(labels, values, values.shape[-2])
    centered = compact(center(values))
    rate = coding_rate(centered, distortion)
    for number, count in enumerate(classes.counts.tolist()):
        members = centered[..., classes.index == number, :]
        rate = rate - count / len(labels) * coding_rate(members, distortion)
    return rate.clamp(min=0)


def coding_rate(features: Tensor, distortion: float) -> Tensor:
    """½ log det(I + FᵀF / (n ε)) of `(*, n, d)`, from the eigenvalues of the smaller of FᵀF and FFᵀ."""
    n, d = features.shape[-2:]
    gram = features.mT @ features if d <= n else features @ features.mT
    return 0.5 * (torch.linalg.eigvalsh(gram).clamp(min=0) / (n * distortion)).log1p().sum(-1)
