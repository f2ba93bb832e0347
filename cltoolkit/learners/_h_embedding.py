"""HEmbedding: a hypernetwork whose task embeddings are guided by how well earlier tasks transfer."""

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
from ._guide import Guidance, Guide
from ._relations import Relations

__all__ = ["HEmbedding"]


@final
class HEmbedding(Learner):
    """The hypernetwork of `HyperNet`, with task embeddings guided by transferability.

    Before task j is learned, the weights of each earlier task n, generated anew, make features of its data, and their
    H-score H_n says how well n transfers to j. Normalized to A = AHP(H) they become distances, and the H-embedding is
    the point at these distances from the earlier embeddings, up to a scale (Wu et al. 2025):

        (ê, γ) = argmin Σ_n (|ê − e_n| − γ exp(−A_n))².

    While task j is learned, HyperNet's objective has one more term, β_e L_e with β_e = min(guidance_weight · (j − 1),
    1) and, by `guidance`:

    - "decoder": L_e = 1 − cos(Dec(φ(e_j)), ê), with the hypernetwork's features φ of all chunks and a new decoder for
      every task, trained along and dropped;
    - "shared_decoder": the same with one small decoder for all tasks, trained on the pairs (e_n, ê_n) of earlier
      tasks, too, and without a bias behind it;
    - "distance": L_e = mean_n (|e_j − e_n| − γ exp(−A_n))²;
    - "initialization": e_j begins as ê, and there is no L_e;
    - "none": e_j is left alone, as in HyperNet. Everything is measured nonetheless.

    Guidance begins with the third task. What grows with a task is its embedding (and batch-norm statistics, where the
    target has them); `series` adds the record of scores, targets and ê, which nothing but "shared_decoder" reads.

    Args:
        net: the target network.
        guidance: how ê acts.
        guidance_weight: of L_e, for each earlier task; β_e is 1 at most.
        score: the estimator of transferability, see `transferability.ESTIMATORS`.
        normalizer: from scores to distances: "ahp", or another of `embeddings.NORMALIZERS`.
        solver: of ê: "least_squares", or "adam" as published.
        near: which of the many exact solutions ê is, see `embeddings.place`: the one nearest the embedding with which
            the task would begin, "drawn" from N(0, 1), or the one nearest the "mean" of the earlier ones. The latter
            lies between them, that of a third task on the line of two: begun there, tasks get in each other's way.
        samples: examples of the new task that the scores are computed on, at most.
        shuffled: a control experiment, in which the scores of a task change owners at random: whatever guidance does
            then, it does not by knowing how tasks relate.
        statistics: which batch-norm statistics the features are made with: "batch", those of the sample, or "stored",
            those of the source task. Neither changes any.
        embedding_dim: this and all that follow are those of `HyperNet`.
        hidden: widths of the hypernetwork's hidden layers.
        output: "full", "chunked", "low_rank" or "auto".
        chunk_size: weights per chunk.
        chunk_dim: coordinates of a chunk embedding.
        rank: of a low-rank output.
        activation: of the hidden layers.
        initialization: "hyperfan" or "plain".
        beta: β_c, weight of the output regularizer.
        lr: step size of Adam, for θ and e_j; the decoder of "decoder" has 1e-3.
        lookahead: whether the regularizer looks one step ahead.
        max_tasks: earlier tasks compared in one step at most.

    References:
        Wu, Wang, Chen, Zhang, Tan, Liu & Li, Exploiting Task Relationships in Continual Learning via
        Transferability-Aware Task Embeddings, NeurIPS 2025, arXiv 2502.11609.

    Deviations from the published code:
        - Features are made with a copy of the batch-norm statistics; there they move those of the new task.
        - The score has Ledoit–Wolf shrinkage; `score="h_score"` is the published one.
        - The sample is seen as training sees it, normalized; there as raw pixels.
        - ê comes from a least-squares solver, and is the exact solution nearest the drawn embedding; `solver="adam"` is
          the published procedure, from a random start, and "direct" and "reciprocal" are its older normalizers.
        - γ is positive by construction; there it may have any sign.
        - Weights begin as hyperfan-in has it, hidden layers are 64-64, and the regularizer does not look ahead;
          `initialization="plain", hidden=(), lookahead=True` are the published settings.

    Example:
        >>> learner = HEmbedding(nn.Linear(64, 2), hidden=(32,), guidance="distance")
        >>> learner.guidance, learner.score
        ('distance', 'h_score_shrinkage')
    """

    one_network: ClassVar[bool] = False

    def __init__(
        self,
        net: nn.Module | Stateless,
        *,
        guidance: Guidance = "decoder",
        guidance_weight: float = 0.05,
        score: str = "h_score_shrinkage",
        normalizer: str = "ahp",
        solver: Literal["least_squares", "adam"] = "least_squares",
        near: Literal["drawn", "mean"] = "drawn",
        samples: int = 1000,
        shuffled: bool = False,
        statistics: Literal["batch", "stored"] = "batch",
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
            warnings.warn("HEmbedding generates all weights; those given with the network are not used", stacklevel=2)
        self.guidance = guidance
        self.guidance_weight = guidance_weight
        self.score = score
        self.normalizer = normalizer
        self.solver = solver
        self.near = near
        self.samples = samples
        self.shuffled = shuffled
        self.statistics = statistics
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
        self.guide = Guide(
            self.net,
            self.hypernet.basis,
            embedding_dim=embedding_dim,
            guidance=guidance,
            guidance_weight=guidance_weight,
            score=score,
            normalizer=normalizer,
            solver=solver,
            near=near,
            samples=samples,
            shuffled=shuffled,
            statistics=statistics,
        )

    @property
    def hypernet(self) -> Hypernetwork:
        """h."""
        return self.generated.hypernet

    @property
    def embeddings(self) -> Tensor:
        """`(t, d_e)`, the embeddings of the tasks learned."""
        return self.generated.embeddings

    @property
    def relations(self) -> Relations:
        """The record of how tasks relate."""
        return self.guide.relations

    @property
    def needs_classes(self) -> bool:
        """Whether it can learn labels alone: scores are of classes."""
        return True

    def _start(self) -> None:
        self.generated.start(self.seed)
        self.guide.start(self.seed)

    def _begin(self, task: Task, phase: Phase) -> None:
        drawn = self.generated.drawn(self.seed, self.num_tasks)
        sources = self.generated.stacked(self.num_tasks) if self.num_tasks else {}
        self.guide.face(self.outputs)
        self.generated.begin(self.guide.begin(task, sources, self.embeddings, drawn))

    def _grow(self) -> None:
        if not self.learning:
            self.generated.shrink()
            return
        self.generated.grow(self.num_tasks)
        self.guide.face(self.outputs)
        self.guide.grow(self.device)

    def _optimizers(self, phase: Phase) -> dict[str, Optimizer]:
        parameters = [*self.hypernet.parameters(), self.generated.embedding]
        self.adam = torch.optim.Adam(parameters, lr=self.lr, fused=True)
        return {"adam": self.adam} | self.guide.optimizers(self.lr)

    def _step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        losses = {}

        def objective(weights: Tensor) -> Tensor:
            params = unpack(weights, self.net.shapes) | self.generated.statistics.values()
            losses["loss"] = self.loss(self.net(params, x, training=True), y, self.units(self.num_tasks))
            if not self.guide.acts:
                return losses["loss"]
            losses["guidance"], weight = self.guide.loss(self.hypernet.basis, self.generated.embedding, self.embeddings)
            return losses["loss"] + weight * losses["guidance"]

        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        losses |= self.generated.backward(
            objective, self.adam, lookahead=self.lookahead, seed=self.seed, step=self.steps
        )
        for optimizer in self.optimizers.values():
            optimizer.step()
        return {name: value.detach() for name, value in losses.items()}

    def _end(self, task: Task) -> None:
        self.generated.end()
        self.guide.end()

    def _params(self, t: int) -> Params:
        return self.generated.params(t)

    def starting(self, t: int) -> Params | None:
        """What the hypernetwork generates now from the embedding with which task t would begin, unguided."""
        return self.generated.starting(self.seed, t)

    def stacked_params(self) -> Params:
        """The weights of all known tasks from one batch: each `(T, *shape)`."""
        return self.generated.stacked(self.known)

    def moving(self) -> dict[str, Tensor]:
        """The task embeddings."""
        return {"embeddings": self.generated.known(self.known)}

    def series(self) -> dict[str, Tensor]:
        """The task embeddings, and the record of how tasks relate; see `Relations`."""
        found = self.moving()
        return found | self.relations.series(found["embeddings"])
