"""What learners of masks share: one base network, one mask of it for each task, and the proof that none has changed."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..intervals import fingerprint
from ..masks import (
    Chunks,
    Densities,
    Initialization,
    KNNInitializer,
    Layout,
    Masks,
    Superposition,
    Threshold,
    TopK,
    Verification,
    base_weights,
    kept_counts,
    masked,
    pack_bits,
    random_scores,
    under_masks,
)
from ..params import Params, Stateless
from ..randomness import key_seed
from ..tasks import Task
from ._base import Learner, Phase, check_choice, check_positive
from ._descent import Descent, Method, Schedule
from ._donors import Donors, Keep, as_initializer
from ._inference import Finder
from ._mask_inference import Objective, Search, by_superposition, check_inference, infer, superposition
from ._shares import Shares
from ._target import PerTask, Rest, Statistics
from ._watched import Watched

__all__ = ["LossOver", "MaskLearner", "Rule"]

Rule = Literal["top_k", "threshold"]
LossOver = Literal["auto", "own", "all"]


class MaskLearner(Learner):
    """A learner whose task t is answered by W ⊙ M_t: the weights W of one network, under a mask of the task's own.

    What it masks, and how a mask is found, is told in `SupSup` and `ExSSNeT`, whose arguments these are. Biases are 0
    and gains of norms 1, as in the papers; batch-norm statistics belong to a task.

    Attributes:
        layout: where each maskable weight lies when all are laid end to end.
        base: W `(P,)`.
        bits: `(T, ceil(P/8))` uint8, the masks found so far.
        scores: s `(P,)`, of the task that is being learned.
        hashes: `(T, 32)` uint8, SHA-256 of what answered each task when it was learned.
    """

    one_network: ClassVar[bool] = False
    base: Tensor
    bits: Tensor
    hashes: Tensor

    def __init__(
        self,
        net: nn.Module | Stateless,
        *,
        density: float,
        densities: Densities,
        rule: Rule,
        initialization: Initialization,
        scale_fan: bool,
        initializer: KNNInitializer | Mapping[str, Any] | str | None,
        keep: Keep,
        optimizer: Method,
        weight_decay: float,
        momentum: float,
        schedule: Schedule,
        selection: bool,
        loss_over: LossOver,
        inference: Search,
        objective: Objective,
        images: int,
        lr: float,
    ) -> None:
        super().__init__(net)
        check_positive(lr=lr)
        check_choice("rule", rule, get_args(Rule))
        check_choice("initialization", initialization, get_args(Initialization))
        check_choice("loss_over", loss_over, get_args(LossOver))
        check_inference(inference, objective, images)
        self.density = density
        self.densities = densities
        self.rule = rule
        self.initialization = initialization
        self.scale_fan = scale_fan
        self.initializer = as_initializer(initializer)
        self.keep = keep
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.momentum = momentum
        self.schedule = schedule
        self.selection = selection
        self.loss_over = loss_over
        self.inference = inference
        self.objective = objective
        self.images = images
        self.lr = lr
        self.layout = Layout.of(self.net)
        self.kept = kept_counts(self.layout, density, densities)
        self.select = TopK(self.layout, self.kept) if rule == "top_k" else Threshold()
        self.descent = Descent(optimizer, weight_decay=weight_decay, momentum=momentum, schedule=schedule)
        self.scores = nn.Parameter(torch.zeros(self.layout.size))
        self.register_buffer("base", torch.zeros(self.layout.size))
        self.register_buffer("bits", torch.zeros(0, -(-self.layout.size // 8), dtype=torch.uint8))
        self.register_buffer("hashes", torch.zeros(0, 32, dtype=torch.uint8))
        self.rest = Rest(self.net, self.layout)
        self.statistics = Statistics(self.net)
        self.own_statistics = PerTask(self.net.buffers)
        self.record = self._new_record()
        self.shares = Shares(len(self.layout.sizes))
        self.watched = Watched()

    # What it is

    @property
    def masks(self) -> Masks:
        """The masks of the tasks learned, and of the one being learned if its mask is found."""
        return Masks(self.bits, self.layout)

    @property
    def donors(self) -> list[int | None]:
        """For each task begun, the earlier one from whose mask its own started; None for a start of its own."""
        return [None if donor < 0 else donor for donor in self.record.donor.tolist()]

    @property
    def config(self) -> dict[str, Any]:
        """The hyper-parameters, by keyword; those of the initializer as a mapping."""
        initializer = None if self.initializer is None else self.initializer.config
        return super().config | {"initializer": initializer}

    @property
    def needs_classes(self) -> bool:
        """Whether it can learn labels alone: with an initializer, whose scores are of classes."""
        return self.initializer is not None

    def verify(self) -> Verification:
        """Whether the weights, mask and statistics that answer each task are, to the bit, those it was learned with.

        True if nothing was forgotten: it compares hashes taken at the end of each task with those of now.

        Example:
            >>> learner = SupSup(nn.Linear(4, 2))  # doctest: +SKIP
            >>> learner.verify()  # doctest: +SKIP
            Verification(5 of 5 tasks are answered by the bits they were learned with)
        """
        learned = (bytes(row).hex() for row in self.hashes.tolist())
        return Verification(tuple(learned), tuple(self._hash(t) for t in range(self.num_tasks)))

    def infer(
        self,
        x: Tensor,
        *,
        method: Search | None = None,
        objective: Objective | None = None,
        images: int | None = None,
    ) -> Tensor:
        """The task `(n,)` that inputs `(n, *input_shape)` seem to come from, by this or another way than its own.

        Args:
            x: the inputs; successive `images` share one decision.
            method: "one_shot", "binary", "exhaustive" or "auto".
            objective: "entropy" or "superfluous".
            images: r. What is left out is as the learner has it.

        Raises:
            ValueError: if a way does not exist, or cannot be gone with this network.
        """
        return infer(
            self,
            x,
            method=method or self.inference,
            objective=objective or self.objective,
            images=images or self.images,
            all_outputs=self._over_all,
        )

    def superposition(self) -> Superposition:
        """All masks at once over the network as it is now, for `masks.task_gradients` and its like."""
        return superposition(self, self.objective, all_outputs=self._over_all)

    def finder(self) -> Finder:
        """What finds the task of inputs by all masks at once, as `inference` says, and answers them."""
        return by_superposition(
            self, method=self.inference, objective=self.objective, images=self.images, all_outputs=self._over_all
        )

    @torch.no_grad()
    def _hash(self, t: int) -> str:
        return fingerprint(self._own(t))

    # Its life, task by task

    def _start(self) -> None:
        initial = self.net.initial(self.seed, "weights")
        self.rest.set(initial, zero=self.initialization == "signed_constant")
        kept = self.kept if self.scale_fan else None
        self.base = base_weights(self.layout, initial, self.initialization, kept=kept).to(self.device)
        self.bits, self.hashes = self.bits[:0], self.hashes[:0]
        self.own_statistics = PerTask(self.net.buffers)
        self.record, self.shares = self._new_record(), Shares(len(self.layout.sizes))
        self.statistics.reset()
        with torch.no_grad():
            self.scores.copy_(self._drawn(0))

    def attend(self, task: Task) -> None:
        """Draws the validation examples by which the best mask is chosen."""
        if self.selection:
            self.watched.attend(task, self.stream("watched", self.num_tasks))

    def _begin_mask(self, task: Task) -> None:
        """The scores with which the search for the task's mask starts: a donor's, or new ones."""
        t = self.num_tasks
        self.statistics.reset()
        self.record.begin(self.net, self._sources(), task.train, self.outputs[:t], key_seed(self.seed, "donor", t))
        own = self._first_scores(t) if self.record.last is None else self._drawn(t)
        with torch.no_grad():
            self.scores.copy_(self.record.start(own, self.masks))
        self._watch()

    def _new_record(self) -> Donors:
        return Donors(self.initializer, keep=self.keep, rule=self.rule, size=self.layout.size)

    def _first_scores(self, t: int) -> Tensor:
        """The scores with which task t begins, where no donor gives any."""
        return self._drawn(t)

    def _drawn(self, t: int) -> Tensor:
        """Random scores for task t."""
        return random_scores(self.layout, self.seed, t).to(self.device)

    def _watch(self) -> None:
        if self.selection:
            self.watched.begin(self._live())

    def _grow(self) -> None:
        self.watched.best = None
        if self.learning:
            self._watch()

    def _live(self) -> Params:
        """Everything that the current phase trains, by name."""
        return self._searched()

    def _searched(self) -> Params:
        """Everything that the search for a mask trains, by name."""
        return {"scores": self.scores} | self.statistics.values()

    def _optimizers(self, phase: Phase) -> dict[str, Optimizer]:
        return {"mask": self.descent.optimizer([self.scores], self.lr)}

    def _mask_step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        weights = masked(self.base, self.scores, self.select(self.scores), signed=self.select.signed)
        return self._descend("mask", weights, self.lr, x, y)

    def _descend(self, name: str, weights: Tensor, lr: float, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """One step on the task's loss under the maskable weights given; then a look at the validation part."""
        logits = self.net(self._with(weights, self.statistics.values()), x, training=True)
        loss = self._loss(logits, y)
        self.descent.set_step_size(self.optimizers[name], lr, self.steps, self.phase.steps)
        self.descend(name, loss)
        if self.watched.due(self.steps + 1, self.phase.steps):
            self.watched.offer(self._live(), self._answer)
        return {"loss": loss.detach()}

    def _loss(self, logits: Tensor, y: Tensor) -> Tensor:
        return self.loss(logits, y, range(logits.shape[1]) if self._over_all else self.units(self.num_tasks))

    @property
    def _over_all(self) -> bool:
        """Whether the loss runs over all outputs of the network."""
        return self.loss_over == "all" or (self.loss_over == "auto" and self.scenario == "domain")

    def _answer(self, x: Tensor) -> Tensor:
        """Of the task being learned: `(n,)` output units, or targets `(n, k)`."""
        t = self.num_tasks
        logits = self.logits(x, t)
        return logits if self.regression else torch.tensor(self.units(t), device=x.device)[logits.argmax(1)]

    @torch.no_grad()
    def _end_mask(self) -> None:
        """Commits the task's mask."""
        self.watched.give(self._searched())
        mask = self.select(self.scores).bool()
        self.record.found(mask, self.masks, self.scores)
        self.shares.found(mask, self.masks)
        self.bits = torch.cat([self.bits, pack_bits(mask)[None]])

    def _seal(self) -> None:
        """Ends the task: its statistics are its own from now on, and what answers it is hashed."""
        self.own_statistics.append(self.statistics.values())
        digest = bytes.fromhex(self._hash(self.num_tasks))
        self.hashes = torch.cat([self.hashes, self.hashes.new_tensor(list(digest))[None]])

    # What it answers

    def _with(self, weights: Tensor, statistics: Params) -> Params:
        """Every parameter and buffer of the network, from its maskable weights `(P,)`."""
        return self.layout.unpack(weights) | self.rest.values() | statistics

    @torch.no_grad()
    def _params(self, t: int) -> Params:
        return self._own(t) if t < self.num_tasks else self._with(self._current().detach(), self.statistics.values())

    def _own(self, t: int) -> Params:
        """What answers a task that is learned: W ⊙ M_t, 0 exactly outside the mask."""
        return self._with(torch.where(self.masks[t], self.base, 0.0), self.own_statistics.row(t))

    @abstractmethod
    def _current(self) -> Tensor:
        """W ⊙ M `(P,)` of the task that is being learned."""

    def _sought(self) -> Tensor:
        """W ⊙ M `(P,)` under the scores as they are."""
        return torch.where(self.select(self.scores).bool(), self.base, 0.0)

    def _sources(self) -> Chunks:
        """(a, b) → the weights and statistics of tasks a..b − 1, each `(b − a, *shape)`."""
        own = self.own_statistics.rows() if self.num_tasks else None
        return under_masks(self.base, self.masks, shared=self.rest.values(), own=own)

    @torch.no_grad()
    def stacked_params(self) -> Params:
        """The weights of all known tasks, each `(T, *shape)`: memory of T networks."""
        return super().stacked_params() if self.learning else self._sources()(0, self.num_tasks)

    @torch.no_grad()
    def starting(self, t: int) -> Params | None:
        """The base network under the mask with which task t would begin without a donor."""
        mask = self.select(self._first_scores(t)).bool()
        return self._with(torch.where(mask, self.base, 0.0), self.statistics.initial())

    def series(self) -> dict[str, Tensor]:
        """How many weights each mask holds, alone and with others; the donors; and whether all answer as learned."""
        return {
            "kept": self.shares.kept,
            "exclusive": self.shares.exclusive,
            "overlap": self.shares.overlap,
            "unchanged": torch.tensor(self.verify().holds)[:, None].double(),
            "layer_sizes": torch.tensor(self.layout.sizes).expand(len(self.bits), -1),
            **self.record.series(),
            **super().series(),
        }
