"""Accuracy of a linear classifier on the features, each example left out once, in closed form."""

import torch
from torch import Tensor

from ._inputs import center, check_features, compact, present_classes, shared_credit


def linear_probe_accuracy(features: Tensor, labels: Tensor, *, penalty: float = 1e-2) -> Tensor:
    """Leave-one-out accuracy of a ridge classifier: n classifiers at the price of one.

    One-hot labels Y are regressed on the features with an intercept, which is not penalized. With F centered and the
    hat matrix P = 11ᵀ/n + F (FᵀF + λI)⁻¹ Fᵀ the prediction for example i of the model fitted without it is

        (P Y − P_ii Y)_i / (1 − P_ii),

    and the class with the largest value wins; classes that share the lead share the point.

    Args:
        features: `(*batch, n, d)`, penultimate activations of source models on the target's data.
        labels: `(n,)`, whole numbers, the target's classes.
        penalty: λ > 0 as a part of the mean eigenvalue tr(FᵀF) / d, so that the scale of features does not matter.

    Returns:
        `(*batch,)`, float64, in [0, 1]; larger is easier transfer.

    Raises:
        ValueError: if a shape does not fit, fewer than two classes are present, or a feature is not finite.

    References:
        Hastie et al., The Elements of Statistical Learning, 2009, eq. 7.64 (leaving one out with a linear smoother).

    Example:
        >>> labels = torch.arange(60) % 3
        >>> noise = torch.randn(60, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        >>> linear_probe_accuracy(noise + 9 * torch.eye(3).double()[labels], labels)
        tensor(1., dtype=torch.float64)
    """
    if not penalty >= 1e-8:
        raise ValueError(f"expected a penalty of at least 1e-8 of the mean eigenvalue; got {penalty}")
    values = check_features(features)
    n, d = values.shape[-2:]
    classes = present_classes(labels, values, n)
    x = compact(center(values))  # (*, n, k)
    ridge = penalty * x.square().sum((-2, -1)) / d
    normal = x.mT @ x
    normal.diagonal(dim1=-2, dim2=-1).add_(torch.where(ridge > 0, ridge, 1.0)[..., None])
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(normal), x.mT, upper=False)  # (*, k, n)
    y = classes.one_hot()
    leverage = (white.square().sum(-2) + 1 / n)[..., None]
    fitted = white.mT @ (white @ (y - y.mean(0))) + y.mean(0)
    left_out = (fitted - leverage * y) / (1 - leverage)
    return shared_credit(left_out, classes.index, 1e-9).mean(-1)
