"""TransRate, GBC, nearest neighbors and the linear probe against slow independent implementations."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor
from torch.testing import assert_close

from cltoolkit.transferability import gbc, knn_accuracy, linear_probe_accuracy, trans_rate


def clusters(n: int, d: int, k: int, *, apart: float = 1.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % k
    means = apart * torch.randn(k, d, generator=generator, dtype=torch.float64)
    return means[labels] + torch.randn(n, d, generator=generator, dtype=torch.float64), labels


def rate(z: np.ndarray, eps: float) -> float:
    """½ log det(I + Z Zᵀ / (n ε))."""
    return 0.5 * np.linalg.slogdet(np.eye(z.shape[1]) + z.T @ z / (len(z) * eps))[1]


@pytest.mark.parametrize(("n", "d", "k", "eps"), [(60, 5, 3, 1e-4), (30, 50, 3, 1e-2), (60, 8, 4, 1.0)])
def test_trans_rate_is_the_published_code_for_classes_of_one_size(n: int, d: int, k: int, eps: float) -> None:
    features, labels = clusters(n, d, k)
    f, y = features.numpy() - features.numpy().mean(0), labels.numpy()
    expected = rate(f, eps) - np.mean([rate(f[y == c], eps) for c in range(k)])
    assert_close(trans_rate(features, labels, distortion=eps).item(), float(expected), rtol=1e-8, atol=0)


def test_trans_rate_is_never_negative_and_vanishes_for_constant_features() -> None:
    labels = torch.tensor([0] * 30 + [1] * 3 + [2])
    features = torch.randn(20, 34, 6, generator=torch.Generator().manual_seed(0))
    assert (trans_rate(features, labels) >= 0).all()
    assert trans_rate(torch.full((34, 6), 0.3), labels) == 0


def bhattacharyya(a: np.ndarray, b: np.ndarray, variance: str) -> float:
    """exp(−D) of two Gaussians with diagonal covariance matrices, written with the matrices."""
    va, vb = a.var(0), b.var(0)
    if variance == "spherical":
        va, vb = np.full_like(va, va.mean()), np.full_like(vb, vb.mean())
    A, B, apart = np.diag(va), np.diag(vb), a.mean(0) - b.mean(0)
    M = (A + B) / 2
    distance = apart @ np.linalg.solve(M, apart) / 8
    distance += 0.5 * np.log(np.linalg.det(M) / np.sqrt(np.linalg.det(A) * np.linalg.det(B)))
    return float(np.exp(-distance))


@pytest.mark.parametrize("variance", ["diagonal", "spherical"])
@pytest.mark.parametrize("components", [None, 3, 64])
def test_gbc_is_its_definition(variance: str, components: int | None) -> None:
    features, labels = clusters(90, 6, 4)
    f, y = features.numpy(), labels.numpy()
    f = PCA(3).fit_transform(f) if components == 3 else f
    expected = -sum(bhattacharyya(f[y == a], f[y == b], variance) for a, b in itertools.permutations(range(4), 2))
    assert_close(gbc(features, labels, variance=variance, components=components).item(), expected, rtol=1e-9, atol=0)


def test_gbc_lies_between_full_overlap_and_none() -> None:
    labels = torch.arange(40) % 4
    assert gbc(torch.ones(40, 5), labels) == -12
    assert -1e-9 < gbc(1e3 * torch.eye(4)[labels], labels) <= 0
    one_each = gbc(torch.eye(5).double(), torch.arange(5))
    assert -20 <= one_each <= 0


def test_principal_components_of_few_examples_are_those_of_all_features() -> None:
    """Where d > n the components come from the span of the examples."""
    features, labels = clusters(20, 90, 3)
    f = torch.from_numpy(PCA(10).fit_transform(features.numpy()))
    assert_close(gbc(features, labels, components=10), gbc(f, labels, components=None), rtol=1e-8, atol=0)
    assert gbc(features, labels, components=64).isfinite()


@pytest.mark.parametrize(("neighbors", "k"), [(1, 5), (3, 2), (7, 2)])
def test_knn_is_that_of_scikit_learn(neighbors: int, k: int) -> None:
    """For odd numbers of neighbors and two classes, where no two classes can have equal votes."""
    features, labels = clusters(120, 6, k)
    classifier = KNeighborsClassifier(neighbors, algorithm="brute")
    expected = cross_val_predict(classifier, features.numpy(), labels.numpy(), cv=LeaveOneOut()) == labels.numpy()
    assert_close(knn_accuracy(features, labels, neighbors=neighbors).item(), float(expected.mean()))


def test_ties_are_shared() -> None:
    """The middle example has one neighbor of each class at the same distance; the others have the middle one."""
    line = torch.tensor([[0.0], [1.0], [2.0]])
    assert_close(knn_accuracy(line, torch.tensor([0, 0, 1]), neighbors=1).item(), (1 + 0.5 + 0) / 3)
    assert_close(knn_accuracy(line, torch.tensor([0, 0, 1]), neighbors=10).item(), (0.5 + 0.5 + 0) / 3)
    same = torch.ones(4, 2)  # three neighbors share one vote: the class of one example gets 1/3 or nothing
    assert knn_accuracy(same, torch.tensor([0, 0, 0, 1]), neighbors=1) == 0.75


def test_neighbors_need_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = clusters(100, 4, 3)
    whole = knn_accuracy(features, labels)
    monkeypatch.setitem(knn_accuracy.__globals__, "BLOCK", 700)  # seven rows at a time
    assert knn_accuracy(features, labels) == whole


@pytest.mark.parametrize(("n", "d", "penalty"), [(60, 5, 1e-2), (40, 5, 3.0), (25, 40, 1e-2)])
def test_linear_probe_is_ridge_without_each_example(n: int, d: int, penalty: float) -> None:
    features, labels = clusters(n, d, 3, apart=0.7 if d < n else 0.2)
    x, y = (features - features.mean(0)).numpy(), np.eye(3)[labels.numpy()]
    model = Ridge(alpha=penalty * (x**2).sum() / d, solver="cholesky")
    predicted = cross_val_predict(model, x, y, cv=LeaveOneOut()).argmax(1)
    expected = (predicted == labels.numpy()).mean()
    assert 0.2 < expected < 1
    assert_close(linear_probe_accuracy(features, labels, penalty=penalty).item(), float(expected))


def test_settings_are_checked() -> None:
    features, labels = clusters(20, 3, 2)
    with pytest.raises(ValueError, match="positive distortion"):
        trans_rate(features, labels, distortion=0.0)
    with pytest.raises(ValueError, match="'diagonal' or 'spherical'"):
        gbc(features, labels, variance="full")
    with pytest.raises(ValueError, match="number of components"):
        gbc(features, labels, components=0)
    with pytest.raises(ValueError, match="positive floor"):
        gbc(features, labels, floor=0.0)
    with pytest.raises(ValueError, match="number of neighbors"):
        knn_accuracy(features, labels, neighbors=0)
    with pytest.raises(ValueError, match="penalty of at least"):
        linear_probe_accuracy(features, labels, penalty=0.0)
