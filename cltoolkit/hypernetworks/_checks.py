"""Checks at the doors of this room."""

from collections.abc import Iterable
from difflib import get_close_matches

from torch import Tensor


def check_name(argument: str, value: str, names: Iterable[str]) -> None:
    """Raises a ValueError that offers the nearest right name, unless `value` is one of `names`."""
    names = list(names)
    if value not in names:
        near = get_close_matches(str(value), names, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(map(repr, names))}"
        raise ValueError(f"{argument}={value!r} is unknown; {hint}")


def check_positive(**sizes: int) -> None:
    """Raises a ValueError that names the first size which is not a positive integer."""
    for argument, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"expected a positive integer for {argument}; got {value!r}")


def check_embeddings(embeddings: Tensor, dim: int) -> None:
    """Raises a ValueError unless `embeddings` is `(T, dim)`."""
    if embeddings.ndim != 2 or embeddings.shape[1] != dim:
        raise ValueError(
            f"expected task embeddings of shape (T, {dim}), one row per task; got {tuple(embeddings.shape)}; "
            "give one embedding as `embedding[None]`, or build the hypernetwork with another `embedding_dim`"
        )
