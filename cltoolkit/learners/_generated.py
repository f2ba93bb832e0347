"""What learners with a hypernetwork share: every task's weights from its embedding, and the earlier ones kept."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from ..hypernetworks import Hypernetwork, OutputRegularizer, adam_lookahead
from ..params import Params, Stateless, unpack
from ..randomness import stream
from ._target import PerTask, Statistics

__all__ = ["GeneratedWeights", "Output"]

FULL_UP_TO = 16_384  # target weights
Output = Literal["auto", "full", "chunked", "low_rank"]


class GeneratedWeights(nn.Module):
    """Weights Θ_t = h(e_t; θ) of every task t, and the regularizer that holds the earlier ones in place.

    Its random numbers come from streams of its own, whatever the learner is called: learners that share it begin
    alike.

    Args:
        net: the target network.
        output: as `hypernetworks.Hypernetwork` has it, or "auto".
        beta: β, weight of the output regularizer.
        max_tasks: earlier tasks compared in one step at most.

    The other arguments are those of `hypernetworks.Hypernetwork`.

    Attributes:
        embedding: `(d_e,)`, e_t of the task being learned, trainable.
        embeddings: `(t, d_e)`, those of the earlier tasks, frozen.
        statistics: batch-norm statistics of the task being learned.
        own_statistics: those of the earlier tasks.
    """

    embeddings: Tensor

    def __init__(
        self,
        net: Stateless,
        *,
        embedding_dim: int,
        hidden: tuple[int, ...],
        output: Output,
        chunk_size: int | None,
        chunk_dim: int,
        rank: int,
        activation: str,
        initialization: str,
        beta: float,
        max_tasks: int | None,
    ) -> None:
        super().__init__()
        if not beta >= 0:
            raise ValueError(f"expected beta of at least 0, which lets earlier tasks go; got {beta!r}")
        self.beta = beta
        self.max_tasks = max_tasks
        self.buffer_names = net.buffers
        self.hypernet = Hypernetwork(
            net.shapes,
            embedding_dim=embedding_dim,
            hidden=hidden,
            output=("full" if net.size <= FULL_UP_TO else "chunked") if output == "auto" else output,
            chunk_size=chunk_size,
            chunk_dim=chunk_dim,
            rank=rank,
            activation=activation,
            initialization=initialization,
            zero=net.zero_names,
        )
        self.embedding = nn.Parameter(torch.zeros(embedding_dim))
        self.register_buffer("embeddings", torch.zeros(0, embedding_dim))
        self.statistics = Statistics(net)
        self.own_statistics = PerTask(net.buffers)
        self.regularizer: OutputRegularizer | None = None

    # Its life, task by task

    def start(self, seed: int) -> None:
        """Draws θ; no task is known."""
        self.hypernet.reset(stream(seed, "HyperNet", "hypernet"))
        self.embeddings = self.embeddings[:0]

    def drawn(self, seed: int, t: int) -> Tensor:
        """`(d_e,)`, the embedding with which task t begins: e_t ~ N(0, 1)."""
        generator = stream(seed, "HyperNet", "embedding", t)
        return torch.randn(self.embedding.shape, generator=generator).to(self.embedding.device)

    @torch.no_grad()
    def begin(self, embedding: Tensor) -> None:
        """A new task, at `embedding` `(d_e,)`; the earlier tasks' weights are remembered as they are now."""
        self.embedding.copy_(embedding)
        self.statistics.reset()
        self.regularizer = self._remembered(self.embeddings)

    def grow(self, tasks: int) -> None:
        """Makes room for the regularizer of a task with `tasks` earlier ones, before a state is loaded."""
        self.regularizer = self._remembered(self.embedding.new_zeros(tasks, len(self.embedding)))

    def shrink(self) -> None:
        """No task is being learned: there is nothing to regularize."""
        self.regularizer = None

    def end(self) -> None:
        """Freezes the task's embedding and statistics."""
        self.embeddings = torch.cat([self.embeddings, self.embedding.detach()[None]])
        self.own_statistics.append(self.statistics.values())
        self.shrink()

    def _remembered(self, embeddings: Tensor) -> OutputRegularizer | None:
        if not len(embeddings) or not self.beta:
            return None
        return OutputRegularizer(self.hypernet, embeddings, max_tasks=self.max_tasks)

    # Learning

    def backward(
        self,
        objective: Callable[[Tensor], Tensor],
        adam: torch.optim.Adam,
        *,
        lookahead: bool,
        seed: int,
        step: int,
    ) -> dict[str, Tensor]:
        """Gradients of the task's objective and of the regularizer.

        Args:
            objective: of the task's flat weights `(P,)`; a scalar.
            adam: the optimizer of θ and e_t.
            lookahead: whether the regularizer is taken where Adam's step on the objective alone would lead, at
                θ + Δθ; else at θ, in one batch with the task's weights.
            seed: draws the earlier tasks that are compared.
            step: the number of the step within the task.

        Returns:
            {"regularizer": L_c}, or nothing where there is none.
        """
        regularizer = self.regularizer
        if regularizer is None:
            objective(self.hypernet(self.embedding[None])[0]).backward()
            return {}
        turn, part = divmod(step, regularizer.num_parts)
        compared = regularizer.sample(stream(seed, "HyperNet", "earlier tasks", len(self.embeddings), turn), part)
        if not lookahead:
            weights, penalty = regularizer(self.hypernet, self.embedding[None], compared)
            (objective(weights[0]) + self.beta * penalty).backward()
            return {"regularizer": penalty}
        objective(self.hypernet(self.embedding[None])[0]).backward()
        parameters = dict(self.hypernet.named_parameters())
        gradients = {name: p.grad for name, p in parameters.items() if p.grad is not None}
        penalty = regularizer.penalty(self.hypernet, compared, shift=adam_lookahead(adam, parameters, gradients))
        (self.beta * penalty).backward()
        return {"regularizer": penalty}

    # What it answers

    @torch.no_grad()
    def params(self, t: int) -> Params:
        """The weights of task t: an earlier one, or the one being learned."""
        if t == len(self.embeddings):
            return self.generated(self.embedding) | self.statistics.values()
        return self.generated(self.embeddings[t]) | self.own_statistics.row(t)

    @torch.no_grad()
    def starting(self, seed: int, t: int) -> Params:
        """What h generates now from the embedding with which task t would begin."""
        return self.generated(self.drawn(seed, t)) | self.statistics.initial()

    @torch.no_grad()
    def stacked(self, tasks: int) -> Params:
        """The weights of the first `tasks` tasks from one batch: each `(tasks, *shape)`."""
        statistics = [
            self.own_statistics.row(t) if t < len(self.embeddings) else self.statistics.values() for t in range(tasks)
        ]
        return unpack(self.hypernet(self.known(tasks)), self.hypernet.shapes) | {
            name: torch.stack([row[name] for row in statistics]) for name in self.buffer_names
        }

    def known(self, tasks: int) -> Tensor:
        """The embeddings of the first `tasks` tasks `(tasks, d_e)`, constant."""
        return torch.cat([self.embeddings, self.embedding.detach()[None]])[:tasks]

    def generated(self, embedding: Tensor) -> Params:
        """The weights of one embedding, by name."""
        return unpack(self.hypernet(embedding[None])[0], self.hypernet.shapes)
