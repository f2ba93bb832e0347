"""How an H-embedding pulls on the embedding that is being learned: one loss for each way, and the decoders they use."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Decoder", "cosine_loss", "distance_loss"]


def cosine_loss(decoded: Tensor, h_embeddings: Tensor) -> Tensor:
    """1 − cos(Dec(Enc(e)), ê) of each row: in [0, 2], whatever the length of ê.

    Args:
        decoded: `(m, d_e)`.
        h_embeddings: `(m, d_e)`, constants.

    Returns:
        `(m,)`.

    Example:
        >>> cosine_loss(torch.eye(2), torch.tensor([[3.0, 0.0], [5.0, 0.0]]))
        tensor([0., 1.])
    """
    return 1 - F.cosine_similarity(decoded, h_embeddings, dim=-1)


def distance_loss(embedding: Tensor, earlier: Tensor, distances: Tensor) -> Tensor:
    """Mean over the earlier tasks n of (|e − e_n| − γ d_n)²: what the H-embedding minimizes, asked of e itself.

    Args:
        embedding: `(d_e,)`, e.
        earlier: `(n, d_e)`, the e_n, constants.
        distances: `(n,)`, the γ d_n, constants.

    Returns:
        Scalar.

    Example:
        >>> distance_loss(torch.zeros(2), torch.tensor([[3.0, 4.0]]), torch.tensor([4.0])).round(decimals=4)
        tensor(1.)
    """
    apart = ((embedding - earlier).square().sum(-1) + 1e-12).sqrt()  # its gradient exists where e = e_n, too
    return (apart - distances).square().mean()


class Decoder(nn.Module):
    """Two layers that guess an H-embedding from the hypernetwork's features of an embedding.

    Args:
        inputs: features.
        hidden: width between the layers.
        outputs: d_e.
        bias: whether the last layer has one. With a bias it can learn any one ê whatever the features are.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int, *, bias: bool) -> None:
        super().__init__()
        self.first = nn.utils.skip_init(nn.Linear, inputs, hidden)
        self.last = nn.utils.skip_init(nn.Linear, hidden, outputs, bias=bias)

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> "Decoder":
        """Draws all weights as `nn.Linear` does, uniform within ±1/√inputs, from `generator`."""
        for layer in (self.first, self.last):
            bound = 1 / math.sqrt(layer.in_features)
            for parameter in layer.parameters():
                parameter.copy_(torch.empty(parameter.shape).uniform_(-bound, bound, generator=generator))
        return self

    def forward(self, features: Tensor) -> Tensor:
        """`(m, inputs)` → `(m, d_e)`."""
        return self.last(F.relu(self.first(features)))
