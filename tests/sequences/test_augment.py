"""Augmentation: every sample has a draw of its own, and the generator alone decides it."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from cltoolkit.randomness import stream
from cltoolkit.sequences import crop, crop_flip, flip
from cltoolkit.sequences._augment import augmentation

every = pytest.mark.parametrize("augment", [crop, crop_flip, flip])


def images(b=64, c=3, h=8, w=10):
    return torch.rand(b, c, h, w, generator=stream(0, "images")) + 1  # no pixel is 0, the color of the border


def results(image, padding, mirrored):
    """All that can become of one image, made slowly."""
    h, w = image.shape[1:]
    padded = F.pad(image, (padding,) * 4)
    crops = [padded[:, i : i + h, j : j + w] for i in range(2 * padding + 1) for j in range(2 * padding + 1)]
    return crops + [one.flip(2) for one in crops] if mirrored else crops


@every
@given(b=st.integers(0, 5), c=st.integers(1, 3), h=st.integers(1, 9), w=st.integers(1, 9))
def test_shape_and_type_stay(augment, b, c, h, w):
    x = torch.rand(b, c, h, w, generator=stream(0)).double()
    out = augment(x, stream(0))
    assert out.shape == x.shape
    assert out.dtype == x.dtype


@every
def test_the_generator_decides(augment):
    before = torch.get_rng_state()
    assert torch.equal(augment(images(), stream(1)), augment(images(), stream(1)))
    assert not torch.equal(augment(images(), stream(1)), augment(images(), stream(2)))
    assert torch.equal(torch.get_rng_state(), before)


@every
def test_inputs_stay_as_they_are(augment):
    x = images()
    augment(x, stream(0))
    assert torch.equal(x, images())


@every
def test_every_sample_has_its_own_draw(augment):
    """One image many times comes out in many ways, and in all ways that there are, equally often."""
    x = images(1).expand(8100, -1, -1, -1)
    expected = {crop: 81, flip: 2, crop_flip: 162}[augment]
    counts = augment(x, stream(0)).flatten(1).unique(dim=0, return_counts=True)[1]
    assert len(counts) == expected
    mean = len(x) / expected
    assert ((counts - mean).abs() < 5.5 * mean**0.5).all()


def test_outcomes_are_crops_and_mirror_images():
    x = images(40)
    for image, out in zip(x, crop_flip(x, stream(0), padding=2), strict=True):
        assert any(torch.equal(out, one) for one in results(image, 2, mirrored=True))
    for image, out in zip(x, crop(x, stream(0), padding=2), strict=True):
        assert any(torch.equal(out, one) for one in results(image, 2, mirrored=False))
    for image, out in zip(x, flip(x, stream(0)), strict=True):
        assert any(torch.equal(out, one) for one in (image, image.flip(2)))


def test_without_padding_a_crop_is_the_image():
    assert torch.equal(crop(images(), stream(0), padding=0), images())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_generator_elsewhere_decides_on_cuda_too():
    x = images()
    assert torch.equal(crop_flip(x.cuda(), stream(0)).cpu(), crop_flip(x, stream(0)))
    assert crop_flip(x.cuda(), stream(0, device="cuda")).device.type == "cuda"


def test_names():
    assert augmentation(True) is augmentation("crop_flip") is crop_flip
    assert augmentation(None) is augmentation(False) is None
    assert augmentation(flip) is flip
    with pytest.raises(ValueError, match="did you mean 'crop_flip'"):
        augmentation("crop_fli")
