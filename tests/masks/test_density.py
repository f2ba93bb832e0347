"""How many weights each layer keeps: exactly so many, and together the share that was asked for."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cltoolkit import networks
from cltoolkit.masks import Layout, TopK, erdos_renyi, kept_counts, num_kept, random_scores
from cltoolkit.params import Stateless

LENET = Layout.of(Stateless(networks.mlp((784,), (300, 100), 10)))
RESNET = Layout.of(Stateless(networks.resnet18((3, 32, 32), 5, width=20)))
SHAPES = st.lists(st.lists(st.integers(1, 12), min_size=2, max_size=4).map(torch.Size), min_size=1, max_size=5).map(
    lambda shapes: Layout({f"{i}": shape for i, shape in enumerate(shapes)})
)


@pytest.mark.parametrize("n", [10, 100, 540, 235_200])
@pytest.mark.parametrize("density", [0.02, 0.1, 0.5, 0.9])
def test_a_mask_keeps_exactly_the_rounded_share_and_at_least_one(n: int, density: float) -> None:
    layout = Layout({"weight": torch.Size([n // 10, 10])})
    (k,) = kept_counts(layout, density)
    assert k == max(1, round(density * n)) == num_kept(n, density)
    assert TopK(layout, (k,))(random_scores(layout, 0)).sum() == k


@given(SHAPES, st.floats(0.001, 1))
@settings(max_examples=25)
def test_erdos_renyi_keeps_the_same_share_of_all_weights(layout: Layout, density: float) -> None:
    counts = kept_counts(layout, density, "erdos_renyi")
    assert sum(counts) == max(len(counts), round(density * layout.size))
    assert all(1 <= k <= n for k, n in zip(counts, layout.sizes, strict=True))


@pytest.mark.parametrize("layout", [LENET, RESNET])
def test_erdos_renyi_counts_are_those_of_one_sigma(layout: Layout) -> None:
    """Of the published form, found by trying: the counts are its budgets, rounded up or down."""
    counts, low, high = kept_counts(layout, 0.05, "erdos_renyi"), 1e-3, 1e3
    for _ in range(100):
        sigma = (low * high) ** 0.5
        kept = sum(d * n for d, n in zip(erdos_renyi(layout, sigma), layout.sizes, strict=True))
        low, high = (sigma, high) if kept < round(0.05 * layout.size) else (low, sigma)
    budgets = [d * n for d, n in zip(erdos_renyi(layout, sigma), layout.sizes, strict=True)]
    assert all(abs(k - budget) < 1 for k, budget in zip(counts, budgets, strict=True))


def test_the_published_budgets_of_a_narrow_resnet() -> None:
    """σ = 8: first convolution .341, 20×20×3×3 .089, 160×160×3×3 .011."""
    found = dict(zip((tuple(s) for s in RESNET.shapes.values()), erdos_renyi(RESNET, sigma=8), strict=True))
    assert found[(20, 3, 3, 3)] == pytest.approx(0.341, abs=5e-4)
    assert found[(20, 20, 3, 3)] == pytest.approx(0.089, abs=5e-4)
    assert found[(160, 160, 3, 3)] == pytest.approx(0.011, abs=5e-4)


def test_published_densities_are_capped() -> None:
    assert max(erdos_renyi(RESNET, sigma=32)) == 0.5
    assert max(erdos_renyi(RESNET, sigma=32, cap=0.3)) == 0.3


def test_above_a_half_all_layers_are_alike() -> None:
    """No layer may be capped below the average then; at a half the two ways meet."""
    for density in (0.5, 0.7, 1.0):
        uniform, other = (kept_counts(LENET, density, way) for way in ("uniform", "erdos_renyi"))
        assert all(abs(a - b) <= 1 for a, b in zip(uniform, other, strict=True))


def test_small_layers_are_kept_denser() -> None:
    counts = kept_counts(LENET, 0.05, "erdos_renyi")
    densities = [k / n for k, n in zip(counts, LENET.sizes, strict=True)]
    assert densities == sorted(densities)
    assert densities[0] < 0.05 < densities[-1]


@pytest.mark.parametrize("density", [0.0, -0.1, 1.01, float("nan")])
def test_an_impossible_density_is_refused(density: float) -> None:
    with pytest.raises(ValueError, match="share of weights kept"):
        kept_counts(LENET, density)


def test_unknown_names_and_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="choose from uniform, erdos_renyi"):
        kept_counts(LENET, 0.1, "even")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sigma above 0"):
        erdos_renyi(LENET, 0)
    with pytest.raises(ValueError, match="cap above 0"):
        erdos_renyi(LENET, 1, cap=1.5)


def test_a_layer_with_one_weight_keeps_it() -> None:
    assert kept_counts(Layout({"weight": torch.Size([1, 1])}), 0.01, "erdos_renyi") == (1,)
