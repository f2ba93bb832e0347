"""The guide of an embedding: scores of the earlier tasks, the H-embedding that follows from them, and its pull."""

import math
import warnings
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..embeddings import NORMALIZERS, SOLVERS, Placement, h_embedding
from ..hypernetworks import Basis
from ..params import Params, Stateless
from ..randomness import key_seed, stream
from ..tasks import Task, closed
from ..transferability import ESTIMATORS, NoiseFloorWarning, all_outputs, draw_sample
from ._base import check_choice, check_positive
from ._guidance import Decoder, cosine_loss, distance_loss
from ._relations import Relations

__all__ = ["FEWEST", "Guidance", "Guide"]

Guidance = Literal["decoder", "shared_decoder", "distance", "initialization", "none"]
FEWEST = 2  # earlier tasks from which on a task is guided: with one, any distance from it will do
WIDE, NARROW = 512, 64  # hidden widths of the decoders
AT_ONCE = 1000  # examples in one pass, where they need not be all of them


class Guide(nn.Module):
    """Guidance by transferability, for any learner whose weights are generated from embeddings.

    What it does is told in `HEmbedding`, whose arguments these are. A learner asks it for the embedding with which a
    task begins, adds its loss to its own, and lets its optimizers step with its own.

    Args:
        net: the target network.
        basis: the hypernetwork's, which makes the features that decoders read.
        embedding_dim: d_e.

    Attributes:
        relations: the record of scores, targets and H-embeddings.
        decoder: of the task being learned, or of all tasks; None where none is used.
    """

    def __init__(
        self,
        net: Stateless,
        basis: Basis,
        *,
        embedding_dim: int,
        guidance: Guidance,
        guidance_weight: float,
        score: str = "h_score_shrinkage",
        normalizer: str = "ahp",
        solver: Literal["least_squares", "adam"] = "least_squares",
        near: Literal["drawn", "mean"] = "drawn",
        samples: int = 1000,
        shuffled: bool = False,
        statistics: Literal["batch", "stored"] = "batch",
    ) -> None:
        super().__init__()
        check_positive(samples=samples)
        check_choice("guidance", guidance, get_args(Guidance))
        check_choice("score", score, tuple(ESTIMATORS))
        check_choice("normalizer", normalizer, tuple(NORMALIZERS))
        check_choice("solver", solver, tuple(SOLVERS))
        check_choice("near", near, ("drawn", "mean"))
        check_choice("statistics", statistics, ("batch", "stored"))
        if not guidance_weight >= 0:
            raise ValueError(f"expected guidance_weight of at least 0; got {guidance_weight!r}")
        self.net = net
        self.guidance = guidance
        self.weight = guidance_weight
        self.score = score
        self.normalizer = normalizer
        self.solver = solver
        self.near = near
        self.samples = samples
        self.shuffled = shuffled
        self.statistics = statistics
        self.embedding_dim = embedding_dim
        self.width = basis.width
        self.chunks = 1 if basis.chunks is None else len(basis.chunks)
        self.seed = 0
        self.outputs: Sequence[Sequence[int]] = ()
        self.task = 0
        self.placed = False
        self.relations = Relations(embedding_dim)
        self.decoder: Decoder | None = self._new_decoder() if guidance == "shared_decoder" else None

    @property
    def acts(self) -> bool:
        """Whether a loss acts on the task being learned."""
        return self.placed and self.guidance in ("decoder", "shared_decoder", "distance")

    # Its life, task by task

    def start(self, seed: int) -> None:
        """Forgets every task."""
        self.seed = seed
        self.relations.clear()
        if self.guidance == "decoder":
            self.decoder = None
        if self.decoder is not None:
            self.decoder.reset(self._stream("decoder"))

    def face(self, outputs: Sequence[Sequence[int]]) -> None:
        """A task comes next: it has an H-embedding unless it is one of the first two, or has a single class.

        Args:
            outputs: the output units of every task begun, its own last.
        """
        self.outputs = outputs
        self.task = len(outputs) - 1
        self.placed = self.task >= FEWEST and len(outputs[-1]) > 1

    def begin(self, task: Task, sources: Params, embeddings: Tensor, drawn: Tensor) -> Tensor:
        """Relates a new task to the earlier ones, after `face`.

        Args:
            task: the new one.
            sources: the weights of the t earlier tasks, each `(t, *shape)`; none where there is no earlier one.
            embeddings: `(t, d_e)`, theirs.
            drawn: `(d_e,)`, the embedding with which the task would begin unguided.

        Returns:
            `(d_e,)`, that with which it begins.
        """
        scores = self._scores(task, sources)
        placement = self._placement(scores, embeddings, drawn) if self.placed else None
        self.relations.append(scores, placement)
        if self.guidance == "decoder" and self.acts:
            self.decoder = self._new_decoder().reset(self._stream("decoder", self.task)).to(drawn.device)
        if self.guidance == "initialization" and placement is not None:
            return placement.embedding.to(drawn)
        return drawn

    def grow(self, device: torch.device) -> None:
        """Makes room for the decoder of a task being learned, after `face`, before a state is loaded."""
        if self.guidance == "decoder" and self.acts:
            self.decoder = self._new_decoder().to(device)

    def end(self) -> None:
        """The task is learned."""
        self.placed = False
        if self.guidance == "decoder":
            self.decoder = None

    def optimizers(self, lr: float) -> dict[str, Optimizer]:
        """Those of the decoder, if one learns now."""
        if self.decoder is None or not self.acts:
            return {}
        rate = 1e-3 if self.guidance == "decoder" else lr
        return {"decoder": torch.optim.Adam(self.decoder.parameters(), lr=rate, fused=True)}

    # What it finds before a task, and says in every step

    @torch.no_grad()
    def _scores(self, task: Task, sources: Params) -> Tensor:
        """H(T_n → T_j) `(t,)` of every earlier task n on the one that begins; NaN where a single class has none."""
        t, estimator, data = self.task, ESTIMATORS[self.score], task.train
        if t == 0 or len(task.outputs) < 2:
            return torch.full((t,), math.nan)
        sample = draw_sample(data, self.samples, self.seed, "HEmbedding", "sample", t)
        whole = self.statistics == "batch" and bool(self.net.buffers)  # the batch, whose statistics it is
        batches = data.batches(sample, len(sample) if whole else AT_ONCE)
        features, logits, y = all_outputs(self.net, sources, batches, statistics=self.statistics)
        if estimator.needs == "probabilities":
            features = (logits + self._closed(logits)[:, None]).softmax(-1)
        with warnings.catch_warnings():  # the scores are recorded, for whoever asks what they are worth
            warnings.simplefilter("ignore", NoiseFloorWarning)
            scores = estimator.of(features, y)
        return scores[torch.randperm(t, generator=self._stream("shuffled", t))] if self.shuffled else scores

    def _closed(self, logits: Tensor) -> Tensor:
        """`(t, k)`: 0 for the output units of each earlier task, -inf for the others."""
        return torch.stack([closed(tuple(units), logits) for units in self.outputs[: self.task]])

    def _placement(self, scores: Tensor, embeddings: Tensor, drawn: Tensor) -> Placement:
        """The H-embedding of the task that begins, which without it would begin where it is `drawn`."""
        return h_embedding(
            scores,
            embeddings,
            normalizer=self.normalizer,
            near=drawn if self.near == "drawn" else None,
            solver=self.solver,
            seed=key_seed(self.seed, "h-embedding", self.task),
        )

    def loss(self, basis: Basis, embedding: Tensor, embeddings: Tensor) -> tuple[Tensor, float]:
        """L_e of the task being learned, and its weight β_e; only while the guide `acts`.

        Args:
            basis: the hypernetwork's.
            embedding: `(d_e,)`, of the task being learned.
            embeddings: `(t, d_e)`, of the earlier tasks.
        """
        t, relations = self.task, self.relations
        weight = min(self.weight * t, 1.0)
        if self.decoder is None:
            return distance_loss(embedding, embeddings, relations.scale[t] * relations.targets[t, :t]), weight
        features, goal = basis(embedding[None]), relations.h_embeddings[t:]
        if self.guidance == "decoder":
            return cosine_loss(self.decoder(features.flatten(1)), goal).sum(), weight
        with torch.no_grad():  # from earlier tasks the decoder learns; what it decodes does not
            earlier = basis(embeddings[FEWEST:])
        decoded = self.decoder(torch.cat([features, earlier]).mean(1))
        goals = relations.h_embeddings[FEWEST:t]
        there = goals.isfinite().all(1)  # tasks of a single class have none
        apart = cosine_loss(decoded, torch.cat([goal, goals.nan_to_num(1.0)]))
        return apart[0] + (apart[1:] * there).sum() / there.sum().clamp(min=1), weight

    def _new_decoder(self) -> Decoder:
        """One for all chunks' features, or a small one for their mean."""
        if self.guidance == "decoder":
            return Decoder(self.chunks * self.width, WIDE, self.embedding_dim, bias=True)
        return Decoder(self.width, NARROW, self.embedding_dim, bias=False)

    def _stream(self, *key: int | str) -> torch.Generator:
        return stream(self.seed, "HEmbedding", *key)
