"""HyperNet: every weight generated from a task embedding, and the earlier tasks' weights generated on."""

import warnings
from typing import ClassVar, Literal, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..hypernetworks import Hypernetwork
from ..params import Params, Stateless, unpack
from ..tasks import Task
from ._base import Learner, Phase, check_positive
from ._generated import GeneratedWeights, Output

__all__ = ["HyperNet"]


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

    def __init__(
        self,
        net: nn.Module | Stateless,
        *,
        embedding_dim: int = 32,
        hidden: tuple[int, ...] = (64, 64),
        output: Output = "auto",
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
        self.generated = GeneratedWeights(
            self.net,
            embedding_dim=embedding_dim,
            hidden=self.hidden,
            output=output,
            chunk_size=chunk_size,
            chunk_dim=chunk_dim,
            rank=rank,
            activation=activation,
            initialization=initialization,
            beta=beta,
            max_tasks=max_tasks,
        )

    @property
    def hypernet(self) -> Hypernetwork:
        """h."""
        return self.generated.hypernet

    @property
    def embeddings(self) -> Tensor:
        """`(t, d_e)`, the embeddings of the tasks learned."""
        return self.generated.embeddings

    def _start(self) -> None:
        self.generated.start(self.seed)

    def _begin(self, task: Task, phase: Phase) -> None:
        self.generated.begin(self.generated.drawn(self.seed, self.num_tasks))

    def _grow(self) -> None:
        if self.learning:
            self.generated.grow(self.num_tasks)
        else:
            self.generated.shrink()

    def _optimizers(self, phase: Phase) -> dict[str, Optimizer]:
        parameters = [*self.hypernet.parameters(), self.generated.embedding]
        self.adam = torch.optim.Adam(parameters, lr=self.lr, fused=True)
        return {"adam": self.adam}

    def _step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        losses = {}

        def objective(weights: Tensor) -> Tensor:
            params = unpack(weights, self.net.shapes) | self.generated.statistics.values()
            losses["loss"] = self.loss(self.net(params, x, training=True), y, self.units(self.num_tasks))
            return losses["loss"]

        self.adam.zero_grad()
        losses |= self.generated.backward(
            objective, self.adam, lookahead=self.lookahead, seed=self.seed, step=self.steps
        )
        self.adam.step()
        return {name: value.detach() for name, value in losses.items()}

    def _end(self, task: Task) -> None:
        self.generated.end()

    def _params(self, t: int) -> Params:
        return self.generated.params(t)

    def starting(self, t: int) -> Params | None:
        """What the hypernetwork generates now from the embedding with which task t would begin."""
        return self.generated.starting(self.seed, t)

    def stacked_params(self) -> Params:
        """The weights of all known tasks from one batch: each `(T, *shape)`."""
        return self.generated.stacked(self.known)

    def moving(self) -> dict[str, Tensor]:
        """The task embeddings."""
        return {"embeddings": self.generated.known(self.known)}

    def series(self) -> dict[str, Tensor]:
        """The task embeddings."""
        return self.moving()
