"""Words as fixed vectors made by hashing: an encoder of texts that needs no download and no training."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["HashedTokens", "Lookup"]

_WORD = re.compile(r"\w+(?:['’]\w+)*|[!?]")
_ENTRIES = 2  # coordinates that a feature touches
_CHUNK = 10_000  # words whose vectors are made at a time


@dataclass(frozen=True)
class HashedTokens:
    """The default encoder: each word of a text becomes a fixed random vector, similar words similar ones.

    v(word) = min(1, |word| / damping) · √(dim / 2m) · Σ of its m features, where the features are the word in brackets,
    `<word>`, and the n-grams of these letters, and a feature is ±1 at two coordinates that its BLAKE2b hash chooses. So
    a vector depends on the word, `dim`, `subwords`, `damping` and `seed` alone: not on the other texts, nor on the
    machine. Short words tell little and are made small.

    Words are runs of letters and digits in lower case, and ! and ?. A text is cut after `length` of them; behind its
    end are zeros. Languages that write no spaces between words need them put in.

    Args:
        dim: d, numbers in a vector, at least 2.
        length: words of a text that are kept.
        subwords: the shortest and the longest n-gram; None for the word alone.
        damping: letters from which on a word has its full weight; 1 for all words.
        seed: another one hashes otherwise.

    References:
        Weinberger et al., Feature Hashing for Large Scale Multitask Learning, ICML 2009 (signed hashes).
        Bojanowski et al., Enriching Word Vectors with Subword Information, TACL 2017 (n-grams in brackets).

    Example:
        >>> x = HashedTokens(length=4)(["Playing!", "Weather plays"])
        >>> x.shape
        torch.Size([2, 4, 128])
        >>> playing, plays, weather = x[0, 0], x[1, 1], x[1, 0]
        >>> torch.cosine_similarity(playing, torch.stack([plays, weather])).round(decimals=1)
        tensor([0.5000, 0.0000])
    """

    dim: int = 128
    length: int = 64
    subwords: tuple[int, int] | None = (3, 5)
    damping: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        if self.dim < 2 or self.length < 1 or self.damping < 1:
            raise ValueError(
                "expected dim of at least 2, length and damping of at least 1; "
                f"got dim={self.dim}, length={self.length}, damping={self.damping}"
            )
        if self.subwords is not None and not 1 <= self.subwords[0] <= self.subwords[1]:
            raise ValueError(f"expected subwords=(shortest, longest), 1 <= shortest <= longest; got {self.subwords}")

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Encodings `(n, length, dim)` of n texts."""
        (ids,), lookup = self.indexed([texts])
        return lookup(ids).transpose(1, 2)

    def indexed(self, collections: Iterable[Sequence[str]]) -> tuple[list[Tensor], "Lookup"]:
        """The same in little memory: word numbers `(n, length)` int32 for each collection, and what looks them up."""
        words: dict[str, int] = {}
        ids = [self._numbers(texts, words) for texts in collections]
        return ids, Lookup(self.vectors(list(words)))

    def vectors(self, words: Sequence[str]) -> Tensor:
        """`(1 + number of words, dim)`: zeros for what is no word, then a vector for each word."""
        seen: dict[str, tuple[int, int, int, int]] = {}
        chunks = (words[i : i + _CHUNK] for i in range(0, len(words), _CHUNK))
        rows = [self._rows(chunk, seen) for chunk in chunks]
        return torch.from_numpy(np.concatenate([np.zeros((1, self.dim), np.float32), *rows]))

    def _numbers(self, texts: Sequence[str], words: dict[str, int]) -> Tensor:
        """Word numbers from 1, `(n, length)`; new words are added to `words`."""
        ids = np.zeros((len(texts), self.length), np.int32)
        for row, text in zip(ids, texts, strict=True):
            found = (match[0] for match in islice(_WORD.finditer(text.lower()), self.length))
            for place, word in enumerate(found):
                row[place] = words.setdefault(word, len(words) + 1)
        return torch.from_numpy(ids)

    def _rows(self, words: Sequence[str], seen: dict[str, tuple[int, int, int, int]]) -> np.ndarray:
        features = [list(dict.fromkeys(self._features(word))) for word in words]
        for feature in {f for several in features for f in several} - seen.keys():
            seen[feature] = self._entries(feature)
        entries = np.array([seen[f] for several in features for f in several]).reshape(-1, 2, _ENTRIES)
        counts = np.array([len(several) for several in features])
        owner = np.repeat(np.arange(len(words)), counts)[:, None]
        # Sums of ±1 are exact in any order, so every machine has the same vectors.
        flat = np.bincount(
            (owner * self.dim + entries[:, 0]).ravel(), entries[:, 1].ravel(), minlength=len(words) * self.dim
        )
        weight = np.array([min(1.0, len(word) / self.damping) for word in words])
        scale = weight * np.sqrt(self.dim / (_ENTRIES * counts))
        return (flat.reshape(len(words), self.dim) * scale[:, None]).astype(np.float32)

    def _features(self, word: str) -> Iterator[str]:
        bracketed = f"<{word}>"
        yield bracketed
        if self.subwords is not None:
            for n in range(self.subwords[0], self.subwords[1] + 1):
                yield from (bracketed[i : i + n] for i in range(len(bracketed) - n + 1))

    def _entries(self, feature: str) -> tuple[int, int, int, int]:
        """Two different coordinates, and the sign at each."""
        digest = blake2b(f"{self.seed}|{feature}".encode(), digest_size=16).digest()
        first, second = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")
        place = (first >> 1) % self.dim
        other = (place + 1 + (second >> 1) % (self.dim - 1)) % self.dim
        return place, other, 2 * (first & 1) - 1, 2 * (second & 1) - 1


class Lookup:
    """Word numbers `(b, length)` to vectors `(b, dim, length)`, as convolutions over a text take them.

    One table for all tasks, and one copy of it on each device that asks.
    """

    def __init__(self, table: Tensor) -> None:
        self._tables = {table.device: table}

    def __call__(self, ids: Tensor) -> Tensor:
        if ids.device not in self._tables:
            self._tables[ids.device] = next(iter(self._tables.values())).to(ids.device)
        return F.embedding(ids, self._tables[ids.device]).transpose(1, 2)
