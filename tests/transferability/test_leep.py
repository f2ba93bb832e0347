"""LEEP and NCE against their definitions, by counting."""

import math
from collections import Counter

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from cltoolkit.transferability import leep, nce


def predictions(n: int, z: int, k: int, *, sharp: float = 2.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(k, (n,), generator=generator)
    logits = torch.randn(n, z, generator=generator, dtype=torch.float64)
    logits[torch.arange(n), labels % z] += sharp
    return logits.softmax(-1), labels


def leep_by_counting(theta: list[list[float]], y: list[int]) -> float:
    """Definitions 1-3 of the paper, one number at a time."""
    n, sources = len(y), range(len(theta[0]))
    joint = {(c, z): sum(theta[i][z] for i in range(n) if y[i] == c) / n for c in set(y) for z in sources}
    marginal = {z: sum(joint[c, z] for c in set(y)) for z in sources}
    conditional = {(c, z): joint[c, z] / marginal[z] for c, z in joint if marginal[z] > 0}
    return sum(math.log(sum(conditional.get((y[i], z), 0.0) * theta[i][z] for z in sources)) for i in range(n)) / n


def nce_by_counting(z: list[int], y: list[int]) -> float:
    """Σ over examples of log (N(y, z) / N(z)), over n."""
    pairs, alone = Counter(zip(y, z, strict=True)), Counter(z)
    return sum(math.log(pairs[b, a] / alone[a]) for a, b in zip(z, y, strict=True)) / len(y)


@pytest.mark.parametrize(("n", "z", "k"), [(50, 4, 3), (80, 2, 5), (10, 9, 2)])
def test_leep_is_its_definition(n: int, z: int, k: int) -> None:
    theta, labels = predictions(n, z, k)
    assert_close(leep(theta, labels).item(), leep_by_counting(theta.tolist(), labels.tolist()), rtol=1e-12, atol=0)


@pytest.mark.parametrize(("n", "z", "k"), [(50, 4, 3), (80, 2, 5), (10, 9, 2)])
def test_nce_is_its_definition(n: int, z: int, k: int) -> None:
    theta, labels = predictions(n, z, k)
    hard = theta.argmax(-1)
    assert_close(nce(hard, labels).item(), nce_by_counting(hard.tolist(), labels.tolist()), rtol=1e-12, atol=1e-15)


def test_leep_of_hard_predictions_is_nce() -> None:
    hard, labels = (
        torch.stack([predictions(60, 5, 3, seed=s)[0].argmax(-1) for s in range(4)]),
        predictions(60, 5, 3)[1],
    )
    one_hot = torch.nn.functional.one_hot(hard, 7).double()  # two source classes without any mass
    assert_close(leep(one_hot, labels), nce(hard, labels), rtol=1e-12, atol=1e-15)


def test_both_are_between_the_entropy_of_the_labels_and_0() -> None:
    theta, labels = predictions(100, 4, 3)
    p = labels.bincount() / 100
    entropy = -(p * p.log()).sum().double()
    nothing = torch.full((100, 4), 0.25)
    assert_close(leep(nothing, labels), -entropy, rtol=1e-6, atol=0)
    assert_close(nce(torch.zeros(100, dtype=torch.int64), labels), -entropy, rtol=1e-6, atol=0)
    assert -entropy < leep(theta, labels) < 0
    assert leep(torch.nn.functional.one_hot(labels), labels) == nce(9 - labels, labels) == 0


def test_source_classes_may_have_any_number_and_batch() -> None:
    hard = torch.stack([predictions(40, 5, 3, seed=s)[0].argmax(-1) for s in range(6)]).view(2, 3, 40)
    labels = predictions(40, 5, 3)[1]
    scores = nce(1000 - 7 * hard, labels)
    assert scores.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            assert_close(scores[i, j], nce(hard[i, j], labels))


def test_rows_are_probabilities() -> None:
    theta, labels = predictions(20, 3, 2)
    assert_close(leep(theta.float(), labels), leep(theta, labels), rtol=1e-6, atol=0)
    for wrong in (theta.log(), 2 * theta, theta - 0.5):
        with pytest.raises(ValueError, match=r"softmax\(-1\)"):
            leep(wrong, labels)
    with pytest.raises(ValueError, match="whole numbers as source labels"):
        nce(theta[:, 0], labels)
    with pytest.raises(ValueError, match=r"shape \(\*batch, n\)"):
        nce(torch.tensor(1), labels)
    with pytest.raises(ValueError, match=r"shape \(19,\)"):
        nce(labels[1:], labels)
