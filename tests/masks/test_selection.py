"""Exactly k weights, the largest, the first of equal ones; near the last threshold or anywhere else."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cltoolkit.masks import Layout, Threshold, TopK, random_scores, top_k
from cltoolkit.masks._kth import NearLast
from cltoolkit.randomness import stream

KINDS = ("drift", "jump", "tie", "stay", "constant", "odd")
ODD = (0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 1e-45, 3e38, -3e38, math.inf, -math.inf, math.nan)


def sorted_top_k(scores: Tensor, k: int) -> Tensor:
    """What is meant, said in another way: sort all by magnitude, then by place; not a number is last."""
    size = [-1.0 if math.isnan(s) else abs(s) for s in scores.tolist()]
    mask = torch.zeros(len(size), dtype=torch.bool)
    mask[sorted(range(len(size)), key=lambda i: (-size[i], i))[:k]] = True
    return mask


def layer(n: int) -> Layout:
    return Layout({"weight": torch.Size([1, n])})


scores_and_k = st.lists(st.sampled_from(ODD) | st.floats(width=32), min_size=1, max_size=40).flatmap(
    lambda values: st.tuples(st.just(values), st.integers(0, len(values)))
)


@given(scores_and_k, st.sampled_from([torch.float32, torch.float64]))
@settings(max_examples=25)
def test_top_k_is_a_sort_by_magnitude_and_place(case: tuple[list[float], int], dtype: torch.dtype) -> None:
    scores, k = torch.tensor(case[0], dtype=dtype), case[1]
    assert torch.equal(top_k(scores, k), sorted_top_k(scores, k))
    assert torch.equal(TopK(layer(len(scores)), (k,))(scores).bool(), sorted_top_k(scores, k))


@st.composite
def walks(draw: st.DrawFn) -> list[Tensor]:
    """Scores that drift, jump, tie, stay, or become all alike."""
    n, source = draw(st.integers(1, 100)), stream(draw(st.integers(0, 99)), "walks")
    scores, found = torch.randn(n, generator=source), []
    for kind in draw(st.lists(st.sampled_from(KINDS), min_size=2, max_size=12)):
        noise = torch.randn(n, generator=source)
        match kind:
            case "drift":
                scores = scores + 0.01 * noise
            case "jump":
                scores = noise * 10.0 ** draw(st.integers(-20, 20))
            case "tie":
                scores = noise.round()
            case "constant":
                scores = torch.full((n,), draw(st.sampled_from(ODD)))
            case "odd":
                scores = torch.tensor(draw(st.lists(st.sampled_from(ODD), min_size=n, max_size=n)))
        found.append(scores)
    return found


@given(walks(), st.floats(0, 1))
@settings(max_examples=25)
def test_what_is_remembered_never_shows(walk: list[Tensor], density: float) -> None:
    k = round(density * len(walk[0]))
    select = TopK(layer(len(walk[0])), (k,))
    for scores in walk:
        assert torch.equal(select(scores).bool(), top_k(scores, k))


@pytest.mark.parametrize(
    "pivots", [(-1.0, 0.5), (0.3, 0.4), (2.0, 9.0), (0.5, 0.5), (0.4, 0.3), (math.nan, math.nan), (math.nan, 0.5)]
)
def test_any_two_pivots_give_the_same(pivots: tuple[float, float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Above, between, below or nowhere: only the part looked at is another."""
    monkeypatch.setattr(NearLast, "_pivots", lambda self, largest: pivots)
    numbers = torch.rand(500, generator=stream(0, "pivots"))
    out = np.empty(500, np.float32)
    for k in range(1, 500, 7):
        NearLast().mark(numbers.numpy(), k, out)
        assert torch.equal(torch.from_numpy(out).bool(), top_k(numbers, k))


def test_in_training_hardly_any_number_is_looked_at_twice() -> None:
    """What the memory is for: after some steps the part between the pivots is a hundredth, and holds the k-th."""
    source, n, near = stream(0, "training"), 20_000, NearLast()
    scores, out = torch.rand(n, generator=source), np.empty(n, np.float32)
    for step in range(60):
        scores = scores + 1e-3 * torch.randn(n, generator=source)
        sizes = scores.abs().numpy()
        low, high = near._pivots(1e30)
        near.mark(sizes, n // 10, out)
        if step > 30:
            assert low <= near.kth <= high
            assert ((sizes >= low) & (sizes <= high)).sum() < n / 50


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_mask_has_the_type_of_the_scores_and_leaves_them_alone(dtype: torch.dtype) -> None:
    scores = nn.Parameter(random_scores(layer(1001), 0).to(dtype))
    before = scores.detach().clone()
    mask = TopK(layer(1001), (100,))(scores)
    assert (mask.dtype, mask.shape, mask.requires_grad) == (dtype, scores.shape, False)
    assert torch.equal(mask.bool(), top_k(before, 100))
    assert torch.equal(scores, before)
    assert mask.unique().tolist() == [0, 1]


def test_masks_are_tensors_of_their_own() -> None:
    """A later call does not change an earlier mask."""
    select = TopK(layer(50), (5,))
    first = select(torch.arange(50.0))
    kept = first.clone()
    select(-torch.arange(50.0).flip(0))
    assert torch.equal(first, kept)


def test_each_layer_keeps_its_own_count() -> None:
    layout = Layout({"a": torch.Size([10, 10]), "b": torch.Size([3, 7]), "c": torch.Size([5, 4])})
    mask = TopK(layout, (7, 21, 1))(random_scores(layout, 0))
    assert [int(mask[where].sum()) for where in layout.slices.values()] == [7, 21, 1]


@pytest.mark.parametrize("n", [10, 100, 540])
def test_scores_that_are_all_alike_keep_the_first(n: int) -> None:
    mask = TopK(layer(n), (3,))(torch.full((n,), -0.5))
    assert mask.nonzero()[:, 0].tolist() == [0, 1, 2]


def test_the_threshold_keeps_what_is_not_negative() -> None:
    mask = Threshold()(torch.tensor([-1.0, -0.0, 0.0, 2.0, math.nan], dtype=torch.float64))
    assert mask.tolist() == [0, 1, 1, 1, 0]
    assert mask.dtype == torch.float64


def test_counts_that_do_not_fit_are_refused() -> None:
    for counts in ((11,), (-1,), (1, 1), ()):
        with pytest.raises(ValueError, match="a count for each layer"):
            TopK(layer(10), counts)
    with pytest.raises(ValueError, match=r"k within 0\.\.3"):
        top_k(torch.zeros(3), 4)
