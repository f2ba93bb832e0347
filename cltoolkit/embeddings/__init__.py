"""Embeddings: where tasks lie among each other, by scores, by what was learned, by the weights that matter."""

from ._alignment import align
from ._dendrogram import dendrogram_order, linkage
from ._distances import discrepancy, embedding_distances, score_distances, weight_distances
from ._fisher import fisher_distances, fisher_embedding
from ._mantel import MantelResult, mantel
from ._maps import TaskMap, map_tasks
from ._normalizers import NORMALIZERS, ahp, target_distances
from ._placement import SOLVERS, Placement, h_embedding, place, placement_loss

__all__ = [
    "NORMALIZERS",
    "SOLVERS",
    "MantelResult",
    "Placement",
    "TaskMap",
    "ahp",
    "align",
    "dendrogram_order",
    "discrepancy",
    "embedding_distances",
    "fisher_distances",
    "fisher_embedding",
    "h_embedding",
    "linkage",
    "mantel",
    "map_tasks",
    "place",
    "placement_loss",
    "score_distances",
    "target_distances",
    "weight_distances",
]
