"""Named streams: every random choice draws from a generator of its own, seeded by a hash of its purpose.

So the order of the data does not depend on whether something else drew before, resuming needs no generator state, and
torch's global generator is never touched.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["key_seed", "reseeded", "seeded", "stream"]


def key_seed(seed: int, *key: int | str) -> int:
    """The integer in [0, 2⁶³) that stands for `(seed, *key)`: the first 63 bits of its SHA-256.

    Integers and strings are told apart, and so are `("ab",)` and `("a", "b")`.

    >>> key_seed(0, "order", 1) == key_seed(0, "order", 1)
    True
    >>> key_seed(0, "order", 1) == key_seed(0, "order", "1")
    False
    """
    text = repr((int(seed), *[k if isinstance(k, str) else int(k) for k in key]))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *key: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator for one purpose.

    Args:
        seed: the run's seed.
        key: what the numbers are for, such as `"order", task, epoch`.
        device: where the numbers are drawn.

    Example:
        >>> a = torch.rand(3, generator=stream(0, "order", 1))
        >>> b = torch.rand(3, generator=stream(0, "order", 1))
        >>> torch.equal(a, b)
        True
    """
    return torch.Generator(device=device).manual_seed(key_seed(seed, *key))


@contextmanager
def seeded(seed: int, *key: int | str, device: torch.device | str = "cpu") -> Iterator[None]:
    """Runs code of others that draws from torch's global generators, seeded by name; they are put back afterwards.

    For `reset_parameters`, dropout, and data sets with random transforms.

    Args:
        seed: the run's seed.
        key: what the numbers are for.
        device: the device whose generator is seeded too, when it is not the CPU.

    Example:
        >>> with seeded(0, "weights"):
        ...     first = torch.nn.Linear(2, 2).weight
        >>> with seeded(0, "weights"):
        ...     second = torch.nn.Linear(2, 2).weight
        >>> torch.equal(first, second)
        True
    """
    with reseeded(key_seed(seed, *key), device=device):
        yield


@contextmanager
def reseeded(value: int, *, device: torch.device | str = "cpu") -> Iterator[None]:
    """`seeded`, with the integer that `key_seed` made: for a loop's body, where hashing is better done beforehand.

    Args:
        value: the seed itself, in [0, 2⁶³).
        device: the device whose generator is seeded too, when it is not the CPU.
    """
    place = torch.device(device)
    before = torch.default_generator.get_state()
    before_cuda = torch.cuda.get_rng_state(place) if place.type == "cuda" else None
    try:
        torch.default_generator.manual_seed(value)
        if before_cuda is not None:
            with torch.cuda.device(place):
                torch.cuda.manual_seed(value)
        yield
    finally:
        torch.default_generator.set_state(before)
        if before_cuda is not None:
            torch.cuda.set_rng_state(before_cuda, place)
