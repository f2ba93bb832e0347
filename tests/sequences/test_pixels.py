"""What happens to stored pixels by the batch: scaling, permuting, rotating."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from cltoolkit.randomness import stream
from cltoolkit.sequences._pixels import Permute, Rotate, Scale, permutations

BYTES = torch.randint(256, (5, 3, 8, 6), dtype=torch.uint8, generator=stream(0, "bytes"))


def test_scale_centers_each_channel():
    pixels = BYTES.float() / 255
    mean, std = pixels.mean((0, 2, 3)), pixels.std((0, 2, 3))
    scaled = Scale(tuple(mean.tolist()), tuple(std.tolist()))(BYTES)
    assert_close(scaled.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
    assert_close(scaled.std((0, 2, 3)), torch.ones(3))
    assert_close(Scale()(BYTES), pixels)


@given(st.permutations(range(48)))
def test_permuting_is_undone_by_the_inverse(order):
    index = torch.tensor(order)
    assert torch.equal(Permute(index.argsort())(Permute(index)(BYTES)), BYTES.float())


@given(st.permutations(range(48)))
def test_permuting_does_the_same_to_every_image_and_channel(order):
    expected = torch.stack([torch.stack([channel.flatten()[order] for channel in image]) for image in BYTES])
    assert torch.equal(Permute(torch.tensor(order))(BYTES).flatten(2), expected.float())


@pytest.mark.parametrize(("angle", "quarters"), [(0, 0), (90, 1), (180, 2), (270, 3), (-90, 3), (360, 0)])
def test_quarter_turns_of_a_square_are_exact_and_counterclockwise(angle, quarters):
    square = BYTES[..., :6, :6].float()
    assert_close(Rotate(angle, 6, 6)(square), square.rot90(quarters, (2, 3)), rtol=0, atol=0.02)


def test_half_a_turn_of_an_oblong_is_exact():
    assert_close(Rotate(180, 8, 6)(BYTES), BYTES.float().rot90(2, (2, 3)), rtol=0, atol=0.02)


def test_an_oblong_is_turned_without_being_stretched():
    """A dot above the center moves to the left of it, by as many pixels."""
    image = torch.zeros(1, 1, 9, 15)
    image[0, 0, 2, 7] = 1
    assert Rotate(90, 9, 15)(image)[0, 0, 4, 5] == pytest.approx(1, abs=1e-4)


@given(st.floats(-180, 180))
def test_rotation_mixes_pixels_and_invents_none(angle):
    out = Rotate(angle, 8, 6)(BYTES)
    assert out.min() >= 0
    assert out.max() <= 255.1


@given(st.floats(-180, 180))
def test_turning_there_and_back_keeps_a_smooth_image(angle):
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, 31), torch.linspace(-1, 1, 31), indexing="ij")
    image = torch.exp(-8 * (rows**2 + (columns - 0.2) ** 2))[None, None]
    back = Rotate(-angle, 31, 31)(Rotate(angle, 31, 31)(image))
    assert_close(back, image, rtol=0, atol=0.03)


def test_permutations_depend_on_task_and_seed_alone():
    few, many, other = permutations(2, 48, 0), permutations(4, 48, 0), permutations(2, 48, 1)
    assert list(few) == ["original", "permutation 1"]
    assert torch.equal(few["permutation 1"].index, many["permutation 1"].index)
    assert not torch.equal(few["permutation 1"].index, other["permutation 1"].index)
    assert not torch.equal(many["permutation 2"].index, many["permutation 1"].index)
