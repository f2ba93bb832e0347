"""What learners of masks share: one base network, one mask of it for each task, and the proof that none has changed."""

from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from ..masks import Densities, Layout, Masks, TopK, kept_counts, pack_bits, random_scores, signed_constant
from ..masks import Threshold as AboveZero
from ..params import Params, Stateless
from ._base import Learner, check_choice
from ._target import PerTask, Statistics, undotted

__all__ = ["Initialization", "MaskLearner", "Rule"]

Rule = Literal["top_k", "threshold"]
Initialization = Literal["signed_constant", "network"]


class MaskLearner(Learner):
    """A learner whose task t is answered by W ⊙ M_t: the weights W of one network, under a mask of the task's own.

    Biases are 0, and gains of norms 1, as in the papers; batch-norm statistics belong to a task.

    Attributes:
        layout: where each maskable weight lies when all are laid end to end.
        base: W `(P,)`.
        bits: `(T, ceil(P/8))` uint8, the masks of the tasks learned.
        scores: s `(P,)`, of the task that is being learned.
    """

    one_network: ClassVar[bool] = False
    base: Tensor
    bits: Tensor

    def __init__(
        self,
        net: nn.Module | Stateless,
        *,
        rule: Rule,
        density: float,
        densities: Densities,
        initialization: Initialization,
        scale_fan: bool,
    ) -> None:
        super().__init__(net)
        check_choice("rule", rule, get_args(Rule))
        check_choice("densities", densities, get_args(Densities))
        check_choice("initialization", initialization, get_args(Initialization))
        if not 0 < density <= 1:
            raise ValueError(f"expected density above 0 and at most 1, the share of weights kept; got {density!r}")
        self.rule = rule
        self.density = density
        self.densities = densities
        self.initialization = initialization
        self.scale_fan = scale_fan
        self.layout = Layout.of(self.net)
        self.kept = kept_counts(self.layout, density, densities)
        self.select = TopK(self.layout, self.kept) if rule == "top_k" else AboveZero()
        self.scores = nn.Parameter(torch.zeros(self.layout.size))
        self.register_buffer("base", torch.zeros(self.layout.size))
        self.register_buffer("bits", torch.zeros(0, -(-self.layout.size // 8), dtype=torch.uint8))
        self.rest = Rest(self.net, self.layout)
        self.statistics = Statistics(self.net)
        self.own_statistics = PerTask(self.net.buffers)

    @property
    def masks(self) -> Masks:
        """The masks of the tasks learned."""
        return Masks(self.bits, self.layout)

    def _start(self) -> None:
        initial = self.net.initial(self.seed, "weights")
        self.rest.set(initial, zero=self.initialization == "signed_constant")
        if self.initialization == "network":
            base = self.layout.pack(initial)
        else:
            base = signed_constant(self.layout, initial, kept=self.kept if self.scale_fan else None)
        self.base = base.to(self.device)
        self.bits = self.bits[:0]
        self.own_statistics = PerTask(self.net.buffers)
        self._new_scores(0)
        self.statistics.reset()

    def _new_scores(self, t: int) -> None:
        with torch.no_grad():
            self.scores.copy_(self._drawn(t))

    def _drawn(self, t: int) -> Tensor:
        """The random scores with which task t begins."""
        return random_scores(self.layout, self.seed, t).to(self.device)

    def _keep(self, mask: Tensor) -> None:
        """Commits the task's mask."""
        self.bits = torch.cat([self.bits[: self.num_tasks], pack_bits(mask)[None]])

    def _with(self, weights: Tensor, statistics: Params) -> Params:
        """Every parameter and buffer of the network, from its maskable weights `(*batch, P)`."""
        return self.layout.unpack(weights) | self.rest.values() | statistics

    @torch.no_grad()
    def _params(self, t: int) -> Params:
        if t < self.num_tasks:
            return self._with(self.base * self.masks[t], self.own_statistics.row(t))
        return self._with(self._current(), self.statistics.values())

    def _current(self) -> Tensor:
        """W ⊙ M of the task that is being learned."""
        return self.base * self.select(self.scores)

    @torch.no_grad()
    def starting(self, t: int) -> Params | None:
        """The base network under the mask with which task t would begin."""
        return self._with(self.base * self.select(self._drawn(t)), self.statistics.initial())


class Rest(nn.Module):
    """The parameters that are not masked: biases and the like, the same for all tasks."""

    def __init__(self, net: Stateless, layout: Layout) -> None:
        super().__init__()
        self.names = tuple(name for name in net.shapes if name not in layout.shapes)
        for name in self.names:
            self.register_buffer(undotted(name), torch.zeros(net.shapes[name]))

    def set(self, initial: Params, *, zero: bool) -> None:
        """Takes their values from the network's; 0 for those called bias, if so wished."""
        for name, value in self.values().items():
            value.copy_(torch.zeros(()) if zero and name.rpartition(".")[2] == "bias" else initial[name])

    def values(self) -> Params:
        """By name."""
        return {name: self.get_buffer(undotted(name)) for name in self.names}
