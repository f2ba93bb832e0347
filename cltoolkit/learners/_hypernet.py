"""HyperNet: every weight generated from a task embedding, and the earlier tasks' weights generated on."""

import warnings
from typing import ClassVar, Literal, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..hypernetworks import Hypernetwork, OutputRegularizer, adam_lookahead
from ..params import Params, Stateless, unpack
from ..tasks import Task
from ._base import Learner, Phase, check_positive
from ._target import PerTask, Statistics

__all__ = ["HyperNet"]

FULL_UP_TO = 16_384  # target weights


@final
class HyperNet(Learner):
    """Continual learning with a hypernetwork: task t is answered by the weights Θ_t = h(e_t; θ).

    While task t is learned, its embedding e_t and the shared θ minimize (von Oswald et al. 2020, eq. 2)

        L_t(h(e_t; θ)) + β/(t−1) Σ_{j<t} |h(e_j; θ + Δθ) − h(e_j; θ*)|²,

    with θ* the weights before the task: forgetting becomes a regression that needs no earlier data. What grows with a
    task is its embedding, `embedding_dim` numbers (and batch-norm statistics, where the target has them). Heads and
    all other weights are generated.

    Args:
        net: the target network.
        embedding_dim: d_e, coordinates of a task embedding.
        hidden: widths of the hypernetwork's hidden layers.
        output: "full", "chunked" or "low_rank", see `hypernetworks.Hypernetwork`; "auto" is full up to a target of
            16,384 weights, and chunked beyond, where a full output layer would outweigh the target by far.
        chunk_size: weights per chunk of a chunked output; by default about as many as keep θ as large as the target.
        chunk_dim: coordinates of a chunk embedding.
        rank: of a low-rank output.
        activation: of the hidden layers.
        initialization: "hyperfan", or "plain" as in the published code.
        beta: β, weight of the output regularizer (a sum over weights, a mean over tasks).
        lr: step size of Adam, for θ and e_t.
        lookahead: whether Δθ is the step that Adam is about to take on the task's loss (§2, two-step form), else 0.
        max_tasks: earlier tasks compared in one step at most, an unbiased sample of them in which each has its turn;
            None for all.

    References:
        von Oswald, Henning, Grewe & Sacramento, Continual learning with hypernetworks, ICLR 2020, arXiv 1906.00695.

    Deviations from the published code:
        - All tasks and chunks go through the hypernetwork in one batch; there the regularizer loops over tasks.
        - Weights begin as hyperfan-in has it, with gains around 1; `initialization="plain"` is the published start.
        - The number of tasks need not be known, and is bounded by nothing.
        - Beyond `max_tasks` earlier tasks each step samples the sum anew, and all have their turn; there the sample is
          drawn once and for all.
        - Without `lookahead`, Δθ = 0; the published default looks ahead.

    Example:
        >>> learner = HyperNet(nn.Linear(64, 2), hidden=(32,), beta=0.01)
        >>> learner.hypernet.size                                        # weights of the target network
        130
    """

    one_network: ClassVar[bool] = False
    embeddings: Tensor

    def __init__(
        self,
        net: nn.Module | Stateless,
        *,
        embedding_dim: int = 32,
        hidden: tuple[int, ...] = (64, 64),
        output: Literal["auto", "full", "chunked", "low_rank"] = "auto",
        chunk_size: int | None = None,
        chunk_dim: int = 32,
        rank: int = 16,
        activation: str = "relu",
        initialization: Literal["hyperfan", "plain"] = "hyperfan",
        beta: float = 0.1,
        lr: float = 5e-4,
        lookahead: bool = False,
        max_tasks: int | None = 16,
    ) -> None:
        super().__init__(net)
        check_positive(lr=lr)
        if self.net.weights == "given":
            warnings.warn("HyperNet generates all weights; those given with the network are not used", stacklevel=2)
        if not beta >= 0:
            raise ValueError(f"expected beta of at least 0, which lets earlier tasks go; got {beta!r}")
        self.embedding_dim = embedding_dim
        self.hidden = tuple(hidden)
        self.output = output
        self.chunk_size = chunk_size
        self.chunk_dim = chunk_dim
        self.rank = rank
        self.activation = activation
        self.initialization = initialization
        self.beta = beta
        self.lr = lr
        self.lookahead = lookahead
        self.max_tasks = max_tasks
        self.hypernet = Hypernetwork(
            self.net.shapes,
            embedding_dim=embedding_dim,
            hidden=self.hidden,
            output=("full" if self.net.size <= FULL_UP_TO else "chunked") if output == "auto" else output,
            chunk_size=chunk_size,
            chunk_dim=chunk_dim,
            rank=rank,
            activation=activation,
            initialization=initialization,
        )
        self.embedding = nn.Parameter(torch.zeros(embedding_dim))  # e_t of the task being learned
        self.register_buffer("embeddings", torch.zeros(0, embedding_dim))  # e_j of the earlier ones, frozen
        self.statistics = Statistics(self.net)
        self.own_statistics = PerTask(self.net.buffers)
        self.regularizer: OutputRegularizer | None = None

    def _start(self) -> None:
        self.hypernet.reset(self.stream("hypernet"))
        self.embeddings = self.embeddings[:0]

    def _new_embedding(self, t: int) -> Tensor:
        return torch.randn(self.embedding_dim, generator=self.stream("embedding", t)).to(self.device)

    def _begin(self, task: Task, phase: Phase) -> None:
        with torch.no_grad():
            self.embedding.copy_(self._new_embedding(self.num_tasks))
        self.statistics.reset()
        self.regularizer = self._regularizer(self.embeddings)

    def _regularizer(self, embeddings: Tensor) -> OutputRegularizer | None:
        """The regularizer against the weights that these tasks have now; none without tasks."""
        return (
            OutputRegularizer(self.hypernet, embeddings, max_tasks=self.max_tasks)
            if len(embeddings) and self.beta
            else None
        )

    def _grow(self) -> None:
        self.regularizer = (
            self._regularizer(torch.zeros(self.num_tasks, self.embedding_dim, device=self.device))
            if self.learning
            else None
        )

    def _optimizers(self, phase: Phase) -> dict[str, Optimizer]:
        self.adam = torch.optim.Adam([*self.hypernet.parameters(), self.embedding], lr=self.lr, fused=True)
        return {"adam": self.adam}

    def _step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        self.adam.zero_grad()
        if self.regularizer is None:
            losses = {"loss": self._task_loss(self.hypernet(self.embedding[None]), x, y)}
            losses["loss"].backward()
        else:
            losses = (self._ahead if self.lookahead else self._together)(self.regularizer, x, y)
        self.adam.step()
        return {name: value.detach() for name, value in losses.items()}

    def _task_loss(self, weights: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """L_t of the generated weights `(1, P)`."""
        params = unpack(weights[0], self.net.shapes) | self.statistics.values()
        return self.loss(self.net(params, x, training=True), y, self.units(self.num_tasks))

    def _together(self, regularizer: OutputRegularizer, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Both terms at θ, from one batch through the hypernetwork."""
        weights, penalty = regularizer(self.hypernet, self.embedding[None], self._drawn(regularizer))
        loss = self._task_loss(weights, x, y)
        (loss + self.beta * penalty).backward()
        return {"loss": loss, "regularizer": penalty}

    def _ahead(self, regularizer: OutputRegularizer, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """The regularizer where Adam's step on the task's loss alone would lead: at θ + Δθ."""
        loss = self._task_loss(self.hypernet(self.embedding[None]), x, y)
        loss.backward()
        parameters = dict(self.hypernet.named_parameters())
        gradients = {name: p.grad for name, p in parameters.items() if p.grad is not None}
        shift = adam_lookahead(self.adam, parameters, gradients)
        penalty = regularizer.penalty(self.hypernet, self._drawn(regularizer), shift=shift)
        (self.beta * penalty).backward()
        return {"loss": loss, "regularizer": penalty}

    def _drawn(self, regularizer: OutputRegularizer) -> Tensor | None:
        """The earlier tasks that this step compares."""
        turn, part = divmod(self.steps, regularizer.num_parts)
        return regularizer.sample(self.stream("earlier tasks", self.num_tasks, turn), part)

    def _end(self, task: Task) -> None:
        self.embeddings = torch.cat([self.embeddings, self.embedding.detach()[None]])
        self.own_statistics.append(self.statistics.values())
        self.regularizer = None

    @torch.no_grad()
    def _params(self, t: int) -> Params:
        if t == self.num_tasks:
            return self._generated(self.embedding) | self.statistics.values()
        return self._generated(self.embeddings[t]) | self.own_statistics.row(t)

    @torch.no_grad()
    def starting(self, t: int) -> Params | None:
        """What the hypernetwork generates now from the embedding with which task t would begin."""
        return self._generated(self._new_embedding(t)) | self.statistics.initial()

    def _generated(self, embedding: Tensor) -> Params:
        return unpack(self.hypernet(embedding[None])[0], self.net.shapes)

    @torch.no_grad()
    def stacked_params(self) -> Params:
        """The weights of all known tasks from one batch: each `(T, *shape)`."""
        statistics = [self.own_statistics.row(t) for t in range(self.num_tasks)]
        statistics += [self.statistics.values()] if self.learning else []
        return unpack(self.hypernet(self._known_embeddings()), self.net.shapes) | {
            name: torch.stack([row[name] for row in statistics]) for name in self.net.buffers
        }

    def _known_embeddings(self) -> Tensor:
        return torch.cat([self.embeddings, self.embedding.detach()[None]]) if self.learning else self.embeddings

    def series(self) -> dict[str, Tensor]:
        """The task embeddings."""
        return {"embeddings": self._known_embeddings()}
