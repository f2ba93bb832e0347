"""SupSup where nobody says when a task ends: a new mask is begun when no mask knows the inputs any more."""

import warnings
from typing import ClassVar, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..masks import (
    Initialization,
    Layout,
    Masks,
    Superposition,
    Threshold,
    base_weights,
    masked,
    pack_bits,
    random_scores,
    task_gradients,
)
from ..params import Params, Stateless
from ..tasks import Task
from ._base import Learner, Phase, check_choice, check_positive
from ._inference import Finder
from ._mask_inference import Objective, Search, aim, answers, check_inference, mask_finder
from ._target import PerTask, Rest, Statistics

__all__ = ["TaskFreeSupSup", "recognized"]

FORGET = 0.99  # RMSprop's: the share of a squared gradient's mean that stays
EPS = 1e-8


def recognized(slopes: Tensor, tolerance: float) -> int | None:
    """The mask that knows a batch: argmax ν of ν = softmax(−∂H/∂α); None where ν is nearly the same for all.

    Args:
        slopes: ∂H/∂α_i `(k,)`, as `masks.task_gradients` gives them.
        tolerance: ε; ν counts as the same for all if k max ν < 1 + ε.

    References:
        Wortsman et al., Supermasks in Superposition, NeurIPS 2020, §3.4.

    Example:
        >>> recognized(torch.tensor([0.0, -2.0, 0.1]), 0.125), recognized(torch.tensor([0.0, -0.1, 0.1]), 0.125)
        (1, None)
    """
    share, best = (-slopes).softmax(0).max(0)
    return None if len(slopes) * float(share) < 1 + tolerance else int(best)


@final
class TaskFreeSupSup(Learner):
    """Supermasks in superposition without task boundaries: masks over a random network, begun as they are needed.

    Every `patience` batches the learner asks all its masks, mixed in equal parts, which of them would make it surer of
    the batch: ν = softmax(−∂H/∂α) over k' = max(k, candidates) masks, those not begun yet with their random scores. If
    ν is nearly the same for all, k' max ν < 1 + ε, the inputs are new: it begins another mask. Else it goes on training
    the one that ν is largest for. Nobody says which task a batch is from, and nobody says so at test: the mask is found
    there in the same way.

    The beginning and end of tasks, which training announces, change nothing. They are noted: task t is answered by the
    mask that learned its last batches. That mask may learn other tasks later, if it takes them for its own.

    Args:
        net: the target network; every weight with two dimensions or more is masked. It should have more outputs than
            there are classes: those that are never right help to tell masks apart.
        initialization: of W: "signed_constant", ± sqrt(2 / fan_in), or the "network"'s own.
        budget: how many masks there may be; each takes 32 bits a weight, for its scores. Beyond it the mask most likely
            goes on learning, with a warning.
        patience: batches between two decisions. So many must be enough for a new mask to know its inputs, or the next
            decision begins another; and so many of a new task's batches at most reach the mask of the one before.
        candidates: how many masks are asked at least.
        tolerance: ε; more begins masks more readily.
        inference: how the mask is found at test: "one_shot", "binary", "exhaustive" or "auto", see `SupSup`.
        objective: what is small there for the right mask: "entropy", or the energy of "superfluous" units.
        images: inputs that share a decision there.
        lr: step size for scores, of RMSprop; its means begin anew when another mask is trained, and only then.

    References:
        Wortsman et al., Supermasks in Superposition, NeurIPS 2020, arXiv 2006.14769, §3.4: scenario NNs.

    Deviations from the published code:
        - Beyond the budget the most likely mask is trained; there such batches are skipped.
        - Where ν is largest for a mask that was never trained, the next mask is begun; there that one is trained.
        - RMSprop's means begin anew with each change of the mask.
        - Dropout is off while masks are asked.

    Example:
        >>> learner = TaskFreeSupSup(nn.Linear(64, 100), patience=50)
        >>> learner.start()
        >>> learner.num_masks, learner.masks
        (1, Masks(1 tasks, 6400 weights, density 0.516))
    """

    one_network: ClassVar[bool] = False
    base: Tensor
    average: Tensor
    shelf: Tensor
    active: Tensor
    batches: Tensor
    task_of_mask: Tensor
    mask_of_task: Tensor
    allocated: Tensor

    def __init__(
        self,
        net: nn.Module | Stateless,
        *,
        initialization: Initialization = "signed_constant",
        budget: int = 100,
        patience: int = 100,
        candidates: int = 5,
        tolerance: float = 0.125,
        inference: Search = "auto",
        objective: Objective = "entropy",
        images: int = 1,
        lr: float = 1e-4,
    ) -> None:
        super().__init__(net)
        check_choice("initialization", initialization, ("signed_constant", "network"))
        check_positive(budget=budget, patience=patience, candidates=candidates, tolerance=tolerance, lr=lr)
        check_inference(inference, objective, images)
        self.initialization = initialization
        self.budget = budget
        self.patience = patience
        self.candidates = candidates
        self.tolerance = tolerance
        self.inference = inference
        self.objective = objective
        self.images = images
        self.lr = lr
        self.layout = Layout.of(self.net)
        self.select = Threshold()
        size = self.layout.size
        self.scores = nn.Parameter(torch.zeros(size))
        self.register_buffer("base", torch.zeros(size))
        self.register_buffer("average", torch.zeros(size))
        self.register_buffer("shelf", torch.zeros(0, size))
        for name in ("active", "batches"):
            self.register_buffer(name, torch.zeros((), dtype=torch.int64))
        for name in ("task_of_mask", "mask_of_task", "allocated"):
            self.register_buffer(name, torch.zeros(0, dtype=torch.int64))
        self.rest = Rest(self.net, self.layout)
        self.statistics = Statistics(self.net)
        self.own_statistics = PerTask(self.net.buffers)
        self._count: int | None = None
        self._warned = False

    # Its life

    @property
    def needs_classes(self) -> bool:
        """It tells masks apart by how sure they are of a class."""
        return True

    def _start(self) -> None:
        initial = self.net.initial(self.seed, "weights")
        self.rest.set(initial, zero=self.initialization == "signed_constant")
        self.base = base_weights(self.layout, initial, self.initialization).to(self.device)
        self.shelf = self.shelf[:0]
        self.own_statistics = PerTask(self.net.buffers)
        for name in ("task_of_mask", "mask_of_task", "allocated"):
            setattr(self, name, self.get_buffer(name)[:0])
        self.batches.zero_()
        self._count, self._warned = None, False
        self._allocate()

    def _begin(self, task: Task, phase: Phase) -> None:
        """Nothing: it is not told."""

    def _optimizers(self, phase: Phase) -> dict[str, Optimizer]:
        return {}  # one made anew for each task would tell where tasks begin

    def _step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        if self._count is None:  # after a start or a restored state; a device need not be waited for in other steps
            self._count = int(self.batches)
        if self._count and self._count % self.patience == 0:
            self._decide(x)
        self._count += 1
        self.batches += 1
        weights = masked(self.base, self.scores, self.select(self.scores), signed=self.select.signed)
        logits = self.net(self._with(weights, self.statistics.values()), x, training=True)
        loss = self.loss(logits, y, range(logits.shape[1]))
        self._descend(loss)
        return {"loss": loss.detach()}

    def _descend(self, loss: Tensor) -> None:
        """RMSprop: s ← s − η g / (√v + 1e-8) with v ← 0.99 v + 0.01 g²."""
        (g,) = torch.autograd.grad(loss, [self.scores])
        with torch.no_grad():
            self.average.mul_(FORGET).addcmul_(g, g, value=1 - FORGET)
            self.scores.addcdiv_(g, self.average.sqrt().add_(EPS), value=-self.lr)

    def _end(self, task: Task) -> None:
        self.mask_of_task = torch.cat([self.mask_of_task, self.active[None]])
        self.allocated = torch.cat([self.allocated, torch.full_like(self.active, self.num_masks)[None]])

    # Its masks

    @property
    def num_masks(self) -> int:
        """k, how many masks are begun."""
        return len(self.shelf)

    @property
    def masks(self) -> Masks:
        """All masks begun, in the order in which they were."""
        return Masks(pack_bits(self._scores() >= 0), self.layout)

    @torch.no_grad()
    def _scores(self) -> Tensor:
        """Of all masks `(k, P)`."""
        return self.shelf.index_copy(0, self.active[None], self.scores[None])

    def _drawn(self, i: int) -> Tensor:
        """The random scores with which mask i begins."""
        return random_scores(self.layout, self.seed, i).to(self.device)

    @torch.no_grad()
    def _decide(self, x: Tensor) -> None:
        """Trains the mask that knows a batch from now on, or another one if none does."""
        self._put_back()
        k = self.num_masks
        untrained = [self._drawn(i) for i in range(k, self.candidates)]
        best = recognized(
            self._slopes(torch.cat([self.shelf, *(scores[None] for scores in untrained)]), x), self.tolerance
        )
        if best is not None and best < k:
            self._take(best)
        elif k < self.budget:
            self._allocate()
        else:
            self._warn()
            self._take(int(self._slopes(self.shelf, x).argmin()))

    def _slopes(self, scores: Tensor, x: Tensor) -> Tensor:
        """∂H/∂α `(k,)` of a batch, for the masks of the scores `(k, P)` in equal parts."""
        return task_gradients(self._mixture(Masks(pack_bits(scores >= 0), self.layout), "entropy"), x[None])[0]

    def _mixture(self, masks: Masks, objective: Objective) -> Superposition:
        rest = self.rest.values() | self.statistics.values()
        return Superposition(self.net, self.base, masks, rest, aim(objective, self.seen_units, self.device))

    def _put_back(self) -> None:
        """Keeps what the mask in training has become."""
        self.shelf[self.active] = self.scores
        for name, rows in self.own_statistics.rows().items():
            rows[self.active] = self.statistics.values()[name]

    @torch.no_grad()
    def _take(self, i: int) -> None:
        """Trains mask i from now on."""
        self.task_of_mask[i] = self.num_tasks
        if i != int(self.active):
            self._load_mask(i)

    @torch.no_grad()
    def _allocate(self) -> None:
        """Begins a mask."""
        self.shelf = torch.cat([self.shelf, self._drawn(self.num_masks)[None]])
        self.own_statistics.append(self.statistics.initial())
        self.task_of_mask = torch.cat([self.task_of_mask, torch.full_like(self.active, self.num_tasks)[None]])
        self._load_mask(self.num_masks - 1)

    def _load_mask(self, i: int) -> None:
        self.scores.copy_(self.shelf[i])
        self.average.zero_()
        self.statistics.set(self.own_statistics.row(i))
        self.active.fill_(i)

    def _warn(self) -> None:
        if not self._warned:
            warnings.warn(
                f"no mask knows the inputs of batch {self._count}, and all {self.budget} masks are begun: the most "
                "likely one learns them too, and may forget what it knew. Raise `budget` (or `tolerance`).",
                RuntimeWarning,
                stacklevel=2,
            )
        self._warned = True

    # What it answers

    def _with(self, weights: Tensor, statistics: Params) -> Params:
        return self.layout.unpack(weights) | self.rest.values() | statistics

    @torch.no_grad()
    def _under(self, i: int) -> Params:
        """The network under mask i."""
        if i == int(self.active):
            return self._with(torch.where(self.scores >= 0, self.base, 0.0), self.statistics.values())
        return self._with(torch.where(self.shelf[i] >= 0, self.base, 0.0), self.own_statistics.row(i))

    def _params(self, t: int) -> Params:
        return self._under(int(self.mask_of_task[t] if t < self.num_tasks else self.active))

    def starting(self, t: int) -> Params | None:
        """The mask in training: a task to come begins with it, until the next decision."""
        return self._under(int(self.active))

    def finder(self) -> Finder:
        """Finds the mask of inputs, and with it the task in which that mask was last chosen for training.

        The answer is any unit seen so far: no mask is told which classes are its own.
        """
        every = self._mixture(self.masks, self.objective)
        rows = {name: torch.stack([self._under(i)[name] for i in range(self.num_masks)]) for name in self.net.buffers}
        find = mask_finder(every, self.inference, self.images, own=rows)
        units = self.seen_units

        def answer(x: Tensor) -> tuple[Tensor, Tensor]:
            which = find(x)
            return self.task_of_mask[which], answers(self.net, x, which, self._under, lambda i: units)

        return answer

    def series(self) -> dict[str, Tensor]:
        """How many masks there were after each task, and which one learned its last batches."""
        return {"allocated": self.allocated[:, None], "mask_of_task": self.mask_of_task[:, None]} | super().series()
