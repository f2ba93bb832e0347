"""What holds for every estimator: invariances, batches, order of good and bad sources, and every edge."""

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from cltoolkit.transferability import ESTIMATORS, Estimator, NoiseFloorWarning, h_score, noise_floor

pytestmark = pytest.mark.filterwarnings("ignore::cltoolkit.transferability.NoiseFloorWarning")
every = pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
of_features = pytest.mark.parametrize("name", [name for name, e in ESTIMATORS.items() if e.needs == "features"])
of_probabilities = pytest.mark.parametrize("name", [name for name, e in ESTIMATORS.items() if e.needs != "features"])


def source(
    estimator: Estimator, labels: Tensor, *, d: int = 6, apart: float = 1.0, seed: int = 0, batch: tuple[int, ...] = ()
) -> Tensor:
    """Features of clusters about the corners of a simplex, or the source's probabilities made of them."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(*batch, len(labels), d, generator=generator, dtype=torch.float64)
    values = values + apart * torch.nn.functional.one_hot(labels % d, d)
    return values.softmax(-1) if estimator.needs == "probabilities" else values


@every
def test_neither_order_nor_names_matter(estimator: Estimator) -> None:
    labels = torch.tensor([0, 1, 2, 1, 0]).repeat(12)
    values = source(estimator, labels)
    score = estimator.of(values, labels)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    assert_close(estimator.of(values[order], labels[order]), score, rtol=1e-8, atol=1e-12)
    assert_close(estimator.of(values, torch.tensor([17, -4, 3])[labels]), score, rtol=1e-8, atol=1e-12)
    assert_close(estimator.of(values, labels.int()), score)


@every
def test_a_batch_is_a_loop(estimator: Estimator) -> None:
    for n, d in ((50, 6), (20, 30)):
        labels = torch.arange(n) % 4
        values = source(estimator, labels, d=d, batch=(2, 3))
        scores = estimator.of(values, labels)
        assert scores.shape == (2, 3)
        assert scores.dtype == torch.float64
        looped = torch.stack([estimator.of(v, labels) for v in values.flatten(0, 1)]).view(2, 3)
        assert_close(scores, looped, rtol=1e-8, atol=1e-12)
        assert estimator.of(values[0, 0], labels).shape == ()


@every
def test_more_is_better(estimator: Estimator) -> None:
    labels = torch.arange(200) % 4
    scores = [estimator.of(source(estimator, labels, apart=apart), labels) for apart in (0.0, 1.5, 3.0, 6.0)]
    assert (torch.stack(scores).diff() > 0).all()


@every
def test_neither_its_input_nor_a_gradient_is_touched(estimator: Estimator) -> None:
    labels = torch.arange(40) % 3
    values = source(estimator, labels).requires_grad_()
    before = values.detach().clone()
    assert not estimator.of(values, labels).requires_grad
    assert torch.equal(values.detach(), before)


def edges() -> dict[str, tuple[Tensor, Tensor]]:
    """Features and labels at the edges of what they may be."""
    features = torch.randn(24, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(24) % 3
    return {
        "constant": (torch.full((24, 5), 0.1), labels),
        "zero": (torch.zeros(24, 5), labels),
        "duplicated": (features[:, [0, 0, 1, 1, 1]], labels),
        "one dead feature": (features * torch.tensor([1, 1, 0, 1, 1]), labels),
        "more features than examples": (torch.randn(24, 50, generator=torch.Generator().manual_seed(1)), labels),
        "one example per class": (features, torch.arange(24)),
        "one class of one example": (features, torch.tensor([0] * 23 + [7])),
        "two examples": (features[:2], labels[:2]),
        "one feature": (features[:, :1], labels),
        "all examples alike in a class": (torch.eye(5)[labels], labels),
        "large": (1e12 * features, labels),
        "small": (1e-12 * features, labels),
        "far away": (features + 1e6, labels),
        "whole numbers": ((10 * features).long(), labels),
        "half precision": (features.half(), labels),
        "true and false": (features > 0, labels > 0),
    }


@pytest.mark.parametrize("edge", edges())
@of_features
def test_features_at_an_edge_have_a_finite_score(name: str, edge: str) -> None:
    features, labels = edges()[edge]
    score = ESTIMATORS[name].of(features, labels)
    assert score.isfinite()
    both = ESTIMATORS[name].of(torch.stack([features, features]), labels)
    assert_close(both, torch.stack([score, score]), rtol=1e-6, atol=1e-9)


@of_probabilities
def test_probabilities_at_an_edge_have_a_finite_score(name: str) -> None:
    labels = torch.arange(24) % 3
    certain = torch.eye(5)[(labels + 1) % 5]
    for theta in (certain, certain.flip(0), torch.full((24, 5), 0.2), torch.ones(24, 1), certain * (1 - 4e-30) + 1e-30):
        for y in (labels, torch.arange(24), torch.tensor([0] * 23 + [7])):
            score = ESTIMATORS[name].of(theta, y)
            assert score.isfinite()
            assert score <= 1e-12


@of_features
@given(data=st.data())
@settings(max_examples=15)
def test_no_features_give_nan(name: str, data: st.DataObject) -> None:
    n, d = data.draw(st.integers(2, 12)), data.draw(st.integers(1, 14))
    numbers = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 1e-8, 3e5]), st.floats(-1e6, 1e6, width=32))
    rows = st.lists(st.lists(numbers, min_size=d, max_size=d), min_size=n, max_size=n)
    labels = torch.tensor([0, 1, *data.draw(st.lists(st.integers(0, 3), min_size=n - 2, max_size=n - 2))])
    dtype = data.draw(st.sampled_from([torch.float32, torch.float64]))
    score = ESTIMATORS[name].of(torch.tensor(data.draw(rows), dtype=dtype), labels)
    assert score.isfinite()


@every
def test_what_cannot_be_scored_is_refused(estimator: Estimator) -> None:
    labels = torch.arange(30) % 3
    values = source(estimator, labels)
    with pytest.raises(ValueError, match=r"at least two classes; got \[5\]"):
        estimator.of(values, torch.full((30,), 5))
    with pytest.raises(ValueError, match=r"shape \(30,\), one for each row; got \(29,\)"):
        estimator.of(values, labels[1:])
    with pytest.raises(ValueError, match=r"whole numbers as labels; got torch.float32"):
        estimator.of(values, labels.float())
    with pytest.raises(ValueError, match=r"shape \(\*batch, n, d\)"):
        estimator.of(values[:, 0], labels)
    with pytest.raises(ValueError, match=r"shape \(\*batch, n, d\)"):
        estimator.of(values[:, :0], labels)
    for wrong in (torch.nan, torch.inf, -torch.inf):
        broken = values.clone()
        broken[4, 1] = broken[7, 3] = wrong
        with pytest.raises(ValueError, match="2 of 180 values that are NaN or infinite"):
            estimator.of(broken, labels)
    if estimator.needs == "features":
        with pytest.raises(ValueError, match="no sum of powers overflows"):
            estimator.of(1e200 * values, labels)


@every
def test_permuted_labels_have_the_noise_floor(estimator: Estimator) -> None:
    labels = torch.arange(120) % 3
    good = source(estimator, labels, apart=4.0, batch=(2,))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mean, std = noise_floor(estimator, good, labels, permutations=10)
    assert mean.shape == std.shape == (2,)
    assert (std > 0).all()
    assert (estimator.of(good, labels) > mean + 4 * std).all()
    assert torch.equal(noise_floor(estimator.name, good, labels, permutations=10)[0], mean)  # the same each time
    assert not torch.equal(noise_floor(estimator.of, good, labels, permutations=10, seed=1)[0], mean)
    if estimator.floor is not None:
        assert ((estimator.floor(120, 6, 3) - mean).abs() < 4 * std / 10**0.5).all()


def test_the_noise_floor_needs_an_estimator_and_permutations() -> None:
    features, labels = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 2
    with pytest.raises(ValueError, match="unknown estimator 'hscore'"):
        noise_floor("hscore", features, labels)
    with pytest.raises(ValueError, match="at least two permutations"):
        noise_floor(h_score, features, labels, permutations=1)


def test_names_are_keys_and_floors_are_the_formula() -> None:
    assert list(ESTIMATORS) == [estimator.name for estimator in ESTIMATORS.values()]
    assert len({estimator.label for estimator in ESTIMATORS.values()}) == len(ESTIMATORS)
    floor = ESTIMATORS["h_score"].floor
    assert floor is not None
    assert floor(1000, 64, 10) == pytest.approx(0.5766, abs=1e-4)
    assert floor(1000, 768, 20) == pytest.approx(14.6, abs=0.05)
    assert floor(50, 768, 20) == 19
    assert issubclass(NoiseFloorWarning, UserWarning)
