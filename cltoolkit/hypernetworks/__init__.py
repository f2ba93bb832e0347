"""Hypernetworks: from a task embedding to all weights of a target network, and what keeps earlier tasks."""

from ._hypernetwork import Basis, Hypernetwork
from ._initialization import gain_offset, hyperfan_std
from ._lookahead import adam_lookahead, adam_shift
from ._regularizer import OutputRegularizer, cheaper_form, deal, output_distance, output_distance_gram

__all__ = [
    "Basis",
    "Hypernetwork",
    "OutputRegularizer",
    "adam_lookahead",
    "adam_shift",
    "cheaper_form",
    "deal",
    "gain_offset",
    "hyperfan_std",
    "output_distance",
    "output_distance_gram",
]
