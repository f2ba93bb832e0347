"""Masks of a target network's weights: found by training scores, kept as bits, and told who owns what."""

from ._density import Densities, kept_counts, num_kept
from ._initial import random_scores, signed_constant
from ._layout import Layout
from ._packed import Masks, pack_bits, unpack_bits
from ._selection import Selector, Threshold, TopK, top_k
from ._straight_through import masked, placed

__all__ = [
    "Densities",
    "Layout",
    "Masks",
    "Selector",
    "Threshold",
    "TopK",
    "kept_counts",
    "masked",
    "num_kept",
    "pack_bits",
    "placed",
    "random_scores",
    "signed_constant",
    "top_k",
    "unpack_bits",
]
