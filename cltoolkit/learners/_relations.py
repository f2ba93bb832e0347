"""The record of how each task was found to relate to the earlier ones."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..embeddings import Placement, discrepancy

__all__ = ["Relations"]


class Relations(nn.Module):
    """Row j is what was found before task j was learned; NaN where there was nothing to find.

    Args:
        dim: d_e, coordinates of an embedding.

    Attributes:
        scores: `(T, T)`; [j, n] is the score of source n on task j.
        targets: `(T, T)`; [j, n] is the distance d_n that follows from it, before scaling.
        scale: `(T, 1)`, γ.
        residual: `(T, 1)`, the largest |‖ê − e_n‖ − γ d_n| that is left.
        h_embeddings: `(T, d_e)`, ê.
    """

    scores: Tensor
    targets: Tensor
    scale: Tensor
    residual: Tensor
    h_embeddings: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.clear()

    def clear(self) -> None:
        """Forgets every row."""
        for name, width in (("scores", 0), ("targets", 0), ("scale", 1), ("residual", 1), ("h_embeddings", self.dim)):
            self.register_buffer(name, torch.zeros(0, width))

    def append(self, scores: Tensor, placement: Placement | None) -> None:
        """The row of the next task.

        Args:
            scores: `(j,)`, of the earlier tasks as sources.
            placement: its H-embedding, if it has one.
        """
        size = len(scores) + 1
        found = {"scores": scores}
        if placement is not None:
            found |= {"targets": placement.targets, "h_embeddings": placement.embedding}
            found |= {"scale": torch.tensor([placement.scale]), "residual": torch.tensor([placement.residual])}
        for name, rows in dict(self.named_buffers()).items():
            width = size if name in ("scores", "targets") else rows.shape[1]
            row = rows.new_full((width,), math.nan)
            if name in found:
                row[: len(found[name])] = found[name].to(row)
            wide = F.pad(rows, (0, width - rows.shape[1]), value=math.nan)
            self.register_buffer(name, torch.cat([wide, row[None]]))

    def series(self, embeddings: Tensor) -> dict[str, Tensor]:
        """What a run keeps, row j for task j: the record, and how far the embeddings `(T, d_e)` follow it.

        "cosine" `(T, 1)` is cos(e_j, ê_j); "discrepancy" `(T, T)` is |‖e_j − e_n‖ − γ_j d_jn|.
        """
        cosine = F.cosine_similarity(embeddings, self.h_embeddings.to(embeddings), dim=-1)[:, None]
        apart = discrepancy(embeddings, self.targets, self.scale[:, 0])
        return dict(self.named_buffers()) | {"cosine": cosine, "discrepancy": apart}
