"""Masks as bits: packing loses nothing, and what is computed from bits is what the masks say."""

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from cltoolkit.masks import Layout, Masks, pack_bits, unpack_bits
from cltoolkit.masks import _packed as packed
from cltoolkit.randomness import stream

ODD = Layout({"a": torch.Size([3, 7]), "b": torch.Size([5, 2]), "c": torch.Size([13, 3])})  # 21 + 10 + 39 = 70
WIDE = Layout({"a": torch.Size([40, 50]), "b": torch.Size([3, 31])})  # 2093


def drawn(tasks: int, layout: Layout = ODD, density: float = 0.3, seed: int = 0) -> Tensor:
    return torch.rand(tasks, layout.size, generator=stream(seed, "masks")) < density


def of(stack: Tensor, layout: Layout = ODD) -> Masks:
    return Masks(pack_bits(stack), layout)


@given(st.integers(1, 40), st.integers(0, 3), st.integers(0, 99))
@settings(max_examples=25)
def test_unpacking_undoes_packing_for_any_size(size: int, rows: int, seed: int) -> None:
    mask = torch.rand(rows, size, generator=stream(seed, "bits")) < 0.5
    bits = pack_bits(mask)
    assert (bits.dtype, bits.shape) == (torch.uint8, (rows, -(-size // 8)))
    assert torch.equal(unpack_bits(bits, size), mask)
    assert torch.equal(pack_bits(mask.double()), bits)


@pytest.mark.parametrize("size", [1, 7, 8, 9, 64, 100])
def test_the_shifts_of_accelerators_give_the_same_bits(size: int) -> None:
    mask = torch.rand(2, 3, size, generator=stream(0, "bits")) < 0.5
    bits = packed._pack_by_shifts(mask)
    assert torch.equal(bits, pack_bits(mask))
    assert torch.equal(packed._unpack_by_shifts(bits, size), mask)


def test_a_weight_is_a_bit_and_less_than_a_byte_is_lost() -> None:
    masks = of(drawn(10, WIDE), WIDE)
    assert masks.bits.nbytes * 8 <= 1.05 * 10 * WIDE.size


def test_tasks_are_rows_and_layers_their_parts() -> None:
    stack = drawn(4)
    masks = of(stack)
    assert len(masks) == 4
    assert all(torch.equal(one, row) for one, row in zip(masks, stack, strict=True))
    assert torch.equal(masks[-1], stack[-1])
    assert torch.equal(masks.layer(2, "b"), stack[2, 21:31].view(5, 2))
    assert torch.equal(torch.stack(list(masks.first(2))), stack[:2])
    with pytest.raises(IndexError):
        masks[4]


@pytest.mark.parametrize("block", [8, 64, 2**20])
@pytest.mark.parametrize(("tasks", "layout"), [(1, ODD), (5, ODD), (3, WIDE), (100, WIDE)])
def test_sums_over_blocks_are_sums_over_the_stack(
    block: int, tasks: int, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few weights are unpacked at a time."""
    monkeypatch.setitem(packed.BLOCK, "cpu", block)
    stack = drawn(tasks, layout)
    masks = of(stack, layout)
    v = torch.randn(2, 3, layout.size, dtype=torch.float64, generator=stream(0, "v"))
    assert_close(masks.dot(v), v @ stack.double().T, rtol=0, atol=1e-9)
    assert torch.equal(masks.total(), stack.sum(0).to(torch.int16))
    expected = torch.stack([stack[:, where].sum(1) for where in layout.slices.values()], 1)
    assert torch.equal(masks.counts(), expected)
    assert masks.density == pytest.approx(float(stack.double().mean()))


def test_a_dot_product_has_the_type_of_the_vector() -> None:
    masks = of(drawn(3))
    for dtype in (torch.float32, torch.float64):
        found = masks.dot(torch.ones(ODD.size, dtype=dtype))
        assert found.dtype == dtype
        assert torch.equal(found, masks.counts().sum(1).to(dtype))
    with pytest.raises(ValueError, match=r"\(\*batch, 70\)"):
        masks.dot(torch.ones(71))


def test_blocks_cover_what_is_asked_for_once() -> None:
    stack = drawn(3)
    for where in (None, *ODD.slices.values(), slice(5, 6), slice(8, 64)):
        blocks = list(of(stack).blocks(where))
        start, stop = (0, ODD.size) if where is None else (where.start, where.stop)
        assert [i for one, _ in blocks for i in range(one.start, one.stop)] == list(range(start, stop))
        assert torch.equal(torch.cat([block for _, block in blocks], 1).bool(), stack[:, start:stop])


def test_no_block_unpacks_more_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(packed.BLOCK, "cpu", 4096)
    for tasks in (1, 30, 500):
        assert all(block.numel() <= max(4096, 8 * tasks) for _, block in of(drawn(tasks, WIDE), WIDE).blocks())


def test_the_union_grows_task_by_task() -> None:
    stack = drawn(4)
    masks = of(stack)
    for upto in range(5):
        assert torch.equal(masks.union(upto), stack[:upto].any(0))
    assert torch.equal(masks.used(), stack.any(0))


def test_no_task_at_all() -> None:
    masks = of(drawn(0))
    assert len(masks) == 0
    assert not masks.union().any()
    assert not masks.total().any()
    assert masks.counts().shape == (0, 3)
    assert masks.dot(torch.ones(2, ODD.size)).shape == (2, 0)
    assert masks.hashes == ()
    assert np.isnan(masks.density)
    assert repr(masks) == "Masks(0 tasks, 70 weights)"


def test_hashes_tell_masks_apart() -> None:
    stack = drawn(3)
    stack[2] = stack[0]
    masks = of(stack)
    assert masks.hashes[0] == masks.hashes[2] != masks.hashes[1]
    assert masks.hashes[1] == hashlib.sha256(masks.bits[1].numpy().tobytes()).hexdigest()


def test_bits_that_do_not_fit_are_refused() -> None:
    bits = pack_bits(drawn(2))
    for wrong in (bits[:, :-1], bits[0], bits.int(), torch.cat([bits, bits], 1)):
        with pytest.raises(ValueError, match=r"shape \(T, 9\) for 70 weights"):
            Masks(wrong, ODD)
    bits[1, -1] |= 0b0100_0000  # weight 70 of 0..69
    with pytest.raises(ValueError, match="damaged"):
        Masks(bits, ODD)
