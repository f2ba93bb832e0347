"""InterContiNet: an interval for every weight, and the next task learned inside it."""

import math
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..intervals import box, elided_worst_case, margins, worst_case_logits
from ..params import Params, Stateless, pack, unpack
from ..tasks import Data, Task
from ._base import Phase, check_positive
from ._contraction import Box, ends, inside, is_inside, largest_factor
from ._interval import IntervalLearner
from ._nested_box import NestedBox
from ._point_head import PointHead
from ._target import PerTask, Statistics, own_part

__all__ = ["InterContiNet"]

WATCHED = 8  # weights whose box is kept for every task, to be drawn
WINDOW = 10  # mini-batches in the moving averages that open and close the gate
GROWTH = 1024.0  # times that the last bisection may widen what "bisection" learned; the room is the limit
PASS = 1000  # examples at once in a full pass


@final
class InterContiNet(IntervalLearner):
    """A box Θ_t of weights after every task, each inside the one before: Θ_T ⊆ … ⊆ Θ_2 ⊆ Θ_1.

    Whatever was certified over Θ_t holds for every point of it, so for every network that later tasks can make. One
    network answers all tasks, the center of the last box. A task is learned in two phases:

    - "train", the first task: the center by cross-entropy, as any network. "shift", later ones: the center moves
      inside the last box, c' = c + s r with s = tanh(ŝ), |s| < 1.
    - "contract": the radii shrink, r' = k r with k = σ(k̂) (1 − |s|), from `max_radius` in the first task and from
      what room is left in later ones, until the share τ of what the center answers right is certified: is answered
      right by every network in the box. A bisection of one factor of all radii on a full pass over the training data
      makes sure of that.

    Since |c' − c| + r' ≤ r, no step leads out of the last box; ends are float64 numbers without rounding, and every new
    box is checked against the last. In the task-incremental scenario every task has a point head of its own on the
    shared body. In the class-incremental one the worst case is over all output units from the first task on, seen or
    not, so that certificates outlive new classes. Batch-norm statistics are learned with the first task, and belong to
    what is certified from then on.

    The guarantee has its price. Where tasks share a head, the box keeps every network from answering as a later task
    that looks like an earlier one may need. On small problems little or nothing of it is learned then.

    How the radii share the room:

    - `contraction="bisection"`: ŝ, k̂ and the head go on together, from radii that serve already, to minimize
      CE(ẑ) − ν · mean log k, with ẑ the worst-case logits. Boxes come out wider by far, and rounder where it matters.
    - "gate", as published: k̂ alone minimizes CE(ẑ) while moving averages on mini-batches see less certified than τ.

    Args:
        net: the target network; its head is one linear layer.
        threshold: τ, the share of the training examples answered right that is certified over each box.
        contraction: "bisection" or "gate".
        volume: ν, the weight of the mean log of k in "bisection".
        max_radius: the largest radius, with which the first contraction begins, per coordinate.
        scale_share: the fraction of a task's epochs that contract.
        worst_case: ẑ with the last layer "elided", or from the box of "logits" as published.
        whiten: point heads after the first are learned on whitened features; the ridge, as a share of the largest
            variance. 0 for features as they are, as published.
        normalize_shift: whether s = tanh(ŝ / r), so that ŝ is a distance, or else tanh(ŝ), a share of the radius.
        normalize_scale: whether k̂ is divided by r, too.
        scale_init: k̂ where "gate" begins; σ(5) = 0.993.
        optimizer: "adam", or "sgd" without momentum.
        lr: step size for the first task's center and head.
        shift_lr: for ŝ and the heads of later tasks.
        scale_lr: for k̂.

    References:
        Wołczyk, Piczak, Wójcik, Pustelnik, Morawiecki, Tabor, Trzciński & Spurek, Continual Learning with Guarantees
        via Weight Interval Constraints, ICML 2022, PMLR 162:23897-23911, arXiv 2206.07996.

        Its settings, all with `contraction="gate"`, `worst_case="logits"`, `whiten=0` and batches of 128:

        ==================  =========  =====  ========  ========  =========  ===============  ===========
        benchmark           optimizer  lr     shift_lr  scale_lr  threshold  normalize_shift  scale_share
        ==================  =========  =====  ========  ========  =========  ===============  ===========
        MNIST, task         sgd        1      1         0.01      0.9        True             10 of 30
        MNIST, domain       sgd        1      10        0.01      0.8        True             10 of 30
        MNIST, class        adam       0.001  0.001     0.01      0.8        False            10 of 30
        FashionMNIST, task  sgd        0.001  1         0.01      0.9        True             10 of 30
        CIFAR-10            sgd        0.1    0.1       0.1       0.9        True             5 of 100
        ==================  =========  =====  ========  ========  =========  ===============  ===========

    Deviations from the published code:
        - τ is reached on a full pass over the training data, there on a moving average of mini-batches.
        - Ends are exact in float64 and the new box is clipped into the old one; there rounding may lead outside.
        - A task that needs no room leaves all of it; there radii shrink by σ(`scale_init`) with every task.
        - "bisection", elided worst cases and whitened heads, the defaults, are not in it.
        - Batch-norm statistics do not move after the first task.
        - AdamW without decay is Adam; no milestones of the step size.

    Example:
        >>> learner = InterContiNet(nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 2)), threshold=0.8)
        >>> learner.start()
        >>> learner.box.last.center.shape                             # without the head: each task has its own
        torch.Size([1040])
    """

    one_network: ClassVar[bool] = True
    recent: Tensor

    def __init__(
        self,
        net: nn.Module | Stateless,
        *,
        threshold: float = 0.9,
        contraction: Literal["bisection", "gate"] = "bisection",
        volume: float = 0.2,
        max_radius: float = 1.0,
        scale_share: float = 1 / 3,
        worst_case: Literal["elided", "logits"] = "elided",
        whiten: float = 0.01,
        normalize_shift: bool = False,
        normalize_scale: bool = False,
        scale_init: float = 5.0,
        optimizer: Literal["adam", "sgd"] = "adam",
        lr: float = 3e-3,
        shift_lr: float = 0.05,
        scale_lr: float = 0.1,
    ) -> None:
        super().__init__(net)
        check_positive(lr=lr, shift_lr=shift_lr, scale_lr=scale_lr, max_radius=max_radius)
        _check_choices(contraction, worst_case, optimizer)
        _check_shares(threshold, scale_share)
        _check_weights(volume, whiten)
        _check_head(self.net)
        self.threshold = threshold
        self.contraction = contraction
        self.volume = volume
        self.max_radius = max_radius
        self.scale_share = scale_share
        self.worst_case = worst_case
        self.whiten = whiten
        self.normalize_shift = normalize_shift
        self.normalize_scale = normalize_scale
        self.scale_init = scale_init
        self.optimizer = optimizer
        self.lr = lr
        self.shift_lr = shift_lr
        self.scale_lr = scale_lr
        self.box = NestedBox(normalize_shift=normalize_shift, normalize_scale=normalize_scale)
        self.statistics = Statistics(self.net)
        self.head = PointHead()
        self.heads = PerTask(self.net.head_names)
        self.history = PerTask(("log_volume", "factor", "certified_train", "watched"))
        self._allocate()

    # The life of a learner

    @property
    def needs_classes(self) -> bool:
        """Whether tasks of real-valued targets are refused: its boxes are contracted until they certify answers."""
        return True

    def _start(self) -> None:
        self._allocate()
        with torch.no_grad():
            self.box.center.copy_(pack(self.net.initial(self.seed, "weights"), self.body))
        self.statistics.reset()

    def _allocate(self) -> None:
        """Room for the intervals, laid end to end: all weights, but for the heads that tasks have of their own."""
        own = self.net.head_names if self.own_head else ()
        self.body = {name: shape for name, shape in self.net.shapes.items() if name not in own}
        size = sum(shape.numel() for shape in self.body.values())
        self.box.allocate(size)
        self.head.allocate({name: self.net.shapes[name] for name in own})
        self.register_buffer("recent", torch.zeros(2, WINDOW))
        self.watched = torch.randperm(size, generator=self.stream("watched"))[:WATCHED]

    def phases(self, task: Task) -> Sequence[Phase]:
        """The center moves, and then the radii shrink: "train" or "shift", and "contract"."""
        first = "shift" if self.num_tasks else "train"
        return (Phase(first, 1 - self.scale_share), Phase("contract", self.scale_share))

    @torch.no_grad()
    def _begin(self, task: Task, phase: Phase) -> None:
        if phase.name == "contract":
            self._begin_contraction(task)
        elif self.own_head:
            self.head.begin(own_part(self.net, self.seed, self.num_tasks, self.device))
            if self.num_tasks and self.whiten:
                self.head.whiten(self._features(task.train), self.whiten)

    def _begin_contraction(self, task: Task) -> None:
        """Opens the first box; and has k̂ begin where it is published to, or where radii serve already."""
        if not self.num_tasks:
            self.box.open(self.max_radius)
        self.recent.zero_()
        if self.contraction == "bisection":
            factor, _ = self._largest(task.train, self.box.moved())
            self.box.scale.fill_(math.log(max(factor, 1e-9) / max(1 - factor, 1e-3)))
        else:
            self.box.scale.fill_(self.scale_init)

    def _optimizers(self, phase: Phase) -> dict[str, Optimizer]:
        first = self.num_tasks == 0
        head = [{"params": [self.head.learned], "lr": self.lr if first else self.shift_lr}] if self.own_head else []
        scale = {"params": [self.box.scale], "lr": self.scale_lr}
        if phase.name == "train":
            groups = [{"params": [self.box.center], "lr": self.lr}, *head]
        elif phase.name == "shift":
            groups = [{"params": [self.box.shift], "lr": self.shift_lr}, *head]
        elif self.contraction == "gate":
            groups = [scale]
        else:
            shift_lr = self._first_shift_lr if first else self.shift_lr
            groups = [scale, {"params": [self.box.shift], "lr": shift_lr}, *head]
        if self.optimizer == "adam":
            return {"weights": torch.optim.Adam(groups, fused=True)}
        return {"weights": torch.optim.SGD(groups)}

    @property
    def _first_shift_lr(self) -> float:
        """The step size for ŝ in a box of radius `max_radius` that moves centers as `lr` moves weights."""
        return self.lr if self.normalize_shift else self.lr / self.max_radius

    def _step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        if self.phase.name != "contract":
            return self._fit(x, y)
        return self._widen(x, y) if self.contraction == "bisection" else self._shrink(x, y)

    @torch.no_grad()
    def _end(self, task: Task) -> None:
        last, growth = self.box.last, GROWTH if self.contraction == "bisection" else 1.0
        wanted = Box(self.box.now().center, self.box.moved().radius * growth)
        factor, share = self._largest(task.train, wanted)
        new = inside(Box(wanted.center, wanted.radius * factor), last)
        if not is_inside(new, last):
            raise RuntimeError(
                f"{self.name}: the box of task {self.num_tasks} is not inside the one before; this should not happen. "
                "Were the weights finite? Lower `lr`, `shift_lr` or `max_radius` if they were not."
            )
        if self.own_head:
            self.heads.append(self.head.params())
            self.head.end()
        self.box.set(new)
        self._take_down(new, factor * growth, share)
        self.warn_if_vacuous(self._named(new))

    def _take_down(self, new: Box, factor: float, share: float) -> None:
        """What the series tell about the task."""
        numbers = {"log_volume": new.radius.clamp(min=1e-12).log().mean(), "factor": factor, "certified_train": share}
        rows = {name: torch.as_tensor(value, device=self.device).reshape(1) for name, value in numbers.items()}
        self.history.append(rows | {"watched": torch.stack(ends(new), 1)[self.watched.to(self.device)]})

    # Steps

    def _fit(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Cross-entropy of the center: free in the first task, inside the last box in later ones."""
        first = self.phase.name == "train"
        point = self._named(self.box.center if first else self.box.moved().center) | self.head.params()
        # Batch-norm statistics are part of what is certified, so after the first task they stand still.
        logits = self.net(point, x, training=first or not self.net.buffers)
        loss = self.loss(logits, y, self._answers(self.num_tasks))
        self.descend("weights", loss)
        return {"loss": loss.detach()}

    def _widen(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Worst-case cross-entropy against volume."""
        moved = self.box.moved()
        worst, losses = self._losses(moved, self.head.params(), x, y)
        # A shift that has all of the room leaves a share of 0, which no gradient can widen.
        share = (moved.radius / self.box.radius.clamp(min=1e-30)).clamp(min=1e-30)
        self.descend("weights", worst - self.volume * share.log().mean())
        return losses

    def _shrink(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Worst-case cross-entropy while too little is certified; else nothing."""
        moved = self.box.moved()
        worst, losses = self._losses(moved, self._own(self.num_tasks), x, y, observe=True)
        certified, right = self.recent.mean(1)
        self.descend("weights", torch.where(certified < self.threshold * right, worst, worst.new_zeros(())))
        return losses

    def _losses(
        self, moved: Box, head: Params, x: Tensor, y: Tensor, *, observe: bool = False
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """CE(ẑ) `()`, differentiable, and what the step reports."""
        units = self._answers(self.num_tasks)
        worst = self._worst(self._named(moved) | head, x, y)
        with torch.no_grad():
            logits = self.net(self._named(moved.center) | head, x)
            if observe:
                self._observe(torch.stack([(margins(z, y, units) > 0).float().mean() for z in (worst, logits)]))
        loss = self.loss(worst, y, units)
        reported = {"loss": self.loss(logits, y, units), "worst": loss, "width": 2 * moved.radius.mean()}
        return loss, {name: value.detach() for name, value in reported.items()}

    def _observe(self, now: Tensor) -> None:
        """Puts the shares of a mini-batch, certified and right, in the place of those `WINDOW` steps ago."""
        self.recent[:, self.steps % WINDOW if self.steps else slice(None)] = now if self.steps else now[:, None]

    # Full passes

    def _largest(self, data: Data, wanted: Box) -> tuple[float, float]:
        """The largest factor of the radii of `wanted` that certifies enough of the data; and how much that is."""
        last, own, units = self.box.last, self._own(self.num_tasks), self._answers(self.num_tasks)

        def right(index: Tensor, answer: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
            batches = (data.take(part) for part in index.split(PASS))
            return torch.cat([margins(answer(x, y), y, units) > 0 for x, y in batches])

        def certified(factor: float, index: Tensor) -> Tensor:
            bounds = self._named(inside(Box(wanted.center, wanted.radius * factor), last)) | own
            return right(index, lambda x, y: self._worst(bounds, x, y))

        point = self._named(wanted.center) | own
        correct = right(torch.arange(len(data)), lambda x, y: self.net(point, x))
        return largest_factor(certified, correct, self.threshold)

    def _features(self, data: Data) -> Tensor:
        """The head's inputs `(n, d)` for all of the data."""
        point = self._params(self.num_tasks)
        return torch.cat([self.net.features(point, data.take(i)[0]) for i in torch.arange(len(data)).split(PASS)])

    def _worst(self, bounds: Params, x: Tensor, y: Tensor) -> Tensor:
        """ẑ `(n, k)`."""
        features, logits = self.net.both(bounds, x)
        if self.worst_case == "logits":
            return worst_case_logits(logits, y)
        weight, *bias = (bounds[name] for name in self.net.head_names)
        return elided_worst_case(features, weight, bias[0] if bias else None, y, self._answers(self.num_tasks))

    def _answers(self, t: int) -> tuple[int, ...]:
        """The output units among which task t is learned and certified."""
        outputs = self.net.shapes[self.net.head_names[0]][0]
        return tuple(range(outputs)) if self.scenario == "class" else self.outputs[t]

    # Boxes and points

    def _current(self) -> Box:
        """The box as it is now, inside the last one to the bit."""
        free = self.phase.name == "train" or not self.learning
        return self.box.last if free else self.box.now()

    def _named(self, weights: Tensor | Box) -> Params:
        """The body's weights by name, points or intervals, and the statistics."""
        if isinstance(weights, Tensor):
            return unpack(weights, self.body) | self.statistics.values()
        center, radius = unpack(weights.center, self.body), unpack(weights.radius, self.body)
        return {name: box(center[name], radius[name]) for name in self.body} | self.statistics.values()

    def _own(self, t: int) -> Params:
        """Task t's own head, without gradients; nothing where it is shared."""
        if not self.own_head:
            return {}
        return self.heads.row(t) if t < self.num_tasks else {n: v.detach() for n, v in self.head.params().items()}

    def _params(self, t: int) -> Params:
        return self._named(self._current().center) | self._own(t)

    def _bounds(self, t: int) -> Params:
        return self._named(self._current()) | self._own(t)

    def starting(self, t: int) -> Params | None:
        """The center of the last box; under a new head where tasks have their own."""
        new = own_part(self.net, self.seed, t, self.device) if self.own_head else {}
        return self._named(self.box.last.center) | {name: new[name] for name in self.net.head_names if name in new}

    def series(self) -> dict[str, Tensor]:
        """Widths; and each task's box as it was when the task ended.

        "log_volume" `(t, 1)`, the mean log radius (of at least 1e-12); "factor" `(t, 1)`, by which the last bisection
        multiplied the radii learned; "certified_train" `(t, 1)`, certified accuracy on the task's training data;
        "watched" `(t, m, 2)`, lower and upper end of a few weights.
        """
        return self.interval_series() | (self.history.rows() if self.num_tasks else {})


def _check_choices(contraction: str, worst_case: str, optimizer: str) -> None:
    if contraction not in ("bisection", "gate"):
        raise ValueError(f"expected contraction='bisection' or 'gate'; got {contraction!r}")
    if worst_case not in ("elided", "logits"):
        raise ValueError(f"expected worst_case='elided' or 'logits'; got {worst_case!r}")
    if optimizer not in ("adam", "sgd"):
        raise ValueError(f"expected optimizer='adam' or 'sgd'; got {optimizer!r}")


def _check_shares(threshold: float, scale_share: float) -> None:
    if not 0 < threshold <= 1:
        raise ValueError(f"expected threshold above 0 and at most 1, a share of the examples; got {threshold!r}")
    if not 0 < scale_share < 1:
        raise ValueError(f"expected scale_share between 0 and 1, a share of the epochs; got {scale_share!r}")


def _check_weights(volume: float, whiten: float) -> None:
    if not (volume >= 0 and whiten >= 0):
        raise ValueError(f"expected volume and whiten of at least 0; got {volume!r} and {whiten!r}")


def _check_head(net: Stateless) -> None:
    if [len(net.shapes[name]) for name in net.head_names] not in ([2], [2, 1]):
        raise ValueError(
            f"expected a head of one linear layer, to bound differences of its rows; got {net.head!r} with the weights "
            f"{list(net.head_names)}. Name the last linear layer: Stateless(module, head=...)."
        )
