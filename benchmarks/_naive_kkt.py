"""KKT as published: one mask after the other, small batches, and every difference of two examples' features.

For each earlier mask the examples go through the network in batches, the first of them are references, and an explicit
tensor of queries × references × features gives the distances (Yadav and Bansal, Exclusive Supermask Subnetwork Training
for Continual Learning, 2023, and their code). It is kinder than that code: the masks are given and not sorted anew in
each pass, no gradients are recorded, and all masks see one sample.
"""

import torch
from torch import Tensor

from cltoolkit import Stateless
from cltoolkit.params import Params

__all__ = ["accuracies"]


@torch.no_grad()
def accuracies(
    net: Stateless, params: Params, x: Tensor, y: Tensor, *, references: int, neighbors: int, batch: int = 128
) -> Tensor:
    """The accuracy of the k nearest neighbors under every mask, `(J,)` float64.

    Args:
        net: the network.
        params: weights and buffers under each mask, each `(J, *shape)`.
        x: `(n, *input_shape)`, the first `references` of which are references.
        y: `(n,)`.
        references: how many.
        neighbors: k; of equal votes the smallest label wins.
        batch: examples in one pass.
    """
    scores = []
    for j in range(len(next(iter(params.values())))):
        own = {name: value[j] for name, value in params.items()}
        features = torch.cat([net.features(own, part) for part in x.split(batch)])
        difference = features[references:, None] - features[None, :references]  # (n_q, n_r, d)
        distance = difference.pow(2).sum(-1)
        nearest = distance.topk(neighbors, largest=False).indices
        votes = y[:references][nearest].mode(1).values
        scores.append((votes == y[references:]).double().mean())
    return torch.stack(scores)
