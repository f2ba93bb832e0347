"""Theorems about the H-score; the textbook formula with NumPy's `cov` and `pinv` is the oracle."""

import itertools
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from cltoolkit.transferability import FeatureStatistics, NoiseFloorWarning, adjusted_h_score, h_score
from cltoolkit.transferability._scatter import _by_eigenvalues, trace_ratio

ignoring_noise = pytest.mark.filterwarnings("ignore::cltoolkit.transferability.NoiseFloorWarning")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clusters(n: int, d: int, k: int, *, seed: int = 0, apart: float = 1.0) -> tuple[Tensor, Tensor]:
    """Features in float64 with class means about `apart` from each other, and labels in random order."""
    labels = (torch.arange(n) % k)[torch.randperm(n, generator=generator(seed))]
    means = apart * torch.randn(k, d, generator=generator(seed + 1), dtype=torch.float64)
    return means[labels] + torch.randn(n, d, generator=generator(seed + 2), dtype=torch.float64), labels


def textbook(features: Tensor, labels: Tensor) -> float:
    """tr(pinv(cov(f)) cov(E[f | y])) with one pair of covariances."""
    f, y = features.double().numpy(), labels.numpy()
    g = np.zeros_like(f)
    for c in np.unique(y):
        g[y == c] = f[y == c].mean(0)
    return float(np.trace(np.linalg.pinv(np.cov(f, rowvar=False)) @ np.cov(g, rowvar=False)))


def textbook_shrinkage(features: Tensor, labels: Tensor, alpha: float) -> float:
    """(1 − α) tr(Σ_α⁻¹ Σ_g) with Σ_α = (1 − α) S + α μ I, and one divisor."""
    f, y = features.double().numpy(), labels.numpy()
    g = np.stack([f[y == c].mean(0) for c in y])
    S, between = np.cov(f, rowvar=False, bias=True), np.cov(g, rowvar=False, bias=True)
    shrunk = (1 - alpha) * S + alpha * np.trace(S) / len(S) * np.eye(len(S))
    return float((1 - alpha) * np.trace(np.linalg.solve(shrunk, between)))


@pytest.mark.parametrize(("n", "d", "k"), [(200, 12, 3), (300, 100, 7), (500, 130, 2), (60, 1, 4)])
@ignoring_noise
def test_is_the_textbook_formula(n: int, d: int, k: int) -> None:
    features, labels = clusters(n, d, k)
    expected = textbook(features, labels) if d > 1 else eta_squared(features[:, 0], labels)
    assert_close(h_score(features, labels).item(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("alpha", [1e-6, 0.1, 0.9])
@pytest.mark.parametrize("d", [9, 200])
@ignoring_noise
def test_shrinkage_is_the_textbook_formula(alpha: float, d: int) -> None:
    features, labels = clusters(100, d, 4)
    assert_close(
        h_score(features, labels, shrinkage=alpha).item(),
        textbook_shrinkage(features, labels, alpha),
        rtol=1e-9,
        atol=0,
    )


@ignoring_noise
@given(st.integers(0, 100), st.sampled_from([(80, 5, 3), (40, 8, 2), (30, 40, 4)]))
@settings(max_examples=20)
def test_invariant_under_affine_maps_order_names_and_copies(seed: int, sizes: tuple[int, int, int]) -> None:
    features, labels = clusters(*sizes, seed=seed)
    n, d, _ = sizes
    score = h_score(features, labels)
    A = torch.linalg.qr(torch.randn(d, d, generator=generator(seed), dtype=torch.float64)).Q * torch.linspace(1, 5, d)
    order = torch.randperm(n, generator=generator(seed))
    names = torch.tensor([40, -3, 7, 11])
    same = [
        h_score(features @ A + 3, labels),
        h_score(features[order], labels[order]),
        h_score(features, names[labels]),
    ]
    if d < n:  # else copies make a score that is out of reach
        same.append(h_score(features.repeat(2, 1), labels.repeat(2)))
    for other in same:
        assert_close(other, score, rtol=1e-10, atol=1e-12)


@ignoring_noise
def test_shrinkage_is_invariant_under_rotation_translation_and_a_common_scale() -> None:
    features, labels = clusters(80, 20, 3)
    Q = torch.linalg.qr(torch.randn(20, 20, generator=generator(), dtype=torch.float64)).Q
    for alpha in (0.3, "ledoit_wolf"):
        score = h_score(features, labels, shrinkage=alpha)
        assert_close(h_score(7 * features @ Q - 2, labels, shrinkage=alpha), score, rtol=1e-10, atol=0)
    stretched = features * torch.linspace(1, 9, 20)
    assert abs(h_score(stretched, labels, shrinkage=0.3) - h_score(features, labels, shrinkage=0.3)) > 1e-3


@ignoring_noise
@given(st.integers(0, 1000), st.integers(2, 30), st.integers(1, 40), st.integers(2, 5))
@settings(max_examples=25)
def test_lies_between_0_and_the_smaller_of_classes_and_rank(seed: int, n: int, d: int, k: int) -> None:
    features, labels = clusters(n, d, k, seed=seed, apart=3)
    present = len(labels.unique())
    if present < 2:
        return
    rank = int(torch.linalg.matrix_rank(features - features.mean(0)))
    score = h_score(features, labels)
    assert 0 <= score <= min(present - 1, rank)
    assert h_score(features, labels, shrinkage=0.2) <= score + 1e-9


def test_separating_features_have_the_maximum() -> None:
    labels = torch.arange(400) % 5
    one_hot = torch.nn.functional.one_hot(labels).double()
    for features in (one_hot, one_hot.repeat(1, 3), one_hot.float(), torch.cat([one_hot, one_hot + 1], 1)):
        assert_close(h_score(features, labels).item(), 4.0, rtol=1e-10, atol=0)


@pytest.mark.parametrize("value", [0.0, 3.7, 1e9 / 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("d", [3, 200])
def test_constant_features_have_0(value: float, dtype: torch.dtype, d: int) -> None:
    features, labels = torch.full((100, d), value, dtype=dtype), torch.arange(100) % 4
    for score in (h_score(features, labels), h_score(features, labels, shrinkage="ledoit_wolf")):
        assert score == 0
    assert adjusted_h_score(features, labels) == 0


def test_more_features_than_examples_fit_anything_and_say_so() -> None:
    features, labels = clusters(30, 30, 4, apart=0)
    with pytest.warns(NoiseFloorWarning, match=r"shrinkage='ledoit_wolf'") as caught:
        assert_close(h_score(features, labels).item(), 3.0, rtol=1e-9, atol=0)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with pytest.warns(NoiseFloorWarning, match="fit any labels"):
        assert adjusted_h_score(features, labels) == 0


@ignoring_noise
def test_another_feature_never_lowers_it_and_merging_classes_never_raises_it() -> None:
    features, labels = clusters(150, 12, 5)
    growing = torch.stack([h_score(features[:, :d], labels) for d in range(1, 13)])
    assert (growing.diff() > -1e-12).all()
    for a, b in itertools.combinations(range(5), 2):
        assert h_score(features, torch.where(labels == a, b, labels)) <= growing[-1] + 1e-12


def eta_squared(feature: Tensor, labels: Tensor) -> float:
    """Between-class part of the sum of squares."""
    centered = feature - feature.mean()
    between = sum((labels == c).sum() * centered[labels == c].mean() ** 2 for c in labels.unique())
    return float(between / centered.square().sum())


def test_of_one_feature_is_eta_squared() -> None:
    features, labels = clusters(80, 1, 4, apart=3)
    assert_close(h_score(features, labels).item(), eta_squared(features[:, 0], labels), rtol=1e-12, atol=0)


def test_of_two_classes_is_the_r_squared_of_the_label() -> None:
    features, labels = clusters(80, 6, 2)
    y, x = labels.double() - labels.double().mean(), features - features.mean(0)
    fit = x @ torch.linalg.lstsq(x, y[:, None]).solution[:, 0]
    score = h_score(features, labels)
    assert_close(score, fit.square().sum() / y.square().sum())
    n0, n1 = (labels == 0).sum(), (labels == 1).sum()
    apart = features[labels == 1].mean(0) - features[labels == 0].mean(0)
    assert_close(score, n0 * n1 / 80 * apart @ torch.linalg.solve(x.T @ x, apart))


def test_is_the_fit_of_the_normalized_indicator() -> None:
    """H = C − 1 − min_W |Ỹ − F W|², Ỹ_ic = (1[y_i = c] − p_c) / √(n p_c)."""
    features, labels = clusters(120, 7, 4)
    p = labels.bincount() / 120
    indicator = (torch.nn.functional.one_hot(labels) - p) / (120 * p).sqrt()
    indicator, x = indicator.double(), features - features.mean(0)
    assert_close(indicator.square().sum().item(), 3.0)
    rest = indicator - x @ torch.linalg.lstsq(x, indicator).solution
    assert_close(h_score(features, labels).item(), (3 - rest.square().sum()).item(), rtol=1e-6, atol=0)


def test_is_a_sum_over_the_directions_of_linear_discriminants() -> None:
    """With ρ² the eigenvalues of T⁻¹ B: H = Σ ρ², and tr(S_W⁻¹ B) = Σ ρ² / (1 − ρ²)."""
    features, labels = clusters(150, 5, 4)
    x = features - features.mean(0)
    total = x.T @ x
    within = sum(((f := features[labels == c]) - f.mean(0)).T @ (f - f.mean(0)) for c in range(4))
    squares = torch.linalg.eigvals(torch.linalg.solve(total, total - within)).real
    assert_close(h_score(features, labels), squares.sum())
    assert_close(torch.trace(torch.linalg.solve(within, total - within)), (squares / (1 - squares)).sum())


@ignoring_noise
def test_noise_has_its_floor_on_average() -> None:
    n, d, k = 200, 16, 5
    features, labels = torch.randn(n, d, generator=generator()), torch.arange(n) % k
    shuffled = torch.stack([features[torch.randperm(n, generator=generator(i))] for i in range(300)])
    for shrinkage in (None, 0.4):
        scores = h_score(shuffled, labels, shrinkage=shrinkage)
        floor = FeatureStatistics.of(features, labels).noise_floor(shrinkage=shrinkage)
        assert abs(scores.mean() - floor) < 4 * scores.std() / 300**0.5
    assert_close(FeatureStatistics.of(features, labels).noise_floor().item(), d * (k - 1) / (n - 1))
    adjusted = adjusted_h_score(shuffled, labels)
    assert abs(adjusted.mean()) < 4 * adjusted.std() / 300**0.5


@ignoring_noise
def test_the_floor_is_exact_over_all_permutations() -> None:
    """Also where features are redundant: then the rank counts."""
    features = torch.randn(6, 2, generator=generator(), dtype=torch.float64) @ torch.ones(2, 3).triu().double()
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    for shrinkage in (None, 0.3):
        every = h_score(features[list(itertools.permutations(range(6)))], labels, shrinkage=shrinkage)
        floor = FeatureStatistics.of(features, labels).noise_floor(shrinkage=shrinkage)
        assert_close(every.mean(), floor, rtol=1e-10, atol=0)


def test_adjusted_is_the_stated_line() -> None:
    features, labels = clusters(100, 10, 4)
    floor, score = 10 * 3 / 99, h_score(features, labels)
    assert_close(adjusted_h_score(features, labels), (score - floor) / (1 - floor / 3))
    one_hot = torch.nn.functional.one_hot(labels).double()
    assert_close(adjusted_h_score(one_hot, labels).item(), 3.0)


@pytest.mark.parametrize(
    ("apart", "n", "d", "warns"), [(2.0, 400, 10, False), (0.0, 400, 10, True), (2.0, 40, 30, True)]
)
def test_warns_where_noise_would_do_as_well(apart: float, n: int, d: int, warns: bool) -> None:
    features, labels = clusters(n, d, 4, apart=apart, seed=3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        h_score(torch.stack([features, features]), labels)
    assert [w.category for w in caught] == [NoiseFloorWarning] * warns


def test_cholesky_is_the_same_as_eigenvalues() -> None:
    features, labels = clusters(200, 30, 5)
    x, weights = features - features.mean(0), torch.nn.functional.one_hot(labels).double()
    means = (weights / weights.sum(0).sqrt()).T @ x
    by_cholesky, rank = trace_ratio((x.T @ x)[None], means[None], 1e-12)
    by_eigenvalues, same_rank = _by_eigenvalues((x.T @ x)[None], means[None], 1e-12, torch.zeros(1))
    assert_close(by_cholesky, by_eigenvalues, rtol=1e-12, atol=0)
    assert rank == same_rank == 30


@ignoring_noise
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_duplicated_and_dead_features_change_nothing(dtype: torch.dtype) -> None:
    features, labels = clusters(150, 8, 4)
    features = features.to(dtype)
    score = h_score(features, labels)
    dead, mixed = torch.zeros(150, 3, dtype=dtype), features @ torch.ones(8, 4, dtype=dtype).tril()
    for more in (dead, dead + 0.7, features, mixed):
        assert_close(h_score(torch.cat([features, more], 1), labels), score, rtol=1e-7, atol=0)
    assert_close(adjusted_h_score(torch.cat([features, dead], 1), labels), adjusted_h_score(features, labels))


def test_a_large_mean_changes_nothing() -> None:
    features, labels = clusters(200, 10, 4)
    assert abs(h_score(features + 1e4, labels) - h_score(features, labels)) < 1e-8
    assert abs(h_score(features + 1e7, labels) - h_score(features, labels)) < 1e-6


def test_shrinkage_fades_into_the_plain_score() -> None:
    features, labels = clusters(150, 10, 4)
    scores = torch.stack([h_score(features, labels, shrinkage=alpha) for alpha in (0.0, 1e-9, 0.01, 0.1, 0.5)])
    assert (scores.diff() < 0).all()
    assert scores[0] == h_score(features, labels)
    assert_close(scores[1], scores[0], rtol=1e-7, atol=0)
    assert h_score(features, labels, shrinkage=1.0) == 0


@pytest.mark.parametrize("shrinkage", [-0.1, 1.1, "lw", float("nan")])
def test_other_shrinkage_is_refused(shrinkage: float) -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        h_score(*clusters(30, 3, 2), shrinkage=shrinkage)


@ignoring_noise
def test_many_sources_are_scored_in_parts_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    features = torch.stack([clusters(100, 12, 3, seed=s)[0] for s in range(6)]).view(2, 3, 100, 12)
    labels = torch.arange(100) % 3
    whole = h_score(features, labels)
    monkeypatch.setitem(h_score.__globals__, "BLOCK", 2 * 100 * 100)  # two sources
    monkeypatch.setitem(FeatureStatistics.update.__globals__, "BLOCK", 7 * 12)  # three examples of each
    assert whole.shape == (2, 3)
    assert_close(h_score(features, labels), whole, rtol=1e-12, atol=0)
