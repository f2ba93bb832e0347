"""Frozen encoders of the transformers library."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..devices import pick_device

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["HuggingFace"]

Pooling = Literal["tokens", "mean", "cls"]


class HuggingFace:
    """A frozen encoder of Hugging Face's: its last hidden states, without dropout and without gradients.

    Texts are cut after `length` tokens; positions behind a text's end are zero, so a network sees no padding. It needs
    the extra `text`: `pip install cltoolkit[text]`. `Cached` keeps what it returns on disk.

    Args:
        model: a model's name or folder, or one that was made already. Weights come from safetensors alone, and no code
            of a model's author is run.
        tokenizer: the tokenizer of a model that was made already; by default the one of the name.
        length: tokens of a text that are kept.
        pooling: "tokens": `(n, length, d)`, a vector for each token. "mean": `(n, d)`, their mean. "cls": `(n, d)`, the
            first one.
        batch_size: texts encoded at a time.
        device: where the model computes; a GPU if there is one, by default.
        dtype: in which encodings are kept; torch.float16 takes half the memory.

    Attributes:
        key: a hash of model, tokenizer and settings, for `Cached`.

    Raises:
        ImportError: if transformers is not installed.
        ValueError: if a setting is unknown, or does not suit the tokenizer.

    References:
        Devlin et al., BERT: Pre-training of Deep Bidirectional Transformers, NAACL 2019.

    Example:
        >>> HuggingFace("bert-base-uncased", length=64)  # doctest: +SKIP
        HuggingFace(BertModel, length=64, pooling='tokens')
    """

    def __init__(
        self,
        model: "str | PreTrainedModel",
        *,
        tokenizer: "PreTrainedTokenizerBase | None" = None,
        length: int = 128,
        pooling: Pooling = "tokens",
        batch_size: int = 32,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if pooling not in get_args(Pooling):
            raise ValueError(f"expected pooling 'tokens', 'mean' or 'cls'; got {pooling!r}")
        if length < 1 or batch_size < 1:
            raise ValueError(f"expected length and batch_size of at least 1; got {length} and {batch_size}")
        place = pick_device(device)
        self.model, self.tokenizer = _loaded(model, tokenizer)
        if self.tokenizer.pad_token is None:
            raise ValueError(
                "the tokenizer has no token for padding; give it one: tokenizer.pad_token = tokenizer.eos_token"
            )
        if length > self.tokenizer.model_max_length:
            raise ValueError(f"the model reads at most {self.tokenizer.model_max_length} tokens; got length={length}")
        self.model.to(place)
        self.length, self.pooling, self.batch_size = length, pooling, batch_size
        self.device, self.dtype = place, dtype

    @property
    def key(self) -> str:
        sha = hashlib.sha256(f"{self}{self.dtype}{self.model.config.to_json_string()}{self.tokenizer!r}".encode())
        sha.update(repr(sorted(self.tokenizer.get_vocab().items())).encode())
        for name, value in self.model.state_dict().items():
            sha.update(name.encode())
            sha.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return sha.hexdigest()

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Encodings `(n, length, d)`, or `(n, d)` if pooled, on the CPU."""
        batches = range(0, len(texts), self.batch_size)
        with _frozen(self.model), torch.no_grad():
            parts = [
                self._batch(list(texts[i : i + self.batch_size]))
                for i in tqdm(batches, desc="encoding texts", unit="batch", delay=1, leave=False)
            ]
        return torch.cat(parts)

    def _batch(self, texts: list[str]) -> Tensor:
        tokens = self.tokenizer(
            texts, padding=True, padding_side="right", truncation=True, max_length=self.length, return_tensors="pt"
        ).to(self.device)
        mask = tokens["attention_mask"][..., None]  # (b, longest, 1)
        states = self.model(**tokens).last_hidden_state.masked_fill(mask == 0, 0)  # (b, longest, d)
        return self._pooled(states, mask).to("cpu", self.dtype)

    def _pooled(self, states: Tensor, mask: Tensor) -> Tensor:
        if self.pooling == "cls":
            return states[:, 0]
        if self.pooling == "mean":
            return states.float().sum(1) / mask.sum(1)
        return nn.functional.pad(states, (0, 0, 0, self.length - states.shape[1]))

    def __repr__(self) -> str:
        return f"HuggingFace({type(self.model).__name__}, length={self.length}, pooling={self.pooling!r})"


def _loaded(model: "str | PreTrainedModel", tokenizer: Any) -> tuple[Any, Any]:
    """The model and its tokenizer; what was made already needs no library."""
    if not isinstance(model, str):
        if tokenizer is None:
            raise ValueError("a model that was made already needs its tokenizer: tokenizer=")
        return model, tokenizer
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise ImportError("HuggingFace needs the transformers library: pip install cltoolkit[text]") from error
    loaded = AutoModel.from_pretrained(model, use_safetensors=True, trust_remote_code=False)
    return loaded, AutoTokenizer.from_pretrained(model, trust_remote_code=False) if tokenizer is None else tokenizer


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """Without dropout; afterwards the model is as it was."""
    before = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(before)
