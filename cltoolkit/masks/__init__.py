"""Masks of a target network's weights: found by training scores, kept as bits, and told who owns what."""

from ._candidates import Chunks, under_masks
from ._choice import Choice
from ._density import Densities, erdos_renyi, kept_counts, num_kept
from ._hopfield import code, energy, hebb, hebb_capacity, is_stored, settle, storkey, storkey_capacity
from ._initial import Initialization, base_weights, random_scores, signed_constant
from ._initializer import KNNInitializer
from ._knn import knn_predict
from ._layout import Layout
from ._objective import entropy, over_real_units, superfluous_energy
from ._ownership import (
    capacity,
    exclusive_fractions,
    exclusive_masks,
    independent_exclusive,
    independent_used,
    overlap,
    owners,
    sparse_overlap,
    storage,
    wsn_capacity,
)
from ._packed import Masks, pack_bits, unpack_bits
from ._rebuilt import rebuilt_scores
from ._selection import Selector, Threshold, TopK, top_k
from ._straight_through import masked, placed
from ._superposition import (
    Superposition,
    binary,
    exhaustive,
    one_shot,
    task_entropies,
    task_gradients,
)
from ._verification import Verification

__all__ = [
    "Choice",
    "Chunks",
    "Densities",
    "Initialization",
    "KNNInitializer",
    "Layout",
    "Masks",
    "Selector",
    "Superposition",
    "Threshold",
    "TopK",
    "Verification",
    "base_weights",
    "binary",
    "capacity",
    "code",
    "energy",
    "entropy",
    "erdos_renyi",
    "exclusive_fractions",
    "exclusive_masks",
    "exhaustive",
    "hebb",
    "hebb_capacity",
    "independent_exclusive",
    "independent_used",
    "is_stored",
    "kept_counts",
    "knn_predict",
    "masked",
    "num_kept",
    "one_shot",
    "over_real_units",
    "overlap",
    "owners",
    "pack_bits",
    "placed",
    "random_scores",
    "rebuilt_scores",
    "settle",
    "signed_constant",
    "sparse_overlap",
    "storage",
    "storkey",
    "storkey_capacity",
    "superfluous_energy",
    "task_entropies",
    "task_gradients",
    "top_k",
    "under_masks",
    "unpack_bits",
    "wsn_capacity",
]
