"""Hashed words: a vector is a function of its word alone, the same everywhere, near to those of similar words."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from cltoolkit.sequences import HashedTokens

WORDS = [f"{a}{b}{c}" for a in ("stone", "river", "paint") for b in ("wall", "bank", "er") for c in ("", "s", "ing")]


@settings(max_examples=25)
@given(st.lists(st.text(min_size=1), min_size=1, max_size=4), st.integers(2, 9), st.integers(1, 5))
def test_encodings_have_their_shape_and_are_finite(texts, dim, length):
    x = HashedTokens(dim, length)(texts)
    assert x.shape == (len(texts), length, dim)
    assert torch.isfinite(x).all()


@settings(max_examples=25)
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6), st.lists(st.sampled_from(WORDS), min_size=1))
def test_a_text_is_encoded_the_same_beside_any_others(words, others):
    encode = HashedTokens(16, 5)
    assert torch.equal(encode([" ".join(words)])[0], encode([" ".join(others), " ".join(words)])[1])


def test_each_position_holds_the_vector_of_its_word_and_zeros_follow():
    encode = HashedTokens(16, 6)
    x = encode(["Snow, snow -- DON'T stop!"])[0]
    assert_close(x[:5], encode.vectors(["snow", "snow", "don't", "stop", "!"])[1:])
    assert not x[5].any()
    assert not encode.vectors(["snow"])[0].any()


def test_letters_of_any_script_are_words():
    a, b = HashedTokens(16, 3)(["Ωραία μέρα", "прекрасный день"])
    assert a[:2].any(1).all()
    assert b[:2].any(1).all()
    assert not a[2].any()
    assert torch.equal(HashedTokens()(["ÜBER"]), HashedTokens()(["über"]))


def test_texts_are_cut_after_their_length():
    assert torch.equal(HashedTokens(8, 3)(["a b c d e"]), HashedTokens(8, 5)(["a b c d e"])[:, :3])


def test_these_are_the_vectors():
    """A change here would change the texts of every run that was ever kept; and no two processes differ in them."""
    alone = HashedTokens(6, damping=1, subwords=None).vectors(["rain", "snow"])
    assert_close(alone / 3**0.5, torch.tensor([[0.0] * 6, [-1, 0, 0, 0, 0, 1], [0, 1, 0, 0, 0, 1]]))
    with_subwords = torch.tensor([[-1.1925696, 0, 0, -0.5962848], [0, 0.5962848, 0.2981424, 0.8944272]])
    assert_close(HashedTokens(4).vectors(["rain", "über"])[1:], with_subwords)


def test_without_subwords_two_coordinates_of_one_size_are_set():
    vectors = HashedTokens(32, subwords=None, damping=1).vectors(WORDS)[1:]
    assert_close(vectors.abs(), (vectors != 0) * 4.0)
    assert ((vectors != 0).sum(1) == 2).all()


def test_words_share_what_their_letters_share():
    """Cosines go with the features in common, |A ∩ B| / √(|A| |B|), up to chance 1 / √dim."""
    encode = HashedTokens(4096, damping=1)
    features = [set(encode._features(word)) for word in WORDS]
    shared = torch.tensor([[len(a & b) / (len(a) * len(b)) ** 0.5 for b in features] for a in features])
    unit = torch.nn.functional.normalize(encode.vectors(WORDS)[1:])
    assert (unit @ unit.T - shared).abs().max() < 6 / 4096**0.5


def test_the_mean_square_of_a_number_is_one():
    vectors = HashedTokens(256, damping=1).vectors([f"{word}{i}" for word in WORDS for i in range(20)])[1:]
    assert_close(vectors.square().mean(), torch.tensor(1.0), atol=0.05, rtol=0)


def test_short_words_are_small():
    encode, full = HashedTokens(32, damping=4), HashedTokens(32, damping=1)
    words = ["a", "no", "the", "rain", "season"]
    weights = torch.tensor([0.25, 0.5, 0.75, 1, 1])
    assert_close(encode.vectors(words)[1:], full.vectors(words)[1:] * weights[:, None])


def test_another_seed_hashes_otherwise():
    assert not torch.equal(HashedTokens(seed=0).vectors(WORDS), HashedTokens(seed=1).vectors(WORDS))


def test_many_words_are_made_in_chunks(monkeypatch):
    whole = HashedTokens(8).vectors(WORDS)
    monkeypatch.setattr("cltoolkit.sequences._tokens._CHUNK", 4)
    assert torch.equal(HashedTokens(8).vectors(WORDS), whole)


def test_numbers_and_table_are_the_encodings():
    encode = HashedTokens(8, 4)
    (first, second), lookup = encode.indexed([["one two", "three"], ["two four"]])
    assert torch.equal(lookup(torch.cat([first, second])), encode(["one two", "three", "two four"]).transpose(1, 2))


@pytest.mark.parametrize(
    "settings_", [{"dim": 1}, {"length": 0}, {"damping": 0}, {"subwords": (3, 2)}, {"subwords": (0, 2)}]
)
def test_settings_are_checked(settings_):
    with pytest.raises(ValueError, match="expected"):
        HashedTokens(**settings_)
