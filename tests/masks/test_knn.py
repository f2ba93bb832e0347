"""Theorems about nearest neighbors by matrix products; plain NumPy with every difference is the oracle."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor
from torch.testing import assert_close

from cltoolkit.masks import _knn as knn
from cltoolkit.masks import knn_predict
from cltoolkit.randomness import stream

TIES = ("distance", "label")


def normal(*shape: int, key: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=stream(key, "test knn"), dtype=dtype)


def whole(high: int, *shape: int, key: int = 0) -> Tensor:
    return torch.randint(high, shape, generator=stream(key, "test knn", "whole"))


def scikit_learn(references: Tensor, labels: Tensor, queries: Tensor, k: int) -> Tensor:
    classifier = KNeighborsClassifier(k, algorithm="brute").fit(references.numpy(), labels.numpy())
    return torch.from_numpy(classifier.predict(queries.numpy()))


def by_differences(references: Tensor, labels: Tensor, queries: Tensor, k: int, ties: str) -> Tensor:
    """The rules of the docstring, one query after the other."""
    y, found = labels.numpy(), []
    for query in queries.double().numpy():
        distance = ((references.double().numpy() - query) ** 2).sum(1)
        nearest = np.argsort(distance, kind="stable")[:k]
        keys = []
        for label in np.unique(y):
            own = nearest[y[nearest] == label]
            keys.append((-len(own), distance[own].sum() if ties == "distance" else 0.0, label))
        found.append(min(keys)[-1])
    return torch.tensor(found)


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("k", [1, 2, 5, 10, 60])
def test_ties_by_label_are_scikit_learn(classes, k):
    """With continuous features only votes tie, which is often so with two classes and even k."""
    references, queries = normal(60, 4), normal(50, 4, key=1)
    labels = whole(classes, 60) * 3 - 5  # neither from 0 nor without gaps
    found = knn_predict(references, labels, queries, k, ties="label")
    assert torch.equal(found, scikit_learn(references, labels, queries, k))


def test_repeated_references_of_one_class_are_scikit_learn():
    """Equal distances where it does not matter which reference is taken: copies have their original's label."""
    originals, labels = normal(12, 3), whole(3, 12)
    references, queries = originals.repeat(4, 1), normal(40, 3, key=1)
    found = knn_predict(references, labels.repeat(4), queries, 6, ties="label")
    assert torch.equal(found, scikit_learn(references, labels.repeat(4), queries, 6))


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("k", [1, 2, 3, 4, 8, 30])
def test_the_rules_for_ties(ties, k):
    """On a small grid nearly everything ties: neighbors go by index, votes by distance and label."""
    references, queries = whole(3, 30, 2).double(), whole(3, 40, 2, key=1).double()
    labels = whole(4, 30, key=2)
    found = knn_predict(references, labels, queries, k, ties=ties)
    assert torch.equal(found, by_differences(references, labels, queries, k, ties))


@pytest.mark.parametrize("ties", TIES)
def test_continuous_features(ties):
    references, queries, labels = normal(80, 5), normal(60, 5, key=1), whole(4, 80)
    for k in (2, 6, 12):
        found = knn_predict(references, labels, queries, k, ties=ties)
        assert torch.equal(found, by_differences(references, labels, queries, k, ties))


def test_equal_votes_go_to_the_nearer_class():
    references, labels = torch.tensor([[-1.0], [2.0]]), torch.tensor([5, 1])
    at_zero = torch.zeros(1, 1)
    assert knn_predict(references, labels, at_zero, 2).tolist() == [5]
    assert knn_predict(references, labels, at_zero, 2, ties="label").tolist() == [1]
    assert knn_predict(torch.tensor([[-1.0], [1.0]]), labels, at_zero, 2).tolist() == [1]  # and then to the smaller


@pytest.mark.parametrize("far", [0.0, 1e4])
def test_float32_features_far_from_zero_lose_no_digit(far):
    """|x|² + |y|² − 2 x·y of uncentered float32 features would have no right digit here."""
    references, queries = (normal(50, 6, key=i, dtype=torch.float32) + far for i in (0, 1))
    labels = whole(3, 50)
    for k in (1, 4):
        found = knn_predict(references, labels, queries, k)
        assert torch.equal(found, by_differences(references, labels, queries, k, "distance"))


def test_masks_do_not_meddle_with_each_other():
    references, queries, labels = normal(2, 3, 20, 4), normal(2, 3, 15, 4, key=1), whole(3, 20)
    found = knn_predict(references, labels, queries, 4)
    assert found.shape == (2, 3, 15)
    for i in range(2):
        for j in range(3):
            assert torch.equal(found[i, j], knn_predict(references[i, j], labels, queries[i, j], 4))


def test_rotation_and_shift_and_scale_change_nothing():
    references, queries, labels = normal(40, 5), normal(30, 5, key=1), whole(3, 40)
    rotation = torch.linalg.qr(normal(5, 5, key=2)).Q
    moved = knn_predict(7 * references @ rotation + 3, labels, 7 * queries @ rotation + 3, 4)
    assert torch.equal(moved, knn_predict(references, labels, queries, 4))


@pytest.mark.parametrize("block", [1, 100, 1000])
def test_blocks_change_nothing(monkeypatch, block):
    references, queries, labels = whole(3, 30, 3).float(), normal(50, 3, dtype=torch.float32), whole(3, 30, key=1)
    whole_at_once = knn_predict(references, labels, queries, 5)
    monkeypatch.setattr(knn, "BLOCK", block)
    assert torch.equal(knn_predict(references, labels, queries, 5), whole_at_once)


@pytest.mark.parametrize("d", [2, 200])
def test_no_array_holds_more_than_a_block_or_the_features(monkeypatch, d):
    """Nothing has queries × references × features numbers, nor queries × references."""
    monkeypatch.setattr(knn, "BLOCK", 1000)
    n_r, n_q = 100, 90
    with Largest() as largest:
        knn_predict(normal(n_r, d), whole(2, n_r), normal(n_q, d, key=1), 5)
    assert largest.numel <= max(1000, (n_r + n_q) * d)


class Largest(torch.overrides.TorchFunctionMode):
    """Watches how many numbers the largest result has."""

    numel = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, Tensor):
                self.numel = max(self.numel, tensor.numel())
        return result


def test_nothing_given_is_changed():
    references, queries, labels = normal(20, 4), normal(15, 4, key=1), whole(3, 20)
    before = [tensor.clone() for tensor in (references, labels, queries)]
    knn_predict(references, labels, queries, 3)
    for now, then in zip((references, labels, queries), before, strict=True):
        assert_close(now, then, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"neighbors": 0}, "from 1 to the 6 references"),
        ({"neighbors": 7}, "from 1 to the 6 references"),
        ({"neighbors": True}, "from 1 to the 6 references"),
        ({"labels": torch.zeros(5, dtype=torch.int64)}, "labels"),
        ({"labels": torch.zeros(6)}, "whole number"),
        ({"queries": torch.zeros(4, 3)}, "references"),
        ({"queries": torch.zeros(2, 4, 2)}, "references"),
        ({"queries": torch.zeros(0, 2)}, "none empty"),
        ({"references": torch.full((6, 2), torch.nan)}, "NaN"),
        ({"ties": "random"}, "ties"),
    ],
)
def test_errors_teach(changes, message):
    fine = {"references": torch.zeros(6, 2), "labels": torch.arange(6), "queries": torch.zeros(4, 2), "neighbors": 3}
    with pytest.raises(ValueError, match=message):
        knn_predict(**(fine | changes))
