"""HyperInterval: a box around every task's embedding, and a network that is right on all that the box can make."""

import math
import warnings
from typing import ClassVar, Literal, final, get_args

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..hypernetworks import Hypernetwork
from ..intervals import (
    DRIFTS,
    Intersection,
    IntervalTensor,
    box,
    certified_curve,
    intersection,
    interval_entropy,
    joined,
    margins,
)
from ..params import Params, Stateless, pack, unpack
from ..tasks import Examples, Task
from ._base import Phase, check_between, check_choice, check_positive
from ._best import Best
from ._box_regularizer import BoxRegularizer
from ._drift_ledger import DriftLedger
from ._embedding_boxes import EmbeddingBoxes
from ._generated import GeneratedWeights, Output
from ._guide import Guidance, Guide
from ._interval import IntervalLearner
from ._schedules import Growth, Schedule, kappa_at
from ._worst_case import seen, worst_loss

__all__ = ["HyperInterval"]

Nesting = Literal["auto", "none", "tanh", "cos"]
Regularized = Literal["box", "center", "published"]
Inference = Literal["entropy", "interval_entropy", "margin"]
CHECKS = 20  # looks at the validation part in the course of a task


@final
class HyperInterval(IntervalLearner):
    """Interval weights from interval embeddings: task t is answered by networks whose embedding lies in a box B_t.

    The hypernetwork h maps B_t = [e_t ± ε_t] to a box of weights Θ_t, the target network maps Θ_t to a box of logits,
    and training minimizes, beside the loss of one network, the worst that any network of the box could do:

        κ L(f(x; h(e_t)), y) + (1 − κ) L(ẑ, y) + β R,        Σ_k ε_t,k = γ.

    ẑ are the worst logits over the box (`intervals.elided_worst_case`), R holds the boxes of earlier tasks in place
    (`BoxRegularizer`). What is certified on Θ_t (`intervals.certify`) holds for all of its networks.

    With nesting, which is the default where tasks are not told apart (scenario "domain"), e_t is squashed into the cube
    ±γ/(2d) and ε = γ/d. All boxes then hold that cube, so they intersect, and the point e* in the middle of the
    intersection makes one network h(e*) that lies in the weight boxes of all tasks: the universal network, which
    answers all of them.

    Of real-valued targets, ẑ are the ends of the box of outputs that are farther from them, and where accuracy is
    looked at below, SST / (SST + SSE) = 1 / (2 − R²) is: 1 is perfect, ½ no better than their mean. Its worst case over
    the box stands in the place of certified accuracy.

    Args:
        net: the target network.
        radius: γ, the sum of a task's half-widths in embedding space: the most that `adaptive` lets a box grow to.
        half_widths: "learned": ε = γ softmax(ρ) with ρ trained, per task; "uniform": γ/d in every coordinate, which
            nested boxes always have.
        nesting: "tanh" or "cos", how e_t is squashed so that boxes intersect; "none"; "auto" is "tanh" in scenario
            "domain", else "none".
        kappa: κ at the end, the weight of the plain loss.
        worst_share: the share of each batch on which the worst case is computed, which takes most of a step.
        warmup: the share of a task's steps in which γ grows to its full size and κ falls from 1.
        schedule: of κ, "relative" to the length of training, or "published": see `kappa_at`.
        regularizer: "box" holds centers and ends, "center" the centers alone; "published" is centers without nesting
            and boxes with it, divided by the number of earlier tasks twice.
        adaptive: γ grows, from a thousandth and ever faster, only while certified accuracy on the validation part is at
            least this share of the task's best accuracy there so far, else it goes back a little and grows slower; None
            for growth in a straight line, whatever happens.
        selection: whether the weights that were best on the validation part once γ was at its full size are kept; where
            there is no such part, the last are.
        deploy: "embedding": task t is answered by h(e_t); "center": by the center of Θ_t, as published.
        inference: how the task is found out where it is not told: "entropy" of the answer, "interval_entropy" as
            published, or "margin" of the certificate.
        examples: how many examples of the validation part (of the training part, where there is none) `adaptive`,
            `selection` and the drift curve look at, at most.
        guidance: how the H-embedding pulls on e_t, as in `HEmbedding`, with that learner's defaults for all else.
        guidance_weight: of that pull, for each earlier task.
        embedding_dim: d, coordinates of a task embedding.
        hidden: widths of the hypernetwork's hidden layers.
        output: "full", "chunked", "low_rank" or "auto", as in `HyperNet`.
        chunk_size: weights per chunk of a chunked output.
        chunk_dim: coordinates of a chunk embedding.
        rank: of a low-rank output.
        activation: of the hidden layers.
        initialization: "hyperfan", or "plain". A nested hypernetwork generates differences to the weights with which
            the target would begin by itself: its embeddings are too close to 0 to generate more.
        beta: β, weight of the regularizer (a sum over weights, a mean over tasks).
        lr: step size of Adam, for θ, e_t and ρ_t.
        max_tasks: earlier tasks compared in one step at most; None for all.

    Attributes:
        boxes: the embedding boxes B_t.
        ledger: how far the weight boxes have moved, and what is certified without data.

    References:
        Krukowski, Bielawska, Książek, Wawrzyński, Batorski & Spurek, HINT: Hypernetwork Approach to Training Weight
        Interval Regions in Continual Learning, arXiv 2405.15444, Information Sciences 717 (2025).

    Deviations from the published code:
        - Convolutions are bounded; there the networks at both ends and the center of the box are taken for a bound.
        - Batch norm stands still in the worst case; there every bound is normalized by statistics of its own.
        - Task t is answered by h(e_t); there by the center of the box of weights, which `deploy="center"` does.
        - The worst logits come from differences of the last layer's rows, which is tighter.
        - Centers and ends of earlier boxes are held; there the centers alone, unless boxes are nested.
        - The worst case is computed on half of each batch; `worst_share=1` is all of it.
        - κ follows the length of training; `schedule="published"` is the published rule, by steps.
        - γ waits where certified accuracy would fall too low; `adaptive=None` always lets it grow.
        - Weights are chosen on the validation part, with full-grown boxes, certified; there also while boxes still
          grow, or on a training batch.
        - Nested centers are tanh(e), not cos(e); the universal network is h at the middle of the intersection, which
          lies in all boxes, and not the center of a box around it, which may not.
        - The task is inferred by plain entropy; the published weights by width prefer the widest box.
        - The worst squared error is the sum of each output's; there the worse end of all outputs together, which is
          less, and is all of the loss.

    Example:
        >>> learner = HyperInterval(nn.Linear(64, 2), radius=0.5, hidden=(32,))
        >>> learner.radius, learner.nesting
        (0.5, 'auto')
    """

    one_network: ClassVar[bool] = False

    def __init__(
        self,
        net: nn.Module | Stateless,
        *,
        radius: float = 0.1,
        half_widths: Literal["learned", "uniform"] = "learned",
        nesting: Nesting = "auto",
        kappa: float = 0.5,
        worst_share: float = 0.5,
        warmup: float = 0.5,
        schedule: Schedule = "relative",
        regularizer: Regularized = "box",
        adaptive: float | None = 0.9,
        selection: bool = True,
        deploy: Literal["embedding", "center"] = "embedding",
        inference: Inference = "entropy",
        examples: int = 500,
        guidance: Guidance = "none",
        guidance_weight: float = 0.05,
        embedding_dim: int = 16,
        hidden: tuple[int, ...] = (64, 64),
        output: Output = "auto",
        chunk_size: int | None = None,
        chunk_dim: int = 32,
        rank: int = 16,
        activation: str = "relu",
        initialization: Literal["hyperfan", "plain"] = "hyperfan",
        beta: float = 0.1,
        lr: float = 1e-3,
        max_tasks: int | None = 16,
    ) -> None:
        super().__init__(net)
        check_positive(lr=lr, warmup=warmup, worst_share=worst_share, examples=examples)
        check_between(
            kappa=kappa, warmup=warmup, worst_share=worst_share, adaptive=1.0 if adaptive is None else adaptive
        )
        check_choice("half_widths", half_widths, ("learned", "uniform"))
        check_choice("nesting", nesting, get_args(Nesting))
        check_choice("schedule", schedule, get_args(Schedule))
        check_choice("regularizer", regularizer, get_args(Regularized))
        check_choice("deploy", deploy, ("embedding", "center"))
        check_choice("inference", inference, get_args(Inference))
        if not radius >= 0:
            raise ValueError(f"expected radius of at least 0, which makes boxes points; got {radius!r}")
        if self.net.weights == "given":
            warnings.warn(
                "HyperInterval generates all weights; those given with the network are not used", stacklevel=2
            )
        self.radius = radius
        self.half_widths = half_widths
        self.nesting = nesting
        self.kappa = kappa
        self.worst_share = worst_share
        self.warmup = warmup
        self.schedule = schedule
        self.regularizer = regularizer
        self.adaptive = adaptive
        self.selection = selection
        self.deploy = deploy
        self.inference = inference
        self.examples = examples
        self.guidance = guidance
        self.guidance_weight = guidance_weight
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
            beta=0.0,  # it holds points; boxes are held below
            max_tasks=max_tasks,
        )
        self.boxes = EmbeddingBoxes(embedding_dim, radius=radius, learned=half_widths == "learned")
        self.growth = Growth(warmup=warmup, schedule=schedule, watched=adaptive is not None)
        self.ledger = DriftLedger()
        self.guide = (
            None
            if guidance == "none"
            else Guide(
                self.net,
                self.hypernet.basis,
                embedding_dim=embedding_dim,
                guidance=guidance,
                guidance_weight=guidance_weight,
            )
        )
        self.held: BoxRegularizer | None = None
        self.best: Best | None = None
        self._watched: tuple[Tensor, Tensor] | None = None
        self._choosing = False

    # What it is

    @property
    def hypernet(self) -> Hypernetwork:
        """h."""
        return self.generated.hypernet

    @property
    def embeddings(self) -> Tensor:
        """`(t, d)`, the centers of the learned tasks' boxes, before any nesting."""
        return self.generated.embeddings

    @property
    def nested(self) -> bool:
        """Whether all boxes share a cube, so that one network answers all tasks."""
        return self._nesting != "none"

    @property
    def needs_task(self) -> bool:
        """Whether the answer depends on which task is asked for: not where the universal network answers."""
        return self.own_head or not self.nested

    @property
    def needs_classes(self) -> bool:
        """Whether it can learn labels alone: with guidance, whose scores are of classes."""
        return self.guide is not None

    @property
    def share(self) -> float:
        """The share of γ that the box of the task being learned has in this step."""
        return self.growth.share(self.steps, self.phase.steps) if self.learning else 1.0

    @property
    def _nesting(self) -> Literal["none", "tanh", "cos"]:
        if self.nesting == "auto":
            return "tanh" if self.scenario == "domain" else "none"
        return self.nesting

    # Its life, task by task

    def _start(self) -> None:
        self.generated.start(self.seed)
        own = pack(self.net.initial(self.seed, "weights"), self.net.shapes) if self.nested else None
        self.hypernet.around(own)  # nested centers are small: what h makes of them alone would be too
        self.boxes.start(self._nesting)
        self.ledger.start()
        if self.guide is not None:
            self.guide.start(self.seed)

    def attend(self, task: Task) -> None:
        """Draws the examples that choices look at: of the validation part, or of the training part if there is none."""
        data = task.train if task.validation is None else task.validation
        order = torch.randperm(len(data), generator=self.stream("watched", self.num_tasks))[: self.examples]
        self._watched = data.take(order)
        self._choosing = self.selection and task.validation is not None

    def _begin(self, task: Task, phase: Phase) -> None:
        embedding = self.generated.drawn(self.seed, self.num_tasks)
        if self.guide is not None:
            self.guide.face(self.outputs)
            embedding = self.guide.begin(task, self._sources(), self.embeddings, embedding)
        self.generated.begin(embedding)
        self.boxes.begin()
        self.growth.begin()
        self.held = self._holding()
        self.best = Best(self._trained()) if self.selection else None

    def _sources(self) -> Params:
        """The earlier tasks' own weights, each `(t, *shape)`: those at the middle of their boxes."""
        boxes = self.boxes.known(self.embeddings, 1.0)
        return (
            unpack(self._weights_of(boxes), self.net.shapes) | self.generated.own_statistics.rows()
            if len(boxes)
            else {}
        )

    def _holding(self) -> BoxRegularizer | None:
        """What holds the boxes of the earlier tasks, as they are now."""
        if not self.num_tasks or not self.beta:
            return None
        boxes = self.boxes.known(self.embeddings, 1.0)
        centers = self.regularizer == "center" or (self.regularizer == "published" and not self.nested)
        return BoxRegularizer(self.hypernet, boxes, held="center" if centers else "box", max_tasks=self.max_tasks)

    def _grow(self) -> None:
        self.growth.forget()
        self.held = self.best = None
        if self.learning:
            self.generated.embeddings = self.generated.embedding.new_zeros(self.num_tasks, self.embedding_dim)
            self.boxes.spreads = self.generated.embeddings
            self.boxes.shares = self.boxes.shares.new_ones(self.num_tasks)
            self.held = self._holding()
            self.best = Best(self._trained()) if self.selection else None
            if self.guide is not None:
                self.guide.face(self.outputs)
                self.guide.grow(self.device)

    def _trained(self) -> Params:
        """Everything that training a task changes, by name."""
        own = {"embedding": self.generated.embedding, "spread": self.boxes.spread}
        return dict(self.hypernet.named_parameters()) | own | self.generated.statistics.values()

    def _optimizers(self, phase: Phase) -> dict[str, Optimizer]:
        parameters = [*self.hypernet.parameters(), self.generated.embedding, self.boxes.spread]
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        adam: dict[str, Optimizer] = {"adam": torch.optim.Adam(trained, lr=self.lr, fused=True)}
        return adam if self.guide is None else adam | self.guide.optimizers(self.lr)

    def _step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        n, share = self.phase.steps, self.share
        kappa = kappa_at(self.steps, n, kappa=self.kappa, warmup=self.warmup, schedule=self.schedule)
        current = self.boxes.current(self.generated.embedding, share)
        point, weights, penalty = self._weights(current)
        statistics, units = self._statistics(self.num_tasks), self.units(self.num_tasks)
        moving = not self.nested or self.num_tasks == 0  # one network for all tasks has the first one's statistics
        loss = self.loss(self.net(unpack(point, self.net.shapes) | statistics, x, training=moving), y, units)
        some = max(1, round(self.worst_share * len(x)))  # batches are shuffled: any of their examples will do
        worst = worst_loss(self, unpack(weights, self.net.shapes) | statistics, x[:some], y[:some], units)
        total, parts = kappa * loss + (1 - kappa) * worst, {"loss": loss, "worst": worst}
        if penalty is not None:
            total, parts = total + self.beta * penalty, parts | {"regularizer": penalty}
        if self.guide is not None and self.guide.acts:
            pull, weight = self.guide.loss(self.hypernet.basis, self.generated.embedding, self.embeddings)
            total, parts = total + weight * pull, parts | {"guidance": pull}
        self._descend(total)
        self._check(n)
        width = 2 * weights.radius.detach().mean()
        parts |= {"width": width, "kappa": torch.full_like(width, kappa)}
        parts |= {"radius": torch.full_like(width, self.radius * share)}
        return {name: value.detach() for name, value in parts.items()}

    def _descend(self, total: Tensor) -> None:
        """One step of all optimizers."""
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        total.backward()
        for optimizer in self.optimizers.values():
            optimizer.step()

    def _weights(self, current: IntervalTensor) -> tuple[Tensor, IntervalTensor, Tensor | None]:
        """Of the task being learned the point `(P,)` that answers and the box of weights `(P,)`; and R.

        Where there are no chunks the point is the center of a box without width, made in one batch with the others.
        """
        apart = self.hypernet.num_chunks > 1  # a chunk is a row: radii that are 0 would cost as much as the point
        asked = current
        if self.deploy == "embedding" and not apart:
            asked = joined([box(current.center, torch.zeros_like(current.center)), current])
        weights, penalty = self._held_weights(asked)
        point = self.hypernet(current.center) if self.deploy == "embedding" and apart else weights.center
        return point[0], weights[-1], penalty

    def _held_weights(self, boxes: IntervalTensor) -> tuple[IntervalTensor, Tensor | None]:
        """The weights `(b, P)` of embedding boxes of the task being learned, and R."""
        if self.held is None:
            return self.hypernet(boxes), None
        turn, part = divmod(self.steps, self.held.num_parts)
        compared = self.held.sample(self.stream("earlier tasks", self.num_tasks, turn), part)
        weights, penalty = self.held(self.hypernet, boxes, compared, step=self.steps)
        return weights, penalty / self.num_tasks if self.regularizer == "published" else penalty

    # Looks at the validation part

    def _check(self, steps: int) -> None:
        """Every now and then: whether the box may grow on, whether these are the best weights, whether it collapsed."""
        done, every = self.steps + 1, max(1, steps // CHECKS)
        if self._watched is None or not steps or (done % every and done != steps):
            return
        first = done - every <= self.growth.last(steps) < done  # look at the boxes in their full size
        if self.adaptive is not None and (done <= self.growth.last(steps) or first):
            certified, right = self._seen(self._watched)
            self.growth.check(done, steps, certified=certified, right=right, least=self.adaptive)
        if done > self.growth.last(steps) and self._choosing and self.best is not None:
            self.best.offer(sum(self._seen(self._watched)), self._trained())
        if first or done == steps:
            self.warn_if_vacuous(self._bounds(self.num_tasks))

    def _seen(self, examples: tuple[Tensor, Tensor]) -> tuple[float, float]:
        """Certified accuracy and accuracy on the examples watched, as training computes them."""
        t = self.num_tasks
        return seen(self, self._bounds(t), self._own(t), *examples, self.units(t))

    def _end(self, task: Task) -> None:
        if self.best is not None and self._choosing:
            self.best.give(self._trained())
        share = self.share
        if self.ledger.drifts.numel():
            self.ledger.move([math.inf] * self.num_tasks if self.held is None else self.held.drifts(self.hypernet))
        self.ledger.append(self._curve())
        self.generated.end()
        self.boxes.end(share)
        self.held = self.best = self._watched = None
        if self.guide is not None:
            self.guide.end()

    def _curve(self) -> Tensor:
        """Certified accuracy of the task that ends, against drift, on the examples watched; NaN without classes."""
        if self.regression:
            return torch.full((len(DRIFTS),), math.nan, dtype=torch.float64)
        if self._watched is None:
            return torch.zeros(len(DRIFTS), dtype=torch.float64)
        examples = Examples(*self._watched)
        t = self.num_tasks
        return torch.from_numpy(certified_curve(self.net, self._bounds(t), examples, self.units(t)))

    # What it answers

    def _known_boxes(self) -> IntervalTensor:
        """`(T, d)`, the boxes of all known tasks."""
        return self.boxes.known(self.generated.known(self.known), self.share)

    def embedding_box(self, t: int) -> IntervalTensor:
        """B_t: the box of embeddings `(d,)` that answer task t.

        Raises:
            IndexError: if task t is not learned.
        """
        self._check_known(t)
        return self._known_boxes()[t]

    def generate(self, embeddings: Tensor) -> Params:
        """The weights that h makes of embeddings `(m, d)`, each `(m, *shape)`; those in B_t lie in Θ_t."""
        return unpack(self.hypernet(embeddings), self.net.shapes)

    def intersection(self) -> Intersection:
        """What the embedding boxes of all known tasks have in common; its `point` is e*."""
        boxes = self._known_boxes()
        return intersection(boxes.lower, boxes.upper)

    def universal(self) -> Params:
        """The weights of one network for all tasks, h(e*), which lie in the weight boxes of every one of them.

        Batch-norm statistics are those of the last task.

        Raises:
            EmptyIntersectionError: if the tasks' boxes have no point in common.
        """
        return self._at(self.intersection().require().point) | self._statistics(self.known - 1)

    @torch.no_grad()
    def _at(self, embedding: Tensor) -> Params:
        """h of one embedding `(d,)`."""
        return self.generated.generated(embedding)

    @torch.no_grad()
    def _weights_of(self, boxes: IntervalTensor) -> Tensor:
        """`(m, P)`: h at the middle of each box `(m, d)`, or the middle of what it makes of the box."""
        return self.hypernet(boxes.center) if self.deploy == "embedding" else self.hypernet(boxes).center

    def _own(self, t: int) -> Params:
        """The weights of task t by themselves, whatever other tasks there are."""
        return unpack(self._weights_of(self._known_boxes()[t : t + 1])[0], self.net.shapes) | self._statistics(t)

    def _params(self, t: int) -> Params:
        return self._at(self.intersection().point) | self._statistics(t) if self.nested else self._own(t)

    def _statistics(self, t: int) -> Params:
        """The task's batch-norm statistics; those of the first task, if one network answers all."""
        t = 0 if self.nested else t
        live = t == len(self.embeddings)
        return self.generated.statistics.values() if live else self.generated.own_statistics.row(t)

    @torch.no_grad()
    def _bounds(self, t: int) -> dict[str, Tensor]:
        return unpack(self.hypernet(self._known_boxes()[t : t + 1])[0], self.net.shapes) | self._statistics(t)

    def starting(self, t: int) -> Params | None:
        """What the hypernetwork generates now from the embedding with which task t would begin, its box full-grown."""
        new = self.boxes.new(self.generated.drawn(self.seed, t))
        statistics = self._statistics(0) if self.nested and self.known else self.generated.statistics.initial()
        if not self.nested:
            return unpack(self._weights_of(new)[0], self.net.shapes) | statistics
        every = joined([self._known_boxes(), new])
        return self._at(intersection(every.lower, every.upper).point) | statistics

    def stacked_params(self) -> Params:
        """The weights of all known tasks from one batch: each `(T, *shape)`."""
        boxes, statistics = self._known_boxes(), [self._statistics(t) for t in range(self.known)]
        if self.nested:
            common = intersection(boxes.lower, boxes.upper).point
            weights = self._weights_of(box(common[None], torch.zeros_like(common)[None])).expand(self.known, -1)
        else:
            weights = self._weights_of(boxes)
        return unpack(weights, self.net.shapes) | {
            name: torch.stack([row[name] for row in statistics]) for name in self.net.buffers
        }

    @torch.no_grad()
    def doubt(self, x: Tensor, logits: Tensor) -> Tensor:
        """How unsure each task is of each input, by `inference`: `(T, n)`."""
        if self.inference == "entropy":
            return super().doubt(x, logits)
        every = [self._logit_box(x, t) for t in range(self.known)]
        if self.inference == "interval_entropy":
            return torch.stack([interval_entropy(z) for z in every])
        return torch.stack([-margins(z, z.center.argmax(1)) for z in every])

    def _logit_box(self, x: Tensor, t: int) -> IntervalTensor:
        """The logits `(n, k)` of the task's own units over its box of weights."""
        logits: IntervalTensor = self.net(self._bounds(t), x)  # type: ignore[assignment]
        return logits[:, list(self.units(t))]

    def moving(self) -> dict[str, Tensor]:
        """The tasks' boxes."""
        boxes = self._known_boxes()
        return {"embeddings": boxes.center, "half_widths": boxes.radius}

    def series(self) -> dict[str, Tensor]:
        """The tasks' boxes, what those up to each task have in common, how wide the weights are, what drift leaves."""
        boxes = self._known_boxes()
        lower, upper = boxes.lower.cummax(0).values, boxes.upper.cummin(0).values
        shares = [*self.boxes.shares.tolist(), self.share][: self.known]
        return {
            "embeddings": boxes.center,
            "half_widths": boxes.radius,
            "intersection": torch.stack([lower, upper], 1),
            "universal": lower + (upper - lower) / 2,
            "radius": self.radius * boxes.center.new_tensor(shares)[:, None],
            **({} if self.guide is None else self.guide.relations.series(self.generated.known(self.known))),
            **self.ledger.series(),
            **super().series(),
        }
