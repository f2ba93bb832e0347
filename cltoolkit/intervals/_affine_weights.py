"""The weights that a hypernetwork makes from a box of embeddings, as affine functions of the embedding."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from ..params import Params, unpack
from ._affine import AffineTensor, Form, affine_embedding, joined

__all__ = ["Generator", "affine_weights", "generated"]

NEGLIGIBLE = 1e-6  # share of an entry's box below which its private radius gets no generator of its own


class Generator(Protocol):
    """What `affine_weights` needs of a hypernetwork: a module `(T, d)` → `(T, P)` that knows the shapes it fills."""

    shapes: Mapping[str, torch.Size]

    def __call__(self, embeddings: Tensor) -> Tensor: ...


@torch.no_grad()
def affine_weights(
    hypernet: Generator,
    center: Tensor,
    half_width: Tensor,
    *,
    noises: int = 128,
    dtype: torch.dtype = torch.float64,
    rigorous: bool = False,
) -> dict[str, AffineTensor]:
    """The set of weights {h(e') : |e' − e| ≤ ε}, within an affine function of e' and a remainder.

    Each hidden unit whose activation bends inside the box adds a private radius. Before the next linear layer the
    largest of these become generators: noises of their own, shared by all the weights they move. Nothing is lost then
    at the last layer, where one unit moves every weight; without them the weights would be as independent as in a box.

    Args:
        hypernet: h, such as `hypernetworks.Hypernetwork`; it is copied, and stays as it is.
        center: e, `(d,)`.
        half_width: ε ≥ 0 per coordinate, `(d,)`.
        noises: generators at most, those of the d coordinates included. Memory is `noises` · P numbers.
        dtype: of the computation.
        rigorous: whether rounding is covered too.

    Returns:
        Name → the affine weights.

    Raises:
        ValueError: if there are fewer noises than coordinates, or the box does not fit.
        MissingRuleError: if the hypernetwork uses a function without a rule.

    Example:
        >>> from cltoolkit.hypernetworks import Hypernetwork
        >>> hypernet = Hypernetwork({"weight": torch.Size([2, 8])}, embedding_dim=4)
        >>> weights = affine_weights(hypernet, torch.zeros(4), torch.full((4,), 0.01))
        >>> weights["weight"].shape
        torch.Size([2, 8])
    """
    if noises < len(center):
        raise ValueError(f"expected at least {len(center)} noises, one for each coordinate; got {noises}")
    hypernet = _copied(hypernet, dtype)
    embedding = affine_embedding(center.to(dtype), half_width.to(dtype), rigorous=rigorous)
    with _Shared(len(center), noises).before_linear_layers(cast(nn.Module, hypernet)):
        flat = hypernet(embedding[None])[0]
    return cast(dict[str, AffineTensor], unpack(flat, dict(hypernet.shapes)))


@torch.no_grad()
def generated(hypernet: Generator, embedding: Tensor, *, dtype: torch.dtype | None = None) -> Params:
    """The weights h(e) of one embedding `(d,)`, by name, computed in `dtype`."""
    hypernet = hypernet if dtype is None else _copied(hypernet, dtype)
    return unpack(hypernet(embedding.to(dtype)[None])[0], dict(hypernet.shapes))


def _copied(hypernet: Generator, dtype: torch.dtype) -> Generator:
    return cast(Generator, copy.deepcopy(cast(nn.Module, hypernet)).to(dtype))


class _Shared:
    """Turns private radii into generators: `made` noises so far, `most` altogether; no two are ever the same."""

    def __init__(self, made: int, most: int) -> None:
        self.made = made
        self.most = most

    @contextmanager
    def before_linear_layers(self, module: nn.Module) -> Iterator[None]:
        """Does so with whatever the linear layers of a module are given."""
        layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
        handles = [layer.register_forward_pre_hook(self._hook) for layer in layers]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _hook(self, layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        x, *others = inputs
        return (self(x), *others) if isinstance(x, AffineTensor) else inputs

    def __call__(self, x: AffineTensor) -> AffineTensor:
        """The same set; the largest private radii are generators that no other tensor has."""
        radius = x.radius.flatten()
        worth = radius * (radius > NEGLIGIBLE * x.box.radius.flatten())
        count = min(self.most - self.made, int(worth.count_nonzero()))
        chosen = worth.topk(count).indices
        fresh = radius.new_zeros(count, len(radius))
        fresh[torch.arange(count, device=radius.device), chosen] = radius[chosen]
        before = x.generators.new_zeros(self.made - len(x.generators), *x.shape)
        self.made += count
        generators = torch.cat([x.generators, before, fresh.view(count, *x.shape)])
        return joined(Form(x.center, generators, radius.index_fill(0, chosen, 0).view(x.shape)), x.box)
