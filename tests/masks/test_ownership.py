"""Set algebra of masks, and the null model of masks that know nothing of each other."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from cltoolkit.masks import (
    Layout,
    Masks,
    TopK,
    capacity,
    exclusive_fractions,
    exclusive_masks,
    independent_exclusive,
    independent_used,
    kept_counts,
    overlap,
    owners,
    pack_bits,
    random_scores,
    sparse_overlap,
    storage,
    wsn_capacity,
)
from cltoolkit.randomness import stream

LAYOUT = Layout({"a": torch.Size([9, 5]), "b": torch.Size([3, 4])})  # 45 + 12 = 57


def drawn(tasks: int, density: float = 0.3, seed: int = 0) -> Tensor:
    return torch.rand(tasks, LAYOUT.size, generator=stream(seed, "masks")) < density


def of(stack: Tensor) -> Masks:
    return Masks(pack_bits(stack), LAYOUT)


@given(st.integers(0, 9), st.floats(0, 1), st.integers(0, 999))
@settings(max_examples=25)
def test_exclusive_parts_are_disjoint_cover_what_is_used_and_equal_the_published_formula(
    tasks: int, density: float, seed: int
) -> None:
    """AND over i < t of (M_t XOR (M_t AND M_i)), on random masks."""
    stack = drawn(tasks, density, seed)
    masks = of(stack)
    parts = torch.stack([*exclusive_masks(masks), torch.zeros(LAYOUT.size, dtype=torch.bool)])
    assert int(parts.sum(0).max()) <= 1
    assert torch.equal(parts.any(0), masks.union())
    for t, mask in enumerate(stack):
        expected = mask.clone()
        for earlier in stack[:t]:
            expected &= mask ^ (mask & earlier)
        assert torch.equal(parts[t], expected)


@given(st.integers(0, 9), st.integers(0, 999))
@settings(max_examples=25)
def test_the_owner_is_the_first_task_that_uses_a_weight(tasks: int, seed: int) -> None:
    stack = drawn(tasks, 0.2, seed)
    first = [min((t for t in range(tasks) if stack[t, p]), default=-1) for p in range(LAYOUT.size)]
    assert owners(of(stack)).tolist() == first


def test_capacity_counts_owners_layer_by_layer() -> None:
    masks = of(drawn(4))
    owner, found = owners(masks), capacity(masks)
    assert found.shape == (2, 5)
    assert found.sum(1).tolist() == list(LAYOUT.sizes)
    for row, where in zip(found, LAYOUT.slices.values(), strict=True):
        assert row.tolist() == [int((owner[where] == t).sum()) for t in (0, 1, 2, 3, -1)]


def test_what_is_not_exclusive_is_shared_with_earlier_tasks() -> None:
    stack = drawn(5)
    masks = of(stack)
    fractions = exclusive_fractions(masks)
    assert fractions[0] == 1
    shared = [float((stack[t] & stack[:t].any(0)).sum() / stack[t].sum()) for t in range(1, 5)]
    assert sparse_overlap(masks).tolist() == pytest.approx(shared)
    assert torch.isnan(exclusive_fractions(of(torch.zeros(1, LAYOUT.size)))).all()


@pytest.mark.parametrize("layer", [None, "a", "b"])
def test_overlap_is_the_cosine_of_masks(layer: str | None) -> None:
    stack = drawn(6)
    part = stack[:, LAYOUT.slices[layer]] if layer else stack
    ones = part.double()
    assert torch.equal(overlap(of(stack), layer, normalize=False), ones @ ones.T)
    assert_close(overlap(of(stack), layer), torch.nn.functional.cosine_similarity(ones[:, None], ones[None], dim=-1))


def test_overlap_without_chance_is_centered_within_layers() -> None:
    """|M_i ∩ M_j| − Σ_l |M_i^l| |M_j^l| / n_l is the product of masks less their mean in each layer."""
    stack = drawn(6)
    centered = torch.cat([stack[:, w].double() - stack[:, w].double().mean(1, True) for w in LAYOUT.slices.values()], 1)
    assert_close(overlap(of(stack), normalize=False, chance=True), centered @ centered.T)
    b = stack[:, LAYOUT.slices["b"]].double()
    b = b - b.mean(1, True)
    assert_close(overlap(of(stack), "b", normalize=False, chance=True), b @ b.T)
    with pytest.raises(ValueError, match="choose from a, b"):
        overlap(of(stack), "c")


@pytest.mark.parametrize("densities", ["uniform", "erdos_renyi"])
def test_random_scores_share_no_more_than_chance(densities: str) -> None:
    layout = Layout({"a": torch.Size([100, 200]), "b": torch.Size([50, 100])})
    counts = kept_counts(layout, 0.1, densities)
    select = TopK(layout, counts)
    masks = Masks(pack_bits(torch.stack([select(random_scores(layout, 0, t)) for t in range(8)])), layout)
    found = overlap(masks, normalize=False, chance=True)[~torch.eye(8, dtype=torch.bool)]
    deviation = math.sqrt(sum(k * k / n * (1 - k / n) ** 2 for k, n in zip(counts, layout.sizes, strict=True)))
    assert float(found.abs().max()) <= 4 * deviation
    assert abs(float(found.mean())) <= deviation


def test_random_scores_leave_what_independent_masks_leave() -> None:
    """|E_t| / |M_t| = (1 − d)^t and |U_T| / P = 1 − (1 − d)^T, within 3 standard deviations."""
    layout, d, tasks = Layout({"weight": torch.Size([200, 500])}), 0.1, 12
    k = round(d * layout.size)
    select = TopK(layout, (k,))
    masks = Masks(pack_bits(torch.stack([select(random_scores(layout, 0, t)) for t in range(tasks)])), layout)
    free = independent_exclusive(d, tasks)
    assert_close(1 - sparse_overlap(masks), exclusive_fractions(masks)[1:])
    for t in range(1, tasks):
        deviation = float((free[t] * (1 - free[t]) / k).sqrt())
        assert abs(float(exclusive_fractions(masks)[t] - free[t])) <= 3 * deviation
        used = independent_used(d, tasks)[t]
        deviation = float((used * (1 - used) / layout.size).sqrt())
        assert abs(float(masks.union(t + 1).double().mean() - used)) <= 3 * deviation


TABLE = {  # density: exclusive at task 5, 10, 20, 100; its mean over so many tasks; used after them
    0.02: ([0.922, 0.834, 0.681, 0.135], [0.961, 0.915, 0.831, 0.434], [0.096, 0.183, 0.332, 0.867]),
    0.04: ([0.849, 0.693, 0.460, 0.018], [0.923, 0.838, 0.697, 0.246], [0.185, 0.335, 0.558, 0.983]),
    0.06: ([0.781, 0.573, 0.309, 0.002], [0.887, 0.769, 0.592, 0.166], [0.266, 0.461, 0.710, 0.998]),
    0.08: ([0.716, 0.472, 0.205, 0.0003], [0.852, 0.707, 0.507, 0.125], [0.341, 0.566, 0.811, 1.0]),
    0.10: ([0.656, 0.387, 0.135, 0.00003], [0.819, 0.651, 0.439, 0.100], [0.410, 0.651, 0.878, 1.0]),
}


@pytest.mark.parametrize("density", TABLE)
def test_the_table_of_the_null_model(density: float) -> None:
    at, mean, used = TABLE[density]
    for i, tasks in enumerate((5, 10, 20, 100)):
        exclusive = independent_exclusive(density, tasks)
        assert float(exclusive[-1]) == pytest.approx(at[i], abs=5e-4)
        assert float(exclusive.mean()) == pytest.approx(mean[i], abs=5e-4)
        assert float(independent_used(density, tasks)[-1]) == pytest.approx(used[i], abs=5e-4)


def test_in_the_null_model_the_exclusive_parts_add_up_to_what_is_used() -> None:
    assert_close(0.07 * independent_exclusive(0.07, 30).cumsum(0), independent_used(0.07, 30))


def test_storage_is_eight_weights_to_a_byte() -> None:
    table = storage(of(drawn(3)))
    counts = of(drawn(3)).counts()
    assert table["bits"].tolist() == [8] * 3  # 57 weights
    assert table["scores"].tolist() == [4 * 57] * 3
    assert table["indices"].tolist() == [2 * int(row.sum()) for row in counts]
    assert (table["entropy"] <= table["bits"]).all()


@pytest.mark.parametrize(("density", "bits"), [(0.02, 0.141), (0.04, 0.242), (0.05, 0.286), (0.1, 0.469), (0.5, 1.0)])
def test_entropy_bounds_bits_for_each_weight(density: float, bits: float) -> None:
    layout = Layout({"weight": torch.Size([100, 100])})
    masks = Masks(pack_bits(TopK(layout, kept_counts(layout, density))(random_scores(layout, 0)))[None], layout)
    assert storage(masks)["entropy"][0] * 8 / layout.size == pytest.approx(bits, abs=5e-4)
    assert (storage(masks)["indices"][0] < storage(masks)["bits"][0]) == (density < 1 / 16)


def test_capacity_in_copies_of_the_network() -> None:
    """All weights used, and 32 masks stored as they are: two copies."""
    assert wsn_capacity(of(torch.ones(32, LAYOUT.size)), compression=0) == pytest.approx(2)
    one = torch.zeros(1, LAYOUT.size)
    one[0, :19] = 1
    assert wsn_capacity(of(one)) == pytest.approx(1 / 3 + 0.22 / 32)
