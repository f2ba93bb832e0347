"""The best weights of a task so far, kept beside those that are being trained."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ._target import undotted

__all__ = ["Best"]


class Best(nn.Module):
    """Copies of tensors at the moment when a score was highest; buffers, so that they survive an interruption.

    Args:
        live: the tensors watched, by name; later calls give the same names.
    """

    score: Tensor

    def __init__(self, live: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.register_buffer("score", torch.tensor(-torch.inf))
        for name, value in live.items():
            self.register_buffer(undotted(name), value.detach().clone())

    @torch.no_grad()
    def offer(self, score: float, live: Mapping[str, Tensor]) -> None:
        """Copies the live tensors if they score at least as high as the best so far."""
        if score >= float(self.score):
            self.score.fill_(score)
            for name, value in live.items():
                self.get_buffer(undotted(name)).copy_(value)

    @torch.no_grad()
    def give(self, live: Mapping[str, Tensor]) -> None:
        """Gives the live tensors their best values, if there are any."""
        if self.score > -torch.inf:
            for name, value in live.items():
                value.copy_(self.get_buffer(undotted(name)))
