"""Frozen encoders: a small random model of the real library, and encodings kept on disk."""

import sys

import pytest
import torch
from torch.testing import assert_close

from cltoolkit.params import Stateless
from cltoolkit.randomness import seeded
from cltoolkit.sequences import Cached, HuggingFace, from_text

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "rain", "again", "and", "sun", "joy", "##ful"]
TEXTS = ["rain and rain again", "sun", "joyful sun and joyful rain and sun", "gloom"]


@pytest.fixture(scope="module")
def parts():
    """A model of the library's in training mode, and its tokenizer."""
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = transformers.BertConfig(vocab_size=len(WORDS), max_position_embeddings=16, **sizes)
    with seeded(0, "bert"):
        model = transformers.BertModel(config).train()
    tokenizer = transformers.BertTokenizer({word: i for i, word in enumerate(WORDS)}, model_max_length=16)
    return model, tokenizer


@pytest.fixture
def encoder(parts):
    def make(**options):
        return HuggingFace(parts[0], tokenizer=parts[1], **{"length": 6, "device": "cpu"} | options)

    return make


def lengths(parts, length=6):
    return [len(ids) for ids in parts[1](TEXTS, truncation=True, max_length=length)["input_ids"]]


def test_tokens_are_the_models_own_and_zeros_follow(parts, encoder):
    encoded = encoder()(TEXTS)
    assert encoded.shape == (4, 6, 8)
    assert lengths(parts) == [6, 3, 6, 3]
    model, tokenizer = parts
    model.eval()
    for text, x, n in zip(TEXTS, encoded, lengths(parts), strict=True):
        alone = tokenizer([text], truncation=True, max_length=6, return_tensors="pt")
        with torch.no_grad():
            assert_close(x[:n], model(**alone).last_hidden_state[0], rtol=1e-4, atol=1e-5)
        assert not x[n:].any()
    model.train()


def test_pooled_encodings_are_of_the_tokens(parts, encoder):
    tokens = encoder()(TEXTS)
    counts = torch.tensor(lengths(parts))[:, None]
    assert_close(encoder(pooling="mean")(TEXTS), tokens.sum(1) / counts)
    assert_close(encoder(pooling="cls")(TEXTS), tokens[:, 0])


@pytest.mark.parametrize("size", [1, 3])
def test_batches_make_no_difference(encoder, size):
    assert_close(encoder(batch_size=size)(TEXTS), encoder()(TEXTS), rtol=1e-4, atol=1e-5)


def test_no_dropout_no_gradient_and_the_model_as_it_was(parts, encoder):
    before = {name: value.clone() for name, value in parts[0].state_dict().items()}
    first, again = encoder()(TEXTS), encoder()(TEXTS)
    assert torch.equal(first, again)
    assert not first.requires_grad
    assert parts[0].training
    assert all(torch.equal(value, before[name]) for name, value in parts[0].state_dict().items())


def test_half_precision(encoder):
    half = encoder(dtype=torch.float16)(TEXTS)
    assert half.dtype == torch.float16
    assert_close(half, encoder()(TEXTS).half())


def test_a_folder_of_the_library_is_a_name(parts, encoder, tmp_path):
    for part in parts:
        part.save_pretrained(tmp_path)
    assert_close(HuggingFace(str(tmp_path), length=6, device="cpu")(TEXTS), encoder()(TEXTS))


def test_a_sequence_of_encoded_texts_feeds_the_network(encoder, tmp_path):
    from cltoolkit.networks import text_cnn

    task = (TEXTS[:2] * 5, ["wet", "dry"] * 5)
    made = from_text({"weather": task}, encoder=Cached(encoder(), tmp_path, half=True))
    assert made.input_shape == (8, 6)
    assert made[0].train.x.dtype == torch.float16
    net = Stateless(text_cnn(made.input_shape, 2, filters=3))
    assert net(net.initial(0), made[0].train.take(torch.arange(4))[0]).shape == (4, 2)


def test_without_the_library_an_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"pip install cltoolkit\[text\]"):
        HuggingFace("bert-base-uncased")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "max"}, "'tokens', 'mean' or 'cls'"),
        ({"length": 0}, "at least 1"),
        ({"length": 17}, "at most 16 tokens"),
        ({"tokenizer": None}, "needs its tokenizer"),
    ],
)
def test_settings_are_checked(encoder, options, message, parts):
    with pytest.raises(ValueError, match=message):
        HuggingFace(parts[0], **{"tokenizer": parts[1], "device": "cpu"} | options)


def test_a_tokenizer_without_padding_is_refused(parts):
    import copy

    tokenizer = copy.deepcopy(parts[1])
    tokenizer.pad_token = None
    with pytest.raises(ValueError, match=r"pad_token = tokenizer\.eos_token"):
        HuggingFace(parts[0], tokenizer=tokenizer, length=4, device="cpu")


# On disk


class Counting:
    """An encoder that notes how often it is called."""

    def __init__(self):
        self.calls = 0

    def __call__(self, texts):
        self.calls += 1
        return torch.tensor([[float(len(text)), 0.1] for text in texts])


def test_what_was_encoded_is_read_again(tmp_path):
    encode = Counting()
    expected = Counting()(TEXTS)
    for folder in (tmp_path, str(tmp_path)):
        assert torch.equal(Cached(encode, folder, key="a")(TEXTS), expected)
    assert encode.calls == 1
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"]


def test_other_texts_keys_and_precisions_are_encoded_anew(tmp_path):
    encode = Counting()
    Cached(encode, tmp_path, key="a")(TEXTS)
    Cached(encode, tmp_path, key="a")(TEXTS[::-1])
    Cached(encode, tmp_path, key="a")(["".join(TEXTS)])
    Cached(encode, tmp_path, key="b")(TEXTS)
    assert Cached(encode, tmp_path, key="a", half=True)(TEXTS).dtype == torch.float16
    assert encode.calls == 5


@pytest.mark.parametrize("damage", [lambda b: b[:-3], lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda _: b""])
def test_a_damaged_file_is_made_anew(tmp_path, damage):
    encode = Counting()
    cached = Cached(encode, tmp_path, key="a")
    expected = cached(TEXTS)
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(RuntimeWarning, match="damaged"):
        assert torch.equal(cached(TEXTS), expected)
    assert torch.equal(cached(TEXTS), expected)
    assert encode.calls == 2


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr("cltoolkit.sequences._cached.Path.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        Cached(Counting(), tmp_path, key="a")(TEXTS)
    assert list(tmp_path.iterdir()) == []


def test_a_function_needs_a_key(tmp_path):
    with pytest.raises(ValueError, match="key='its name and settings'"):
        Cached(Counting(), tmp_path)


def test_the_key_of_a_model_is_its_weights_and_settings(parts, encoder):
    assert encoder().key == encoder(batch_size=2).key
    keys = {encoder().key, encoder(length=5).key, encoder(pooling="cls").key, encoder(dtype=torch.float16).key}
    with torch.no_grad():
        parts[0].embeddings.word_embeddings.weight[5, 0] += 1
    keys.add(encoder().key)
    with torch.no_grad():
        parts[0].embeddings.word_embeddings.weight[5, 0] -= 1
    assert len(keys) == 5
