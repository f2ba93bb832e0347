"""Encodings kept on disk, so that a large frozen model reads every text once."""

import hashlib
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor

from ..files import write_atomically

__all__ = ["Cached"]


@runtime_checkable
class _Keyed(Protocol):
    """An encoder that knows what tells it from others."""

    @property
    def key(self) -> str: ...


@dataclass(frozen=True)
class Cached:
    """An encoder whose results are kept in a folder, one safetensors file for each list of texts it was called with.

    The file's name is a hash of the encoder's `key` and of the texts, so other texts or another encoder are never
    mistaken for these; a file that is damaged is made anew.

    Args:
        encoder: what encodes, as `from_text` takes it.
        folder: where the files lie; it is made if need be.
        key: what tells this encoder from others: its name and all its settings. `HuggingFace` brings its own.
        half: whether encodings are kept in half precision, here and in memory.

    Raises:
        ValueError: if the encoder has no key and none is given.

    Example:
        >>> import tempfile, torch
        >>> calls = []
        >>> def lengths(texts):
        ...     calls.append(len(texts))
        ...     return torch.tensor([[float(len(text))] for text in texts])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     encode = Cached(lengths, folder, key="lengths of texts")
        ...     encode(["a", "bc"]), encode(["a", "bc"]), len(calls)
        (tensor([[1.], [2.]]), tensor([[1.], [2.]]), 1)
    """

    encoder: Callable[[Sequence[str]], Tensor]
    folder: str | os.PathLike[str]
    key: str | None = None
    half: bool = False

    def __post_init__(self) -> None:
        if self.key is None:
            if not isinstance(self.encoder, _Keyed):
                raise ValueError(
                    "the settings of a function cannot be seen; say what tells this encoder from others: "
                    "key='its name and settings'"
                )
            object.__setattr__(self, "key", self.encoder.key)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """The encodings of n texts, as the encoder gives them."""
        path = Path(self.folder) / f"{_digest(f'{self.key}|half={self.half}', texts)}.safetensors"
        kept = _load(path, len(texts))
        if kept is not None:
            return kept
        encoded = self.encoder(texts).detach().cpu().contiguous()
        made = encoded.half() if self.half else encoded
        write_atomically(path, to_safetensors({"encoded": made}, {"sha256": _sum(made)}))
        return made


def _digest(key: str, texts: Sequence[str]) -> str:
    sha = hashlib.sha256(repr(key).encode())
    for text in texts:
        sha.update(f"{len(text)}|{text}".encode(errors="surrogatepass"))
    return sha.hexdigest()[:40]


def _sum(encoded: Tensor) -> str:
    return hashlib.sha256(encoded.numpy().tobytes()).hexdigest()


def _load(path: Path, count: int) -> Tensor | None:
    """What a file holds; None if there is none, or it is damaged."""
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            encoded, note = file.get_tensor("encoded"), (file.metadata() or {}).get("sha256")
        if len(encoded) == count and note == _sum(encoded):
            return encoded
        problem = "its content is not what was written"
    except (SafetensorError, OSError) as error:
        problem = str(error)
    warnings.warn(
        f"the cached encodings {path} are damaged ({problem}); they are made anew", RuntimeWarning, stacklevel=3
    )
    return None
