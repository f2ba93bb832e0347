"""The analytic hierarchy process is its closed form, and every normalizer turns the order of scores round."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from cltoolkit.embeddings import NORMALIZERS, ahp, target_distances

SCORES = st.lists(st.floats(0.01, 100), min_size=1, max_size=12).map(lambda s: torch.tensor(s, dtype=torch.float64))


def tournament(scores):
    """W with w_mn = H_m / H_n."""
    return scores[:, None] / scores


@settings(max_examples=25)
@given(SCORES)
def test_ahp_is_the_principal_right_eigenvector_of_the_ratios(scores):
    W = tournament(scores)
    A = ahp(scores)
    assert_close(W @ A, len(scores) * A)
    assert_close(A.sum(), torch.tensor(1.0, dtype=torch.float64))
    values, vectors = torch.linalg.eig(W)
    first = vectors[:, values.real.argmax()].real
    assert_close(values.real.max(), torch.tensor(float(len(scores)), dtype=torch.float64))
    assert_close(first / first.sum(), A)


def test_the_ratios_have_rank_one_and_the_left_eigenvector_is_the_inverse():
    scores = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    assert torch.linalg.matrix_rank(tournament(scores)) == 1
    assert_close(tournament(scores).T @ (1 / scores), 3 / scores)  # the trap: it would invert all distances


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("shift", [0.0, -5.0])
def test_better_sources_are_to_lie_nearer(normalizer, shift):
    scores = torch.tensor([3.0, 1.0, 4.0, 1.5, 9.0]) + shift
    distances = target_distances(scores, normalizer)
    assert torch.equal(distances.argsort(), scores.argsort(descending=True))
    assert distances.dtype == torch.float64
    assert bool((distances > 0).all())


@pytest.mark.parametrize("normalizer", ["ahp", "ahp_mean"])
def test_ahp_does_not_know_the_unit_of_scores(normalizer):
    scores = torch.tensor([3.0, 1.0, 4.0, 1.5], dtype=torch.float64)
    for factor in (1e-200, 0.1, 1e200):
        assert_close(target_distances(factor * scores, normalizer), target_distances(scores, normalizer))


def test_negative_scores_go_through_softmax():
    """Which keeps the order, and knows no origin."""
    scores = torch.tensor([-3.0, -1.0, 0.5], dtype=torch.float64)
    assert_close(ahp(scores), torch.softmax(scores, 0))
    assert_close(ahp(scores), ahp(scores - 7))


def test_ahp_without_contrast_is_uniform():
    for scores in (torch.zeros(4), torch.full((4,), 2.5), torch.full((4,), -2.5)):
        assert_close(ahp(scores), torch.full((4,), 0.25, dtype=torch.float64))
    assert_close(ahp(torch.tensor([0.0, 1.0, 0.0])), torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64))


def test_the_formulas():
    scores = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64)
    expected = {
        "ahp": torch.exp(-scores / 8),
        "ahp_mean": torch.exp(-3 * scores / 8),
        "direct": 5 + 1 + 0.1 - scores,
        "reciprocal": 1 / (scores - 1 + 0.1),
    }
    assert expected.keys() == NORMALIZERS.keys()
    for name, distances in expected.items():
        assert_close(target_distances(scores, name), distances)


def test_the_contrast_of_ahp_fades_with_tasks_and_that_of_its_mean_does_not():
    def contrast(n, name):
        distances = target_distances(torch.linspace(3, 5, n), name)
        return float(distances.max() / distances.min())

    assert contrast(2, "ahp") == pytest.approx(1.284, abs=1e-3)
    assert contrast(20, "ahp") == pytest.approx(1.025, abs=1e-3)
    assert contrast(20, "ahp_mean") == pytest.approx(contrast(2, "ahp_mean"))


@pytest.mark.parametrize("name", NORMALIZERS)
@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (torch.tensor([1.0, float("nan")]), "source 1 has nan"),
        (torch.tensor([float("inf"), 1.0]), "source 0 has inf"),
        (torch.zeros(0), "at least one source"),
        (torch.ones(2, 2), r"shape \(2, 2\)"),
    ],
)
def test_what_is_no_score_is_refused(name, scores, message):
    for call in (NORMALIZERS[name], lambda s: target_distances(s, name), ahp):
        with pytest.raises(ValueError, match=message):
            call(scores)


def test_an_unknown_normalizer_is_refused():
    with pytest.raises(ValueError, match="ahp, ahp_mean, direct, reciprocal"):
        target_distances(torch.ones(2), "softmax")
