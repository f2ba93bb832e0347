"""Streaming is the same as one shot, for any split, any order of classes, and merged in any way."""

import functools
import itertools
import operator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf
from torch import Tensor
from torch.testing import assert_close

from cltoolkit.transferability import FeatureStatistics, adjusted_h_score, h_score

pytestmark = pytest.mark.filterwarnings("ignore::cltoolkit.transferability.NoiseFloorWarning")
exact = functools.partial(assert_close, rtol=1e-9, atol=1e-11)


def sample(
    n: int, d: int, k: int, *, seed: int = 0, mean: float = 0.0, batch: tuple[int, ...] = ()
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = 5 - 3 * torch.randint(k, (n,), generator=generator)
    labels[:2] = torch.tensor([5, 2])
    noise = torch.randn(*batch, n, d, generator=generator, dtype=torch.float64)
    return noise @ torch.randn(d, d, generator=generator).double() + labels[:, None] / 3 + mean, labels


def all_of(statistics: FeatureStatistics) -> dict[str, Tensor]:
    return {
        "plain": statistics.h_score(),
        "shrunk": statistics.h_score(shrinkage="ledoit_wolf"),
        "adjusted": statistics.adjusted_h_score(),
        "alpha": statistics.shrinkage(),
        "floor": statistics.noise_floor(),
        "shrunk floor": statistics.noise_floor(shrinkage=0.2),
    }


@given(
    cuts=st.lists(st.integers(1, 99), max_size=6, unique=True),
    seed=st.integers(0, 50),
    sizes=st.sampled_from([(4, 3), (12, 2), (130, 5)]),
    mean=st.sampled_from([0.0, 300.0]),
)
@settings(max_examples=20)
def test_any_split_streamed_or_merged_is_one_shot(
    cuts: list[int], seed: int, sizes: tuple[int, int], mean: float
) -> None:
    features, labels = sample(100, *sizes, seed=seed, mean=mean)
    expected = all_of(FeatureStatistics.of(features, labels))
    bounds = [0, *sorted(cuts), 100]
    parts = [(features[a:b], labels[a:b]) for a, b in itertools.pairwise(bounds)]
    streamed = FeatureStatistics()
    for part in parts:
        streamed.update(*part)
    merged = functools.reduce(operator.add, [FeatureStatistics.of(*part) for part in parts[::-1]])
    for statistics in (streamed, merged):
        for name, value in all_of(statistics).items():
            exact(value, expected[name], msg=lambda m, name=name: f"{name}: {m}")


def test_is_what_the_functions_give() -> None:
    features, labels = sample(200, 6, 4, batch=(2, 3))
    statistics = FeatureStatistics.of(features, labels)
    exact(statistics.h_score(), h_score(features, labels))
    exact(statistics.h_score(shrinkage="ledoit_wolf"), h_score(features, labels, shrinkage="ledoit_wolf"))
    exact(statistics.adjusted_h_score(), adjusted_h_score(features, labels))
    assert statistics.h_score().shape == (2, 3)


def test_few_examples_have_the_same_score_in_coordinates_of_their_span() -> None:
    """h_score goes through an n × n matrix where n < d, the statistics never."""
    features, labels = sample(25, 60, 3, mean=2.0)
    features[:, 7] = 4.2  # constant
    statistics = FeatureStatistics.of(features, labels)
    for shrinkage in (None, 0.3, "ledoit_wolf"):
        exact(h_score(features, labels, shrinkage=shrinkage), statistics.h_score(shrinkage=shrinkage))


def test_classes_may_come_at_any_time_under_any_number() -> None:
    features, labels = sample(90, 5, 4)
    statistics = FeatureStatistics()
    for number in (-4, 5, -1, 2):  # neither 0..k - 1 nor in order
        statistics.update(features[labels == number], labels[labels == number])
    assert statistics.classes.tolist() == [-4, -1, 2, 5]
    assert statistics.counts.tolist() == [int((labels == c).sum()) for c in (-4, -1, 2, 5)]
    assert statistics.num_samples == 90
    exact(statistics.h_score(), h_score(features, labels))


def test_a_class_without_examples_is_no_class() -> None:
    features, labels = sample(90, 5, 3)
    absent = FeatureStatistics.of(features, labels)
    absent.update(features[:0].reshape(0, 5).new_zeros(1, 5) + features[0], labels[:1])
    assert absent.classes.tolist() == labels.unique().tolist()


@pytest.mark.parametrize(("n", "d"), [(30, 5), (500, 20), (20, 90), (40, 1), (2, 3)])
def test_alpha_is_that_of_scikit_learn(n: int, d: int) -> None:
    features, labels = sample(n, d, 2, mean=1.5)
    alpha = ledoit_wolf(features.numpy())[1]
    assert_close(FeatureStatistics.of(features, labels).shrinkage().item(), float(alpha), rtol=1e-10, atol=1e-14)


def test_addition_leaves_its_terms_alone() -> None:
    a, b = FeatureStatistics.of(*sample(40, 4, 2)), FeatureStatistics.of(*sample(50, 4, 4, seed=1))
    before = [a.h_score(), b.h_score()]
    total = a + b
    assert (a.num_samples, b.num_samples, total.num_samples) == (40, 50, 90)
    exact((b + a).h_score(), total.h_score())
    exact((FeatureStatistics() + total + FeatureStatistics()).h_score(), total.h_score())
    assert [a.h_score(), b.h_score()] == before


def test_memory_does_not_depend_on_the_number_of_examples() -> None:
    def numbers(statistics: FeatureStatistics) -> int:
        return sum(value.numel() for value in vars(statistics._moments).values())

    d, k = 7, 4
    few, many = (FeatureStatistics.of(*sample(n, d, k)) for n in (20, 2000))
    assert numbers(few) == numbers(many) == d * d + k * d + k + d + 2


def test_half_precision_features_are_summed_in_double() -> None:
    features, labels = sample(300, 5, 3)
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        coarse = features.to(dtype)
        exact(h_score(coarse, labels), h_score(coarse.double(), labels))


def test_streams_that_do_not_fit_are_refused() -> None:
    features, labels = sample(30, 4, 2)
    statistics = FeatureStatistics.of(features, labels)
    with pytest.raises(ValueError, match=r"= \(4,\), as before; got \(30, 3\)"):
        statistics.update(features[:, :3], labels)
    with pytest.raises(ValueError, match=r"= \(4,\); got \(3,\)"):
        statistics.merge(FeatureStatistics.of(features[:, :3], labels))
    with pytest.raises(ValueError, match="at least two classes"):
        FeatureStatistics().h_score()
    one = FeatureStatistics.of(features, torch.zeros(30, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"at least two classes; got \[0\]"):
        one.h_score()
    broken = features.clone()
    broken[3, 2], broken[5, 1] = torch.nan, torch.inf
    with pytest.raises(ValueError, match="2 of 120 values"):
        statistics.update(broken, labels)
    assert statistics.num_samples == 30
    exact(statistics.h_score(), h_score(features, labels))


@pytest.mark.slow
def test_a_million_examples_are_one_shot_in_any_batches() -> None:
    n, d, k = 10**6, 64, 10
    generator = np.random.default_rng(0)
    features = torch.from_numpy(generator.standard_normal((n, d), dtype=np.float32)) + 5
    labels = torch.from_numpy(generator.integers(k, size=n))
    features[:, 0] += labels
    expected = h_score(features, labels)
    for size in (1000, 4097, 300_000):
        statistics = FeatureStatistics()
        for rows in torch.arange(n).split(size):
            statistics.update(features[rows], labels[rows])
        exact(statistics.h_score(), expected)
