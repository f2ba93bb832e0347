"""LogME against the logarithm of the marginal likelihood itself, a Gaussian in n dimensions."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from torch import Tensor
from torch.testing import assert_close

from cltoolkit.transferability import log_me

EPSILON = 1e-5


def clusters(n: int, d: int, k: int, *, apart: float = 1.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % k
    means = apart * torch.randn(k, d, generator=generator, dtype=torch.float64)
    return means[labels] + torch.randn(n, d, generator=generator, dtype=torch.float64), labels


def evidence(features: Tensor, target: np.ndarray, log_alpha: float, log_beta: float) -> float:
    """log N(y; 0, F Fᵀ / α + I / β), and the penalty."""
    F, n = features.numpy(), len(target)
    alpha, beta = np.exp(log_alpha), np.exp(log_beta)
    covariance = F @ F.T / alpha + np.eye(n) / beta
    return multivariate_normal(np.zeros(n), covariance).logpdf(target) - EPSILON * (alpha + beta) / 2


def slow(features: Tensor, labels: Tensor) -> float:
    """The mean over classes of the largest evidence that a simplex search finds, per example."""
    best = []
    for c in labels.unique():
        target = (labels == c).double().numpy()
        starts = [(0.0, 1.0), (3.0, 2.0)]
        found = [
            minimize(
                lambda p, y=target: -evidence(features, y, *p),
                start,
                method="Nelder-Mead",
                options={"xatol": 1e-6, "fatol": 1e-9},
            )
            for start in starts
        ]
        best.append(-min(f.fun for f in found) / len(labels))
    return float(np.mean(best))


@pytest.mark.parametrize(
    ("n", "d", "k", "apart"), [(40, 4, 3, 1.0), (40, 4, 2, 0.2), (25, 40, 2, 1.0), (30, 1, 3, 2.0)]
)
def test_is_the_largest_evidence(n: int, d: int, k: int, apart: float) -> None:
    features, labels = clusters(n, d, k, apart=apart)
    assert_close(log_me(features, labels).item(), slow(features, labels), rtol=1e-7, atol=1e-8)


def test_batches_may_hold_sources_of_any_rank() -> None:
    features, labels = clusters(50, 8, 3)
    flat = features.clone()
    flat[:, 3:] = 0
    every = [features, flat, 0 * features, features * 100, features[:, :1].expand(50, 8)]
    together = log_me(torch.stack(every), labels)
    assert together.isfinite().all()
    assert_close(together, torch.stack([log_me(f, labels) for f in every]), rtol=1e-8, atol=0)
    assert_close(together[1], log_me(features[:, :3], labels), rtol=1e-8, atol=0)  # zero features are no features


def test_is_invariant_under_rotation() -> None:
    features, labels = clusters(60, 70, 3)
    Q = torch.linalg.qr(torch.randn(70, 70, generator=torch.Generator().manual_seed(1), dtype=torch.float64)).Q
    assert_close(log_me(features @ Q, labels), log_me(features, labels), rtol=1e-8, atol=0)


def test_stays_finite_where_features_fit_exactly() -> None:
    labels = torch.arange(40) % 4
    one_hot = torch.nn.functional.one_hot(labels).double()
    score = log_me(one_hot, labels)
    assert score.isfinite()
    assert score > log_me(clusters(40, 4, 4)[0], labels)
    assert log_me(clusters(20, 200, 4)[0], labels[:20]).isfinite()


def test_more_iterations_do_not_change_it() -> None:
    for apart in (0.0, 0.3, 3.0):
        features, labels = clusters(100, 20, 4, apart=apart)
        assert_close(
            log_me(features, labels), log_me(features, labels, tolerance=1e-12, steps=20000), rtol=1e-8, atol=0
        )


def test_needs_a_penalty() -> None:
    with pytest.raises(ValueError, match="positive penalty"):
        log_me(*clusters(20, 3, 2), penalty=0.0)
