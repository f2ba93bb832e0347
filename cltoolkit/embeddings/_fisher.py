"""Fisher task embeddings: which weights a task's answers depend on."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.func import vjp, vmap

from ..params import Params, Stateless
from ..randomness import stream
from ..tasks import Data

__all__ = ["fisher_distances", "fisher_embedding"]

POOLS = ("filters", "weights")


def fisher_embedding(
    net: Stateless,
    params: Params,
    data: Data,
    units: Sequence[int] | Tensor,
    *,
    samples: int | None = 500,
    pool: str = "filters",
    seed: int = 0,
    batch_size: int = 32,
) -> Tensor:
    """Diagonal Fisher information of the body's weights: F = E_x E_{y ~ p(y | x)} (∂ log p(y | x) / ∂w)².

    The expectation over y is exact, over the network's own prediction for the task's output units; no label is read.
    Gradients are taken example by example, with batch-norm statistics as they stand. Two tasks' embeddings are
    comparable where their bodies are the same and the heads are their own: one network under several heads, or weights
    fine-tuned from one start.

    Args:
        net: the target network; all but its head is the body.
        params: its weights and buffers, trained for the task; not changed.
        data: examples of the task.
        units: output units of the task.
        samples: how many examples are drawn, without repetition; None for all.
        pool: "filters": the mean over the weights that make one output (one row of a matrix, one filter), one number
            for each output of each tensor, as in the paper; "weights": one for each weight.
        seed: draws the examples.
        batch_size: examples at a time. Memory grows as batch_size × P.

    Returns:
        F, `(d_F,)` float64, not negative.

    Raises:
        ValueError: if there is no example, no unit or no body, or a setting is unknown.

    References:
        Achille et al., Task2Vec: Task Embedding for Meta-Learning, ICCV 2019, eq. 1 and §3.1.

    Example:
        >>> from cltoolkit.tasks import Examples
        >>> net = Stateless(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)))
        >>> task = Examples(torch.eye(3), torch.tensor([0, 1, 0]))
        >>> fisher_embedding(net, net.initial(0), task, [0, 1]).shape                     # 4 rows and 4 biases
        torch.Size([8])
    """
    body = [name for name in net.shapes if name not in net.head_names]
    _check(body, data, units, samples, pool, batch_size)
    own = torch.as_tensor(units, dtype=torch.long)
    index = torch.arange(len(data))
    if samples is not None and samples < len(data):
        index = torch.randperm(len(data), generator=stream(seed, "fisher"))[:samples]
    sums = {name: torch.zeros(net.shapes[name], dtype=torch.float64) for name in body}
    for chosen in index.split(batch_size):
        x, _ = data.take(chosen)
        for name, squares in _squares(net, params, body, x, own.to(x.device)):
            sums[name] += squares.cpu()
    means = (sums[name] / len(index) for name in body)
    return torch.cat([_pooled(mean) if pool == "filters" else mean.flatten() for mean in means])


def fisher_distances(embeddings: Tensor) -> Tensor:
    """Task2vec's symmetric distance: one minus the cosine of F_s / (F_s + F_t) and F_t / (F_s + F_t).

    So every weight counts by which of the two tasks it tells more of, and not by how much it tells. Weights that tell
    nothing of either do not count.

    Args:
        embeddings: F, `(T, d_F)`, not negative.

    Returns:
        `(T, T)` float64 in [0, 1], symmetric, 0 on the diagonal.

    Raises:
        ValueError: if a value is negative or not finite, or an embedding is all 0.

    References:
        Achille et al., Task2Vec: Task Embedding for Meta-Learning, ICCV 2019, §4.

    Example:
        >>> fisher_distances(torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 0.0]]))
        tensor([[0.0000, 1.0000, 0.0000],
                [1.0000, 0.0000, 1.0000],
                [0.0000, 1.0000, 0.0000]], dtype=torch.float64)
    """
    F = embeddings.detach().cpu().double()
    if F.ndim != 2 or not bool((torch.isfinite(F) & (F >= 0)).all()):
        raise ValueError(f"expected Fisher embeddings (T, d_F), finite and not negative; got shape {tuple(F.shape)}")
    if not bool(F.any(1).all()):
        raise ValueError(
            f"the embedding of task {int((~F.any(1)).nonzero()[0, 0])} is all 0: its predictions are certain, or "
            "depend on no weight; take weights trained less far"
        )
    return torch.stack([_from(row, F) for row in F]).fill_diagonal_(0.0)


def _from(row: Tensor, F: Tensor) -> Tensor:
    """Distances `(T,)` from one embedding to all."""
    total = row + F
    mine = torch.where(total > 0, row / total, 0.0)
    theirs = torch.where(total > 0, F / total, 0.0)
    norms = torch.linalg.vector_norm(mine, dim=1) * torch.linalg.vector_norm(theirs, dim=1)
    return (1 - (mine * theirs).sum(1) / norms).clamp(0, 1)


def _squares(net: Stateless, params: Params, body: list[str], x: Tensor, units: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Σ_x Σ_y p(y | x) (∂ log p(y | x) / ∂w)² by name, float64; one pass forward, one backward for each unit y."""
    rest = {name: value.detach() for name, value in params.items() if name not in body}
    weights = {name: params[name].detach() for name in body}

    def of_example(example: Tensor) -> Params:
        def log_probabilities(weights: Params) -> Tensor:
            return net({**rest, **weights}, example[None])[0, units].log_softmax(0)

        log_p, pull, *_ = vjp(log_probabilities, weights)
        total = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        for y, unit in enumerate(torch.eye(len(units), dtype=log_p.dtype, device=log_p.device)):
            (gradient,) = pull(unit)
            total = {name: total[name] + log_p[y].exp() * gradient[name].square() for name in total}
        return total

    for name, squares in vmap(of_example)(x).items():
        yield name, squares.double().sum(0)


def _pooled(values: Tensor) -> Tensor:
    """The mean of each output's weights, `(outputs,)`."""
    return values.reshape(len(values), -1).mean(1) if values.ndim else values[None]


def _check(
    body: list[str], data: Data, units: Sequence[int] | Tensor, samples: int | None, pool: str, batch_size: int
) -> None:
    if pool not in POOLS:
        raise ValueError(f"unknown pool {pool!r}; choose from {', '.join(POOLS)}")
    if not body:
        raise ValueError("the network is all head: it has no body whose weights could describe a task")
    if not len(data) or not len(units):
        raise ValueError(f"expected examples and output units; got {len(data)} and {len(units)}")
    if batch_size < 1 or (samples is not None and samples < 1):
        raise ValueError(f"expected at least one example; got samples={samples}, batch_size={batch_size}")
